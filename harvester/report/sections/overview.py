"""The first thing that is read: how it went, in plain words and a few large numbers, and what was asked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ...formatting import count, duration, plain_line, plural, size
from ..data.report_data import ReportData
from ..html import Child, Markup, definitions, element, joined
from ..svg import percent

TONES: Mapping[int | None, str] = {0: "good", 3: "care", 4: "care", 129: "care", 130: "care", 143: "care"}
SIGNS = {"good": "✓", "care": "!", "bad": "✕"}


def moment(seconds: float | None) -> str:
    """``2026-11-22 21:30 UT``, and nothing for nothing."""
    if not seconds:
        return ""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UT"


def tone(material: ReportData) -> str:
    """How it went, in one of three words that style.css knows."""
    summary = material.record.summary
    if not material.record.farewell_said:
        return "care"
    return TONES.get(summary.get("exit_code"), "bad")


def headline(material: ReportData) -> str:
    """Complete, or what is missing."""
    summary = material.record.summary
    listed, failed, remaining = (int(summary.get(name, 0)) for name in ("listed", "failed", "remaining"))
    have = listed - failed - remaining
    if not listed:
        return "The catalog lists no spectra."
    if have == listed:
        return (
            f"Complete: {'the one spectrum' if listed == 1 else f'all {count(listed)} spectra'} on disk and verified."
        )
    missing = [plural(failed, "failed", "failed")] if failed else []
    missing += [f"{count(remaining)} still to be asked for"] if remaining else []
    return f"{count(have)} of {count(listed)} spectra on disk; {' and '.join(missing)}."


def why(material: ReportData) -> str:
    """How it ended, in one sentence."""
    books, summary = material.record, material.record.summary
    if not books.farewell_said:
        return (
            "The run has not said goodbye: it goes on, or it was killed. What is on disk is whole, and the same "
            "command goes on where it stopped."
        )
    if summary.get("exit_code") == 0 and not summary.get("saved"):
        return "There was nothing to do: every spectrum was on disk already, and the archive was not asked."
    code = summary["exit_code"]
    reason = plain_line(str(summary.get("reason", "")), 300)
    return "Every file passed three proofs: structure, identity, science." if code == 0 else f"The run ended: {reason}."


def opening(material: ReportData) -> Markup:
    """Headline, the bar of what became of the list, and the large numbers."""
    books = material.record
    now = tone(material)
    sign = element("span", SIGNS[now], class_=f"sign {now}", aria_hidden="true")
    return element(
        "header",
        element("p", f"harvester report, run {books.run}", class_="eyebrow"),
        element("h1", sign, " ", _unbroken(headline(material))),
        element("p", why(material), class_="lead"),
        _progress(books.summary),
        element("div", *_tiles(material), class_="tiles"),
        _later(material),
    )


def _unbroken(words: str) -> str:
    """A number stays on one line: ``13 334``."""
    return re.sub(r"(?<=\d) (?=\d)", "\u00a0", words)


def _later(material: ReportData) -> Child:
    later = material.record.later
    if not later:
        return None
    words = (
        f"{plural(len(later), 'run')} came after this one. What is on disk, and what is missing, is told as it is now."
    )
    return element("p", words, class_="note")


def _progress(summary: Mapping[str, Any]) -> Child:
    """One bar: had before, new, failed, to go; each also in words below."""
    parts = [
        ("before", "here before", int(summary.get("present", 0))),
        ("new", "new", int(summary.get("saved", 0))),
        ("failed", "failed", int(summary.get("failed", 0))),
        ("open", "to go", int(summary.get("remaining", 0))),
    ]
    total = sum(number for _, _, number in parts)
    if not total:
        return None
    drawn, keys, at = [], [], 0.0
    for name, word, number in parts:
        share = number / total
        if number:
            seen = max(share, 0.004)  # one in a million is still seen
            place = {"x": percent(min(at, 1 - seen)), "width": percent(seen)}
            drawn.append(element("rect", class_=f"bar {name}", height="18", **place))
            keys.append(element("li", element("span", class_=f"key {name}"), f" {count(number)} {word}"))
        at += share
    told = ", ".join(f"{count(number)} {word}" for _, word, number in parts if number)
    words = element("title", "What became of the catalog"), element("desc", told)
    bar = element("svg", *words, drawn, class_="progress", role="img", width="100%", height="18")
    return joined(bar, element("ul", keys, class_="legend"))


def _tiles(material: ReportData) -> list[Markup]:
    summary, survey = material.record.summary, material.survey
    seconds = float(summary.get("seconds") or 0)
    pace = material.record.politeness.get("average_per_second")
    rate = f"{pace:.3g} a second" if pace else ""
    tiles = [
        ("spectra on disk", count(survey.stored), size(survey.bytes)),
        ("new in this run", count(summary.get("saved", 0)), f"{size(summary.get('bytes', 0))} received"),
        ("not had", count(len(material.record.failures)), "the reasons are below" if material.record.failures else ""),
        ("requests", count(summary.get("requests", 0)), rate),
        ("time", duration(seconds), _hours(material)),
    ]
    return [
        element(
            "div",
            element("p", name, class_="what"),
            element("p", value, class_="number"),
            element("p", more or "\u00a0", class_="more"),
            class_="tile",
        )
        for name, value, more in tiles
    ]


def _hours(material: ReportData) -> str:
    record = material.record.record
    return moment(record.started) if record else ""


ALWAYS = {
    "catalog": ("catalog", "the archive's own list"),
    "fluxcalib": ("FLUXCALIB", "none: as the archive serves them"),
    "band": ("BAND", "none: whole spectra"),
    "format": ("FORMAT", "none: as the archive serves them"),
}
"""What is told even where nothing was asked, and what that means."""
NAMES = {
    "limit": "at most, in this run",
    "only_failed": "only what failed before",
    "window": "hours",
    "deadline": "deadline",
    "contact": "contact, told to the archive",
    "out": "folder",
}


def asked(material: ReportData) -> Child:
    """What was asked of whom, and within which limits."""
    chosen = material.record.asked
    if not chosen:
        return element("p", "The run's config.toml is gone, so nobody knows what was asked.", class_="note")
    named = plain_line(str(chosen.get("archive", "")), 200)
    rows = [("archive", named if material.archive == named else f"{plain_line(material.archive, 200)} ({named})")]
    rows += [(name, _shown(key, chosen[key]) if _said(chosen.get(key)) else no) for key, (name, no) in ALWAYS.items()]
    rows += [(name, _shown(key, chosen[key])) for key, name in NAMES.items() if _said(chosen.get(key))]
    return definitions([*rows, *_limits(chosen.get("limits"))])


def _limits(limits: object) -> list[tuple[str, str]]:
    told = limits if isinstance(limits, Mapping) else {}
    rate = f"{told['rate']:g} requests a second at most" if told.get("rate") else "no limit"
    return [
        ("rate", rate),
        ("concurrency", f"{told.get('concurrency', '?')} requests at once at most"),
        ("attempts", f"{told.get('attempts', '?')} for each spectrum at most"),
    ]


def _said(value: object) -> bool:
    return value not in (None, "", "none", False)


def _shown(key: str, value: object) -> str:
    return "yes" if value is True else plain_line(f"{value}{' m' if key == 'band' else ''}", 300)

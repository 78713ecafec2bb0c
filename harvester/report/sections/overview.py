"""The top of the page: the result, a few large numbers, and what was requested."""

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
    """Return ``2026-11-22 21:30 UT``, and '' for None."""
    if not seconds:
        return ""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UT"


def tone(data: ReportData) -> str:
    """Return the result as one of the three classes of style.css."""
    summary = data.record.summary
    if not data.record.ended or (data.unsound and summary.get("exit_code") == 0):
        return "care"
    return TONES.get(summary.get("exit_code"), "bad")


def headline(data: ReportData) -> str:
    """Return the headline: complete, or how many are missing."""
    summary = data.record.summary
    listed, failed, remaining = (int(summary.get(name, 0)) for name in ("listed", "failed", "remaining"))
    refresh = _refresh(summary)
    if not listed:
        return "The catalog lists no spectra."
    if refresh:
        have = max(0, int(summary.get("on_disk", 0)) - data.unsound)
        refresh += f"; {count(data.unsound)} gone or damaged since" if data.unsound else ""
        whole = plural(listed, "spectrum", "spectra")
        return f"{f'All {whole}' if have == listed else f'{count(have)} of {whole}'} on disk; {refresh}."
    have = max(0, listed - failed - remaining - data.unsound)
    if have == listed:
        return (
            f"Complete: {'the one spectrum' if listed == 1 else f'all {count(listed)} spectra'} on disk and verified."
        )
    missing = [plural(failed, "failed", "failed")] if failed else []
    missing += [f"{count(remaining)} not yet requested"] if remaining else []
    missing += [f"{count(data.unsound)} gone or damaged since"] if data.unsound else []
    return f"{count(have)} of {plural(listed, 'spectrum', 'spectra')} on disk; {' and '.join(missing)}."


def _refresh(summary: Mapping[str, Any]) -> str:
    """Return how far the refresh is, over all runs of it; empty if the run was none."""
    now, before, wanted, left = (
        int(summary.get(name) or 0) for name in ("refreshed", "refreshed_before", "to_refresh", "refresh_left")
    )
    if not wanted + before:
        return ""
    remaining = f", {count(left)} left for another run" if left else ""
    return f"{count(now + before)} of them refreshed{remaining}"


def how_it_ended(data: ReportData) -> str:
    """Return how the run ended, in one sentence."""
    record, summary = data.record, data.record.summary
    if not record.ended:
        return (
            "The run is still active or was killed. The files on disk are complete, and the same command resumes "
            "where it stopped."
        )
    if summary.get("exit_code") == 0 and not summary.get("saved"):
        return "There was nothing to do: every spectrum was on disk already, and no request was sent."
    code = summary["exit_code"]
    reason = plain_line(str(summary.get("reason", "")), 300)
    return "Every file passed all checks: structure, identity, science." if code == 0 else f"The run ended: {reason}."


def opening(data: ReportData) -> Markup:
    """Return the headline, the progress bar and the large numbers."""
    record = data.record
    result = tone(data)
    sign = element("span", SIGNS[result], class_=f"sign {result}", aria_hidden="true")
    return element(
        "header",
        element("p", f"harvester report, run {record.run}", class_="eyebrow"),
        element("h1", sign, " ", _unbroken(headline(data))),
        element("p", how_it_ended(data), class_="lead"),
        _progress(record.summary),
        element("div", *_tiles(data), class_="tiles"),
        _later(data),
    )


def _unbroken(text: str) -> str:
    """Return ``text`` with numbers that stay on one line: ``13 334``."""
    return re.sub(r"(?<=\d) (?=\d)", "\u00a0", text)


def _later(data: ReportData) -> Child:
    later = data.record.later
    if not later:
        return None
    text = f"{plural(len(later), 'run')} came later. Stored and missing spectra are shown as they are now."
    return element("p", text, class_="note")


def _progress(summary: Mapping[str, Any]) -> Child:
    """Return one bar: stored before, new, failed, remaining; each also as text below."""
    parts = [
        (
            "before",
            "stored and not requested" if _refresh(summary) else "stored before",
            int(summary.get("present", 0)),
        ),
        ("new", "refreshed or new" if _refresh(summary) else "new", int(summary.get("saved", 0))),
        ("failed", "failed", int(summary.get("failed", 0))),
        ("open", "remaining", int(summary.get("remaining", 0))),
    ]
    total = sum(number for _, _, number in parts)
    if not total:
        return None
    drawn, keys, at = [], [], 0.0
    for name, word, number in parts:
        share = number / total
        if number:
            width = max(share, 0.004)  # one in a million is still visible
            box = {"x": percent(min(at, 1 - width)), "width": percent(width)}
            drawn.append(element("rect", class_=f"bar {name}", height="18", **box))
            keys.append(element("li", element("span", class_=f"key {name}"), f" {count(number)} {word}"))
        at += share
    text = ", ".join(f"{count(number)} {word}" for _, word, number in parts if number)
    title, description = element("title", "Spectra of the catalog"), element("desc", text)
    bar = element("svg", title, description, drawn, class_="progress", role="img", width="100%", height="18")
    return joined(bar, element("ul", keys, class_="legend"))


def _tiles(data: ReportData) -> list[Markup]:
    summary, sample = data.record.summary, data.sample
    seconds = float(summary.get("seconds") or 0)
    average = data.record.politeness.get("average_per_second")
    rate = f"{average:.3g} per second" if average else ""
    missing = len(data.record.failures) + sample.waiting
    tiles = [
        ("spectra on disk", count(sample.stored), size(sample.bytes)),
        (
            "refreshed or new" if _refresh(summary) else "new in this run",
            count(summary.get("saved", 0)),
            f"{size(summary.get('bytes', 0))} received",
        ),
        ("missing", count(missing), "the reasons are below" if missing else ""),
        ("requests", count(summary.get("requests", 0)), rate),
        ("time", duration(seconds), _hours(data)),
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


def _hours(data: ReportData) -> str:
    record = data.record.ledger_run
    return moment(record.started) if record else ""


ALWAYS = {
    "catalog": ("catalog", "the archive's own list"),
    "fluxcalib": ("FLUXCALIB", "none: as the archive serves them"),
    "band": ("BAND", "none: whole spectra"),
    "format": ("FORMAT", "none: as the archive serves them"),
}
"""Settings that are shown even where they are not set, and what that means."""
NAMES = {
    "limit": "at most, in this run",
    "only_failed": "only spectra that failed before",
    "window": "hours",
    "deadline": "deadline",
    "contact": "contact, sent to the archive",
    "out": "folder",
}


def requested(data: ReportData) -> Child:
    """Return what was requested of which archive, and within which limits."""
    chosen = data.record.settings
    if not chosen:
        return element("p", "The run's config.toml is missing: request parameters unknown.", class_="note")
    named = plain_line(str(chosen.get("archive", "")), 200)
    rows = [("archive", named if data.archive == named else f"{plain_line(data.archive, 200)} ({named})")]
    rows += [
        (name, _format(key, chosen[key]) if _is_set(chosen.get(key)) else no) for key, (name, no) in ALWAYS.items()
    ]
    rows += [(name, _format(key, chosen[key])) for key, name in NAMES.items() if _is_set(chosen.get(key))]
    return definitions([*rows, *_limits(chosen.get("limits"))])


def _limits(limits: object) -> list[tuple[str, str]]:
    known = limits if isinstance(limits, Mapping) else {}
    rate = f"{known['rate']:g} requests per second at most" if known.get("rate") else "no limit"
    return [
        ("rate", rate),
        ("concurrency", f"{known.get('concurrency', '?')} at once at most"),
        ("attempts", f"{known.get('attempts', '?')} for each spectrum at most"),
    ]


def _is_set(value: object) -> bool:
    return value not in (None, "", "none", False)


def _format(key: str, value: object) -> str:
    return "yes" if value is True else plain_line(f"{value}{' m' if key == 'band' else ''}", 300)

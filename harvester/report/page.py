"""Assemble the page: one HTML file that needs no other file."""

from __future__ import annotations

import base64
import hashlib
import time
from importlib.resources import files
from pathlib import Path

from ..palette import DARK, LIGHT, css_variables
from ..storage.atomic import atomic_write
from ..storage.interface import Store
from .data.early_sample import EarlySample
from .data.report_data import ReportData, gather
from .data.run_record import folder_of
from .html import Child, Markup, element, joined
from .sections.coverage import coverage
from .sections.gallery import quarantined, unusual, usual
from .sections.integrity import provenance, sizes, verify_and_cite
from .sections.label_checks import label_issues
from .sections.missing import missing
from .sections.overview import headline, opening, requested
from .sections.politeness import politeness
from .sections.stacked_spectra import TITLE, stacked_spectra
from .sections.timeline import timeline_section

ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath d='M1 11h4l2-8 2 8h6' "
    "fill='none' stroke='%23d55e00' stroke-width='2'/%3E%3C/svg%3E"
)


def page(data: ReportData) -> bytes:
    """Return the whole file, UTF-8."""
    style = stylesheet()
    sections = [
        ("spectra", TITLE, stacked_spectra(data)),
        ("requested", "What was requested", requested(data)),
        ("missing", "Missing spectra and reasons", missing(data)),
        ("timeline", "Timeline", timeline_section(data)),
        ("politeness", "Politeness report", politeness(data)),
        ("usual", "Spectra by label", usual(data)),
        ("unusual", "The most unusual", unusual(data)),
        ("coverage", "Coverage", coverage(data)),
        ("labels", "Label checks", label_issues(data)),
        ("quarantine", "Quarantine", quarantined(data)),
        ("sizes", "Sizes and digests", sizes(data)),
        ("provenance", "Provenance", provenance(data)),
        ("cite", "Verify and cite", verify_and_cite(data)),
    ]
    body = element(
        "body",
        _patterns(),
        opening(data),
        element("nav", [element("a", title, href=f"#{key}") for key, title, _ in sections], aria_label="Contents"),
        element("main", [_section(*one) for one in sections]),
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy(style)),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", f"{headline(data)} Run {data.record.run}"),
        element("link", rel="icon", href=ICON),
        element("style", Markup(style)),
    )
    text = joined(Markup("<!doctype html>"), element("html", head, body, lang="en"), Markup("\n"))
    return text.encode("utf-8", "replace")


def _section(key: str, title: str, content: Child) -> Markup:
    return element("section", element("h2", title, id=f"{key}-title"), content, id=key, aria_labelledby=f"{key}-title")


def _patterns() -> Markup:
    """Return the hatching of a pause, so that it does not differ by its colour alone."""
    stripe = element("path", d="M-2 8L8 -2M0 14L14 0", class_="stripe")
    pattern = element("pattern", stripe, id="hatch", width="6", height="6", patternUnits="userSpaceOnUse")
    return element("svg", element("defs", pattern), width="0", height="0", class_="hidden", aria_hidden="true")


def stylesheet() -> str:
    """Return the colours of the light and the dark page, and style.css."""
    shared = (files(__package__) / "style.css").read_text(encoding="utf-8")
    light, dark = css_variables(LIGHT), css_variables(DARK)
    return f":root{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n{shared}"


def policy(style: str) -> str:
    """Return a policy by which nothing is loaded and no script runs.

    The stylesheet is allowed by its digest.
    """
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"


def report_file(store: Store, run: str) -> Path:
    """Return where a run's report is kept."""
    return folder_of(store, run).report


def write_report(store: Store, run: str, most: int, early: EarlySample | None = None, digest: str = "") -> Path:
    """Write the report of ``run`` into its folder, over at most ``most`` spectra.

    ``early``: what was read during the run; ``digest``: of SHA256SUMS, where it is known. StoreError if writing fails.
    """
    path = report_file(store, run)
    write_page(path, page(gather(store, run, time.time(), most=most, early=early, digest=digest)))
    return path


def write_page(path: Path, content: bytes) -> None:
    """Write the page atomically. StoreError if it cannot be written."""
    with atomic_write(path) as part:
        part.write_bytes(content)

"""The page: one HTML file that needs nothing but itself."""

from __future__ import annotations

import base64
import hashlib
import time
from dataclasses import fields
from importlib.resources import files
from pathlib import Path

from ..palette import DARK, LIGHT, Colours
from ..storage.atomic import atomic_write
from ..storage.interface import Store
from .data.report_data import ReportData, gather
from .data.run_record import folder_of
from .html import Child, Markup, element, joined
from .sections.coverage import extent
from .sections.gallery import quarantined, unusual, usual
from .sections.integrity import care, provenance, sizes
from .sections.label_checks import doubts
from .sections.missing import absent
from .sections.overview import asked, headline, opening
from .sections.politeness import receipt
from .sections.stacked_spectra import panorama
from .sections.timeline import traffic

ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath d='M1 11h4l2-8 2 8h6' "
    "fill='none' stroke='%23d55e00' stroke-width='2'/%3E%3C/svg%3E"
)


def page(material: ReportData) -> bytes:
    """The whole file, UTF-8."""
    style = stylesheet()
    sections = [
        ("look", "Every spectrum at one look", panorama(material)),
        ("asked", "What was asked", asked(material)),
        ("missing", "What is not there, and why", absent(material)),
        ("night", "The night", traffic(material)),
        ("receipt", "Politeness receipt", receipt(material)),
        ("usual", "Spectra", usual(material)),
        ("unusual", "The most unusual", unusual(material)),
        ("coverage", "Coverage", extent(material)),
        ("labels", "Do the labels make sense?", doubts(material)),
        ("quarantine", "Set aside", quarantined(material)),
        ("sizes", "Sizes and digests", sizes(material)),
        ("provenance", "Where it comes from", provenance(material)),
        ("care", "To verify and to cite", care(material)),
    ]
    body = element(
        "body",
        _patterns(),
        opening(material),
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
        element("title", f"{headline(material)} Run {material.record.run}"),
        element("link", rel="icon", href=ICON),
        element("style", Markup(style)),
    )
    text = joined(Markup("<!doctype html>"), element("html", head, body, lang="en"), Markup("\n"))
    return text.encode("utf-8", "replace")


def _section(key: str, title: str, content: Child) -> Markup:
    return element("section", element("h2", title, id=f"{key}-title"), content, id=key, aria_labelledby=f"{key}-title")


def _patterns() -> Markup:
    """What hatches a pause, so that it is told by more than its colour."""
    stripe = element("path", d="M-2 8L8 -2M0 14L14 0", class_="stripe")
    pattern = element("pattern", stripe, id="hatch", width="6", height="6", patternUnits="userSpaceOnUse")
    return element("svg", element("defs", pattern), width="0", height="0", class_="hidden", aria_hidden="true")


def stylesheet() -> str:
    """The colours of both grounds, and style.css."""
    shared = (files(__package__) / "style.css").read_text(encoding="utf-8")
    light, dark = _variables(LIGHT), _variables(DARK)
    return f":root{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n{shared}"


def _variables(colours: Colours) -> str:
    return "".join(f"--{field.name}:{getattr(colours, field.name)};" for field in fields(colours))


def policy(style: str) -> str:
    """Nothing is loaded from anywhere, nothing runs; the one stylesheet is known by its digest."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"


def report_file(store: Store, run: str) -> Path:
    """Where a run's report is kept."""
    return folder_of(store, run).report


def write_report(store: Store, run: str, most: int) -> Path:
    """The report of ``run`` in the run's own folder, over at most ``most`` spectra. StoreError if it cannot be made."""
    path = report_file(store, run)
    write_page(path, page(gather(store, run, time.time(), most=most)))
    return path


def write_page(path: Path, content: bytes) -> None:
    """Nobody ever reads half of it. StoreError if it cannot be written."""
    with atomic_write(path) as part:
        part.write_bytes(content)

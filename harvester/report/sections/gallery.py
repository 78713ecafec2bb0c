"""The gallery: small pictures of spectra, with H-alpha marked."""

from __future__ import annotations

from collections.abc import Sequence

from ...formatting import are, count, plain_line, plural
from ...storage.run_folder import QUARANTINE_PATH
from ..data.gallery import LEAST, MEANING, Picture
from ..data.report_data import ReportData
from ..html import Child, Markup, element
from ..svg import short, spectrum


def usual(data: ReportData) -> Child:
    """Return a few spectra of each label."""
    gallery = data.gallery
    shown = [[element("h3", _label(label, data)), _wall(pictures)] for label, pictures in gallery.usual if pictures]
    rest = gallery.labels - len(gallery.usual)
    if not shown:
        return element("p", "No spectrum is stored yet.", class_="note")
    return [shown, element("p", f"and {plural(rest, 'more label')}", class_="note") if rest > 0 else None]


def _label(label: str, data: ReportData) -> str:
    number = data.sample.by_label.get(label, 0)
    named = f"Label {plain_line(data.labelling.named(label), 60)}" if label else "Without a label"
    return f"{named}: {plural(number, 'spectrum', 'spectra')}"


def unusual(data: ReportData) -> Child:
    """Return the spectra that are farthest from their label's median."""
    gallery = data.gallery
    if not gallery.unusual:
        text = f"No label has {LEAST} spectra that reach 40 Å beyond Hα; the comparison needs as many."
        return element("p", text, class_="note")
    compared = plural(gallery.compared, "spectrum was", "spectra were")
    return [element("p", f"{MEANING} {compared} compared."), _wall(gallery.unusual)]


def quarantined(data: ReportData) -> Child:
    """Return the quarantined bodies, which are no part of the data."""
    gallery = data.gallery
    if not gallery.in_quarantine:
        return element("p", "The quarantine is empty.")
    rest = gallery.in_quarantine - len(gallery.quarantined)
    more = (
        f" {plural(len(gallery.quarantined), 'is', 'are')} shown; {count(rest)} more {are(rest)} there."
        if rest > 0
        else ""
    )
    text = (
        f"{plural(gallery.in_quarantine, 'body', 'bodies')} failed a check and were kept in {QUARANTINE_PATH}. "
        f"Bodies of spectra that are still missing come first; the other spectra were stored later.{more}"
    )
    return [element("p", text), _wall(gallery.quarantined)]


def _wall(pictures: Sequence[Picture]) -> Markup:
    return element("div", [_picture(picture) for picture in pictures], class_="wall")


def _picture(picture: Picture) -> Markup:
    drawn = picture.curve
    view = (
        spectrum(drawn, picture.title or picture.name)
        if drawn
        else element("p", picture.reason or "no curve can be drawn", class_="trouble")
    )
    flux = f"flux {short(drawn.low)} to {short(drawn.high)}" if drawn else ""
    outside = "Hα outside" if drawn and drawn.mark is None else ""
    details = "; ".join(part for part in (picture.details, flux, outside) if part)
    small = plain_line(picture.name, 80)
    return element(
        "figure",
        element("figcaption", element("strong", picture.title or picture.name), " ", element("code", small)),
        view,
        element("p", details, class_="details"),
    )  # fmt: skip

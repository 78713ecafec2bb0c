"""The gallery: spectra to look at, small, with H-alpha marked."""

from __future__ import annotations

from collections.abc import Sequence

from ...formatting import count, plain_line, plural
from ..data.gallery import LEAST, MEANING, Picture
from ..data.report_data import ReportData
from ..html import Child, Markup, element
from ..svg import short, spectrum


def usual(material: ReportData) -> Child:
    """A few spectra of each label."""
    gallery = material.gallery
    shown = [[element("h3", _label(label, material)), _wall(pictures)] for label, pictures in gallery.usual if pictures]
    rest = gallery.labels - len(gallery.usual)
    if not shown:
        return element("p", "No spectrum is here yet.", class_="note")
    return [shown, element("p", f"and {plural(rest, 'more label')}", class_="note") if rest > 0 else None]


def _label(label: str, material: ReportData) -> str:
    number = material.survey.by_label.get(label, 0)
    named = f"Label {plain_line(material.labelling.named(label), 60)}" if label else "Without a label"
    return f"{named}: {plural(number, 'spectrum', 'spectra')}"


def unusual(material: ReportData) -> Child:
    gallery = material.gallery
    if not gallery.unusual:
        words = f"There are not enough spectra of one label ({LEAST}) that reach 40 Å beyond Hα to say what is usual."
        return element("p", words, class_="note")
    return [element("p", f"{MEANING} {count(gallery.compared)} spectra were compared."), _wall(gallery.unusual)]


def quarantined(material: ReportData) -> Child:
    """What was kept as evidence; it is no part of the data."""
    gallery = material.gallery
    if not gallery.set_aside:
        return element("p", "Nothing had to be set aside.")
    rest = gallery.set_aside - len(gallery.quarantined)
    more = f" {len(gallery.quarantined)} are shown; {count(rest)} more lie there." if rest > 0 else ""
    words = (
        f"{plural(gallery.set_aside, 'body', 'bodies')} failed a proof and lie in .harvester/quarantine, as evidence. "
        f"First those of spectra that are still not here; the others came whole later, or may.{more}"
    )
    return [element("p", words), _wall(gallery.quarantined)]


def _wall(pictures: Sequence[Picture]) -> Markup:
    return element("div", [_hung(picture) for picture in pictures], class_="wall")


def _hung(picture: Picture) -> Markup:
    drawn = picture.curve
    view = (
        spectrum(drawn, picture.title or picture.name)
        if drawn
        else element("p", picture.words or "no curve can be drawn", class_="trouble")
    )
    flux = f"flux {short(drawn.low)} to {short(drawn.high)}" if drawn else ""
    outside = "Hα outside" if drawn and drawn.mark is None else ""
    details = ", ".join(part for part in (picture.details, flux, outside) if part)
    small = plain_line(picture.name, 80)
    return element(
        "figure",
        element("figcaption", element("strong", picture.title or picture.name), " ", element("code", small)),
        view,
        element("p", details, class_="details"),
    )  # fmt: skip

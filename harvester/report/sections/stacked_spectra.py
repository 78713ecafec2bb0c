"""Every spectrum at one look: a strip for each, around H-alpha, the labels one below the other.

The picture is a PNG of some twenty kilobytes inside the page, with as much ink as the flux is away from the continuum,
on no ground of its own: so it suits light and dark.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections import Counter
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ...dataset.h_alpha import OFFSETS, REACH, Rows
from ...formatting import count, plain_line
from .. import svg
from ..data.report_data import ReportData
from ..html import Child, Markup, element
from ..svg import BOTTOM, HIGH, TOP, WIDE

STRIPS = 300  # of more spectra than that, neighbours share a strip
_TALL = 380  # pixels
_LEAST = 20  # pixels for a label: a line of text
_BELOW, _ABOVE = (0x2A, 0x78, 0xB0), (0xE2, 0x66, 0x1A)  # less and more than the continuum
_CENTRE = np.abs(OFFSETS) <= 4.0


def panorama(material: ReportData) -> Child:
    """All rows as a picture, ordered by label and, within one, from the deepest line to the brightest."""
    rows = material.survey.rows
    if len(rows) < 2:
        return element("p", "There are too few spectra that reach 40 Å beyond Hα on both sides.", class_="note")
    labels = [seen.labelled.label for seen in material.survey.seen if seen.labelled.row is not None]
    order = sorted(range(len(rows)), key=lambda row: (labels[row], float(rows[row, _CENTRE].mean())))
    places = _places(Counter(sorted(labels)))
    image = [_image(rows[[row for row in order if labels[row] == label]], *place) for label, place in places.items()]
    ticks = [((at + REACH) / (2 * REACH), f"{at:+d} Å" if at else "Hα") for at in range(-30, 31, 15)]
    told = (
        f"{count(len(rows))} spectra, each a strip, from 40 Å below Hα to 40 Å above. Orange is more light than the "
        "continuum, blue is less. Labels lie one below the other; within one, strips go from the deepest line to the "
        "brightest."
    )
    title = "Every spectrum at one look"
    drawn = svg.chart(title, told, _TALL, image, across=ticks, before=_names(places, Counter(labels), material))
    return element("figure", element("figcaption", told), drawn, class_="wide")


def _places(counted: Mapping[str, int]) -> dict[str, tuple[float, float]]:
    """Where each label begins and how high it is, as shares of the picture: by its spectra, but a name must fit in."""
    least = min(_LEAST / (_TALL - TOP - BOTTOM), 1 / len(counted))
    room, whole = 1 - least * len(counted), sum(counted.values())
    places, at = {}, 0.0
    for label, number in counted.items():
        high = least + room * number / whole
        places[label] = (at, high)
        at += high
    return places


def _image(rows: Rows, at: float, high: float) -> Markup:
    place = {"y": HIGH * at, "width": WIDE, "height": HIGH * high}
    return element("image", href=_png(_strips(rows)), preserveAspectRatio="none", class_="strips", **place)


def _names(places: Mapping[str, tuple[float, float]], counted: Mapping[str, int], material: ReportData) -> list[Markup]:
    """Where each label begins, and its name."""
    tall = _TALL - TOP - BOTTOM
    drawn: list[Markup] = []
    for label, (at, high) in places.items():
        y = TOP + tall * at
        name = plain_line(material.labelling.named(label) if label else "no label", 40)
        drawn.append(element("line", x1="0", x2="100%", y1=y, y2=y, class_="rule strong") if at else Markup())
        if high * tall > _LEAST - 1:
            drawn.append(element("text", f"{name}, {count(counted[label])}", x=6, y=y + 14, class_="over"))
    return drawn


def _strips(rows: Rows) -> NDArray[np.uint8]:
    """Shape (lines, points): 0 is far below the continuum, 128 on it, 255 far above; neighbours are averaged."""
    edges = np.linspace(0, len(rows), min(STRIPS, len(rows)) + 1).astype(int)[:-1]
    mean = np.add.reduceat(rows, edges, axis=0) / np.diff([*edges, len(rows)])[:, None]
    level: NDArray[np.uint8] = np.clip(128 + 127 * np.tanh((mean - 1) / 0.5), 0, 255).astype(np.uint8)
    return level.repeat(max(1, STRIPS // len(level)), axis=0)  # a few strips stay strips, however tall they are drawn


def _png(levels: NDArray[np.uint8]) -> str:
    """A PNG with a palette, as a data URL (PNG 1.2, sections 4.1 and 4.2.1)."""
    high, wide = levels.shape
    away = [abs(level - 128) / 127 for level in range(256)]
    colours = b"".join(bytes(_BELOW if level < 128 else _ABOVE) for level in range(256))
    alphas = bytes(min(255, round(255 * share**0.8)) for share in away)
    lines = np.insert(levels, 0, 0, axis=1).tobytes()  # each line begins with its filter: none
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", wide, high, 8, 3, 0, 0, 0)),
        (b"PLTE", colours),
        (b"tRNS", alphas),
        (b"IDAT", zlib.compress(lines, 9)),
        (b"IEND", b""),
    )
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + body).decode()

"""Stack the spectra around H-alpha as strips of one picture, label by label.

The picture is a PNG of some twenty kilobytes inside the page. Its opacity is the distance of the flux from the
continuum, so that it suits a light and a dark page.
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
from ...formatting import count, plain_line, plural
from .. import svg
from ..data.report_data import ReportData
from ..html import Child, Markup, element
from ..svg import BOTTOM, HIGH, TOP, WIDE

TITLE = "Spectra around Hα"
STRIPS = 300  # of a label; of more spectra than that, neighbours share a strip
_READING = (
    "They reach from 40 Å below Hα to 40 Å above. Orange is more light than the continuum, blue is less. Labels are "
    "one below the other; within one, strips go from the deepest line to the brightest."
)
_TALL = 380  # pixels
_LEAST = 20  # pixels for a label: a line of text
_BELOW, _ABOVE = (0x2A, 0x78, 0xB0), (0xE2, 0x66, 0x1A)  # less and more than the continuum
_CENTRE = np.abs(OFFSETS) <= 4.0


def stacked_spectra(data: ReportData) -> Child:
    """Draw all rows as a picture, by label, and from the deepest line to the brightest."""
    rows = data.sample.rows
    if len(rows) < 2:
        return element("p", "There are too few spectra that reach 40 Å beyond Hα on both sides.", class_="note")
    labels = [one.labelled.label for one in data.sample.spectra if one.labelled.row is not None]
    order = sorted(range(len(rows)), key=lambda row: (labels[row], float(rows[row, _CENTRE].mean())))
    bands = _bands(Counter(sorted(labels)))
    image = [_image(rows[[row for row in order if labels[row] == label]], *band) for label, band in bands.items()]
    ticks = [((at + REACH) / (2 * REACH), f"{at:+d} Å" if at else "Hα") for at in range(-30, 31, 15)]
    caption = f"{_number_drawn(data, Counter(labels))} {_READING}"
    drawn = svg.chart(TITLE, caption, _TALL, image, across=ticks, before=_names(bands, Counter(labels), data))
    return element("figure", element("figcaption", caption), drawn, class_="wide")


def _number_drawn(data: ReportData, by_label: Mapping[str, int]) -> str:
    """Return how many of the stored spectra the picture shows, and where the others are."""
    sample = data.sample
    drawn = len(sample.rows)
    reasons = []
    if beyond := len(sample.spectra) - drawn:
        reasons.append(f"{plural(beyond, 'does', 'do')} not reach 40 Å beyond Hα on both sides")
    if unread := sample.stored - len(sample.spectra) - len(sample.damaged):
        reasons.append(f"{plural(unread, 'is', 'are')} not in the sample that was read for this page")
    if sample.damaged:
        reasons.append(f"{plural(len(sample.damaged), 'is', 'are')} damaged")
    rest = f" ({'; '.join(reasons)})" if reasons else ""
    shared = max(-(-number // STRIPS) for number in by_label.values())
    strips = f"each strip is the mean of up to {count(shared)}" if shared > 1 else "a strip for each"
    return (
        f"{count(drawn)} of {plural(sample.stored, 'stored spectrum is', 'stored spectra are')} drawn{rest}, {strips}."
    )


def _bands(counted: Mapping[str, int]) -> dict[str, tuple[float, float]]:
    """Return where each label begins and how high it is, with room for its name."""
    least = min(_LEAST / (_TALL - TOP - BOTTOM), 1 / len(counted))
    room, whole = 1 - least * len(counted), sum(counted.values())
    bands, at = {}, 0.0
    for label, number in counted.items():
        high = least + room * number / whole
        bands[label] = (at, high)
        at += high
    return bands


def _image(rows: Rows, at: float, high: float) -> Markup:
    box = {"y": HIGH * at, "width": WIDE, "height": HIGH * high}
    return element("image", href=_png(_strips(rows)), preserveAspectRatio="none", class_="strips", **box)


def _names(bands: Mapping[str, tuple[float, float]], counted: Mapping[str, int], data: ReportData) -> list[Markup]:
    """Return a line where each label begins, and its name."""
    tall = _TALL - TOP - BOTTOM
    drawn: list[Markup] = []
    for label, (at, high) in bands.items():
        y = TOP + tall * at
        name = plain_line(data.labelling.named(label) if label else "no label", 40)
        drawn.append(element("line", x1="0", x2="100%", y1=y, y2=y, class_="rule strong") if at else Markup())
        if high * tall > _LEAST - 1:
            drawn.append(
                element(
                    "text", f"{name}: {plural(counted[label], 'spectrum', 'spectra')}", x=6, y=y + 14, class_="over"
                )
            )
    return drawn


def _strips(rows: Rows) -> NDArray[np.uint8]:
    """Return levels, shape (lines, points): 128 is the continuum, 0 far below, 255 far above."""
    edges = np.linspace(0, len(rows), min(STRIPS, len(rows)) + 1).astype(int)[:-1]
    mean = np.add.reduceat(rows, edges, axis=0) / np.diff([*edges, len(rows)])[:, None]
    level: NDArray[np.uint8] = np.clip(128 + 127 * np.tanh((mean - 1) / 0.5), 0, 255).astype(np.uint8)
    return level.repeat(max(1, STRIPS // len(level)), axis=0)  # a few strips stay strips, however tall they are drawn


def _png(levels: NDArray[np.uint8]) -> str:
    """Return a PNG with a palette, as a data URL (PNG 1.2, sections 4.1 and 4.2.1)."""
    high, wide = levels.shape
    distance = [abs(level - 128) / 127 for level in range(256)]
    colours = b"".join(bytes(_BELOW if level < 128 else _ABOVE) for level in range(256))
    alphas = bytes(min(255, round(255 * share**0.8)) for share in distance)
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

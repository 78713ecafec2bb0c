"""Draw a curve in characters: braille (2 by 4 dots a cell), else ASCII (1 by 2).

Each column of dots is filled from the lowest to the highest value that falls into it, joined to its neighbours, so that
a line narrower than a column is still visible.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len, set_cell_size

from ..fits.spectrum import angstroms
from ..formatting import encodable, plain_line
from ..model.target import SpectrumId
from .panel import Panel, h_alpha, note, subject_of, wave_label

LEAST_WIDTH, LEAST_HEIGHT = 12, 2
_GUTTER = 7  # cells for the values on the flux axis, the same for all panels

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ink:
    """The characters of a plot: the dots of a cell, and the frame.

    dots: the bit of each dot in a cell, [row][column]; cells: the character for each sum of bits.
    """

    dots: tuple[tuple[int, ...], ...]
    cells: str
    down: str
    across: str
    corner: str
    tick: str
    mark: str


BRAILLE = Ink(
    ((1, 8), (2, 16), (4, 32), (64, 128)), "".join(chr(0x2800 + bits) for bits in range(256)), "│", "─", "└", "┴", "┊"
)
ASCII = Ink(((1,), (2,)), " '.:", "|", "-", "+", "+", "|")


def ink_for(encoding: str | None) -> Ink:
    """Return braille if ``encoding`` is a Unicode one, else ASCII."""
    return BRAILLE if (encoding or "").lower().replace("-", "").startswith("utf") else ASCII


@dataclass(frozen=True, slots=True)
class Mark:
    """A marked wavelength, with its ``name`` below the axis."""

    at: float
    name: str


def plot_lines(wave: Floats, flux: Floats, width: int, height: int, ink: Ink, mark: Mark | None = None) -> list[str]:
    """Return ``flux`` over ``wave`` in ``height`` rows and an axis of ``width`` cells.

    Both have shape (points,) and are finite, and ``wave`` rises or falls. If it is too narrow, a sentence says so.
    """
    if width < LEAST_WIDTH or height < LEAST_HEIGHT:
        return [clipped("too narrow", width)]
    low, high = float(flux.min()), float(flux.max())
    gutter = min(_GUTTER, width // 4)
    labels = _short(high, gutter), _short(low, gutter)
    inner = width - gutter - 1
    order = slice(None, None, -1 if wave[0] > wave[-1] else 1)
    wave, flux = wave[order], flux[order]
    column = _column_of(mark.at, wave, inner) if mark else None
    rows = _rows(wave, flux, inner, height, ink, column)
    sides = [labels[0].rjust(gutter), *[" " * gutter] * (height - 2), labels[1].rjust(gutter)]
    framed = [f"{side[:gutter]}{ink.down}{row}".rstrip() for side, row in zip(sides, rows, strict=True)]
    return [*framed, *_axis(wave, inner, gutter, ink, mark, column)]


def _column_of(at: float, wave: Floats, inner: int) -> int | None:
    """Return the cell of ``at``; None if the wavelengths do not reach it."""
    first, last = float(wave[0]), float(wave[-1])
    return min(inner - 1, int((at - first) / (last - first) * inner)) if first <= at <= last else None


def _rows(wave: Floats, flux: Floats, inner: int, height: int, ink: Ink, column: int | None) -> list[str]:
    down, across = len(ink.dots), len(ink.dots[0])
    dots = _dots(wave, flux, inner * across, height * down)
    bits = np.zeros((height, inner), dtype=np.int64)
    for y, row in enumerate(ink.dots):
        for x, bit in enumerate(row):
            bits += bit * dots[y::down, x::across]
    text = [[ink.cells[cell] if cell else " " for cell in row] for row in bits.tolist()]
    if column is not None:
        for line in text:
            line[column] = ink.mark if line[column] == " " else line[column]
    return ["".join(line) for line in text]


def _dots(wave: Floats, flux: Floats, columns: int, rows: int) -> NDArray[np.int64]:
    """Return 1 where the curve passes, shape (rows, columns), the top row first."""
    low, high = float(flux.min()), float(flux.max())
    half = (high / 2 - low / 2) or 1.0  # halves: the difference of two huge numbers would overflow
    heights = np.rint((flux / 2 - low / 2) / half * (rows - 1)).astype(np.int64)
    if high == low:
        heights += rows // 2
    along = (wave - wave[0]) / (wave[-1] - wave[0])
    finer = np.arange(columns) / max(1, columns - 1)
    path = np.rint(np.interp(finer, along, heights)).astype(np.int64)
    lowest, highest = path.copy(), path.copy()
    columns_hit = np.minimum((along * columns).astype(np.int64), columns - 1)
    np.minimum.at(lowest, columns_hit, heights)
    np.maximum.at(highest, columns_hit, heights)
    lowest[1:] = np.minimum(lowest[1:], highest[:-1])  # no gap between a column and the one before it
    highest[1:] = np.maximum(highest[1:], np.minimum(path[:-1], rows - 1))
    level = np.arange(rows - 1, -1, -1)[:, None]
    return ((level >= lowest) & (level <= highest)).astype(np.int64)


def _axis(wave: Floats, inner: int, gutter: int, ink: Ink, mark: Mark | None, column: int | None) -> list[str]:
    """Return the ruler, and below it both ends and the mark's name if there is room."""
    ruler = [ink.across] * inner
    first, last = f"{wave[0]:.1f}", f"{wave[-1]:.1f}"
    labels_below = list(first.ljust(inner))[:inner]
    if len(first) + 1 + len(last) <= inner:
        labels_below[inner - len(last) :] = last
    if mark and column is not None:
        ruler[column] = ink.tick
        start = min(max(0, column - len(mark.name) // 2), inner - len(mark.name))
        room = slice(max(0, start - 1), start + len(mark.name) + 1)
        if start > 0 and not "".join(labels_below[room]).strip():
            labels_below[start : start + len(mark.name)] = mark.name
    indent = " " * (gutter + 1)
    return [f"{' ' * gutter}{ink.corner}{''.join(ruler)}", f"{indent}{''.join(labels_below)}".rstrip()]


def _short(value: float, most: int) -> str:
    """Return a number in at most ``most`` characters."""
    if 1000 <= abs(value) < 1e7:
        return f"{value:.0f}"
    return next((text for digits in (4, 3, 2, 1) if len(text := f"{value:.{digits}g}") <= most), "")


def clipped(text: str, width: int) -> str:
    """Return ``text`` in at most ``width`` cells."""
    return text if cell_len(text) <= width else set_cell_size(text, max(0, width)).rstrip()


def panel_lines(did: SpectrumId, panels: tuple[Panel, ...], width: int, height: int, encoding: str | None) -> list[str]:
    """Return all ``panels``, one above the other, in lines of at most ``width`` cells.

    A curve has ``height`` rows.
    """
    ink = ink_for(encoding)
    subject = subject_of(did, panels)
    lines = [subject.title, *_folded(subject.details.replace("  |  ", ", "), width)]
    for number, panel in enumerate(panels):
        lines += ["", *_folded(_heading(panel, note(panel, panels[:number])), width)]
        lines += _curve(panel, width, height, ink) if panel.spectrum else _problem(panel, width)
    shown = next((panel.spectrum for panel in panels if panel.spectrum), None)
    lines += ["", wave_label(shown)]
    return [clipped(encodable(line, encoding), width) for line in lines]


def _heading(panel: Panel, notes: str) -> str:
    contents = panel.flux_label if panel.spectrum else "no data"
    return f"{panel.heading}: {contents}{f', {notes}' if notes else ''}"


def _curve(panel: Panel, width: int, height: int, ink: Ink) -> list[str]:
    spectrum = panel.spectrum
    assert spectrum is not None
    line = h_alpha(spectrum)
    alpha = "a" if ink is ASCII else "\N{GREEK SMALL LETTER ALPHA}"
    wave, flux = angstroms(spectrum)[spectrum.valid], spectrum.flux[spectrum.valid]
    order = np.argsort(wave, kind="stable")  # segments may overlap
    if wave.size < 2 or wave[order[0]] == wave[order[-1]]:
        return ["  no two points with a finite flux"]
    return plot_lines(wave[order], flux[order], width, height, ink, Mark(line, f"H{alpha} {line:.1f}"))


def _problem(panel: Panel, width: int) -> list[str]:
    return [f"  {line}" for text in (panel.problem, panel.message) for line in _folded(text, width - 2)]


def _folded(text: str, width: int) -> list[str]:
    return textwrap.wrap(plain_line(text, 400), max(8, width))

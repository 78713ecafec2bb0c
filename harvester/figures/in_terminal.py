"""Panels for a terminal: the same words as in the figure, the curves in characters."""

from __future__ import annotations

import textwrap

from ..observation import angstroms
from ..spectra import SpectrumId
from ..words import plain_line, speakable
from .subject import Panel, h_alpha, note, subject_of, wave_label
from .terminal_plot import ASCII, Ink, Mark, clipped, ink_for, plot_lines


def panel_lines(did: SpectrumId, panels: tuple[Panel, ...], width: int, height: int, encoding: str | None) -> list[str]:
    """All ``panels``, one above the other, in lines of at most ``width`` cells; ``height`` rows for each curve."""
    ink = ink_for(encoding)
    subject = subject_of(did, panels)
    lines = [subject.title, *_folded(subject.details.replace("  |  ", ", "), width)]
    for number, panel in enumerate(panels):
        lines += ["", *_folded(_heading(panel, note(panel, panels[:number])), width)]
        lines += _curve(panel, width, height, ink) if panel.spectrum else _trouble(panel, width)
    seen = next((panel.spectrum for panel in panels if panel.spectrum), None)
    lines += ["", wave_label(seen)]
    return [clipped(speakable(line, encoding), width) for line in lines]


def _heading(panel: Panel, small_print: str) -> str:
    told = panel.flux_label if panel.spectrum else "no data"
    return f"{panel.heading}: {told}{f', {small_print}' if small_print else ''}"


def _curve(panel: Panel, width: int, height: int, ink: Ink) -> list[str]:
    spectrum = panel.spectrum
    assert spectrum is not None
    line = h_alpha(spectrum)
    alpha = "a" if ink is ASCII else "\N{GREEK SMALL LETTER ALPHA}"
    return plot_lines(angstroms(spectrum), spectrum.flux, width, height, ink, Mark(line, f"H{alpha} {line:.1f}"))


def _trouble(panel: Panel, width: int) -> list[str]:
    return [f"  {line}" for words in (panel.trouble, panel.words) for line in _folded(words, width - 2)]


def _folded(words: str, width: int) -> list[str]:
    return textwrap.wrap(plain_line(words, 400), max(8, width))

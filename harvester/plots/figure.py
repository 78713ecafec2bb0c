"""Draw spectra with matplotlib, one panel each, as PNG, SVG or PDF (extra ``plots``).

Figures are made without pyplot: no window, no global state, no backend of the user's. The same input gives the same
bytes: no dates, no random ids.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UsageError
from ..fits.spectrum import angstroms
from ..formatting import count, plain_line
from ..model.invocation import install_line
from ..model.target import SpectrumId
from . import style
from .panel import Panel, h_alpha, note, subject_of, wave_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": "harvester"},
    "pdf": {"CreationDate": None, "Creator": "harvester", "Producer": None},
}
_LONGEST_LINE = 96  # characters of small text that a panel is wide
_TALLEST = 1e100  # beyond this the axis' own arithmetic overflows


def require_matplotlib() -> None:
    """Raise UsageError if matplotlib is missing, before any request is sent."""
    try:
        import matplotlib as _  # noqa: F401
    except ImportError:
        raise UsageError(f"figures need matplotlib: {install_line('specharvest[plots]')}") from None


def draw(did: SpectrumId, panels: tuple[Panel, ...], kind: str) -> bytes:
    """Return the picture of ``panels`` as a file of ``kind``: png, svg or pdf.

    UsageError without matplotlib.
    """
    require_matplotlib()
    with _style():
        figure = compose(did, panels)
        file = io.BytesIO()
        figure.savefig(file, format=kind, metadata=_METADATA[kind] | {"Title": subject_of(did, panels).title})
    return file.getvalue()


@contextmanager
def _style() -> Iterator[None]:
    """Apply this style on top of matplotlib's defaults, ignoring the user's matplotlibrc."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(style.STYLE)
        yield


def compose(did: SpectrumId, panels: tuple[Panel, ...]) -> Figure:
    """Return the figure; ``draw`` applies the style."""
    from matplotlib.figure import Figure

    height = style.MARGINS + style.PANEL_HEIGHT * len(panels)
    figure = Figure(figsize=(style.WIDTH, height), layout="constrained")
    rows: list[Axes] = list(figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0])
    shown = next((panel.spectrum for panel in panels if panel.spectrum), None)
    for number, (axes, panel) in enumerate(zip(rows, panels, strict=True)):
        _head(axes, panel, note(panel, panels[:number]))
        if panel.spectrum is None:
            _show_problem(axes, panel)
        else:
            _plot(axes, panel)
    _mark_h_alpha(rows, panels)
    rows[-1].set_xlabel(wave_label(shown), fontsize=style.NORMAL)
    figure.align_ylabels(rows)
    _title(figure, did, panels)
    return figure


def _title(figure: Figure, did: SpectrumId, panels: tuple[Panel, ...]) -> None:
    """Write the object in large letters and the details below, with room for both."""
    subject = subject_of(did, panels)
    figure.suptitle(f"{drawable(subject.title)}\n ", x=0.01, ha="left", fontsize=style.TITLE, fontweight="bold")
    inches = figure.get_size_inches()[1]
    figure.text(
        0.01, 1 - 0.38 / inches, drawable(subject.details), fontsize=style.SMALL, color=style.QUIET, va="center"
    )


def _head(axes: Axes, panel: Panel, notes: str) -> None:
    axes.set_title(drawable(panel.heading), loc="left", fontsize=style.NORMAL, fontweight="bold", pad=4)
    axes.set_title(notes, loc="right", fontsize=style.SMALL, color=style.QUIET, pad=4)


def _plot(axes: Axes, panel: Panel) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    spectrum = panel.spectrum
    assert spectrum is not None
    wave = angstroms(spectrum)
    for part in spectrum.segments:  # no line from the end of one order to the beginning of the next
        axes.plot(wave[part], np.clip(spectrum.flux[part], -_TALLEST, _TALLEST), color=style.INK)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10], min_n_ticks=3))
    axes.set_ylabel(drawable(panel.flux_label).replace(" (", "\n(").replace(" [", "\n["))
    if 1000 <= float(np.nanmax(np.abs(spectrum.flux))) < 1e7:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: count(round(value))))
    axes.grid(axis="y", color=style.RULE, linewidth=0.4)
    axes.set_axisbelow(True)


def _show_problem(axes: Axes, panel: Panel) -> None:
    """Write why there is no spectrum: the meaning of the failure, and the server's message."""
    axes.set_facecolor(style.TROUBLE)
    axes.set_yticks([])
    centred: dict[str, Any] = {"transform": axes.transAxes, "ha": "center"}
    axes.text(0.5, 0.62, _wrapped(panel.problem, 2), va="bottom", fontsize=style.NORMAL, fontweight="bold", **centred)
    axes.text(0.5, 0.54, _wrapped(panel.message, 4), va="top", fontsize=style.SMALL, color=style.QUIET, **centred)


def _wrapped(text: str, lines: int) -> str:
    return "\n".join(textwrap.wrap(drawable(plain_line(text, 400)), _LONGEST_LINE, max_lines=lines, placeholder=" ..."))


def _mark_h_alpha(rows: list[Axes], panels: tuple[Panel, ...]) -> None:
    """Draw a dashed line through all panels that include it, with its name in the first."""
    named = False
    for axes, panel in zip(rows, panels, strict=True):
        spectrum = panel.spectrum
        if spectrum is None:
            continue
        wave, line = angstroms(spectrum), h_alpha(spectrum)
        if not wave.min() <= line <= wave.max():
            continue
        axes.axvline(line, color=style.MARK, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
        if not named:
            _name_h_alpha(axes, line)
        named = True


def _name_h_alpha(axes: Axes, line: float) -> None:
    """Write the name above the panel, or beside the line if there is no room."""
    low, high = axes.get_xlim()
    along = (line - low) / (high - low)
    above = 0.4 < along < 0.85
    side = 1 if along < 0.5 else -1
    if not above:
        bottom, top = axes.get_ylim()
        axes.set_ylim(bottom, top + 0.15 * (top - bottom))
    axes.annotate(
        f"H\N{GREEK SMALL LETTER ALPHA} {line:.1f}",
        (line, 1),
        (0, 4) if above else (4 * side, -2),
        xycoords=axes.get_xaxis_transform(),
        textcoords="offset points",
        ha="center" if above else "left" if side > 0 else "right",
        va="bottom" if above else "top",
        fontsize=style.SMALL,
        color=style.MARK,
    )


def drawable(text: str) -> str:
    """Return ``text`` with question marks for what the font cannot draw."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    fonts = [get_font(findfont(FontProperties(family="DejaVu Sans", weight=weight))) for weight in ("normal", "bold")]
    return "".join(mark if all(font.get_char_index(ord(mark)) for font in fonts) else "?" for mark in text)

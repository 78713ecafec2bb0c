"""The style of figures: the colours of ``palette``, and typography."""

from __future__ import annotations

from typing import Any

from ..palette import LIGHT

INK, MARK = LIGHT.ink, LIGHT.mark
TEXT, QUIET, RULE, TROUBLE = LIGHT.text, LIGHT.quiet, LIGHT.rule, LIGHT.trouble

WIDTH = 8.0  # inches: a full text width
PANEL_HEIGHT = 1.75
MARGINS = 1.15  # inches for title and wavelength axis together

SMALL, NORMAL, TITLE = 8.0, 9.0, 13.0  # points

# DejaVu comes with matplotlib, so the same input gives the same picture everywhere.
STYLE: dict[Any, Any] = {
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": NORMAL,
    "text.color": TEXT,
    "text.usetex": False,
    "text.parse_math": False,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": TEXT,
    "axes.labelsize": SMALL,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.useoffset": False,
    "axes.xmargin": 0.01,
    "axes.ymargin": 0.08,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.labelcolor": TEXT,
    "ytick.labelcolor": TEXT,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.minor.visible": True,
    "lines.linewidth": 0.8,
    "lines.solid_joinstyle": "round",
    "path.simplify": True,
    "path.simplify_threshold": 0.2,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.dpi": 160,
    "svg.fonttype": "none",  # text stays text: it can be searched, selected and read aloud
    "svg.hashsalt": "harvester",
    "pdf.fonttype": 42,
}

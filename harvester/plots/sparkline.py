"""Reduce a curve to what a small picture can show, and draw it as a sparkline in SVG."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

COLUMNS = 260  # of a curve: each is as high as what falls into it, so that no peak is lost
WIDTH, HEIGHT = 220, 40  # pixels of a sparkline


def envelope(x: Floats, y: Floats, columns: int = COLUMNS) -> tuple[Floats, Floats]:
    """Return the lowest and highest point of each of ``columns`` columns, in order.

    X rises from 0 to 1.
    """
    if x.size <= 2 * columns:
        return x, y
    edges = np.unique(np.searchsorted(x, np.arange(columns) / columns))
    kept = {0, x.size - 1}
    for start, end in zip(edges, [*edges[1:], x.size], strict=True):
        if end > start:
            kept |= {start + int(y[start:end].argmin()), start + int(y[start:end].argmax())}
    order = np.array(sorted(kept))
    return x[order], y[order]


def line(x: Floats, y: Floats, digits: int = 0) -> str:
    """Return the SVG path through these points, rounded to ``digits``."""
    points = [f"{a:.{digits}f} {b:.{digits}f}" for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    return "M" + "L".join(points)


def sparkline(wave: Floats, flux: Floats) -> str:
    """Return ``flux`` over ``wave``, shape (points,), as SVG in the text's colour, or ''."""
    finite = np.isfinite(wave) & np.isfinite(flux)
    order = np.argsort(wave[finite], kind="stable")
    wave, flux = wave[finite][order], flux[finite][order]
    if wave.size < 2 or wave[0] == wave[-1]:
        return ""
    x, y = envelope((wave - wave[0]) / (wave[-1] - wave[0]), flux, WIDTH // 2)
    low, high = float(y.min()), float(y.max())
    path = line(x * WIDTH, 1 + (HEIGHT - 2) * (1 - (y - low) / ((high - low) or 1.0)), digits=1)
    return (
        f'<svg width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="flux {low:.3g} to {high:.3g}, {wave[0]:.0f} to {wave[-1]:.0f} Angstrom">'
        f'<path d="{path}" fill="none" stroke="currentColor"/></svg>'
    )

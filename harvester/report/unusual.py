"""Which spectra stand out: how far each lies from the median spectrum of its own label, around H-alpha."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..dataset.h_alpha import Rows

LEAST = 5  # spectra of one label: of fewer, none is usual
MEANING = (
    "Unusual means far from the median spectrum of the same label: at each wavelength within 40 Å of Hα the distance "
    "is taken in units of the label's typical spread there, no more than 25 of them, and averaged."
)
_LEAST_SPREAD = 0.01  # of the continuum
_FARTHEST = 25.0  # one hot pixel is not what makes a spectrum unusual


def distances(rows: Rows, labels: Sequence[str]) -> NDArray[np.float64]:
    """For each row its mean distance from its label's median, in typical spreads; NaN where the label has too few."""
    told = np.array(labels, dtype=str)
    found = np.full(len(rows), np.nan)
    for label in sorted(set(labels)):
        alike = np.flatnonzero(told == label)
        if alike.size >= LEAST:
            found[alike] = _from_median(rows[alike])
    return found


def _from_median(rows: Rows) -> NDArray[np.float64]:
    apart = np.abs(rows - np.median(rows, axis=0))
    spread = np.maximum(1.4826 * np.median(apart, axis=0), _LEAST_SPREAD)
    mean: NDArray[np.float64] = np.minimum(apart / spread, _FARTHEST).mean(axis=1, dtype=np.float64)
    return mean

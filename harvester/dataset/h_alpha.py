"""Put spectra around H-alpha on one grid, to compare them in any calibration."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..fits.spectrum import Spectrum, angstroms

Rows = NDArray[np.float32]
"""Shape (spectra, ``OFFSETS.size``): flux around H-alpha, in units of the continuum beside it."""

REACH = 40.0  # Angstrom on either side
OFFSETS = np.linspace(-REACH, REACH, 161)  # from H-alpha at rest
_SMOOTH = 1.5  # Angstrom: wider than noise and telluric lines, narrower than a star's
_BESIDE = np.abs(OFFSETS) > 25.0  # where the continuum is
_CENTRE = np.abs(OFFSETS) <= 10.0  # 450 km/s: where a star's line may lie
_LINE = np.abs(OFFSETS) <= 25.0
LEAST_RISE = 0.05  # of the continuum
LEAST_SIGMAS = 8.0  # noise alone rises by five, from its deepest to its highest


def around_h_alpha(spectrum: Spectrum, line: float) -> Rows | None:
    """Return the spectrum around ``line`` (Angstrom), smoothed, in units of the continuum.

    None where no segment covers the whole grid, or there is no continuum to compare with.
    """
    wave = angstroms(spectrum)
    parts = (_around(wave[part], spectrum.flux[part], line) for part in spectrum.segments)
    return next((row for row in parts if row is not None), None)


def _around(wave: NDArray[np.float64], flux: NDArray[np.float64], line: float) -> Rows | None:
    if wave.size > 1 and wave[0] > wave[-1]:
        wave, flux = wave[::-1], flux[::-1]
    if wave.size < 2 or wave[0] > line - REACH or wave[-1] < line + REACH:
        return None
    near = slice(*wave.searchsorted((line - REACH - 2 * _SMOOTH, line + REACH + 2 * _SMOOTH)))
    wave, flux = wave[near], flux[near]
    if wave.size < 2:
        return None
    shown = np.interp(OFFSETS, wave - line, _smoothed(wave, flux))
    beside = np.sort(shown[_BESIDE])
    continuum = float(beside[beside.size // 2])
    if not (np.isfinite(shown).all() and continuum > 0):
        return None
    return (shown / continuum).astype(np.float32)


def _smoothed(wave: NDArray[np.float64], flux: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the running mean over ``_SMOOTH`` Angstrom.

    At the ends, of the points that exist.
    """
    points = max(1, round(_SMOOTH * (wave.size - 1) / (wave[-1] - wave[0])))
    box = np.ones(points)
    mean: NDArray[np.float64] = np.convolve(flux, box, "same") / np.convolve(np.ones(flux.size), box, "same")
    return mean


def has_emission(rows: Rows) -> NDArray[np.bool_]:
    """Return, for each row, whether flux near H-alpha rises above that on both sides of it.

    A peak in the middle of an absorption line counts, and so does one on a sloping continuum. It has to be higher
    than 5 % of the continuum and than eight times the noise.
    """
    line = rows[:, _LINE]
    left = np.minimum.accumulate(line, axis=1)
    right = np.minimum.accumulate(line[:, ::-1], axis=1)[:, ::-1]
    rise = (line - np.maximum(left, right))[:, _CENTRE[_LINE]].max(axis=1, initial=0.0)
    found: NDArray[np.bool_] = rise > np.maximum(LEAST_RISE, LEAST_SIGMAS * _noise(rows))
    return found


def _noise(rows: Rows) -> NDArray[np.float64]:
    """Return each row's noise beside the line, from second differences, free of slopes."""
    beside = rows[:, _BESIDE].astype(np.float64)
    bends = beside[:, 6:] - 2 * beside[:, 3:-3] + beside[:, :-6]  # three steps apart: smoothing ties neighbours
    noise: NDArray[np.float64] = 1.4826 * np.median(np.abs(bends), axis=1) / np.sqrt(6)
    return noise

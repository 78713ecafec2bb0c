"""Wavelengths as three numbers: the axis of a spectrum that is evenly spaced, and the grid that all shall share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..band import parse_band

MOST_POINTS = 1_000_000
EXAMPLE = '"6519 6732 140", or with a unit "651.9 673.2 140 nm"'


@dataclass(frozen=True, slots=True)
class Axis:
    """``start + step * numpy.arange(count)`` are wavelengths in Angstrom, to the last bit."""

    start: float
    step: float
    count: int


def axis_of(wave: NDArray[np.float64]) -> Axis | None:
    """The axis that is ``wave`` exactly; None if there is none, since a wavelength is not ours to round."""
    if wave.size < 2:
        return None
    start, step = float(wave[0]), float((wave[-1] - wave[0]) / (wave.size - 1))
    return Axis(start, step, wave.size) if np.array_equal(start + step * np.arange(wave.size), wave) else None


@dataclass(frozen=True, slots=True)
class Grid:
    """``points`` wavelengths from ``low`` to ``high``, both included, in Angstrom."""

    low: float
    high: float
    points: int

    @property
    def wave(self) -> NDArray[np.float64]:
        return np.linspace(self.low, self.high, self.points)

    def covered_by(self, wave: NDArray[np.float64]) -> bool:
        """Whether every point of the grid lies within ``wave``, which rises or falls."""
        return bool(min(wave[0], wave[-1]) <= self.low and self.high <= max(wave[0], wave[-1]))

    def resampled(self, wave: NDArray[np.float64], flux: NDArray[np.float64]) -> NDArray[np.float64]:
        """``flux`` at the points of the grid, interpolated linearly."""
        onwards = slice(None) if wave[0] <= wave[-1] else slice(None, None, -1)
        return np.interp(self.wave, wave[onwards], flux[onwards])

    def __str__(self) -> str:
        return f"{self.low:.10g} to {self.high:.10g} Angstrom, {self.points} points"


def parse_grid(text: str) -> Grid:
    """``LO HI N [UNIT]`` as a grid; Angstrom without a unit. ValueError, in one clause, for anything else."""
    parts = text.split(maxsplit=3)
    if len(parts) < 3:
        raise ValueError(f"two limits and a number of points are needed: {EXAMPLE}")
    low, high, points, *unit = parts
    if not points.isascii() or not points.isdecimal() or not 2 <= int(points) <= MOST_POINTS:
        raise ValueError(f"{points!r} is no number of points from 2 to {MOST_POINTS}: {EXAMPLE}")
    band = parse_band(" ".join([low, high, *(unit or ["AA"])]))
    if not np.isfinite([band.low, band.high]).all():
        raise ValueError(f"a grid has two ends: {EXAMPLE}")
    if not unit:
        return Grid(float(low), float(high), int(points))  # as they were typed, not by way of metres
    return Grid(float(f"{band.low * 1e10:.15g}"), float(f"{band.high * 1e10:.15g}"), int(points))

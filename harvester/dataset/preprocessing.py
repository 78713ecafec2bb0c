"""What is done to each spectrum before it is exported, in this order: to vacuum, smoothed, on a common grid.

It is the order, and to twelve digits the result, of the notebooks that first made a training set of this archive's
spectra. They held the first and last flux for wavelengths that a spectrum does not have; here it is left out instead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..model.band import parse_band
from .samples import MissingMetadataError, NotCoveredError, Sample

SHORTEST_AIR = 2000.0  # Angstrom; below it wavelengths are vacuum by convention
BROADEST = 1000.0  # pixels; a Gaussian broader than half a spectrum leaves nothing of it


@dataclass(frozen=True, slots=True)
class Recipe:
    """vacuum: air wavelengths become vacuum ones. sigma: of the Gaussian, in pixels. Nothing is done by default."""

    vacuum: bool = False
    sigma: float | None = None
    grid: Grid | None = None

    def applied_to(self, sample: Sample) -> Sample:
        """``sample``, prepared. LeftOutError if it does not cover the grid, UntoldError if nobody tells air."""
        wave, flux, observation = sample.wave, sample.flux, sample.observation
        if self.vacuum and observation.medium != "Vacuum":
            if observation.medium != "Air":
                raise MissingMetadataError(
                    f"{sample.name}: its file does not say whether its wavelengths are of air or of vacuum, which "
                    '--vacuum needs; say it in the archive\'s profile (medium = "air")'
                )
            wave, observation = vacuum_of(wave), replace(observation, medium="Vacuum")
        if self.grid is not None and not self.grid.covered_by(wave):
            raise NotCoveredError(
                f"{min(wave[0], wave[-1]):.2f} to {max(wave[0], wave[-1]):.2f} Angstrom do not cover it"
            )
        if self.sigma is not None:
            flux = smoothed(flux, self.sigma)
        if self.grid is not None:
            wave, flux = self.grid.wave, self.grid.resampled(wave, flux)
        return replace(sample, wave=wave, flux=flux, observation=observation)

    def in_words(self) -> list[str]:
        """What was done, a sentence each, in the order in which it was done."""
        return [
            *(["Air wavelengths were converted to vacuum (Morton 2000, inverted by Piskunov)."] if self.vacuum else []),
            *([f"Flux was convolved with a Gaussian of sigma = {self.sigma:g} pixels."] if self.sigma else []),
            *([f"Flux was interpolated linearly onto one grid, {self.grid}."] if self.grid else []),
        ]


NOTHING = Recipe()


def vacuum_of(air: NDArray[np.float64]) -> NDArray[np.float64]:
    """Wavelengths in vacuum (Angstrom) of wavelengths in air.

    N. Piskunov's inverse of the IAU's standard formula (Morton 2000, ApJS 130, 403), as the VALD database has it.
    """
    square = (1e4 / np.maximum(air, SHORTEST_AIR)) ** 2
    index = 1 + 0.00008336624212083 + 0.02408926869968 / (130.1065924522 - square)
    return np.where(air < SHORTEST_AIR, air, air * (index + 0.0001599740894897 / (38.92568793293 - square)))


def smoothed(flux: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """``flux`` convolved with a Gaussian of ``sigma`` pixels, cut off at four; beyond its ends it goes on flat."""
    reach = math.ceil(8 * sigma) // 2
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return np.convolve(np.pad(flux, reach, mode="edge"), kernel / kernel.sum(), mode="valid")


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

"""Prepare each spectrum for export, in this order: to vacuum, smoothed, on a common grid.

The order, and to twelve digits the result, are those of the notebooks that first made a training set of this archive's
spectra. They repeated the first and last flux at wavelengths that a spectrum does not have; here it is left out.
Uncertainties follow flux as variances of independent points; a point that uses a masked one is masked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..formatting import count
from ..model.band import parse_band
from .samples import Array, Flags, MissingMetadataError, NotCoveredError, Sample

SHORTEST_AIR = 2000.0  # Angstrom; below it wavelengths are vacuum by convention
Places = NDArray[np.intp]

BROADEST = 1000.0  # pixels; a Gaussian broader than half a spectrum leaves nothing of it
MOST_POINTS = 1_000_000
EXAMPLE = '"6519 6732 140", or with a unit "651.9 673.2 140 nm"'


@dataclass(frozen=True, slots=True)
class Recipe:
    """vacuum: convert air wavelengths to vacuum. sigma: of the Gaussian, in pixels.

    By default nothing is done.
    """

    vacuum: bool = False
    sigma: float | None = None
    grid: Grid | None = None

    def apply(self, sample: Sample) -> Sample:
        """Return ``sample``, prepared.

        NotCoveredError if it does not fit, MissingMetadataError without a medium.
        """
        if self.vacuum:
            sample = _in_vacuum(sample)
        if len(sample.lengths) > 1 and (self.sigma is not None or self.grid is not None):
            raise NotCoveredError(f"it has {len(sample.lengths)} segments; smoothing and resampling need one")
        if self.grid is not None and not self.grid.covered_by(sample.wave):
            low, high = sorted((sample.wave[0], sample.wave[-1]))
            raise NotCoveredError(f"{low:.2f} to {high:.2f} Angstrom do not cover it")
        if self.sigma is not None:
            sample = _smoothed_sample(sample, self.sigma)
        if self.grid is None:
            return sample
        resampled = self.grid.resample(sample)
        invalid = self.grid.points - int(np.count_nonzero(np.isfinite(resampled.flux)))
        if invalid:
            raise NotCoveredError(
                f"at {count(invalid)} of the grid's {count(self.grid.points)} points its flux is not a number"
            )
        return resampled

    def sentences(self) -> list[str]:
        """Return what is done, a sentence each, in this order."""
        return [
            *(["Air wavelengths were converted to vacuum (Morton 2000, inverted by Piskunov)."] if self.vacuum else []),
            *([f"Flux was convolved with a Gaussian of sigma = {self.sigma:g} pixels."] if self.sigma else []),
            *([f"Flux was interpolated linearly onto one grid, {self.grid}."] if self.grid else []),
        ]


NOTHING = Recipe()


def _in_vacuum(sample: Sample) -> Sample:
    if sample.observation.medium == "Vacuum":
        return sample
    if sample.observation.medium != "Air":
        raise MissingMetadataError(
            f"{sample.name}: its file does not say whether its wavelengths are of air or of vacuum, which "
            '--vacuum needs; say it in the archive\'s profile (medium = "air")'
        )
    return replace(sample, wave=vacuum_of(sample.wave), observation=replace(sample.observation, medium="Vacuum"))


def vacuum_of(air: Array) -> Array:
    """Return the wavelengths in vacuum (Angstrom) of wavelengths in air.

    The formula is N. Piskunov's inverse of the IAU's standard formula (Morton 2000, ApJS 130, 403), as in the VALD
    database.
    """
    square = (1e4 / np.maximum(air, SHORTEST_AIR)) ** 2
    index = 1 + 0.00008336624212083 + 0.02408926869968 / (130.1065924522 - square)
    return np.where(air < SHORTEST_AIR, air, air * (index + 0.0001599740894897 / (38.92568793293 - square)))


def _smoothed_sample(sample: Sample, sigma: float) -> Sample:
    kernel = _gaussian(sigma)
    uncertainty, mask = sample.uncertainty, sample.mask
    return replace(
        sample,
        flux=_convolved(sample.flux, kernel),
        uncertainty=None if uncertainty is None else np.sqrt(_convolved(uncertainty**2, kernel**2)),
        mask=None if mask is None else _convolved(mask.astype(np.float64), np.ones(kernel.size)) > 0.5,
    )


def smoothed(flux: Array, sigma: float) -> Array:
    """Convolve with a Gaussian of ``sigma`` pixels, cut off at four.

    The end values continue beyond both ends.
    """
    return _convolved(flux, _gaussian(sigma))


def _gaussian(sigma: float) -> Array:
    reach = math.ceil(8 * sigma) // 2
    kernel: Array = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    return kernel


def _convolved(values: Array, kernel: Array) -> Array:
    return np.convolve(np.pad(values, kernel.size // 2, mode="edge"), kernel, mode="valid")


@dataclass(frozen=True, slots=True)
class Axis:
    """``start + step * numpy.arange(count)`` are wavelengths in Angstrom, to the last bit."""

    start: float
    step: float
    count: int


def axis_of(wave: Array) -> Axis | None:
    """Return the axis that is ``wave`` exactly.

    None if there is none, since wavelengths are not rounded here.
    """
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
    def wave(self) -> Array:
        """The wavelengths, shape (points,)."""
        return np.linspace(self.low, self.high, self.points)

    def covered_by(self, wave: Array) -> bool:
        """Return whether every point of the grid lies within ``wave``, which is monotonic."""
        return bool(min(wave[0], wave[-1]) <= self.low and self.high <= max(wave[0], wave[-1]))

    def resample(self, sample: Sample) -> Sample:
        """Return ``sample`` at the points of the grid, interpolated linearly."""
        order = slice(None) if sample.wave[0] <= sample.wave[-1] else slice(None, None, -1)
        wave, uncertainty, mask = sample.wave[order], sample.uncertainty, sample.mask
        if uncertainty is not None or mask is not None:
            right = np.clip(wave.searchsorted(self.wave, side="right"), 1, wave.size - 1)
            share = (self.wave - wave[right - 1]) / (wave[right] - wave[right - 1])
            uncertainty = None if uncertainty is None else _between(uncertainty[order], right, share)
            mask = None if mask is None else _either(mask[order], right, share)
        flux = np.interp(self.wave, wave, sample.flux[order])
        return replace(sample, wave=self.wave, flux=flux, uncertainty=uncertainty, mask=mask)

    def __str__(self) -> str:
        return f"{self.low:.10g} to {self.high:.10g} Angstrom, {self.points} points"


def _between(uncertainty: Array, right: Places, share: Array) -> Array:
    """Return the uncertainty of linear interpolation between independent points.

    One of weight 0 does not count.
    """
    left_part = np.where(share == 1, 0.0, (1 - share) * uncertainty[right - 1])
    right_part = np.where(share == 0, 0.0, share * uncertainty[right])
    return np.hypot(left_part, right_part)


def _either(mask: Flags, right: Places, share: Array) -> Flags:
    return (mask[right - 1] & (share < 1)) | (mask[right] & (share > 0))


def parse_grid(text: str) -> Grid:
    """Parse ``LO HI N [UNIT]``, in Angstrom without a unit.

    ValueError, in one clause, for anything else.
    """
    parts = text.split(maxsplit=3)
    if len(parts) < 3:
        raise ValueError(f"two limits and a number of points are needed: {EXAMPLE}")
    low, high, points, *unit = parts
    if not points.isascii() or not points.isdecimal() or not 2 <= int(points) <= MOST_POINTS:
        raise ValueError(f"{points!r} is not a number of points from 2 to {MOST_POINTS}: {EXAMPLE}")
    band = parse_band(" ".join([low, high, *(unit or ["AA"])]))
    if not np.isfinite([band.low, band.high]).all():
        raise ValueError(f"a grid has two ends: {EXAMPLE}")
    if not unit:
        return Grid(float(low), float(high), int(points))  # as they were typed, not by way of metres
    return Grid(float(f"{band.low * 1e10:.15g}"), float(f"{band.high * 1e10:.15g}"), int(points))

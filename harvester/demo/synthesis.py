"""Synthesize H-alpha spectra of an observation.

Normalized to a continuum of 1, relative, or in counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from .observations import DigestRandom, LineProfile, SyntheticObservation

Array = NDArray[np.float64]

H_ALPHA = 6562.817  # Angstrom, in air
_PIXELS = np.arange(2048, dtype=np.float64)
_TELLURIC = np.array([[6543.91], [6548.62], [6552.63], [6557.17], [6572.09], [6574.85]])
_TELLURIC_DEPTH = np.array([0.018, 0.014, 0.015, 0.011, 0.013, 0.02])
# One stretch of noise for all, each spectrum from its own place: a generator each would cost a third of the time.
_NOISE = np.random.Generator(np.random.PCG64(20040101)).standard_normal(1 << 17)


class Calibration(Enum):
    """The values of dlget's FLUXCALIB, in the spelling that the service descriptor offers."""

    UNCALIBRATED = "UNCALIBRATED"
    RELATIVE = "relative"
    NORMALIZED = "normalized"


@dataclass(frozen=True, slots=True)
class SyntheticSpectrum:
    """Two columns of shape ``(points,)``.

    Wavelength in Angstrom (air), flux as its calibration has it.
    """

    wave: Array
    flux: Array


def synthesize(observation: SyntheticObservation, calibration: Calibration) -> SyntheticSpectrum:
    """Return the whole spectrum in one of its three calibrations."""
    dice = DigestRandom(f"light {observation.did}")
    pixels = _PIXELS[: observation.points]
    wave = observation.first + observation.step * pixels
    flux = _photosphere(wave, observation, dice)
    start = dice.seed % (_NOISE.size - _PIXELS.size)
    flux += (0.004 + 0.012 * dice.roll()) * _NOISE[start : start + wave.size]
    if calibration is not Calibration.NORMALIZED:
        flux *= _throughput(pixels / wave.size, dice)
        if calibration is Calibration.RELATIVE:
            flux /= flux.max()
    return SyntheticSpectrum(wave, flux)


def _photosphere(wave: Array, observation: SyntheticObservation, dice: DigestRandom) -> Array:
    """Return continuum, H-alpha, He I 6678 and a few weak water lines of the atmosphere."""
    flux = 1 + _h_alpha(wave - (H_ALPHA + observation.star.velocity), observation.label, dice)
    helium = slice(*wave.searchsorted((6670, 6686)))
    flux[helium] -= 0.08 * dice.roll() * _bell(wave[helium] - 6678.15, 1.6)
    water = slice(*wave.searchsorted((6541, 6578)))
    lines = np.exp(-(((wave[water] - _TELLURIC) / 0.35) ** 2))
    flux[water] *= 1 - (0.3 + 1.7 * dice.roll()) * (_TELLURIC_DEPTH @ lines)
    return flux


def _h_alpha(offset: Array, label: LineProfile, dice: DigestRandom) -> Array:
    """Return the line's flux above the continuum at ``offset`` Angstrom from its centre."""
    depth, strength, width, balance = (dice.roll() for _ in range(4))
    absorption: Array = -(0.25 + 0.4 * depth) / (1 + (offset / (3 + 5 * width)) ** 2)
    if label is LineProfile.ABSORPTION:
        return absorption
    if label is LineProfile.UNKNOWN:
        return 0.2 * absorption + 0.25 * depth * _bell(offset, 1.5 + width)
    height, spread = 0.6 + 4.5 * strength**2, 2.2 + 2.5 * width
    if label is LineProfile.EMISSION:
        return 0.3 * absorption + height * _bell(offset, spread)
    peaks = (0.8 + 0.4 * balance) * _bell(offset + spread, 0.6 * spread) + _bell(offset - spread, 0.6 * spread)
    return 0.3 * absorption + 0.6 * height * peaks


def _bell(offset: Array, width: float) -> Array:
    bell: Array = np.exp(-0.5 * (offset / width) ** 2)
    return bell


def _throughput(along: Array, dice: DigestRandom) -> Array:
    """Return thousands of counts, highest near the chip's middle.

    ``along`` is 0 to 1 over the chip.
    """
    level, centre, fall = (dice.roll() for _ in range(3))
    counts: Array = (3000 + 25000 * level) * (1 - (0.5 + 1.2 * fall) * (along - (0.4 + 0.2 * centre)) ** 2)
    return counts

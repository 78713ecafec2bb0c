"""The science gate: numbers that can be the spectrum asked for, with the wavelengths the header declares."""

from __future__ import annotations

from math import isfinite

import numpy as np
from numpy.typing import NDArray

from ..fits.describe import quote
from ..fits.errors import InvalidSpectrumError
from ..fits.header import Header
from ..fits.spectrum import Spectrum, metres
from ..model.failures import FailureKind
from ..model.outcomes import Check
from ..model.target import SpectrumId
from .expectation import Expectation


@np.errstate(all="ignore")  # overflowing differences of absurd numbers are infinite, and refused as such
def check_science(spectrum: Spectrum, expected: Expectation) -> tuple[float, float]:
    """The lowest and the highest wavelength in metres; RejectedError for numbers that are no such spectrum."""
    wave, flux = spectrum.wave, spectrum.flux
    if wave.size < 2:
        raise _refused(FailureKind.NO_ROWS, f"the spectrum has {wave.size} points; at least 2 are needed")
    _check_finite("wavelengths", wave)
    _check_finite("values of flux", flux)
    steps = wave[1:] - wave[:-1]
    _check_monotonic(wave, steps)
    factor = metres(spectrum.unit or expected.spectral_unit)
    low, high = sorted((float(wave[0]) * factor, float(wave[-1]) * factor))
    if low <= 0:
        raise _refused(FailureKind.INVALID_AXIS, f"the shortest wavelength is {_words(low)}; wavelengths are positive")
    _check_axis(spectrum, expected, factor, steps)
    _check_band(expected, low, high)
    _check_flux(flux, expected)
    return low, high


def _refused(kind: FailureKind, detail: str) -> InvalidSpectrumError:
    return InvalidSpectrumError(Check.SCIENCE, kind, detail)


def _words(length: float) -> str:
    return f"{length * 1e10:.8g} Angstrom"


def _check_finite(what: str, values: NDArray[np.float64]) -> None:
    if isfinite(np.add.reduce(values)):  # a sum that is finite has no other terms; one that is not proves nothing
        return
    bad = values.size - int(np.count_nonzero(np.isfinite(values)))
    if bad:
        raise _refused(FailureKind.NOT_FINITE, f"{bad:,} of {values.size:,} {what} are NaN or infinite; none may be")


def _check_monotonic(wave: NDArray[np.float64], steps: NDArray[np.float64]) -> None:
    rising = wave[-1] > wave[0]
    if steps.min() > 0 if rising else steps.max() < 0:
        return
    row = int(np.argmin(steps > 0 if rising else steps < 0)) + 2
    way = "rise" if rising else "fall"
    before, here = wave[row - 2], wave[row - 1]
    detail = f"the wavelengths do not {way} at row {row:,} of {wave.size:,}: {here:.10g} follows {before:.10g}"
    raise _refused(FailureKind.NOT_MONOTONIC, detail)


def _check_axis(spectrum: Spectrum, expected: Expectation, factor: float, steps: NDArray[np.float64]) -> None:
    low, high = sorted((float(spectrum.wave[0]), float(spectrum.wave[-1])))
    lowest, highest = (spectrum.table.real(f"{name}{spectrum.axis}") for name in ("TDMIN", "TDMAX"))
    if lowest is None or highest is None:
        return
    for name, told, found in (("TDMIN", lowest, low), ("TDMAX", highest, high)):
        # FITS wants TDMINn in the column's unit; DaCHS writes metres, whatever that unit is.
        if min(abs(told - found), abs(told / factor - found)) > expected.axis_tolerance * found:
            detail = f"a wavelength of {_words(found * factor)} stands where {name}{spectrum.axis} declares {told:.15g}"
            limit = f"a relative difference above {expected.axis_tolerance:g}"
            raise _refused(FailureKind.INVALID_AXIS, f"{detail} (metres, or the column's unit): {limit}")
    if expected.step_tolerance is not None:
        _check_steps(steps, (spectrum.wave[-1] - spectrum.wave[0]) / steps.size, expected.step_tolerance, factor)


def _check_steps(steps: NDArray[np.float64], even: np.float64, tolerance: float, factor: float) -> None:
    """The ends are as declared: with the number of points they declare the ``even`` step."""
    allowed = tolerance * abs(even)
    if steps.max() - even <= allowed and even - steps.min() <= allowed:
        return
    off = np.abs(steps - even)
    worst = int(off.argmax())
    if not off[worst] <= allowed:
        detail = f"the wavelengths' step after row {worst + 1:,} is {_words(float(steps[worst]) * factor)}"
        limit = f"its tolerance is {tolerance:.3g} of that"
        declared = f"TDMIN, TDMAX and the number of points declare an even {_words(float(even) * factor)}"
        raise _refused(FailureKind.INVALID_AXIS, f"{detail}; {declared}; {limit}")


def _check_band(expected: Expectation, low: float, high: float) -> None:
    band = expected.band
    if band is None:
        return
    if low < band.low - expected.band_tolerance or high > band.high + expected.band_tolerance:
        detail = f"the spectrum reaches from {_words(low)} to {_words(high)}; asked for was {band.format_angstroms()}"
        limit = f"give or take {expected.band_tolerance * 1e10:.3g} Angstrom"
        raise _refused(FailureKind.WRONG_BAND, f"{detail}, {limit}")


def _check_flux(flux: NDArray[np.float64], expected: Expectation) -> None:
    if not flux.any():
        raise _refused(FailureKind.ZERO_FLUX, f"all {flux.size:,} values of flux are zero")
    if not expected.normalized:
        return
    lowest, highest = expected.median_flux
    if _is_surely_typical(flux, lowest, highest):
        return
    median = _median(flux)
    if not lowest <= median <= highest:
        detail = f"the median flux is {median:.6g}, outside {lowest:g} to {highest:g}"
        raise _refused(FailureKind.NOT_NORMALIZED, f"{detail}: the continuum of a normalized spectrum lies at 1")


def _is_surely_typical(values: NDArray[np.float64], lowest: float, highest: float) -> bool:
    """Whether fewer than half of the values lie on either side, so that the median cannot; in a fifth of its time."""
    fewer = (values.size - 1) // 2
    return int(np.count_nonzero(values < lowest)) <= fewer and int(np.count_nonzero(values > highest)) <= fewer


def _median(values: NDArray[np.float64]) -> float:
    """As numpy's median, in a third of its time."""
    lower, upper = (values.size - 1) // 2, values.size // 2
    middle = np.partition(values, (lower, upper))
    return float(middle[lower] + middle[upper]) / 2


def check_identity(did: SpectrumId, card: str | None, *headers: Header) -> None:
    """RejectedError unless ``card`` is in one of ``headers`` and equals ``did`` in each that has it."""
    if card is None:
        return
    names = [name for header in headers if (name := header.value(card)) is not None]
    if not names:
        detail = f"the file does not say which spectrum it is: it has no {card} card"
        raise InvalidSpectrumError(Check.IDENTITY, FailureKind.NO_IDENTIFIER, detail)
    for name in names:
        if name != did:
            came, asked = quote(str(name).encode()), quote(did.encode())
            detail = f"another spectrum came: {card} is {came}, asked for was {asked}"
            raise InvalidSpectrumError(Check.IDENTITY, FailureKind.WRONG_SPECTRUM, detail)

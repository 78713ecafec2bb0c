"""The identity check and the science check.

They establish that it is the spectrum that was requested, with the wavelengths it declares.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from ..fits.cards import Cards
from ..fits.describe import quote
from ..fits.errors import InvalidSpectrumError, unreadable
from ..fits.spectrum import Spectrum, metres
from ..formatting import are, count, plural
from ..model.expectation import Expectation
from ..model.failures import FailureKind
from ..model.outcomes import LONGEST_WAVELENGTH, Check
from ..model.target import SpectrumId, names_of_file

ROUNDED = 1e-3  # relative difference between ends that archives without strict files round, and those of the data
ENOUGH_VALID = 0.05  # of a spectrum's points: edges without light may be many, but a spectrum is more than a few

Array = NDArray[np.float64]


@np.errstate(all="ignore")  # overflowing differences of absurd numbers are infinite, and refused as such
def check_science(spectrum: Spectrum, expected: Expectation) -> tuple[float, float]:
    """Return the lowest and the highest wavelength in metres.

    InvalidSpectrumError for numbers that cannot be the spectrum requested. A strict expectation allows neither invalid
    flux nor wavelengths that repeat or turn back.
    """
    wave = spectrum.wave
    if wave.size < 2:
        raise _refused(FailureKind.NO_ROWS, f"the spectrum has {plural(wave.size, 'point')}; at least 2 are needed")
    _check_finite("wavelengths", wave)
    flux = _valid_flux(spectrum, expected)
    if spectrum.lengths:
        _check_segments(spectrum, expected)
        steps = None
    else:
        steps = wave[1:] - wave[:-1]
        _check_monotonic(wave, steps, expected.strict)
    factor = metres(spectrum.unit)
    lowest, highest = _ends(spectrum, wave)
    low, high = lowest * factor, highest * factor
    if low <= 0:
        raise _refused(FailureKind.INVALID_AXIS, f"the shortest wavelength is {_words(low)}; wavelengths are positive")
    if high >= LONGEST_WAVELENGTH:
        raise unreadable(f"the file holds a wavelength of {_words(high)}, by its unit, which cannot be right")
    _check_axis(spectrum, expected, factor, (lowest, highest), steps)
    _check_band(expected, low, high)
    _check_flux(flux, expected)
    return low, high


def _ends(spectrum: Spectrum, values: Array) -> tuple[float, float]:
    """Return the lowest and the highest of values that rise or fall in each segment."""
    if not spectrum.lengths:
        first, last = float(values[0]), float(values[-1])
        return (first, last) if first <= last else (last, first)
    ends = [float(values[at]) for part in spectrum.segments for at in (part.start, part.stop - 1)]
    return min(ends), max(ends)


def _refused(kind: FailureKind, detail: str) -> InvalidSpectrumError:
    return InvalidSpectrumError(Check.SCIENCE, kind, detail)


def _words(length: float) -> str:
    return f"{length * 1e10:.8g} Angstrom"


def _check_finite(what: str, values: Array) -> None:
    if isfinite(np.add.reduce(values)):  # a sum that is finite has no other terms; one that is not proves nothing
        return
    bad = values.size - int(np.count_nonzero(np.isfinite(values)))
    if bad:
        raise _refused(
            FailureKind.NOT_FINITE,
            f"{count(bad)} of {count(values.size)} {what} {are(bad)} NaN or infinite; none may be",
        )


def _valid_flux(spectrum: Spectrum, expected: Expectation) -> Array:
    """Return the flux of all points that have one; too few of them are a fault."""
    flux = spectrum.flux
    if expected.strict:
        _check_finite("values of flux", flux)
        return flux
    if isfinite(np.add.reduce(flux)):
        return flux
    valid = flux[np.isfinite(flux)]
    needed = max(2, int(np.ceil(ENOUGH_VALID * flux.size)))
    if valid.size < needed:
        enough = f"at least {count(needed)} must be"
        detail = f"only {count(valid.size)} of {count(flux.size)} values of flux {are(valid.size)} finite; {enough}"
        raise _refused(FailureKind.NOT_FINITE, detail)
    return valid


def _check_segments(spectrum: Spectrum, expected: Expectation) -> None:
    if expected.strict:
        detail = f"the file holds {len(spectrum.lengths)} segments, but the archive's profile promises one (strict)"
        raise unreadable(detail)
    for part in spectrum.segments:
        wave = spectrum.wave[part]
        if wave.size > 1:
            _check_monotonic(wave, wave[1:] - wave[:-1], strict=False)


def _check_monotonic(wave: Array, steps: Array, strict: bool) -> None:
    """Raise unless wavelengths rise or fall all the way.

    Equal neighbours are a matter of rounding if not strict.
    """
    rising = wave[-1] > wave[0]
    if steps.min() > 0 if rising else steps.max() < 0:
        return
    if not strict and wave[-1] != wave[0] and (steps.min() >= 0 if rising else steps.max() <= 0):
        return
    good = steps > 0 if rising else steps < 0
    row = int(np.argmin(good if strict or wave[-1] == wave[0] else good | (steps == 0))) + 2
    way = "rise" if rising else "fall"
    before, here = wave[row - 2], wave[row - 1]
    detail = (
        f"the wavelengths do not {way} at row {count(row)} of {count(wave.size)}: {here:.10g} follows {before:.10g}"
    )
    raise _refused(FailureKind.NOT_MONOTONIC, detail)


def _check_axis(
    spectrum: Spectrum, expected: Expectation, factor: float, ends: tuple[float, float], steps: Array | None
) -> None:
    """Raise unless the axis is as TDMINn and TDMAXn declare.

    Its ends are those, and its steps as even as they say.
    """
    lowest, highest = spectrum.table.real(f"TDMIN{spectrum.axis}"), spectrum.table.real(f"TDMAX{spectrum.axis}")
    if lowest is None or highest is None:
        return
    tolerance = expected.axis_tolerance if expected.strict else max(expected.axis_tolerance, ROUNDED)
    stored = None if spectrum.original is None else _ends(spectrum, spectrum.original.values)
    if stored is not None and _is_close(zip(stored, (lowest, highest), strict=True), tolerance):
        return
    for name, declared, found in (("TDMIN", lowest, ends[0]), ("TDMAX", highest, ends[1])):
        # FITS wants TDMINn in the column's unit; DaCHS writes metres, whatever that unit is.
        if min(abs(declared - found), abs(declared / factor - found)) > tolerance * found:
            detail = f"a wavelength of {_words(found * factor)} stands where {name}{spectrum.axis} declares"
            limit = f"a relative difference above {tolerance:g}"
            message = f"{detail} {declared:.15g} (metres, or the column's unit): {limit}"
            raise _refused(FailureKind.INVALID_AXIS, message)
    if expected.step_tolerance is not None and steps is not None and spectrum.original is None:
        even = (spectrum.wave[-1] - spectrum.wave[0]) / steps.size
        _check_steps(steps, even, expected.step_tolerance, factor)


def _is_close(pairs: Iterable[tuple[float, float]], tolerance: float) -> bool:
    return all(abs(found - declared) <= tolerance * abs(found) for found, declared in pairs)


def _check_steps(steps: Array, even: np.float64, tolerance: float, factor: float) -> None:
    """Raise unless each step is the ``even`` one that ends and number of points declare."""
    allowed = tolerance * abs(even)
    if steps.max() - even <= allowed and even - steps.min() <= allowed:
        return
    off = np.abs(steps - even)
    worst = int(off.argmax())
    if not off[worst] <= allowed:
        detail = f"the wavelengths' step after row {count(worst + 1)} is {_words(float(steps[worst]) * factor)}"
        limit = f"its tolerance is {tolerance:.3g} of that"
        declared = f"TDMIN, TDMAX and the number of points declare an even {_words(float(even) * factor)}"
        raise _refused(FailureKind.INVALID_AXIS, f"{detail}; {declared}; {limit}")


def _check_band(expected: Expectation, low: float, high: float) -> None:
    band = expected.band
    if band is None:
        return
    if low < band.low - expected.band_tolerance or high > band.high + expected.band_tolerance:
        detail = f"the spectrum reaches from {_words(low)} to {_words(high)}; requested was {band.format_angstroms()}"
        limit = f"give or take {expected.band_tolerance * 1e10:.3g} Angstrom"
        raise _refused(FailureKind.WRONG_BAND, f"{detail}, {limit}")


def _check_flux(flux: Array, expected: Expectation) -> None:
    if not flux.any():
        raise _refused(FailureKind.ZERO_FLUX, f"all {count(flux.size)} values of flux are zero")
    if not expected.normalized:
        return
    lowest, highest = expected.median_flux
    if _is_surely_typical(flux, lowest, highest):
        return
    median = _median(flux)
    if not lowest <= median <= highest:
        detail = f"the median flux is {median:.6g}, outside {lowest:g} to {highest:g}"
        raise _refused(FailureKind.NOT_NORMALIZED, f"{detail}: the continuum of a normalized spectrum lies at 1")


def _is_surely_typical(values: Array, lowest: float, highest: float) -> bool:
    """Return whether fewer than half of the values lie on either side of the limits.

    Then the median lies within.

    It takes a fifth of the time of the median.
    """
    fewer = (values.size - 1) // 2
    return int(np.count_nonzero(values < lowest)) <= fewer and int(np.count_nonzero(values > highest)) <= fewer


def _median(values: Array) -> float:
    """Return numpy's median, in a third of its time."""
    lower, upper = (values.size - 1) // 2, values.size // 2
    middle = np.partition(values, (lower, upper))
    return float(middle[lower] + middle[upper]) / 2


def check_identity(did: SpectrumId, card: str | None, *headers: Cards) -> None:
    """Raise InvalidSpectrumError unless ``headers`` name ``did``.

    ``card`` must be in one of them, and equal ``did``, or the DID of its dataset, in each that has it.
    """
    if card is None:
        return
    names = [name for header in headers if (name := header.value(card)) is not None]
    if not names:
        detail = f"the file does not say which spectrum it is: it has no {card} card"
        raise InvalidSpectrumError(Check.IDENTITY, FailureKind.NO_IDENTIFIER, detail)
    for name in names:
        if name not in names_of_file(did):
            found, requested = quote(str(name).encode()), quote(did.encode())
            detail = f"another spectrum came: {card} is {found}, requested was {requested}"
            raise InvalidSpectrumError(Check.IDENTITY, FailureKind.WRONG_SPECTRUM, detail)

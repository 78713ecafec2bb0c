"""Join segments: orders, arms, chips and rows that are parts of one spectrum.

They stand one behind the other in its arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as with_default
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..formatting import are, plural
from ..model.conventions import NO_CONVENTIONS, FileConventions
from ..model.failures import FailureKind
from ..model.outcomes import Check
from .axis import StoredAxis, wavelengths
from .cards import Cards
from .column_names import Role, plain
from .errors import InvalidSpectrumError, unreadable
from .spectrum import Array, ArrayMeaning, Flags, SpectralAxis, Spectrum, angstroms

Number = TypeVar("Number", bound=np.generic)

MOST_SEGMENTS = 500
_POWERS = {Role.SIGMA: 1, Role.VARIANCE: 2, Role.INVERSE_VARIANCE: -2}
SHORTEST_ORDER = 10  # points between two places where wavelengths turn back; below it they are out of order


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """The arrays of one segment as a file has them, equally long.

    ``axis`` is in the unit that the file gives.
    """

    axis: Array
    flux: Array
    uncertainty: Array | None = None
    mask: Flags | None = None


@dataclass(frozen=True, slots=True)
class SegmentSource:
    """Where arrays come from.

    Headers, and what these say about axis and flux (see ``Spectrum``).
    """

    primary: Cards
    header: Cards
    field: str
    axis: int = 1
    flux_unit: str = ""
    ucd: str = ""
    conventions: FileConventions = NO_CONVENTIONS
    meanings: Mapping[str, ArrayMeaning] = with_default(default_factory=dict)


def standard_deviation(values: Array, role: Role) -> Array:
    """Return ``values`` as standard deviations.

    NaN where a variance or an inverse variance is not positive.
    """
    if role is Role.SIGMA:
        return values
    with np.errstate(all="ignore"):
        if role is Role.VARIANCE:
            return np.sqrt(np.where(values >= 0, values, np.nan))
        return 1 / np.sqrt(np.where(values > 0, values, np.nan))


def deviation_factor(role: Role, unit: str, flux: str) -> float | None:
    """Return what makes an uncertainty in ``unit`` that of flux in the unit ``flux``.

    It is multiplied by that. None if nothing makes it that; 1 where it has no unit.
    """
    if not unit or plain(unit) == plain(flux):
        return 1.0
    from .flux_unit import conversion  # imports astropy's units, a third of a second, for the files that spell two

    return conversion(unit, flux, _POWERS[role])


def left_out(field: str, unit: str, flux: str) -> str:
    """Return the remark on an uncertainty whose unit is not that of flux."""
    return f"{field} is left out: its unit {unit!r} is not that of the flux, {flux!r}"


def assemble(
    segments: Sequence[Segment], stored: StoredAxis, source: SegmentSource, remarks: Sequence[str] = ()
) -> Spectrum:
    """Return the spectrum of ``segments``, whose axes are those of ``stored``.

    InvalidSpectrumError if in doubt.
    """
    if len(segments) > MOST_SEGMENTS:
        raise unreadable(
            f"the file holds {plural(len(segments), 'segment')}; at most {MOST_SEGMENTS} are read as one spectrum"
        )
    found = wavelengths(stored, source.conventions)
    lengths = tuple(segment.flux.size for segment in segments) if len(segments) > 1 else ()
    return Spectrum(
        found.values,
        found.unit,
        _joined([segment.flux for segment in segments]),
        source.flux_unit,
        source.axis,
        source.primary,
        source.header,
        _joined_or_none([segment.uncertainty for segment in segments]),
        _joined_or_none([segment.mask for segment in segments]),
        lengths,
        found.original,
        source.conventions,
        (*remarks, *found.remarks),
        source.ucd,
        source.meanings,
    )


def joined_axis(segments: Sequence[Segment]) -> Array:
    """Return the axes of ``segments``, one behind the other."""
    return _joined([segment.axis for segment in segments])


def _joined(arrays: Sequence[NDArray[Number]]) -> NDArray[Number]:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _joined_or_none(arrays: Sequence[NDArray[Number] | None]) -> NDArray[Number] | None:
    present = [array for array in arrays if array is not None]
    return _joined(present) if present and len(present) == len(arrays) else None


def combine(spectra: Sequence[Spectrum]) -> Spectrum:
    """Return one spectrum with the segments of all, in their order.

    InvalidSpectrumError if their units differ.
    """
    first = spectra[0]
    units = sorted({spectrum.flux_unit for spectrum in spectra})
    if len(units) > 1:
        raise unreadable(f"the file holds {len(spectra)} spectra with different units of flux: {', '.join(units)}")
    same = len({spectrum.unit for spectrum in spectra}) == 1
    lengths = tuple(part.stop - part.start for spectrum in spectra for part in spectrum.segments)
    if len(lengths) > MOST_SEGMENTS:
        raise unreadable(
            f"the file holds {plural(len(lengths), 'segment')}; at most {MOST_SEGMENTS} are read as one spectrum"
        )
    combined = replace(
        first,
        wave=np.concatenate([spectrum.wave if same else angstroms(spectrum) for spectrum in spectra]),
        unit=first.unit if same else "Angstrom",
        flux=np.concatenate([spectrum.flux for spectrum in spectra]),
        uncertainty=_joined_or_none([spectrum.uncertainty for spectrum in spectra]),
        mask=_joined_or_none([spectrum.mask for spectrum in spectra]),
        lengths=lengths,
        original=_joined_original(spectra),
    )
    return combined.with_remarks([each for spectrum in spectra for each in spectrum.remarks])


def _joined_original(spectra: Sequence[Spectrum]) -> SpectralAxis | None:
    """Return the stored axes one behind the other, None unless they are all in one unit."""
    axes = [spectrum.original for spectrum in spectra if spectrum.original is not None]
    if len(axes) < len(spectra) or len({(axis.unit, axis.scale) for axis in axes}) > 1:
        return None
    return replace(axes[0], values=np.concatenate([axis.values for axis in axes]))


def tolerant(spectrum: Spectrum) -> Spectrum:
    """Return ``spectrum`` without its padding, and split where its wavelengths turn back.

    Points without a wavelength (NaN or 0) whose flux is no number either, zero or masked are padding. Overlapping
    orders, one behind the other, are segments. InvalidSpectrumError if a point has flux and no wavelength.
    """
    return _split_at_turns(_without_padding(spectrum))


def _without_padding(spectrum: Spectrum) -> Spectrum:
    wave, flux = spectrum.wave, spectrum.flux
    missing = np.isnan(wave) | (wave == 0)
    count = int(np.count_nonzero(missing))
    if not count or count == wave.size:
        return spectrum
    empty = ~np.isfinite(flux) | (flux == 0)
    if spectrum.mask is not None:
        empty |= spectrum.mask
    if not empty[missing].all():
        with_flux = int(np.count_nonzero(missing & ~empty))
        points = f"{with_flux} of {plural(wave.size, 'point')}"
        detail = f"{points} have a value of flux, but no wavelength (NaN or 0)"
        raise InvalidSpectrumError(Check.SCIENCE, FailureKind.NOT_FINITE, detail)
    kept = [int(np.count_nonzero(~missing[part])) for part in spectrum.segments]
    lengths = tuple(length for length in kept if length)
    trimmed = replace(spectrum.take(~missing), lengths=lengths if len(lengths) > 1 else ())
    return trimmed.with_remarks([f"{plural(count, 'point')} without wavelength and flux {are(count)} left out"])


def _split_at_turns(spectrum: Spectrum) -> Spectrum:
    if spectrum.lengths or spectrum.wave.size < 2 * SHORTEST_ORDER:
        return spectrum
    with np.errstate(all="ignore"):
        steps = np.diff(spectrum.wave)
    rising = int(np.count_nonzero(steps > 0)) >= int(np.count_nonzero(steps < 0))
    turns = np.flatnonzero(steps < 0 if rising else steps > 0) + 1
    if not turns.size or turns.size >= MOST_SEGMENTS:
        return spectrum
    lengths = np.diff([0, *turns.tolist(), spectrum.wave.size])
    if lengths.min() < SHORTEST_ORDER:
        return spectrum
    turned = plural(turns.size, "time")
    remark = f"its wavelengths turn back {turned}: {lengths.size} overlapping orders are read as segments"
    return replace(spectrum, lengths=tuple(lengths.tolist())).with_remarks([remark])

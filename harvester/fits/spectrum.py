"""The one model of a spectrum that all readers give and everything after them uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ..model.conventions import NO_CONVENTIONS, FileConventions
from ..model.units import METRES, AxisKind, Scale
from .cards import Cards
from .errors import InvalidSpectrumError, unreadable

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class SpectralAxis:
    """A spectral axis as its file has it, where that is no wavelength.

    ``values`` in ``unit``, shape (points,).
    """

    values: Array
    unit: str
    kind: AxisKind
    scale: Scale


@dataclass(frozen=True, slots=True)
class ArrayMeaning:
    """What a file says about one array.

    Name, UCD and UTYPE in lower case, '' where it says nothing.
    """

    name: str
    ucd: str
    utype: str


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """A spectrum as its file has it.

    wave, flux: float64, shape (points,), in the file's order; TSCALn, TZEROn applied, TNULLn read as NaN.
    unit: of ``wave``, as TUNITn spells it, '' where there is none; flux_unit likewise.
    axis: the number n of the spectral column (or image axis), for cards such as TDMINn.
    primary, table: the values of the cards of the primary HDU and of the table's (or the image's).
    uncertainty: one standard deviation in the unit of flux, NaN where the file gives none; None without any.
    mask: True where the file flags a point as bad; None where it flags none.
    lengths: points of each segment (order, arm, chip), one behind the other; empty for a single segment.
    original: the axis as stored, where that is a frequency, an energy, a wavenumber or a logarithm.
    conventions: what the archive's profile said about the file when it was read.
    remarks: sentences on what is unusual in the file, and how it was read. ucd: of the spectral column, in lower case.
    meanings: what tables say about ``wave``, ``flux``, ``uncertainty`` and ``mask``, as far as they have them.
    """

    wave: Array
    unit: str
    flux: Array
    flux_unit: str
    axis: int
    primary: Cards
    table: Cards
    uncertainty: Array | None = None
    mask: Flags | None = None
    lengths: tuple[int, ...] = ()
    original: SpectralAxis | None = None
    conventions: FileConventions = NO_CONVENTIONS
    remarks: tuple[str, ...] = ()
    ucd: str = ""
    meanings: Mapping[str, ArrayMeaning] = field(default_factory=dict)

    @property
    def segments(self) -> tuple[slice, ...]:
        """Where each segment is in the arrays."""
        if not self.lengths:
            return (slice(0, self.wave.size),)
        ends = np.cumsum(self.lengths).tolist()
        return tuple(slice(end - length, end) for end, length in zip(ends, self.lengths, strict=True))

    @property
    def valid(self) -> Flags:
        """True where flux is a finite number."""
        return np.isfinite(self.flux)

    @property
    def invalid_points(self) -> int:
        """How many points have no finite flux."""
        return int(self.flux.size - np.count_nonzero(self.valid))

    def with_remarks(self, remarks: Sequence[str]) -> Spectrum:
        """Return the same spectrum with further remarks."""
        new = tuple(remark for remark in remarks if remark not in self.remarks)
        return replace(self, remarks=self.remarks + new) if new else self

    def split(self) -> Iterator[Spectrum]:
        """Yield each segment as a spectrum of its own."""
        for part in self.segments:
            yield self.take(part)

    def take(self, points: slice | Flags) -> Spectrum:
        """Return the spectrum of these points alone, as one segment."""
        original = self.original
        return replace(
            self,
            wave=self.wave[points],
            flux=self.flux[points],
            uncertainty=None if self.uncertainty is None else self.uncertainty[points],
            mask=None if self.mask is None else self.mask[points],
            original=None if original is None else replace(original, values=original.values[points]),
            lengths=(),
        )


def metres(unit: str) -> float:
    """Return the metres in one ``unit`` of length, as TUNITn spells it.

    InvalidSpectrumError for what is none.
    """
    factor = METRES.get(unit.lower())
    return _unusual_metres(unit) if factor is None else factor


def _unusual_metres(unit: str) -> float:
    from ..model.units import spectral_unit

    known = spectral_unit(unit)
    if known is None or known.kind is not AxisKind.WAVELENGTH or known.scale is not Scale.LINEAR:
        raise no_length(unit)
    return known.factor


def no_length(unit: str) -> InvalidSpectrumError:
    """Return the error for a spectral axis in ``unit``, which is no spectral unit, or ''."""
    said = f"the unit {unit!r}, which is not a known unit of length, frequency or energy" if unit else "no unit"
    advice = "" if unit else "; say it with spectral_unit in the archive's profile"
    return unreadable(f"the spectral axis has {said}{advice}")


def angstroms(spectrum: Spectrum) -> Array:
    """Return the wavelengths in Angstrom, in the file's order."""
    factor = metres(spectrum.unit)
    return spectrum.wave if factor == 1e-10 else spectrum.wave * (factor / 1e-10)

"""A spectrum as it was read: its arrays, their units, and the headers that describe them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..model.outcomes import Check
from ..model.units import METRES
from .errors import malformed
from .header import Header


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """A spectrum as its file has it.

    wave, flux: float64, shape (points,), in the file's order; TSCALn, TZEROn applied, TNULLn read as NaN.
    unit: of ``wave``, as TUNITn spells it, '' where there is none; flux_unit likewise.
    axis: the number n of the spectral column (or image axis), for cards such as TDMINn.
    primary, table: the values of the cards of the primary HDU and of the table's (or the image's).
    """

    wave: NDArray[np.float64]
    unit: str
    flux: NDArray[np.float64]
    flux_unit: str
    axis: int
    primary: Header
    table: Header


def angstroms(spectrum: Spectrum) -> NDArray[np.float64]:
    """The wavelengths in Angstrom, in the file's order."""
    factor = metres(spectrum.unit)
    return spectrum.wave if factor == 1e-10 else spectrum.wave * (factor / 1e-10)


def metres(unit: str) -> float:
    """Metres in one ``unit`` of length, as TUNITn spells it; RejectedError for what is none."""
    factor = METRES.get(unit.lower())
    if factor is None:
        told = f"the unit {unit!r}, which is no known unit of length" if unit else "no unit"
        advice = "" if unit else "; say it with spectral_unit in the archive's profile"
        raise malformed(f"the spectral axis has {told}{advice}", Check.SCIENCE)
    return factor

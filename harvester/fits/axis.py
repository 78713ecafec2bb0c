"""From a stored spectral axis to wavelengths.

Logarithms, frequencies, energies, and axes that are in doubt.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..model.conventions import FileConventions
from ..model.units import LIGHT_SPEED, PLANCK, AxisKind, Scale, SpectralUnit, spectral_unit
from .errors import unreadable
from .spectrum import Array, SpectralAxis, no_length

ANGSTROM = 1e-10  # metres
OPTICAL_LOG10_ANGSTROM = (2.9, 5.1)  # 800 to 126,000 Angstrom
_LOG10_NANOMETRE = (2.3, 4.1)  # 200 to 12,600 nm
_LN_ANGSTROM = (6.8, 11.7)  # 900 to 120,000 Angstrom
LARGEST_LOGARITHM = _LN_ANGSTROM[1]  # above it no axis is in doubt
_WIDEST_LOGARITHM = 1.5  # of a logarithmic axis: a factor of 30 in wavelength
_ADVICE = "say what it is with spectral_scale (linear, log10 or ln) in the archive's profile"


@dataclass(frozen=True, slots=True, eq=False)
class StoredAxis:
    """A spectral axis as a file has it.

    Numbers, unit, scale where the file tells it, and the card that names it.
    """

    values: Array
    unit: str
    scale: Scale | None
    field: str
    kind: AxisKind | None = None
    """The quantity that the column's name or CTYPE1 tells; None where only the unit does."""


@dataclass(frozen=True, slots=True, eq=False)
class Wavelengths:
    """Wavelengths in ``unit``, and the axis that they were computed from, if they were."""

    values: Array
    unit: str
    original: SpectralAxis | None = None
    remarks: tuple[str, ...] = ()


def wavelengths(stored: StoredAxis, conventions: FileConventions) -> Wavelengths:
    """Return the wavelengths that ``stored`` means.

    InvalidSpectrumError where that is unknown or in doubt.
    """
    remarks: tuple[str, ...] = ()
    spelled = stored.unit or conventions.spectral_unit
    scale = stored.scale or conventions.scale
    if not spelled and scale is Scale.LOG10 and _within(stored.values, OPTICAL_LOG10_ANGSTROM):
        spelled = "Angstrom"
        remarks = (f"{stored.field} gives no unit: its values are taken for log10 of Angstrom",)
    unit = spectral_unit(spelled)
    if unit is None:
        if not spelled and stored.kind in (None, AxisKind.WAVELENGTH) and scale in (None, Scale.LINEAR):
            return Wavelengths(stored.values, "")  # the science check says what is missing
        raise no_length(spelled)
    _refuse_contradiction(stored, unit, spelled)
    scale = _scale(stored, unit, scale, spelled)
    if unit.kind is AxisKind.WAVELENGTH and scale is Scale.LINEAR:
        if conventions.scale is None and stored.scale is None:
            _refuse_hidden_logarithm(stored, unit, spelled)
        return Wavelengths(stored.values, spelled, None, remarks)
    return _converted(stored, unit, scale, spelled, remarks)


def _scale(stored: StoredAxis, unit: SpectralUnit, scale: Scale | None, spelled: str) -> Scale:
    if unit.scale is Scale.LINEAR:
        return scale or Scale.LINEAR
    if scale not in (None, unit.scale):
        raise unreadable(f"{stored.field} is {scale} by its name or cards, but its unit {spelled!r} says {unit.scale}")
    return unit.scale


def _refuse_contradiction(stored: StoredAxis, unit: SpectralUnit, spelled: str) -> None:
    if stored.kind not in (None, unit.kind):
        raise unreadable(f"{stored.field} is a {stored.kind} by its name, but its unit {spelled!r} is of {unit.kind}")


@np.errstate(all="ignore")  # what becomes NaN or infinite here is judged by the science check, not warned about
def _converted(
    stored: StoredAxis, unit: SpectralUnit, scale: Scale, spelled: str, remarks: tuple[str, ...]
) -> Wavelengths:
    linear = _without_logarithm(stored.values, scale)
    quantity = linear * unit.factor
    match unit.kind:
        case AxisKind.WAVELENGTH:
            metres, words = quantity, "wavelengths"
        case AxisKind.FREQUENCY:
            metres, words = LIGHT_SPEED / quantity, "frequencies"
        case AxisKind.ENERGY:
            metres, words = PLANCK * LIGHT_SPEED / quantity, "energies"
        case AxisKind.WAVENUMBER:
            metres, words = 1 / quantity, "wavenumbers"
    values = linear if (unit.kind, unit.factor) == (AxisKind.WAVELENGTH, ANGSTROM) else metres / ANGSTROM
    said = f"{scale} of {words}" if scale is not Scale.LINEAR else words
    remark = f"{stored.field} holds {said} ({spelled}), converted to Angstrom"
    original = SpectralAxis(stored.values, spelled, unit.kind, scale)
    return Wavelengths(values, "Angstrom", original, (*remarks, remark))


def _without_logarithm(values: Array, scale: Scale) -> Array:
    match scale:
        case Scale.LINEAR:
            return values
        case Scale.LOG10:
            return np.power(10.0, values)
        case Scale.LN:
            return np.exp(values)


def _refuse_hidden_logarithm(stored: StoredAxis, unit: SpectralUnit, spelled: str) -> None:
    """Raise where "Angstrom" from 3.58 to 3.63 must be logarithms.

    X-ray spectra are the exception, not the rule.
    """
    values, in_angstrom = stored.values, unit.factor / ANGSTROM
    if not (0.99 < in_angstrom < 10.01):
        return
    suspects = {"log10": OPTICAL_LOG10_ANGSTROM, "ln": _LN_ANGSTROM} if in_angstrom < 2 else {"log10": _LOG10_NANOMETRE}
    for name, limits in suspects.items():
        if values.size > 1 and _within(values, limits) and np.ptp(values) < _WIDEST_LOGARITHM:
            low, high = float(np.min(values)), float(np.max(values))
            detail = f"{stored.field} runs from {low:.6g} to {high:.6g} {spelled}, like {name} of wavelengths"
            raise unreadable(f"{detail}; {_ADVICE}")


def _within(values: Array, limits: tuple[float, float]) -> bool:
    if not values.size or not limits[0] <= values[0] <= limits[1]:  # nearly always, and much quicker than the rest
        return False
    return bool(limits[0] <= np.min(values) and np.max(values) <= limits[1])

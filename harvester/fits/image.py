"""Images whose first axis is a spectral axis, and the scale of that axis by the header.

FITS 4.0, section 8; IRAF.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..formatting import count
from ..model.conventions import FileConventions
from ..model.units import AxisKind, Scale, spectral_unit
from .axis import OPTICAL_LOG10_ANGSTROM, StoredAxis
from .column_names import Role, role_of_name
from .errors import unreadable
from .hdu import LARGEST_DATA, Hdu
from .header import Header
from .spectrum import Array

MOST_PIXELS = 2**24
_SAME_STEP = 1e-6  # relative difference between two cards that were rounded

_NUMBERS = {8: ">u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
_FITS_AXES = {
    "WAVE": AxisKind.WAVELENGTH,
    "AWAV": AxisKind.WAVELENGTH,
    "FREQ": AxisKind.FREQUENCY,
    "ENER": AxisKind.ENERGY,
    "WAVN": AxisKind.WAVENUMBER,
}
_FITS_CODE = re.compile(r"(WAVE|AWAV|FREQ|ENER|WAVN)(?:-(LOG|[A-Z0-9]{3}))?")
_ANY_QUANTITY = frozenset({"", "linear", "dispersion", "spectral", "spectrum"})
_PIXELS = frozenset({"pixel", "pixels", "pix", "px", "line", "index", "channel"})
_WORDS = re.compile(r"([^(\[]*?)\s*(?:[(\[]\s*([^)\]]*?)\s*[)\]])?\s*")
_LOG_WORDS = re.compile(r"(?i)(log10|log|ln)[ _(-]*(?:of )?[ _(-]*(lam|lambda|wave|wavelength|wl)\)?|log-?linear")
_BRACKETED = re.compile(rb"=[^'/]*/ *\[([!-~]+)\].*")  # a unit at the beginning of a comment: section 4.3.2
_IRAF_UNIT = re.compile(r"\bunits=(\w+)")
_AXIS_CARDS = ("CRVAL1", "CRPIX1", "CDELT1", "CD1_1", "PC1_1", "CTYPE1", "CUNIT1", "DC-FLAG")
_PIXEL_CARDS = ("BSCALE", "BZERO", "BLANK")
_LOG_FLAGS = ("DC-FLAG", "DC_FLAG", "DCFLAG")


@dataclass(frozen=True, slots=True)
class Dispersion:
    """The scale of an image's first axis.

    Pixel p, from 1 on, has ``first + (p - reference) * step``.

    scale: of these numbers, None where only the unit tells; fits_log: FITS' own logarithmic axis, whose ``first`` and
    ``step`` are wavelengths at the reference pixel (section 8.4: CTYPE1 ends in -LOG).
    """

    first: float
    reference: float
    step: float
    unit: str
    scale: Scale | None = None
    kind: AxisKind | None = None
    fits_log: bool = False
    remarks: tuple[str, ...] = ()

    @np.errstate(all="ignore")
    def values(self, points: int) -> Array:
        """Return the numbers of ``points`` pixels."""
        offsets = (np.arange(1, points + 1, dtype=np.float64) - self.reference) * self.step
        if self.fits_log:
            return self.first * np.exp(offsets / self.first)
        return self.first + offsets

    def axis(self, points: int) -> StoredAxis:
        """Return the spectral axis of ``points`` pixels."""
        scale = Scale.LINEAR if self.fits_log else self.scale
        return StoredAxis(self.values(points), self.unit, scale, "CRVAL1", self.kind)


def shape_of(header: Header) -> tuple[int, ...]:
    """Return the lengths of an image's axes, NAXIS1 first.

    Axes of one pixel at the end are left out.
    """
    lengths = [header.integer(f"NAXIS{n}", 0, LARGEST_DATA) for n in range(1, header.integer("NAXIS", 0, 999) + 1)]
    while len(lengths) > 1 and lengths[-1] == 1:
        lengths.pop()
    return tuple(lengths)


def is_row(header: Header) -> bool:
    """Return whether the image is one row of pixels."""
    shape = shape_of(header)
    return len(shape) == 1 and shape[0] > 0


@np.errstate(all="ignore")  # what becomes NaN or infinite here is judged by the science check, not warned about
def pixels(raw: bytes, hdu: Hdu) -> Array:
    """Return the image's numbers: BSCALE, BZERO applied, BLANK as NaN.

    The shape is (rows, NAXIS1), or (NAXIS1,) for one row.
    """
    header, shape = hdu.header, shape_of(hdu.header)
    _refuse_contradiction(header, _PIXEL_CARDS)
    if math.prod(shape) > MOST_PIXELS:
        raise unreadable(f"the image has {count(math.prod(shape))} pixels; at most {count(MOST_PIXELS)} are read")
    kind = np.dtype(_NUMBERS[header.integer("BITPIX", -64, 64)])
    stored: NDArray[np.generic] = np.ndarray(shape[::-1], kind, raw, hdu.start)
    scale, zero = header.real("BSCALE"), header.real("BZERO")
    values = stored.astype(np.float64) * (1.0 if scale is None else scale) + (zero or 0.0)
    blank = header.value("BLANK") if stored.dtype.kind in "iu" else None
    if blank is not None:
        values[stored == blank] = np.nan
    return values


def has_dispersion(header: Header) -> bool:
    """Return whether the header gives a scale of the first axis, in whatever unit."""
    if header.get("CRVAL1") is None:
        return _coefficients(header) is not None
    return (header.get("CDELT1") or header.get("CD1_1")) is not None


def dispersion(header: Header, conventions: FileConventions) -> Dispersion:
    """Return the scale of the image's first axis.

    InvalidSpectrumError where there is none, or it is in doubt.
    """
    _refuse_contradiction(header, _AXIS_CARDS)
    ctype = header.text("CTYPE1").strip()
    kind, scale, fits_log, unit = _ctype(ctype)
    first, step = header.real("CRVAL1"), _step(header)
    if first is None and _coefficients(header) is not None:
        return _of_coefficients(header, conventions)
    if first is None or not step:
        raise unreadable("the image has no scale of wavelengths: CRVAL1 and CDELT1 (or CD1_1) are missing, or no step")
    reference = _reference(header, conventions)
    if not conventions.spectral_scale and _counts_pixels(first, step, reference) and kind is None:
        detail = f"CRVAL1 = {first:g} and a step of 1 at pixel {reference:g} count pixels"
        raise unreadable(f"{detail}; if they are wavelengths, say it with spectral_scale in the archive's profile")
    flagged, remarks = _is_flagged_log(header, first, step)
    if flagged and not fits_log:
        if scale not in (None, Scale.LOG10):
            raise unreadable(f"DC-FLAG = 1 says log10, CTYPE1 = {ctype!r} says {scale}")
        scale = Scale.LOG10
        if not -20 < first < 20:
            detail = f"DC-FLAG = 1 declares a log scale, but CRVAL1 = {first:.6g} is not the log10 of a wavelength"
            raise unreadable(f"{detail}; say what it is with spectral_scale in the archive's profile")
    if fits_log and not first:
        raise unreadable(f"CTYPE1 = {ctype!r} needs a CRVAL1 other than 0")
    in_metres = spectral_unit(_unit(header, unit) or conventions.spectral_unit or "m")
    if fits_log and in_metres is not None and in_metres.factor < 1e-8 and _is_log10_of_angstrom(first):
        raise unreadable(f"CTYPE1 = {ctype!r} requires a wavelength as CRVAL1, but {first:.6g} looks like its log10")
    return Dispersion(first, reference, step, _unit(header, unit), scale, kind, fits_log, remarks)


def _refuse_contradiction(header: Header, names: tuple[str, ...]) -> None:
    if name := header.contradiction(*names):
        raise unreadable(f"the header has several {name} cards with different values")


def _step(header: Header) -> float | None:
    """Return the step of the first axis.

    CD1_1 goes before CDELT1 (section 8.1.2), which PC1_1 is a factor of. InvalidSpectrumError where both say something.
    """
    matrix, step, factor = header.real("CD1_1"), header.real("CDELT1"), header.real("PC1_1")
    if matrix is None:
        return step if step is None or factor is None else step * factor
    if step not in (None, 0, 1) and not math.isclose(matrix, step, rel_tol=_SAME_STEP):
        raise unreadable(f"CD1_1 = {matrix:.8g} and CDELT1 = {step:.8g} contradict each other about the axis's step")
    return matrix


def _coefficients(header: Header) -> tuple[float, float] | None:
    """Return SDSS's COEFF0 and COEFF1: log10 of Angstrom of the first pixel, and its step."""
    first, step = header.get("COEFF0"), header.get("COEFF1")
    if not isinstance(first, float) or not isinstance(step, float) or not _is_log10_of_angstrom(first):
        return None
    return first, step


def _of_coefficients(header: Header, conventions: FileConventions) -> Dispersion:
    found = _coefficients(header)
    assert found is not None
    remark = "there is no CRVAL1: COEFF0 and COEFF1 are log10 of the first pixel's wavelength, and the step"
    unit = _unit(header, "") or conventions.spectral_unit or "Angstrom"
    return Dispersion(found[0], 1.0, found[1], unit, Scale.LOG10, AxisKind.WAVELENGTH, False, (remark,))


def _counts_pixels(first: float, step: float, reference: float) -> bool:
    """Return whether the scale is that of an image without one: each pixel has its own number."""
    return step == 1 and first in (0, 1) and reference in (0, 1)


def _is_log10_of_angstrom(value: float) -> bool:
    return OPTICAL_LOG10_ANGSTROM[0] < value < OPTICAL_LOG10_ANGSTROM[1]


def _ctype(ctype: str) -> tuple[AxisKind | None, Scale | None, bool, str]:
    """Return what CTYPE1 tells.

    Quantity, scale, whether it is FITS' own -LOG, and a unit in brackets.
    """
    code = _FITS_CODE.fullmatch(ctype.upper())
    if code and code[2] in (None, "LOG"):
        return _FITS_AXES[code[1]], None if code[2] is None else Scale.LINEAR, code[2] == "LOG", ""
    found = _WORDS.fullmatch(ctype)
    name, unit = (found[1], found[2] or "") if found else (ctype, "")
    logarithm = _LOG_WORDS.match(ctype)
    if logarithm:
        natural = (logarithm[1] or "").lower() == "ln"
        unit = "" if role_of_name(unit) is Role.SPECTRAL else unit
        return AxisKind.WAVELENGTH, Scale.LN if natural else Scale.LOG10, False, unit
    if name.lower() in _PIXELS:
        raise unreadable(f"the image says CTYPE1 = {ctype!r}: an axis of pixels, not of wavelengths")
    if name.lower() in _ANY_QUANTITY:
        return None, None, False, unit
    if role_of_name(name) is Role.SPECTRAL:
        kind = {"f": AxisKind.FREQUENCY, "n": AxisKind.FREQUENCY, "e": AxisKind.ENERGY}.get(name[:1].lower())
        return kind or (None if "num" in name.lower() else AxisKind.WAVELENGTH), None, False, unit
    if spectral_unit(name) is not None:
        return None, None, False, name
    raise unreadable(f"the image says CTYPE1 = {ctype!r}; only scales of wavelength, frequency and energy are read")


def _is_flagged_log(header: Header, first: float, step: float) -> tuple[bool, tuple[str, ...]]:
    """Return whether a card says that the scale is log10.

    IRAF's DC-FLAG in any spelling, or SDSS's COEFF0, COEFF1.
    """
    for name in _LOG_FLAGS:
        flag = header.get(name)
        if flag is not None:
            return str(flag).strip().upper() in ("1", "1.0", "TRUE", "T", "YES"), ()
    if str(header.get("WFITTYPE", "")).strip().upper().replace("_", "-") == "LOG-LINEAR":  # SDSS, before spec-*
        return True, ()
    if (header.get("COEFF0"), header.get("COEFF1")) == (first, step):
        return True, ("COEFF0 and COEFF1 are those of CRVAL1 and its step: the scale is log10 of wavelengths",)
    return False, ()


def _reference(header: Header, conventions: FileConventions) -> float:
    """Return CRPIX1.

    The standard's default is 0 (section 8.2), but archives that leave it out mean the first pixel.
    """
    reference = header.real("CRPIX1")
    reference = conventions.reference_pixel if reference is None else reference
    if reference is None:
        detail = "the image has no CRPIX1: the standard's default is 0, but most who leave it out mean pixel 1"
        raise unreadable(f"{detail}; say which it is with reference_pixel in the archive's profile")
    return reference


def _unit(header: Header, in_ctype: str) -> str:
    """Return CUNIT1; or the unit in a comment's brackets, in IRAF's own card or in CTYPE1.

    '' where nothing tells.
    """
    unit = header.text("CUNIT1").strip()
    if unit:
        return unit
    for field in header.fields("CDELT1", "CD1_1", "CRVAL1"):
        found = _BRACKETED.fullmatch(field)
        if found:
            return found[1].decode("latin-1")
    iraf = _IRAF_UNIT.search(header.text("WAT1_001"))
    return iraf[1] if iraf else in_ctype

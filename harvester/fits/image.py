"""A spectrum that is an image: flux on one axis, and wavelengths by the header's linear scale (FITS 4.0, section 8)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..model.outcomes import Check
from .errors import InvalidSpectrumError, malformed
from .hdu import LARGEST_DATA, Hdu
from .header import Header
from .spectrum import Spectrum

_NUMBERS = {8: ">u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
_LINEAR = frozenset({"", "linear", "wave", "awav", "wavelength", "lambda", "angstrom"})
_BRACKETED = re.compile(rb"=[^'/]*/ *\[([!-~]+)\].*")  # a unit at the beginning of a comment: section 4.3.2
_IRAF_UNIT = re.compile(r"\bunits=(\w+)")


@dataclass(frozen=True, slots=True)
class Image:
    """An image of one row with wavelengths: pixel p, from 1 on, has ``first + (p - reference) * step``."""

    points: int
    first: float
    reference: float
    step: float
    unit: str


def spectrum_image(hdus: Iterable[Hdu]) -> tuple[Hdu, Image] | None:
    """The first image of one row; None where there is none. RejectedError if it is not on a scale of wavelengths."""
    for hdu in hdus:
        if hdu.kind in ("PRIMARY", "IMAGE") and _row_length(hdu.header):
            return hdu, _image(hdu.header)
    return None


def _row_length(header: Header) -> int:
    """The pixels on the first axis, 0 unless it is the only one that is longer than 1."""
    lengths = [header.integer(f"NAXIS{n}", 0, LARGEST_DATA) for n in range(1, header.integer("NAXIS", 0, 999) + 1)]
    return lengths[0] if lengths and set(lengths[1:]) <= {1} else 0


def _image(header: Header) -> Image:
    kind = header.text("CTYPE1")
    if kind.lower() not in _LINEAR or header.value("DC-FLAG") == 1:
        told = "DC-FLAG = 1 (a logarithmic scale)" if kind.lower() in _LINEAR else f"CTYPE1 = {kind!r}"
        raise _unscaled(f"the image says {told}; only linear scales of wavelengths are read")
    first, step = header.real("CRVAL1"), header.real("CD1_1")  # which goes before CDELT1 (section 8.1.2)
    step = header.real("CDELT1") if step is None else step
    if first is None or not step:
        raise _unscaled("the image has no scale of wavelengths: CRVAL1 and CDELT1 (or CD1_1) are missing, or no step")
    reference = header.real("CRPIX1") or 0.0  # the standard's default (section 8.2), which is not the first pixel
    return Image(_row_length(header), first, reference, step, _unit(header))


def _unscaled(detail: str) -> InvalidSpectrumError:
    return malformed(detail, Check.SCIENCE)


def _unit(header: Header) -> str:
    """CUNIT1; or in a comment's brackets, or in IRAF's own card, which are older; '' where nothing tells."""
    told = header.text("CUNIT1")
    if told:
        return told
    for field in header.fields("CDELT1", "CD1_1", "CRVAL1"):
        found = _BRACKETED.fullmatch(field)
        if found:
            return found[1].decode()
    iraf = _IRAF_UNIT.search(header.text("WAT1_001"))
    return iraf[1] if iraf else ""


@np.errstate(all="ignore")  # what becomes NaN or infinite here is judged by the science gate, not warned about
def decode_image(raw: bytes, primary: Header, hdu: Hdu, image: Image) -> Spectrum:
    """The arrays of ``image``, which is ``hdu`` in ``raw``."""
    header = hdu.header
    pixels = np.arange(1, image.points + 1, dtype=np.float64)
    wave = image.first + (pixels - image.reference) * image.step
    kind = np.dtype(_NUMBERS[header.integer("BITPIX", -64, 64)])
    stored = np.ndarray((image.points,), kind, raw, hdu.start)
    return Spectrum(wave, image.unit, _scaled(stored, header), header.text("BUNIT"), 1, primary, header)


def _scaled(stored: NDArray[np.generic], header: Header) -> NDArray[np.float64]:
    scale, zero = header.real("BSCALE"), header.real("BZERO")
    values = stored.astype(np.float64) * (1.0 if scale is None else scale) + (zero or 0.0)
    blank = header.value("BLANK") if stored.dtype.kind in "iu" else None
    if blank is not None:
        values[stored == blank] = np.nan
    return values

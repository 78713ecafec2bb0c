"""Where in a file its spectrum is, and the spectrum itself: a table's columns, else an image of one row."""

from __future__ import annotations

from dataclasses import replace

from .hdu import Hdu, read_hdus
from .header import Header
from .image import Image, decode_image, spectrum_image
from .spectrum import Spectrum
from .table import BinaryTable, decode, spectrum_table


def read_spectrum(body: bytes | bytearray | memoryview, unit: str = "") -> Spectrum:
    """The spectrum in ``body``, the bytes of a FITS file; RejectedError if there is none.

    ``unit`` is that of the wavelengths where the file names none.
    """
    raw = bytes(body)
    hdus = read_hdus(raw)
    spectrum = decoded(raw, hdus[0].header, *spectral_part(hdus))
    return spectrum if spectrum.unit else replace(spectrum, unit=unit)


def spectral_part(hdus: list[Hdu]) -> tuple[Hdu, BinaryTable | Image]:
    """The HDU with the spectrum, and what it is; RejectedError where none can have one."""
    tables = any(hdu.kind == "BINTABLE" for hdu in hdus)
    image = None if tables else spectrum_image(hdus)
    return image or spectrum_table(hdus)


def decoded(raw: bytes, primary: Header, hdu: Hdu, part: BinaryTable | Image) -> Spectrum:
    """The arrays of ``part``, which is in ``hdu``; RejectedError if they are no spectrum."""
    return decode_image(raw, primary, hdu, part) if isinstance(part, Image) else decode(raw, primary, hdu, part)

"""A FITS file as every reader presents one."""

from __future__ import annotations

from collections.abc import Sequence

from ..fits.cards import Cards
from ..fits.digest import content_digest
from ..fits.hdu import COMPRESSED, read_hdus
from ..fits.reader import SpectralPart, decode, spectral_part
from ..fits.spectrum import Spectrum
from ..model.conventions import FileConventions


class FitsFile:
    """A whole FITS file; InvalidSpectrumError if it is none."""

    __slots__ = ("_conventions", "_hdus", "_part", "_raw", "_strict")

    def __init__(self, raw: bytes, strict: bool, conventions: FileConventions) -> None:
        self._raw, self._strict, self._conventions = raw, strict, conventions
        self._hdus = read_hdus(raw, strict)
        self._part: SpectralPart | None = None

    @property
    def headers(self) -> Sequence[Cards]:
        """The header of each HDU."""
        return [hdu.header for hdu in self._hdus]

    @property
    def is_slow(self) -> bool:
        """Whether it has an image whose compression is undone in Python."""
        return any(hdu.kind == COMPRESSED for hdu in self._hdus)

    def spectral_headers(self) -> Sequence[Cards]:
        """Return the header of the table or image that holds the spectrum, and the primary one."""
        self._part = part = spectral_part(self._hdus, self._strict, self._conventions)
        return part.header, self._hdus[0].header

    def spectrum(self) -> Spectrum:
        """Return the spectrum as the file has it."""
        part = self._part or spectral_part(self._hdus, self._strict, self._conventions)
        return decode(self._raw, self._hdus, part, self._conventions)

    def content_digest(self) -> str:
        """Return the SHA-256, in hex, of cards and data without what servers rewrite."""
        return content_digest(self._raw, self._hdus)

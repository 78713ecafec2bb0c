"""A file of any format that is read.

What its headers say, its spectrum, and the digest of its content.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..fits.cards import Cards
from ..fits.errors import InvalidSpectrumError
from ..fits.segments import tolerant
from ..fits.spectrum import Spectrum
from ..model.conventions import NO_CONVENTIONS, FileConventions
from .fits_file import FitsFile
from .votable_file import VotableFile, is_votable


class SpectrumFile(Protocol):
    """A whole file.

    Methods raise InvalidSpectrumError where it holds no spectrum, or one that is in doubt.
    """

    @property
    def headers(self) -> Sequence[Cards]:
        """Every header, the file's own first."""
        ...

    def spectral_headers(self) -> Sequence[Cards]:
        """Return the headers that describe the spectrum."""
        ...

    def spectrum(self) -> Spectrum:
        """Return the spectrum as the file has it."""
        ...

    def content_digest(self) -> str:
        """Return the SHA-256, in hex, of what is content."""
        ...


def open_file(
    raw: bytes, strict: bool = False, conventions: FileConventions = NO_CONVENTIONS, fits_only: bool = False
) -> SpectrumFile:
    """Return the file in ``raw``, of whichever format.

    InvalidSpectrumError if it is no whole one; ``strict`` refuses whatever FITS does not allow.
    """
    if not (fits_only or raw.startswith(b"SIMPLE")) and is_votable(raw):
        return VotableFile(raw, conventions)
    return FitsFile(raw, strict, conventions)


def read_spectrum(body: bytes | bytearray | memoryview, conventions: FileConventions = NO_CONVENTIONS) -> Spectrum:
    """Return the spectrum in ``body``, the bytes of a file.

    InvalidSpectrumError if there is none. ``conventions`` say what the archive's files do not, such as the unit of
    wavelengths.
    """
    return tolerant(open_file(bytes(body), False, conventions).spectrum())


def identifier_in(raw: bytes, card: str) -> str | None:
    """Return the identifier that a file has under the keyword ``card``.

    None without one, or a readable header.
    """
    try:
        values = [header.value(card) for header in open_file(raw, strict=True).headers]
    except InvalidSpectrumError:
        return None
    return next((value for value in reversed(values) if isinstance(value, str)), None)

"""A file of any format that is read.

What its headers say, its spectrum, and the digest of its content.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..fits.cards import Cards
from ..fits.errors import InvalidSpectrumError, UnknownFormError
from ..fits.segments import tolerant
from ..fits.spectrum import Spectrum
from ..model.conventions import NO_CONVENTIONS, FileConventions
from .fits_file import FitsFile
from .others import are_others_installed, other_readers
from .votable_file import VotableFile, is_votable

QUICK_FITS = 2**17  # bytes: of headers, of which 80 take 8 ms; longer arrays take less
QUICK_VOTABLE = 2**14  # the streaming reader, which reads what the quick ways cannot, has 5 MB/s


class SpectrumFile(Protocol):
    """A whole file.

    Methods raise InvalidSpectrumError where it holds no spectrum, or one that is in doubt.
    """

    @property
    def headers(self) -> Sequence[Cards]:
        """Every header, the file's own first."""
        ...

    @property
    def is_slow(self) -> bool:
        """Whether its spectrum may take longer than 2 ms, though it is short."""
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


def takes_long(raw: bytes) -> bool:
    """Return whether it may take above 2 ms to verify ``raw``, by its size and format."""
    return len(raw) > (QUICK_FITS if raw.startswith(b"SIMPLE  =") else QUICK_VOTABLE)


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
    raw = bytes(body)
    file = open_file(raw, False, conventions)
    try:
        return tolerant(file.spectrum())
    except UnknownFormError as error:
        return tolerant(read_by_others(raw, file, conventions, error))


def read_by_others(raw: bytes, file: SpectrumFile, conventions: FileConventions, error: UnknownFormError) -> Spectrum:
    """Return the spectrum in ``raw`` as a reader of another package has it.

    ``error``, which ours gave, if there is none. Blocks for seconds, at most for ``others.STARTED_WITHIN``.
    """
    if not are_others_installed():
        raise error
    headers = file.headers[-1], file.headers[0]
    found = other_readers().read(raw, isinstance(file, VotableFile), headers, conventions)
    if found is None:
        raise error
    return found


def identifier_in(raw: bytes, card: str) -> str | None:
    """Return the identifier that a file has under the keyword ``card``.

    None without one, or a readable header.
    """
    try:
        values = [header.value(card) for header in open_file(raw, strict=True).headers]
    except InvalidSpectrumError:
        return None
    return next((value for value in reversed(values) if isinstance(value, str)), None)

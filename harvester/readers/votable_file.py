"""A VOTable as every reader presents a file (VOTable 1.4; Spectrum DM 1.1, section 8.1)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cached_property

from ..fits.cards import Cards
from ..fits.choice import choose_tables, in_plain_lines
from ..fits.describe import describe, describe_tail
from ..fits.errors import InvalidSpectrumError, malformed
from ..fits.segments import combine
from ..fits.spectrum import Spectrum
from ..fits.table_spectrum import table_spectrum
from ..formatting import count, plain_line, plural
from ..model.conventions import FileConventions
from ..model.failures import FailureKind
from ..model.outcomes import Check
from ..vo.document import is_status, query_status
from ..vo.votable_model import VotableError
from .votable_cards import VotableCards, frame_cards
from .votable_content import TruncatedVotableError, VotableContent, read_content
from .votable_table import VotableData

_OPENING = 4096  # bytes within which a VOTable says that it is one
_VOTABLE = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?VOTABLE[\s>]", re.IGNORECASE)
_COMMENTS = re.compile(rb"<!--.*?-->", re.DOTALL)
_LISTS = ("access.reference", "access_url", "accref", "semantics")  # names or roles of columns that list files


def is_votable(raw: bytes) -> bool:
    """Return whether ``raw`` begins as a VOTable does."""
    opening = raw[:_OPENING]
    return opening.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") and _VOTABLE.search(opening) is not None


class VotableFile:
    """A whole VOTable with rows.

    InvalidSpectrumError if it is none, if it reports an error, or if it lists files.
    """

    def __init__(self, raw: bytes, conventions: FileConventions) -> None:
        self._raw, self._conventions = raw, conventions
        content = _content(raw)
        _refuse_what_follows(raw)
        _refuse_other_documents(raw, content)
        self._tables = [VotableData(one.table, one.cells, one.rows, conventions) for one in content.tables if one.rows]
        infos = {info.name.upper(): info.value for info in content.infos if info.name}
        self._infos = VotableCards(infos | frame_cards(raw[: raw.find(b"<DATA")]))

    @property
    def headers(self) -> Sequence[Cards]:
        """The INFOs of the document, and the PARAMs of each table, as cards."""
        return [self._infos, *(table.header for table in self._tables)]

    @cached_property
    def _chosen(self) -> tuple[Sequence[VotableData], tuple[str, ...]]:
        complete = [table for table in self._tables if table.roles.complete]
        return choose_tables(complete) if complete else (self._tables[:1], ())

    @property
    def is_slow(self) -> bool:
        """Whether it takes longer than its size tells: it does not."""
        return False

    def spectral_headers(self) -> Sequence[Cards]:
        """Return the cards of the table that holds the spectrum, and those of the document."""
        return self._chosen[0][0].header, self._infos

    def spectrum(self) -> Spectrum:
        """Return the spectrum as the file has it."""
        tables, remarks = self._chosen
        spectra = [table_spectrum(self._infos, table.header, table, self._conventions) for table in tables]
        spectrum = spectra[0] if len(spectra) == 1 else combine(spectra)
        return in_plain_lines(spectrum.with_remarks(remarks))

    def content_digest(self) -> str:
        """Return the SHA-256, in hex, of columns, PARAMs and data.

        INFOs and comments, in which services write the request and its time, are left out.
        """
        digest = hashlib.sha256()
        for table in self._tables:
            digest.update(repr((table.table.fields, table.table.constants)).encode())
        begin, end = self._raw.find(b"<DATA"), self._raw.rfind(b"</DATA")
        digest.update(self._raw if begin < 0 or end < begin else memoryview(self._raw)[begin:end])
        return digest.hexdigest()


def _content(raw: bytes) -> VotableContent:
    try:
        return read_content(raw)
    except TruncatedVotableError as error:
        detail = f"the VOTable ends after {plural(len(raw), 'byte')}, before its end: {error}"
        raise InvalidSpectrumError(Check.STRUCTURE, FailureKind.TRUNCATED, plain_line(detail)) from None
    except VotableError as error:
        raise malformed(plain_line(f"the VOTable cannot be read: {error}")) from None


def _refuse_what_follows(raw: bytes) -> None:
    """Raise for bytes behind the end of the document.

    Lists are read though a page of HTML follows them, but a file is stored as it is.
    """
    closing = raw.rfind(b"VOTABLE>")
    end = raw.find(b">", closing if closing >= 0 else raw.rfind(b"VOTABLE"))
    tail = _COMMENTS.sub(b"", raw[end + 1 :]).strip()
    if end >= 0 and tail:
        detail = f"{count(len(tail))} bytes stand behind the end of the VOTable: {describe_tail(tail)}"
        raise InvalidSpectrumError(Check.STRUCTURE, FailureKind.TRAILING_BYTES, plain_line(detail))


def _refuse_other_documents(raw: bytes, content: VotableContent) -> None:
    """Raise for a VOTable that reports an error, has no rows, or lists files."""
    failed = next((info for info in content.infos if is_status(info, "ERROR")), None)
    if failed is not None:
        raise _no_spectrum(
            f"a VOTable that reports an error: {plain_line(query_status(failed)[1] or 'no message', 160)}"
        )
    if not any(one.rows for one in content.tables):
        raise _no_spectrum(describe(raw))
    for one in content.tables:
        if any(name in _LISTS for column in one.table.fields for name in (column.role, column.name.casefold())):
            raise _no_spectrum("a VOTable that lists files")


def _no_spectrum(what: str) -> InvalidSpectrumError:
    detail = f"the response is not a FITS file but {what}"
    return InvalidSpectrumError(Check.STRUCTURE, FailureKind.NOT_FITS, detail)

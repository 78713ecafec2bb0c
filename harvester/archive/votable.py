"""A tolerant, safe, streaming reader of VOTables (VOTable 1.4, sections 3 to 5): bytes in, what they say out.

Strict readers fail on answers of genuine services (``arraysize="m"``, ``datatype="TIMESTAMP"``), and a whole listing
does not fit in memory as elements. So: any namespace or none, no opinion on datatypes, every value a text, rows as they
come. What it insists on is that the document is well-formed, is a VOTable, and ends where it should. Entities are never
expanded nor loaded: a DOCTYPE that declares anything is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from xml.parsers import expat

from ..words import first_words
from .drafts import ForeignError, Handlers
from .tables import Event, VotableError

MOST_BYTES = 1 << 30  # a million rows of DaCHS
_MOST_IN_VAIN = 8 << 20  # bytes that complete nothing: more than any row has; expat takes ever longer over one comment
_OPENING = 64 * 1024  # what a page that is no VOTable has to say, it says early


class VotableReader:
    """Takes a document in pieces and gives what each piece completed. VotableError, and nothing else, for bad ones."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._left = most_bytes
        self._in_vain = 0
        self._opening = b""
        self._is_foreign = False  # then only its words count, which may need a few more pieces
        self._handlers = Handlers()
        self._parser = parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._handlers.start
        parser.EndElementHandler = self._handlers.end
        parser.CharacterDataHandler = self._handlers.text
        parser.StartDoctypeDeclHandler = _refuse_declarations
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)

    def feed(self, piece: bytes) -> list[Event]:
        """What ``piece`` completed, in the document's order."""
        self._left -= len(piece)
        if self._left < 0:
            raise VotableError("it is larger than anything that was expected")
        if not self._handlers.is_votable and len(self._opening) < _OPENING:
            self._opening += piece[:_OPENING]
        events = self._parse(piece, False)
        self._in_vain = 0 if events else self._in_vain + len(piece)
        if self._in_vain > _MOST_IN_VAIN:
            raise VotableError("one of its elements is longer than anything that was expected")
        return events

    def close(self) -> list[Event]:
        """What the end of the document completed; VotableError if it ended too early."""
        return self._parse(b"", True)

    def _parse(self, piece: bytes, last: bool) -> list[Event]:
        if not self._is_foreign:
            try:
                self._parser.Parse(piece, last)
            except ForeignError:
                self._is_foreign = True
            except expat.ExpatError as error:
                if self._handlers.is_votable:
                    words = expat.ErrorString(error.code)
                    raise VotableError(f"it is damaged in line {error.lineno}: {words}") from None
                self._is_foreign = True
            except (ValueError, LookupError) as error:  # an encoding that nobody knows
                raise VotableError(f"it cannot be read: {error}") from None
        if self._is_foreign and (last or len(self._opening) >= _OPENING):
            said = first_words(self._opening)
            raise VotableError(f"it is no VOTable but says: {said}" if said else "it is empty, or no XML")
        return self._handlers.taken()


def read_votable(pieces: Iterable[bytes], most_bytes: int = MOST_BYTES) -> Iterator[Event]:
    """Everything that a document says, as it comes."""
    reader = VotableReader(most_bytes)
    for piece in pieces:
        yield from reader.feed(piece)
    yield from reader.close()


def _refuse_declarations(name: str, system: str | None, public: str | None, has_internal_subset: bool) -> None:
    if has_internal_subset:  # where entities are declared that expand without end, or read files of ours
        raise VotableError("its DOCTYPE has declarations, which no VOTable needs")

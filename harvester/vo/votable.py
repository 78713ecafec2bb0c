"""Read VOTables as a stream, tolerantly and safely (VOTable 1.4, sections 3 to 5).

Bytes go in and events come out. Strict readers fail on answers of genuine services (``arraysize="m"``,
``datatype="TIMESTAMP"``), and a whole listing does not fit in memory as elements. So: any namespace or none, no opinion
on datatypes, every value a text, rows as they come, and small faults of the XML repaired (``xml_repair``). What it
insists on is that the document is well-formed, is a VOTable, and ends where it should. Entities are never expanded nor
loaded: a DOCTYPE that declares anything is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from xml.parsers import expat

from ..formatting import first_words
from .votable_binary import BinaryRows
from .votable_drafts import MOST_COLUMNS, ParamDraft, ServiceDraft, TableDraft
from .votable_model import Event, Info, VotableError, VotableTable
from .xml_repair import XmlRepair

MOST_BYTES = 1 << 30  # a million rows of DaCHS
_MOST_IN_VAIN = 8 << 20  # bytes that complete nothing: more than any row has; expat takes ever longer over one comment
_OPENING = 64 * 1024  # what a page that is no VOTable has to say, it says early
_LONGEST_TEXT = 1 << 20  # of one cell or one INFO
_MOST_REMARKS = 10_000  # tables, services and INFOs, which unlike rows are kept
_DEEPEST = 100
_REMARKS = ("QUERY_STATUS", "ERROR")  # what some services write as PARAM rather than INFO
_FEWEST_TEXT = 0.8  # share of printable bytes in what is a text


class VotableReader:
    """Take a document in pieces and return what each piece completed.

    VotableError, and nothing else, for a document that cannot be read.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._left = most_bytes
        self._in_vain = 0
        self._opening = b""
        self._is_foreign = False  # then only its words count, which may need a few more pieces
        self._is_over = False  # then nothing more counts
        self._parsed = 0
        self._handlers = ElementHandlers()
        self._repair = XmlRepair()
        self._parser = parser = expat.ParserCreate("utf-8")  # what the repair returns, whatever was declared
        parser.buffer_text = True
        parser.StartElementHandler = self._handlers.start
        parser.EndElementHandler = self._handlers.end
        parser.CharacterDataHandler = self._handlers.text
        parser.StartDoctypeDeclHandler = _refuse_declarations
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)

    def feed(self, piece: bytes) -> list[Event]:
        """Return what ``piece`` completed, in the document's order."""
        self._left -= len(piece)
        if self._left < 0:
            raise VotableError("it is larger than expected")
        if not self._handlers.is_votable and len(self._opening) < _OPENING:
            self._opening += piece[:_OPENING]
        events = self._parse(piece, False)
        self._in_vain = 0 if events else self._in_vain + len(piece)
        if self._in_vain > _MOST_IN_VAIN:
            raise VotableError("one of its elements is longer than expected")
        return events

    def close(self) -> list[Event]:
        """Return what the end of the document completed; VotableError if it ended too early."""
        return self._parse(b"", True)

    def _parse(self, piece: bytes, last: bool) -> list[Event]:
        if not (self._is_foreign or self._is_over):
            mended = self._repair.feed(piece, last)
            try:
                self._parser.Parse(mended, last)
            except NotVotableError:
                self._is_foreign = True
            except expat.ExpatError as error:
                self._heed(error, mended)
            self._parsed += len(mended)
        if self._is_foreign and (last or len(self._opening) >= _OPENING):
            raise VotableError(_description(self._opening))
        return self._handlers.taken()

    def _heed(self, error: expat.ExpatError, mended: bytes) -> None:
        """Take what is wrong; a page, or remarks of one behind the end, are no damage."""
        if self._handlers.is_over:
            behind = mended[max(0, self._parser.ErrorByteIndex - self._parsed) :]
            if b"<votable" in behind.lower():
                raise VotableError("another VOTable follows behind its end") from None
            if not behind.lstrip().startswith(b"<"):  # what failed meanwhile, as DaCHS says it, and no page's remark
                raise VotableError(_damage(error)) from None
            self._is_over = True
        elif self._handlers.is_votable:
            raise VotableError(_damage(error)) from None
        else:
            self._is_foreign = True


def _damage(error: expat.ExpatError) -> str:
    return f"it is damaged in line {error.lineno}: {expat.ErrorString(error.code)}"


def _description(opening: bytes) -> str:
    """Return what a document is that is no VOTable, in a clause.

    Bytes that are no text are not shown.
    """
    if not opening:
        return "it is empty, or not XML"
    sample = opening[:_OPENING]
    text = sample.decode("latin-1")
    printable = sum(mark.isprintable() or mark in "\t\r\n" for mark in text)
    if b"\0" in sample or printable < _FEWEST_TEXT * len(text):
        return f"it is not a VOTable but {_binary_kind(sample)}"
    said = first_words(opening)
    return f"it is not a VOTable but says: {said}" if said else "it is empty, or not XML"


def _binary_kind(sample: bytes) -> str:
    kinds = {b"\x1f\x8b": "a gzip file", b"\x89PNG": "a PNG image", b"\xff\xd8": "a JPEG image", b"PK": "a ZIP file"}
    kinds |= {b"SIMPLE  =": "a FITS file", b"%PDF": "a PDF file"}
    return next((kind for mark, kind in kinds.items() if sample.startswith(mark)), "binary data")


def read_votable(pieces: Iterable[bytes], most_bytes: int = MOST_BYTES) -> Iterator[Event]:
    """Yield everything that a document says, as it comes."""
    reader = VotableReader(most_bytes)
    for piece in pieces:
        yield from reader.feed(piece)
    yield from reader.close()


def _refuse_declarations(name: str, system: str | None, public: str | None, has_internal_subset: bool) -> None:
    if has_internal_subset:  # where entities are declared that expand without end, or read files of ours
        raise VotableError("its DOCTYPE has declarations, which no VOTable needs")


class NotVotableError(Exception):
    """The document is no VOTable."""


class ElementHandlers:
    """Collect events from expat's calls."""

    def __init__(self) -> None:
        self.is_votable = False
        self.is_over = False
        self._events: list[Event] = []
        self._remarks = 0
        self._path: list[str] = []
        self._text: list[str] | None = None  # the text of the element that is open, where it matters
        self._length = 0
        self._row: list[str] = []
        self._stream: BinaryRows | None = None
        self._table: TableDraft | None = None
        self._services: list[ServiceDraft] = []
        self._resource_types: list[str] = []
        self._param: ParamDraft | None = None
        self._info: dict[str, str] = {}

    def taken(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(":")[2].upper()
        if not self._path and name != "VOTABLE":
            raise NotVotableError
        if len(self._path) >= _DEEPEST:
            raise VotableError("its elements are nested too deeply")
        self.is_votable = True
        self._path.append(name)
        if attributes and name != "TD":  # names have no case to some services
            attributes = {key.casefold(): value for key, value in attributes.items()}
        match name:
            case "TD":
                self._text, self._length = [], 0
            case "TR":
                self._row = []
            case "INFO":
                self._text, self._length = [], 0
                self._info = attributes
            case "DATA":
                self._head()
            case "FITS" if "DATA" in self._path:
                raise VotableError("its rows are written as FITS, which is not read")
            case "STREAM" if self._table and "DATA" in self._path:
                self._open_stream(attributes)
            case _:
                self._open(name, attributes)

    def _open(self, name: str, attributes: dict[str, str]) -> None:
        """Handle an element that describes."""
        match name:
            case "RESOURCE":
                self._services.append(ServiceDraft(attributes.get("id", "")))
                outer = self._resource_types[-1] if self._resource_types else ""
                self._resource_types.append(attributes.get("type", outer).casefold())
            case "GROUP" if self._services:
                self._services[-1].open_group(attributes.get("name", ""))
            case "TABLE":
                self._table = TableDraft(attributes.get("name", ""))
            case "FIELD" if self._table:
                self._table.add(self._table.fields, attributes)
            case "VALUES" if self._table and self._path[-2] == "FIELD":
                self._table.set_null(attributes.get("null", ""))
            case "PARAM":
                self._param = ParamDraft(attributes)
            case "MIN" | "MAX" | "OPTION" | "LINK" if self._param:
                self._param.add(name, attributes)

    def _open_stream(self, attributes: dict[str, str]) -> None:
        if "href" in attributes or attributes.get("encoding", "").casefold() != "base64":
            raise VotableError("its rows are elsewhere, or in another encoding than base64")
        fields = self._table.fields if self._table else []
        self._stream = BinaryRows(fields, has_flags="BINARY2" in self._path)

    def end(self, tag: str) -> None:
        match self._path.pop():
            case "TD" | "TR" | "STREAM" as name:
                self._end_rows(name)
            case "INFO":
                text = "".join(self._text or ()).strip()
                about = self._info.get("name") or self._info.get("id", "")
                self._remark(Info(about, self._info.get("value", "").strip(), text))
                self._text = None
            case "PARAM" if self._param:
                self._keep(self._param)
                self._param = None
            case "TABLE":
                self._head()
                self._table = None
            case "GROUP" if self._services:
                self._services[-1].close_group()
            case "RESOURCE":
                self._resource_types.pop()
                service = self._services.pop().made()
                if service:
                    self._remark(service)
            case "VOTABLE":
                self.is_over = not self._path

    def _end_rows(self, name: str) -> None:
        match name:
            case "TD":
                if len(self._row) < MOST_COLUMNS:
                    self._row.append(_cell("".join(self._text or ())))
                self._text = None
            case "TR":
                self._events.append(tuple(self._row))
            case "STREAM" if self._stream:
                self._stream.close()
                self._stream = None

    def text(self, words: str) -> None:
        if self._stream:
            self._events += self._stream.feed(words)
        if self._text is None:
            return
        self._length += len(words)
        if self._length > _LONGEST_TEXT:
            raise VotableError("one of its values is longer than expected")
        self._text.append(words)

    def _head(self) -> None:
        """Emit the table once all its columns are known, which is before its first row."""
        if self._table and not self._table.is_emitted:
            self._table.is_emitted = True
            kind = self._resource_types[-1] if self._resource_types else ""
            table = self._table
            self._remark(VotableTable(tuple(table.fields), tuple(table.constants), kind, table.name))

    def _remark(self, event: Event) -> None:
        self._remarks += 1
        if self._remarks > _MOST_REMARKS:
            raise VotableError("it has more tables, services and remarks than expected")
        self._events.append(event)

    def _keep(self, param: ParamDraft) -> None:
        if param.name.upper() in _REMARKS and not (self._services and self._services[-1].is_about_inputs):
            self._remark(Info(param.name, param.attributes.get("value", "").strip()))
        if self._table:
            self._table.add(self._table.constants, param.attributes)
        elif self._services:
            self._services[-1].add(param.made())


def _cell(text: str) -> str:
    """Return the text as the service has it, blanks and all.

    Unless it is laid out in lines for people to read.
    """
    return text.strip() if "\n" in text else text

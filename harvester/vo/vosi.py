"""Read the tables of a TAP service from its VOSI ``tables`` document.

Bytes go in and columns come out (VOSI 1.1, section 3.4).
"""

from __future__ import annotations

from collections.abc import Iterable
from xml.parsers import expat

from .votable_model import VotableError, VotableField, VotableTable
from .xml_repair import XmlRepair

LARGEST_TABLESET = 64 << 20  # bytes; VizieR's is larger, and most of it is of no use here
_MOST_COLUMNS = 200_000
_MOST_IN_VAIN = 1 << 20  # bytes that complete nothing: expat takes ever longer over one comment
_DEEPEST = 50  # elements inside each other
_TEXTS = ("name", "unit", "ucd", "utype", "datatype")


def read_tables(pieces: Iterable[bytes]) -> dict[str, VotableTable]:
    """Return the columns of each table by its name.

    VotableError if the document is no tableset.
    """
    handlers = _Handlers()
    repair = XmlRepair()
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = handlers.start
    parser.EndElementHandler = handlers.end
    parser.CharacterDataHandler = handlers.text
    parser.StartDoctypeDeclHandler = _refuse_declarations
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    size = in_vain = 0
    try:
        for piece in pieces:
            size, before = size + len(piece), handlers.calls
            if size > LARGEST_TABLESET:
                raise VotableError("its list of tables is larger than expected")
            parser.Parse(repair.feed(piece), False)
            in_vain = in_vain + len(piece) if handlers.calls == before else 0
            if in_vain > _MOST_IN_VAIN:
                raise VotableError("one element of its list of tables is longer than expected")
        parser.Parse(repair.feed(b"", last=True), True)
    except expat.ExpatError as error:
        raise VotableError(
            f"its list of tables is damaged in line {error.lineno}: {expat.ErrorString(error.code)}"
        ) from None
    if not handlers.is_tableset:
        raise VotableError("it is not a list of tables")
    return {name: VotableTable(tuple(fields)) for name, fields in handlers.tables.items()}


class _Handlers:
    """Collect names and columns from expat's calls."""

    def __init__(self) -> None:
        self.is_tableset = False
        self.tables: dict[str, list[VotableField]] = {}
        self._path: list[str] = []
        self._text: list[str] = []
        self._schema = self._table = ""
        self._columns: list[VotableField] = []
        self._column: dict[str, str] = {}
        self._count = 0
        self.calls = 0
        """How often expat has found something."""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(":")[2].casefold()
        self._path.append(name)
        self.calls += 1
        if len(self._path) > _DEEPEST:
            raise VotableError("the elements of its list of tables are nested too deeply")
        self.is_tableset = self.is_tableset or name == "tableset"
        self._text = []
        if name == "table":
            self._table, self._columns = "", []
        elif name == "column":
            self._column = {}

    def end(self, tag: str) -> None:
        self.calls += 1
        name = self._path.pop()
        parent = self._path[-1] if self._path else ""
        text = "".join(self._text).strip()
        if name in _TEXTS and parent == "column":
            self._column[name] = text
        elif name == "name" and parent == "table":
            self._table = text
        elif name == "name" and parent == "schema":
            self._schema = text
        elif name == "column":
            self._keep_column()
        elif name == "table" and self._table:
            self.tables[self._full_name()] = self._columns

    def text(self, words: str) -> None:
        self.calls += 1
        self._text.append(words)

    def _keep_column(self) -> None:
        self._count += 1
        if self._count > _MOST_COLUMNS:
            raise VotableError("its list of tables has more columns than expected")
        if self._column.get("name"):
            self._columns.append(VotableField(**{name: self._column.get(name, "") for name in _TEXTS}))

    def _full_name(self) -> str:
        """Return the name with its schema, which some services leave out."""
        if "." in self._table or not self._schema or self._schema == "default":
            return self._table
        return f"{self._schema}.{self._table}"


def _refuse_declarations(name: str, system: str | None, public: str | None, has_internal_subset: bool) -> None:
    if has_internal_subset:
        raise VotableError("its DOCTYPE has declarations, which no list of tables needs")

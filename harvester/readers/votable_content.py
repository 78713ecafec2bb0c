"""From the bytes of a VOTable to the cells of its tables, by column.

The streaming reader of the package ``vo`` reads every document. Where rows are plain text or numbers of fixed width in
the only table, as in nearly all spectra, it reads the document without them, and they are taken apart at once: a tenth
of the time.
"""

from __future__ import annotations

import binascii
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..formatting import count, plural
from ..vo.votable import VotableReader
from ..vo.votable_model import Event, Info, Row, VotableError, VotableTable
from .votable_table import Cells

MOST_ROWS = 2**20
WIDEST = 64  # columns of a table whose rows are taken apart at once
_PIECE = 1 << 18
_TABLE = re.compile(rb"<TABLE[\s>]")
_STREAM = re.compile(rb"<STREAM\s+encoding\s*=\s*[\"']base64[\"']\s*>([A-Za-z0-9+/=\s]*)</STREAM\s*>")
_TAGS = b"<>/TRD"
_NO_TAGS = b"0123456789+-.eENnAaIiFfXx \t\r\n"  # what stands between the tags of rows of numbers
_BLANK_TAGS = bytes.maketrans(_TAGS, b" " * len(_TAGS))
_MAYBE_BLANK = tuple(b"<TD>" + mark for mark in (b"<", b" ", b"\t", b"\r", b"\n"))
_ROW_ENDS, _ROWS_AT_ONCE = b"</TR>", 1 << 16
_ROWS_BEGIN, _ROWS_END = b"<TABLEDATA>", b"</TABLEDATA>"
_WIDTHS = {
    "short": ">i2",
    "int": ">i4",
    "long": ">i8",
    "unsignedByte": ">u1",
    "float": ">f4",
    "double": ">f8",
}


@dataclass(slots=True)
class TableContent:
    """A table, and its cells by column."""

    table: VotableTable
    cells: Sequence[Cells] = ()
    rows: int = 0


@dataclass(slots=True)
class VotableContent:
    """What a document holds: its tables, and its INFOs."""

    tables: list[TableContent] = field(default_factory=list)
    infos: list[Info] = field(default_factory=list)


class TruncatedVotableError(VotableError):
    """The document ends before its end."""


def read_content(raw: bytes) -> VotableContent:
    """Return what the document in ``raw`` holds.

    VotableError for one that cannot be read, TruncatedVotableError for one that is cut.
    """
    plain = _tabledata(raw) or _stream(raw)
    if plain is not None:
        return plain
    return _gathered(_events(raw))


def _events(raw: bytes) -> list[Event]:
    reader = VotableReader(len(raw))
    events: list[Event] = []
    for at in range(0, len(raw), _PIECE):
        events += reader.feed(raw[at : at + _PIECE])
        if len(events) > MOST_ROWS:
            raise VotableError(f"it has more than {count(MOST_ROWS)} rows")
    try:
        return events + reader.close()
    except VotableError as error:
        raise TruncatedVotableError(str(error)) from None


def _gathered(events: Sequence[Event]) -> VotableContent:
    content = VotableContent()
    rows: list[list[Row]] = []
    for event in events:
        match event:
            case VotableTable():
                content.tables.append(TableContent(event))
                rows.append([])
            case tuple() if rows:
                rows[-1].append(event)
            case Info():
                content.infos.append(event)
    for one, its_rows in zip(content.tables, rows, strict=True):
        width = len(one.table.fields)
        uneven = next((row for row in its_rows if len(row) != width), None)
        if uneven is not None:
            raise VotableError(f"a row has {plural(len(uneven), 'cell')}, the table {plural(width, 'column')}")
        one.rows = len(its_rows)
        one.cells = list(zip(*its_rows, strict=True)) if its_rows else [()] * width
    return content


def _tabledata(raw: bytes) -> VotableContent | None:
    """Return the content of a document whose only table has plain cells, else None."""
    begin, end = raw.find(_ROWS_BEGIN), raw.rfind(_ROWS_END)
    head, section, tail = raw[: begin + len(_ROWS_BEGIN)], raw[begin + len(_ROWS_BEGIN) : end], raw[end:]
    if not 0 <= begin < end or not _is_simple(head, tail):
        return None
    content = _gathered(_events(head + tail))
    if len(content.tables) != 1 or not 0 < len(content.tables[0].table.fields) <= WIDEST:
        return None
    one = content.tables[0]
    columns = _columns(section, len(one.table.fields))
    if columns is None:
        return None
    one.rows, one.cells = len(columns[0]), columns
    return content


def _columns(section: bytes, width: int) -> Sequence[Sequence[bytes]] | None:
    """Return the cells of rows of ``width`` cells each, by column.

    None where there is more than tags and numbers. Piece by piece: one call on megabytes would hold the interpreter
    lock, and with it the event loop of another thread, for a tenth of a second.
    """
    columns: list[list[bytes]] = [[] for _ in range(width)]
    for piece in _pieces(section):
        cells = _cells(piece, width)
        if cells is None or len(columns[0]) + len(cells[0]) > MOST_ROWS:
            return None
        for column, more in zip(columns, cells, strict=True):
            column.extend(more)
    return columns if columns[0] else None


def _pieces(section: bytes) -> Iterator[bytes]:
    """Yield ``section`` in pieces that end with a row."""
    begin = 0
    while begin < len(section):
        end = section.find(_ROW_ENDS, begin + _ROWS_AT_ONCE)
        end = len(section) if end < 0 else end + len(_ROW_ENDS)
        yield section[begin:end]
        begin = end


def _cells(section: bytes, width: int) -> Sequence[Sequence[bytes]] | None:
    rows = section.count(b"<TR>")
    skeleton = section.translate(None, _NO_TAGS)
    if skeleton != (b"<TR>" + b"<TD></TD>" * width + b"</TR>") * rows:
        return None
    cells = section.translate(_BLANK_TAGS).split()
    if len(cells) == rows * width and not any(mark in section for mark in _MAYBE_BLANK):
        return [cells[place::width] for place in range(width)]
    found = re.findall(rb"<TR>\s*+" + rb"<TD>([^<]*+)</TD>\s*+" * width + rb"</TR>", section)
    if len(found) != rows:
        return None
    return [found] if width == 1 or not found else list(zip(*found, strict=True))


def _stream(raw: bytes) -> VotableContent | None:
    """Return the content of a document whose only table has rows of fixed width.

    None for any other.
    """
    found = _STREAM.search(raw)
    if found is None or not _is_simple(raw[: found.start(1)], raw[found.end(1) :]):
        return None
    content = _gathered(_events(raw[: found.start(1)] + raw[found.end(1) :]))
    if len(content.tables) != 1:
        return None
    one = content.tables[0]
    kinds = [_fixed(each.datatype, each.arraysize) for each in one.table.fields]
    flags = (len(kinds) + 7) // 8 if b"<BINARY2" in raw[: found.start()] else 0
    if not kinds or None in kinds or not 0 < _width(kinds) <= len(found[1]):
        return None
    layout = np.dtype([("flags", "u1", (flags,)), *((f"f{n}", *kind) for n, kind in enumerate(kinds) if kind)])
    try:
        data = binascii.a2b_base64(found[1])
    except binascii.Error:
        return None
    if not data or len(data) % layout.itemsize or len(data) // layout.itemsize > MOST_ROWS:
        return None
    rows = np.frombuffer(data, layout)
    one.rows, cells = len(rows), [rows[f"f{number}"] for number in range(len(kinds))]
    one.cells = [_without_nulls(each, rows["flags"], number) for number, each in enumerate(cells)] if flags else cells
    return content


def _fixed(datatype: str, arraysize: str) -> tuple[str, tuple[int, ...]] | None:
    """Return numpy's type and shape of a cell of numbers.

    None where its width varies, or it holds none.
    """
    if datatype not in _WIDTHS:
        return None
    if arraysize in ("", "1"):
        return _WIDTHS[datatype], ()
    return (_WIDTHS[datatype], (int(arraysize),)) if arraysize.isdecimal() and len(arraysize) < 9 else None


def _width(kinds: Sequence[tuple[str, tuple[int, ...]] | None]) -> int:
    """Return the bytes of a row."""
    return sum(int(kind[0][2:]) * math.prod(kind[1]) for kind in kinds if kind)


def _without_nulls(cells: Cells, flags: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], place: int) -> Cells:
    """Return the cells of a column of BINARY2, NaN where their flags say null."""
    null = flags[:, place // 8] & (0x80 >> place % 8) != 0
    if not null.any():
        return cells
    values = np.asarray(cells).astype(np.float64)
    values[null] = np.nan
    return values


def _is_simple(head: bytes, tail: bytes) -> bool:
    """Return whether nothing changes what stands between ``head`` and ``tail``.

    That is a comment, CDATA or a second table.
    """
    comment = head.rfind(b"<!--")
    if comment >= 0 and head.find(b"-->", comment + 4) < 0:
        return False
    outside = head + tail
    return len(_TABLE.findall(outside)) == 1 and b"<!" not in outside.replace(b"<!--", b"")

"""Decode rows in BINARY and BINARY2 as texts: base64 in, rows out.

VOTable 1.4, sections 5.3 and 5.4.

TAP services write so unless another form is requested, and some even then.
"""

from __future__ import annotations

import binascii
import math
import struct
from collections.abc import Callable, Sequence

from .votable_model import Row, VotableError, VotableField

_LONGEST = 1 << 20  # items of one cell
_WIDEST = 1 << 22  # bytes of one row
_KINDS = {  # section 2.1: how one item is packed
    "boolean": "c",
    "unsignedByte": "B",
    "short": "h",
    "int": "i",
    "long": "q",
    "float": "f",
    "double": "d",
    "floatComplex": "2f",
    "doubleComplex": "2d",
    "char": "1s",
    "unicodeChar": "2s",
}
_TEXTS = {"char": "utf-8", "unicodeChar": "utf-16-be"}
_COUNT = struct.Struct(">i")

Cell = Callable[[bytearray, int], tuple[str, int]]
"""Reads the cell at an offset, and returns where the next one is; IndexError where it is incomplete yet."""


class BinaryRows:
    """Takes the text of a STREAM in pieces.

    VotableError for what cannot be rows of these ``fields``.
    """

    def __init__(self, fields: Sequence[VotableField], has_flags: bool) -> None:
        self._cells = [_cell(field) for field in fields]
        self._flags = (len(fields) + 7) // 8 if has_flags else 0
        self._letters = ""
        self._data = bytearray()

    def feed(self, text: str) -> list[Row]:
        """Return the rows that ``text`` completed."""
        letters = self._letters + "".join(text.split())
        whole = len(letters) - len(letters) % 4
        self._letters = letters[whole:]
        try:
            self._data += binascii.a2b_base64(letters[:whole])
        except (binascii.Error, ValueError) as error:
            raise VotableError(f"its rows are not base64: {error}") from None
        return self._taken()

    def close(self) -> None:
        if self._data or self._letters:
            raise VotableError("its rows end in the middle of one")

    def _taken(self) -> list[Row]:
        rows: list[Row] = []
        start = 0
        while start < len(self._data):
            try:
                row, end = self._row(start)
            except IndexError:
                break
            if end == start:
                raise VotableError("its rows have no width")
            rows.append(row)
            start = end
        del self._data[:start]
        if len(self._data) > _WIDEST:
            raise VotableError("one of its rows is longer than expected")
        return rows

    def _row(self, start: int) -> tuple[Row, int]:
        flags, place = _bytes(self._data, start, self._flags), start + self._flags
        texts: list[str] = []
        for number, cell in enumerate(self._cells):
            text, place = cell(self._data, place)
            is_null = flags and flags[number // 8] << number % 8 & 0x80  # what is there then means nothing
            texts.append("" if is_null else text)
        return tuple(texts), place


def _cell(field: VotableField) -> Cell:
    if field.datatype not in (*_KINDS, "bit"):
        raise VotableError(f"its column {field.name} is of the datatype {field.datatype!r}, which has no width")
    *fixed, last = (field.arraysize or "1").split("x")
    if not all(size.isdecimal() and len(size) < 9 for size in [*fixed, last.rstrip("*") or "1"]):
        raise VotableError(f"its column {field.name} has the arraysize {field.arraysize!r}, which is not a width")
    inner = math.prod(map(int, fixed))

    def read(data: bytearray, place: int) -> tuple[str, int]:
        count = int(last) if not last.endswith("*") else -1
        if count < 0:
            [count] = _COUNT.unpack(_bytes(data, place, 4))
            place += 4
        if not 0 <= count * inner <= _LONGEST:
            raise VotableError("one of its values is longer than expected")
        return _items(data, place, field.datatype, count * inner)

    return read


def _items(data: bytearray, place: int, datatype: str, count: int) -> tuple[str, int]:
    if datatype == "bit":
        width = (count + 7) // 8
        bits = "".join(f"{byte:08b}" for byte in _bytes(data, place, width))
        return " ".join(bits[:count]), place + width
    form = _KINDS[datatype]
    width = struct.calcsize(f">{form}") * count
    content = _bytes(data, place, width)
    if datatype in _TEXTS:
        return content.decode(_TEXTS[datatype], "replace").partition("\0")[0], place + width
    if datatype == "boolean":
        return " ".join(content.decode("latin-1")).strip("\0 ?"), place + width
    return " ".join(str(value) for each in struct.iter_unpack(f">{form}", content) for value in each), place + width


def _bytes(data: bytearray, place: int, width: int) -> bytes:
    if place + width > len(data):
        raise IndexError
    return bytes(data[place : place + width])

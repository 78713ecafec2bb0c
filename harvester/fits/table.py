"""Binary tables: from the bytes of a BINTABLE to the arrays of its columns.

FITS 4.0, section 7.3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..formatting import plural
from ..model.conventions import FileConventions
from ..model.units import METRES, AxisKind
from .cards import Value
from .columns import Roles, assign_roles, meanings_of
from .errors import malformed, unreadable
from .hdu import LARGEST_DATA, Hdu
from .header import Header
from .header_layout import bounded_cache
from .spectrum import Array, ArrayMeaning

MOST_POINTS = 2**24  # of all arrays of one table: a sixth of a gigabyte

_TFORM = re.compile(r"(\d{0,12})([LXBIJKAEDCMPQ])([!-~]*)")
_WIDTH = {"L": 1, "B": 1, "A": 1, "I": 2, "J": 4, "E": 4, "K": 8, "D": 8, "C": 8, "P": 8, "M": 16, "Q": 16}
_NUMBERS: dict[str, np.dtype[Any]] = {
    "B": np.dtype(">u1"),
    "I": np.dtype(">i2"),
    "J": np.dtype(">i4"),
    "K": np.dtype(">i8"),
    "E": np.dtype(">f4"),
    "D": np.dtype(">f8"),
    "L": np.dtype(">u1"),
}
_POINTERS: dict[str, np.dtype[Any]] = {"P": np.dtype(">u4"), "Q": np.dtype(">u8")}


@dataclass(frozen=True, slots=True)
class TableColumn:
    """One field of a table.

    ``count`` numbers of type ``code``, ``offset`` bytes into each row.

    element: of arrays of variable length (code P or Q) the type of their numbers, '' else.
    scale, zero: TSCALn and TZEROn, None where there are none; null: TNULLn likewise.
    """

    number: int
    code: str
    count: int
    offset: int
    name: str
    utype: str
    ucd: str
    unit: str
    scale: float | None
    zero: float | None
    null: Value | None
    element: str = ""

    @property
    def is_numeric(self) -> bool:
        """Whether it holds numbers (or flags), or arrays of them."""
        return (self.element or self.code) in _NUMBERS

    @property
    def is_exact(self) -> bool:
        """Whether its numbers are stored in double precision, as they are."""
        return self.code == "D" and self.scale is None and self.zero is None

    @property
    def label(self) -> str:
        """Its name, or its number if it has none."""
        return self.name or f"column {self.number}"


@dataclass(frozen=True, slots=True)
class BinaryTable:
    """A BINTABLE whose fields fill its rows exactly.

    ``roles`` says which columns are the spectrum.

    unnamed: the number of the first column without a TTYPEn card, 0 if all have one.
    is_usual: it has a wavelength, in a unit of length, and a value of flux in each row, and nothing else of a spectrum:
    read in half the time, 7 us.
    """

    columns: tuple[TableColumn, ...]
    width: int
    rows: int
    heap: int
    roles: Roles
    unnamed: int = 0
    is_usual: bool = False
    meanings: Mapping[str, ArrayMeaning] = field(default_factory=dict)

    @property
    def wave(self) -> TableColumn | None:
        """The column with the spectral axis."""
        return None if self.roles.spectral is None else self.columns[self.roles.spectral]

    @property
    def flux(self) -> TableColumn | None:
        """The column with the flux."""
        return None if self.roles.flux is None else self.columns[self.roles.flux]

    def with_columns_named(self, conventions: FileConventions) -> BinaryTable:
        """Return the table with the spectral and flux columns that a profile names."""
        roles = assign_roles(self.columns, conventions.spectral_column, conventions.flux_column)
        return replace(self, roles=roles, is_usual=False, meanings=meanings_of(self.columns, roles))


@bounded_cache  # spectra with as many points have the same
def binary_table(structure: bytes) -> BinaryTable:
    """Return the table that these structural cards describe."""
    header = Header(structure)
    header.integer("BITPIX", 8, 8)
    header.integer("NAXIS", 2, 2)
    width, rows = header.integer("NAXIS1", 0, LARGEST_DATA), header.integer("NAXIS2", 0, LARGEST_DATA)
    heap = width * rows
    if header.value("THEAP") is not None:
        heap = header.integer("THEAP", width * rows, LARGEST_DATA)
    columns: list[TableColumn] = []
    offset = 0
    for number in range(1, header.integer("TFIELDS", 0, 999) + 1):
        column, size = _column(header, number, offset)
        columns.append(column)
        offset += size
    if offset != width:
        raise malformed(f"the table's fields fill {offset} bytes of a row, but the header says NAXIS1 = {width}")
    unnamed = next((column.number for column in columns if not column.name), 0)
    roles = assign_roles(columns)
    usual, meanings = _is_usual(columns, roles), meanings_of(columns, roles)
    return BinaryTable(tuple(columns), width, rows, heap, roles, unnamed, usual, meanings)


def _is_usual(columns: Sequence[TableColumn], roles: Roles) -> bool:
    if roles.spectral is None or roles.flux is None or roles.scale or roles.remarks or roles.uncertainty or roles.mask:
        return False
    wave, flux = columns[roles.spectral], columns[roles.flux]
    plain = all(column.count == 1 and column.code not in _POINTERS for column in (wave, flux))
    return plain and roles.kind in (None, AxisKind.WAVELENGTH) and wave.unit.lower() in METRES


def _column(header: Header, number: int, offset: int) -> tuple[TableColumn, int]:
    form = header.text(f"TFORM{number}")
    parts = _TFORM.fullmatch(form)
    if parts is None:
        raise malformed(f"the header says TFORM{number} = {form!r}, which is not a valid format of a field")
    count, code = int(parts[1] or 1), parts[2]
    size = -(-count // 8) if code == "X" else count * _WIDTH[code]
    element = parts[3][:1] if code in _POINTERS else ""
    header.text(f"TDISP{number}"), header.text(f"TDIM{number}"), header.real(f"TNULL{number}")
    name, utype, ucd = (header.text(f"{stem}{number}").strip().lower() for stem in ("TTYPE", "TUTYP", "TUCD"))
    scaling = header.real(f"TSCAL{number}"), header.real(f"TZERO{number}"), header.value(f"TNULL{number}")
    unit = header.text(f"TUNIT{number}").strip()
    return TableColumn(number, code, count, offset, name, utype, ucd, unit, *scaling, element), size


def column_rows(raw: bytes, hdu: Hdu, table: BinaryTable, column: TableColumn) -> list[Array]:
    """Return the numbers of ``column`` of each row, as an array a row.

    InvalidSpectrumError if they cannot be there.
    """
    if column.code in _POINTERS:
        return _variable(raw, hdu, table, column)
    numbers = _fixed(raw, hdu, table, column)
    return [_scaled(row, column) for row in numbers]


def column_values(raw: bytes, hdu: Hdu, table: BinaryTable, column: TableColumn) -> Array:
    """Return the numbers of a column that has one a row, or an array in the only row."""
    return _scaled(_fixed(raw, hdu, table, column).reshape(-1), column)


def texts(raw: bytes, hdu: Hdu, table: BinaryTable, column: TableColumn) -> Sequence[str]:
    """Return what stands in each row of a column of text or of whole numbers, as text."""
    start, size = hdu.start + column.offset, column.count * _WIDTH.get(column.code, 0)
    if column.code == "A":
        begins = (start + row * table.width for row in range(table.rows))
        rows = (raw[begin : begin + size] for begin in begins)
        return [row.split(b"\0")[0].decode("latin-1").strip() for row in rows]
    if column.code in "BIJK" and column.count == 1:
        return [str(value) for value in _fixed(raw, hdu, table, column)[:, 0].tolist()]
    return []


def _fixed(raw: bytes, hdu: Hdu, table: BinaryTable, column: TableColumn) -> NDArray[Any]:
    """Return the stored numbers, shape (rows, count)."""
    if table.rows * column.count > MOST_POINTS:
        raise unreadable(
            f"column {column.number} has {plural(table.rows, 'row')} of {plural(column.count, 'number')}: too many"
        )
    kind = _NUMBERS.get(column.code)
    if kind is None:
        raise unreadable(f"column {column.number} is of the form {column.code}, not of numbers in each row")
    if table.rows * column.count == 0:
        return np.empty((table.rows, column.count), kind)
    return np.ndarray((table.rows, column.count), kind, raw, hdu.start + column.offset, (table.width, kind.itemsize))


def _variable(raw: bytes, hdu: Hdu, table: BinaryTable, column: TableColumn) -> list[Array]:
    """Return arrays of variable length, which are in the heap behind the rows (section 7.3.5)."""
    pointer, kind = _POINTERS[column.code], _NUMBERS.get(column.element)
    if kind is None or column.count != 1:
        raise unreadable(f"column {column.number} holds arrays of {column.element or 'unknown'!r}, which are not read")
    pairs = np.ndarray((table.rows, 2), pointer, raw, hdu.start + column.offset, (table.width, pointer.itemsize))
    arrays: list[Array] = []
    for count, offset in pairs.tolist():
        begin = table.heap + offset
        if count > MOST_POINTS or begin + count * kind.itemsize > hdu.size:
            raise unreadable(
                f"column {column.number} points to an array of {plural(count, 'number')} outside the table's heap"
            )
        arrays.append(_scaled(np.ndarray((count,), kind, raw, hdu.start + begin) if count else np.empty(0), column))
    if sum(array.size for array in arrays) > MOST_POINTS:
        raise unreadable(f"column {column.number} holds more than {plural(MOST_POINTS, 'number')}")
    return arrays


def _scaled(stored: NDArray[Any], column: TableColumn) -> Array:
    if column.is_exact:
        return stored.astype(np.float64)
    return _converted(stored, column)


@np.errstate(all="ignore")  # what becomes NaN or infinite here is judged by the science check, not warned about
def _converted(stored: NDArray[Any], column: TableColumn) -> Array:
    values = stored.astype(np.float64)
    if column.scale is not None or column.zero is not None:
        values = values * (1.0 if column.scale is None else column.scale) + (column.zero or 0.0)
    if column.null is not None and stored.dtype.kind in "iu":
        values[stored == column.null] = np.nan
    return values

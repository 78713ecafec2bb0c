"""A table of a VOTable as arrays: what each column is, and its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..fits.columns import Roles, assign_roles, meanings_of
from ..fits.errors import unreadable
from ..fits.spectrum import Array, ArrayMeaning, Flags
from ..fits.table import MOST_POINTS
from ..formatting import count
from ..model.conventions import FileConventions
from ..vo.votable_model import VotableField, VotableTable
from .votable_cards import VotableCards, cards_of

Cells = Sequence[str] | Sequence[bytes] | NDArray[Any]
"""One column: a text a row, or numbers a row (shape (rows,) or (rows, count))."""

_WHOLE = frozenset({"short", "int", "long", "unsignedbyte"})
_NUMERIC = _WHOLE | {"float", "double", "boolean"}
_NUMBERS_AT_ONCE = 1 << 13  # more in one call would hold the event loop of another thread for milliseconds
_TRUE, _FALSE = frozenset({"t", "true", "1"}), frozenset({"f", "false", "0"})


@dataclass(frozen=True, slots=True)
class VotableColumn:
    """A FIELD: its number from 1 on; name, utype and ucd in lower case."""

    number: int
    name: str
    utype: str
    ucd: str
    unit: str
    datatype: str
    arraysize: str
    null: str

    @property
    def is_numeric(self) -> bool:
        """Whether it holds numbers or truth values, or arrays of them."""
        return self.datatype in _NUMERIC

    @property
    def label(self) -> str:
        """Its name, or its number if it has none."""
        return self.name or f"column {self.number}"


def column_of(field: VotableField, number: int) -> VotableColumn:
    """Return what a FIELD says of its column."""
    return VotableColumn(
        number,
        (field.name or field.id).strip().lower(),
        field.utype.strip().lower(),
        "".join(field.ucd.split()).lower(),
        field.unit.strip(),
        field.datatype.strip().casefold(),
        "" if field.arraysize.strip() == "1" else field.arraysize.strip(),
        field.null.strip(),
    )


@dataclass(frozen=True)
class VotableData:
    """A TABLE with its cells by column (no slots: what follows from it is cached)."""

    table: VotableTable
    cells: Sequence[Cells]
    rows: int
    conventions: FileConventions

    @cached_property
    def columns(self) -> Sequence[VotableColumn]:
        """The columns in the order of the table."""
        return tuple(column_of(field, number) for number, field in enumerate(self.table.fields, 1))

    @cached_property
    def roles(self) -> Roles:
        """Which columns are the spectrum."""
        return assign_roles(self.columns, self.conventions.spectral_column, self.conventions.flux_column)

    @cached_property
    def meanings(self) -> Mapping[str, ArrayMeaning]:
        """What the columns say about the arrays of the spectrum."""
        return meanings_of(self.columns, self.roles)

    @cached_property
    def header(self) -> VotableCards:
        """The PARAMs as cards."""
        return cards_of(self.table.constants)

    @property
    def name(self) -> str:
        """The table's name, '' where it has none."""
        return self.table.name

    @property
    def points(self) -> int:
        """How many points it has at most."""
        flux = self.roles.flux
        if flux is None or not self.rows:
            return 0
        return self.rows if self.is_single(flux) else sum(array.size for array in self.arrays(flux))

    def is_single(self, place: int) -> bool:
        """Return whether a column has one number a row."""
        return not self.columns[place].arraysize

    def form(self, place: int) -> str:
        """Return what a cell holds, as the FIELD says."""
        return f"{self.columns[place].datatype} {self.columns[place].arraysize}".strip()

    def values(self, place: int) -> Array:
        """Return one number a row, or the array in the only row."""
        if not self.rows:
            return np.empty(0)
        if self.is_single(place):
            return self._numbers(self.cells[place], self.columns[place])
        return np.concatenate(self.arrays(place))

    def arrays(self, place: int) -> list[Array]:
        """Return an array a row."""
        cells, column = self.cells[place], self.columns[place]
        if isinstance(cells, np.ndarray):
            return [self._numbers(row, column) for row in cells.reshape(self.rows, -1)]
        arrays = [self._numbers(_parts(cell), column) for cell in cells]
        if sum(array.size for array in arrays) > MOST_POINTS:
            raise unreadable(f"column {column.number} holds more than {count(MOST_POINTS)} numbers")
        return arrays

    def flags(self, array: Array, place: int) -> Flags:
        """Return where the numbers of a column stand for true."""
        flagged: Flags = np.nan_to_num(array) != 0
        return flagged

    def texts(self, place: int) -> Sequence[str]:
        """Return the text in each row of a column of names or whole numbers, none for others."""
        column, cells = self.columns[place], self.cells[place]
        if "char" not in column.datatype and not (column.datatype in _WHOLE and self.is_single(place)):
            return []
        return [(cell.decode() if isinstance(cell, bytes) else str(cell)).strip() for cell in cells]

    def _numbers(self, cells: Cells, column: VotableColumn) -> Array:
        """Return cells as numbers; blank ones, and the null value of whole numbers, are NaN."""
        if isinstance(cells, np.ndarray):
            values = cells.astype(np.float64)
        elif column.datatype == "boolean":
            values = np.array([_truth(cell) for cell in cells])
        else:
            values = _parsed(cells, column)
            if column.datatype == "float":
                values = values.astype(np.float32).astype(np.float64)  # no text has more digits than the value
        null = _number(column.null) if column.null and column.datatype in _WHOLE else None
        if null is not None:
            values[values == null] = np.nan
        return values


def _parts(cell: str | bytes) -> Sequence[str] | Sequence[bytes]:
    return cell.split()


def _truth(cell: str | bytes) -> float:
    text = (cell.decode() if isinstance(cell, bytes) else cell).strip().casefold()
    return 1.0 if text in _TRUE else 0.0 if text in _FALSE else np.nan


def _parsed(cells: Sequence[str] | Sequence[bytes], column: VotableColumn) -> Array:
    values = np.empty(len(cells))
    try:
        for begin in range(0, len(cells), _NUMBERS_AT_ONCE):
            some = cells[begin : begin + _NUMBERS_AT_ONCE]
            values[begin : begin + len(some)] = np.fromiter(map(float, some), np.float64, len(some))
    except ValueError:  # blanks, and whole numbers in hexadecimal, are rarer and take longer
        return _with_blanks(cells, column)
    return values


def _with_blanks(cells: Sequence[str] | Sequence[bytes], column: VotableColumn) -> Array:
    texts = [(cell.decode() if isinstance(cell, bytes) else cell).strip() for cell in cells]
    numbers = [_number(text) if text else np.nan for text in texts]
    wrong = next((text for text, number in zip(texts, numbers, strict=True) if number is None), None)
    if wrong is not None:
        raise unreadable(f"column {column.label!r} has a value that is not a number: {wrong[:40]!r}")
    return np.array(numbers, dtype=np.float64)


def _number(text: str) -> float | None:
    """Return the number that a cell spells (VOTable 1.4, section 6), None if it spells none."""
    try:
        return float(int(text, 16)) if text[:2].lower() == "0x" else float(text)
    except (ValueError, OverflowError):
        return None

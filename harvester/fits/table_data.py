"""The numbers of a FITS table, binary or ASCII, by column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .ascii_table import ascii_values
from .columns import Roles
from .hdu import Hdu
from .spectrum import Array, ArrayMeaning, Flags
from .table import BinaryTable, TableColumn, column_rows, column_values, texts

_POINTERS = frozenset("PQ")
_TRUE = 84.0  # the letter T, as logical columns store it


@dataclass(slots=True)  # made once a file: frozen ones take twice the time
class FitsTableData:
    """The table of ``hdu``, which is in ``raw``.

    Its methods raise InvalidSpectrumError where numbers cannot be there.
    """

    raw: bytes
    hdu: Hdu
    table: BinaryTable

    @property
    def columns(self) -> Sequence[TableColumn]:
        """The columns in the order of the file."""
        return self.table.columns

    @property
    def roles(self) -> Roles:
        """Which columns are the spectrum."""
        return self.table.roles

    @property
    def meanings(self) -> Mapping[str, ArrayMeaning]:
        """What the columns say about the arrays of the spectrum."""
        return self.table.meanings

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self.table.rows

    def is_single(self, place: int) -> bool:
        """Return whether a column has one number a row."""
        column = self.columns[place]
        return self.hdu.kind == "TABLE" or (column.count == 1 and column.code not in _POINTERS)

    def form(self, place: int) -> str:
        """Return what a cell holds, as TFORMn spells it."""
        return f"{self.columns[place].count}{self.columns[place].code}"

    def values(self, place: int) -> Array:
        """Return one number a row, or the array in the only row."""
        read = ascii_values if self.hdu.kind == "TABLE" else column_values
        return read(self.raw, self.hdu, self.table, self.columns[place])

    def arrays(self, place: int) -> list[Array]:
        """Return an array a row."""
        return column_rows(self.raw, self.hdu, self.table, self.columns[place])

    def flags(self, array: Array, place: int) -> Flags:
        """Return where the numbers of a column stand for true."""
        column = self.columns[place]
        flagged: Flags = array == _TRUE if "L" in (column.code, column.element) else array != 0
        return flagged

    def texts(self, place: int) -> Sequence[str]:
        """Return the text in each row of a column of names or numbers, none for others."""
        return texts(self.raw, self.hdu, self.table, self.columns[place])

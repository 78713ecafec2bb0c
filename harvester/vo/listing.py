"""Read the rows of a listing as rows of a catalog, in plain units.

SSAP 1.1, section 4.2.5; ObsCore 1.1.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..formatting import plain_line
from .columns import (
    ADDRESS,
    CREATOR_DID,
    DATASET_ID,
    DEC,
    MEDIA_TYPE,
    OBJECT,
    PUBLISHER_DID,
    RA,
    SIZE,
    TIME,
    WAVE_MIDDLE,
    WAVE_START,
    WAVE_STOP,
    WAVE_WIDTH,
    ColumnMeaning,
    cell,
    column_index,
    constant,
    named_index,
    position_columns,
)
from .constraints import Constraints, mjd
from .identity import LONGEST_IDENTIFIER, RowIdentity, absolute_address, dataset_identifier, is_plain_address
from .media_types import MediaKind
from .urls import is_web, quote_url, with_query
from .votable_model import Row, VotableField, VotableTable

METRES = {
    "": 1.0,
    "m": 1.0,
    "cm": 1e-2,
    "mm": 1e-3,
    "um": 1e-6,
    "micron": 1e-6,
    "nm": 1e-9,
    "angstrom": 1e-10,
    "a": 1e-10,
    "aa": 1e-10,
}
_BYTES = {
    "": 1024.0,
    "kb": 1024.0,
    "kbyte": 1024.0,
    "byte": 1.0,
    "b": 1.0,
    "bytes": 1.0,
    "mb": 1048576.0,
}  # section 4.2.5.3: kilobytes
_DAYS = ("", "d", "day", "days", "mjd", "jd")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")

Cell = Callable[[Row], str]


class CatalogWriter(Protocol):
    """Where a list goes. ``begin`` forgets what was written before."""

    def begin(self, columns: Sequence[str]) -> None: ...

    def write(self, row: dict[str, str]) -> None: ...


@dataclass(frozen=True, slots=True)
class ListedRow:
    """One row of a listing.

    It has what identifies it, its values in the catalog's columns, and whether it is wanted.
    """

    identity: RowIdentity
    values: Sequence[str]
    is_wanted: bool


@dataclass(frozen=True, slots=True)
class ListedSpectrum:
    """One spectrum of a list: its identifier, where it is, and what kind of file that is.

    ``waves`` are its shortest and longest wavelength in metres, None where the list does not give both.
    """

    identifier: str
    address: str
    kind: MediaKind
    waves: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class ListingColumns:
    """Which columns of a listing are read, where their meaning does not tell.

    ``id_column`` has identifiers of any kind; ``url_column`` the addresses of files; ``link_service`` gives a datalink
    document for the value of ``link_column``. ``has_addresses``: whether the catalog needs an ``access_url``;
    ``reads_addresses``: whether they are read all the same, where they come for nothing.
    """

    id_column: str = ""
    url_column: str = ""
    link_service: str = ""
    link_column: str = ""
    has_addresses: bool = True
    reads_addresses: bool = True


@dataclass(frozen=True, slots=True)
class ListingSummary:
    """What came of a listing.

    It counts spectra written, rows read, and, by reason, every row that is no spectrum of its own.
    """

    spectra: int
    rows: int
    nameless: int = 0
    """Datasets without an identifier by which they could be requested, or without an address."""
    outside: int = 0
    """Spectra that the archive sent although the constraints exclude them."""
    more: bool = False
    """Whether the archive has more than was wanted (``--max``)."""
    remark: str = ""
    """What else there is to say about how the list was made."""
    other_formats: int = 0
    """Rows with the same spectrum in another format."""
    shared_identifiers: int = 0
    """Identifiers with several files, each of which is a spectrum of its own: ``DID#file-name``."""
    unreadable: Mapping[str, int] = field(default_factory=dict)
    """Rows whose file is no spectrum that can be read, by media type."""
    private: int = 0
    """Rows that lead into a private network."""
    hosts: Mapping[str, int] = field(default_factory=Counter)
    """Spectra by the host of their address."""
    incomplete: str = ""
    """Why the list may lack spectra; '' if nothing speaks for that."""
    has_links: bool = False
    """Whether some addresses lead to datalink documents."""
    has_plain_ids: bool = True
    """Whether all identifiers are ``ivo://``."""
    repeated: int = 0
    """Rows that came more than once: the service repeats them, or parts of a divided list overlap."""
    samples: tuple[ListedSpectrum, ...] = ()
    """Some of the spectra, spread over the list."""


class ListingReader:
    """Reads rows of ``table``, which came from ``url``."""

    def __init__(self, table: VotableTable, url: str, constraints: Constraints, columns: ListingColumns) -> None:
        self._table = table
        self._url = url
        self._constraints = constraints
        self._indexes: set[int] = set()
        self._identifiers = self._identifier_cells(columns)
        self._takes_any = bool(columns.id_column)
        self._media_type = self._found(MEDIA_TYPE) or _nothing
        self._address = self._address_cell(columns) if columns.reads_addresses else _nothing
        cells = {name: one for name, one in self._columns().items() if one}
        self._cells = list(cells.values())
        self._names = [*cells, *(["access_url"] if columns.has_addresses else [])]
        self._has_addresses = columns.has_addresses

    @property
    def header(self) -> list[str]:
        """The catalog's columns."""
        return ["id", *self._names]

    @property
    def indexes(self) -> list[int]:
        """The columns of the table that are read.

        No others need be requested, where that can be chosen.
        """
        return sorted(self._indexes)

    @property
    def has_address(self) -> bool:
        """Whether the table has a column (or a constant) with addresses."""
        return self._address is not _nothing

    def read(self, row: Row) -> ListedRow:
        """Return what ``row`` is in the catalog."""
        address = self._address(row)
        identity = RowIdentity(self._dataset(row), address, plain_line(self._media_type(row)))
        values = [read(row) for read in self._cells]
        is_wanted = self._constraints.admit(dict(zip(self._names, values, strict=False)))
        return ListedRow(identity, [*values, address] if self._has_addresses else values, is_wanted)

    def _dataset(self, row: Row) -> str:
        identifiers = [read(row).strip() for read in self._identifiers]
        if not self._takes_any:
            return dataset_identifier(*identifiers)
        [text] = identifiers
        return text if text.isprintable() and len(text) <= LONGEST_IDENTIFIER else ""

    def _identifier_cells(self, columns: ListingColumns) -> list[Cell]:
        if columns.id_column:
            return [self._cell(named_index(self._table, columns.id_column))]
        return [self._found(meaning) or _nothing for meaning in (PUBLISHER_DID, CREATOR_DID, DATASET_ID)]

    def _address_cell(self, columns: ListingColumns) -> Cell:
        if columns.link_service:
            value = self._cell(named_index(self._table, columns.link_column))
            return lambda row: with_query(columns.link_service, {"ID": value(row)}) if value(row) else ""
        index = named_index(self._table, columns.url_column) if columns.url_column else None
        found = self._cell(index) if index is not None else self._found(ADDRESS)
        if found is None:
            return _nothing

        def read(row: Row) -> str:
            text = found(row).strip()
            if is_plain_address(text) and "&amp;" not in text:
                return text
            address = absolute_address(text, self._url)
            return quote_url(address) if is_web(address) else ""

        return read

    def _columns(self) -> dict[str, Cell | None]:
        ra, dec = self._positions()
        low, high = self._waves()
        return {
            "object": self._text(OBJECT),
            "ra": ra,
            "dec": dec,
            "wave_min": low,
            "wave_max": high,
            "time": self._time(),
            "format": self._text(MEDIA_TYPE),
            "size": self._scaled(_BYTES, SIZE),
        }

    def _cell(self, index: int | None) -> Cell:
        if index is not None:
            self._indexes.add(index)
        return lambda row: cell(row, index)

    def _found(self, meaning: ColumnMeaning) -> Cell | None:
        """Return the column with that meaning, or the constant that stands for it."""
        index = column_index(self._table, meaning)
        if index is not None:
            return self._cell(index)
        fixed = constant(self._table, meaning)
        value = fixed.value if fixed else None
        return (lambda row: value) if value else None

    def _field(self, meaning: ColumnMeaning) -> VotableField | None:
        index = column_index(self._table, meaning)
        return self._table.fields[index] if index is not None else constant(self._table, meaning)

    def _text(self, meaning: ColumnMeaning) -> Cell | None:
        found = self._found(meaning)
        return found and (lambda row: plain_line(found(row), 2000))

    def _scaled(self, units: dict[str, float], meaning: ColumnMeaning) -> Cell | None:
        """Return a number in our unit.

        No column where its own unit is unknown, rather than a wrong one.
        """
        found, column = self._found(meaning), self._field(meaning)
        factor = units.get(column.unit.strip().casefold()) if column else None
        if found is None or factor is None:
            return None
        return lambda row: _number(found(row), factor)

    def _positions(self) -> tuple[Cell | None, Cell | None]:
        """Return two columns, or one with both numbers.

        Both are in ``345.02 56.95`` or ``Position ICRS 345.02 56.95``.
        """
        found = [self._cell(index) for index in position_columns(self._table)]
        if not found:
            fixed = [self._found(meaning) for meaning in (RA, DEC)]
            found = [one for one in fixed if one] if all(fixed) else []
        match found:
            case [ra, dec]:
                return (lambda row: _number(ra(row))), (lambda row: _number(dec(row)))
            case [both]:
                return (lambda row: _of_two(both(row), 0)), (lambda row: _of_two(both(row), 1))
        return None, None

    def _waves(self) -> tuple[Cell | None, Cell | None]:
        """Return the limits where they are listed, else the middle and half the width."""
        low, high = self._scaled(METRES, WAVE_START), self._scaled(METRES, WAVE_STOP)
        if low and high:
            return low, high
        middle, width = self._scaled(METRES, WAVE_MIDDLE), self._scaled(METRES, WAVE_WIDTH)
        if not (middle and width):
            return low, high
        return (lambda row: _beside(middle(row), width(row), -0.5)), (lambda row: _beside(middle(row), width(row), 0.5))

    def _time(self) -> Cell | None:
        """Return the date; no column where a number is in another unit than days."""
        found, column = self._found(TIME), self._field(TIME)
        if found is None or column is None or column.unit.strip().casefold() not in _DAYS:
            return None
        return lambda row: _date(found(row))


def _nothing(row: Row) -> str:
    return ""


def _number(text: str, factor: float = 1.0) -> str:
    """Return ``text`` times ``factor``, as it is for 1.

    '' for what is no finite number (NaN stands for null).
    """
    try:
        value = float(text)
    except ValueError:
        return ""
    if not math.isfinite(value):
        return ""
    return text.strip() if factor == 1.0 else f"{value * factor:.12g}"


def _of_two(text: str, which: int) -> str:
    numbers = _NUMBER.findall(text)
    return numbers[-2:][which] if len(numbers) >= 2 else ""


def _beside(middle: str, width: str, share: float) -> str:
    return f"{float(middle) + share * float(width):.9g}" if middle and width else ""


def _date(text: str) -> str:
    """Return the modified Julian date of one, of a Julian date, or of a moment in ISO 8601."""
    number = _number(text)
    if number:
        value = float(number)
        return f"{value - 2400000.5:.8f}" if value > 2400000 else number
    try:
        return f"{mjd(text.strip().removesuffix('Z')):.8f}" if text.strip() else ""
    except (ValueError, OverflowError):
        return ""

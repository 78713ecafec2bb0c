"""An SSAP answer's rows as rows of a catalog: one for each spectrum, in plain units (SSAP 1.1, section 4.2.5).

A spectrum that is served in several formats has a row for each: they are folded, and FITS is the one that is named.
Only a digest of each identifier stays in memory.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..formatting import plain_line
from ..model.target import parse_did
from .constraints import Constraints, mjd
from .document import constant_of, place_of
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
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_WHERE = "char.spatialaxis.coverage.location.value"
_WAVES = "char.spectralaxis.coverage"
# Roles and names of columns: of SSAP answers, of the tables that DaCHS makes them from, of ObsCore (1.1, table 6).
OBJECT = ("target.name", "ssa_targname", "target_name")
RA, DEC = (f"{_WHERE}.c1", "s_ra"), (f"{_WHERE}.c2", "s_dec")
POINT = (_WHERE, "astrocoords.position2d.value2", "target.pos", "target.pos.spoint", "ssa_location")
START = (f"{_WAVES}.bounds.start", "ssa_specstart", "em_min")
STOP = (f"{_WAVES}.bounds.stop", "ssa_specend", "em_max")
WHEN = ("char.timeaxis.coverage.location.value", "ssa_dateobs", "t_min")
FORMAT = ("access.format", "mime", "access_format")
SIZE = ("access.size", "accsize", "access_estsize")
ADDRESS = ("access.reference", "accref", "access_url")

Cell = Callable[[Row], str]


class CatalogWriter(Protocol):
    """Where a list goes. ``begin`` forgets what came before: the archive is asked again, for more or otherwise."""

    def begin(self, columns: Sequence[str]) -> None: ...

    def write(self, row: dict[str, str]) -> None: ...


@dataclass(frozen=True, slots=True)
class ListingSummary:
    """What came of a listing: spectra written, rows read, rows without a publisher DID, spectra outside."""

    spectra: int
    rows: int
    nameless: int
    outside: int
    more: bool
    """Whether the archive has more than it told; then ``--max`` was reached."""
    remark: str = ""
    """What else there is to say about how it came about."""


class ListingReader:
    """Turns rows into catalog rows: ``header`` first, then ``take`` each row, then ``rest``."""

    def __init__(
        self, table: VotableTable, id_column: str, constraints: Constraints, with_address: bool = False
    ) -> None:
        self._table = table
        self._constraints = constraints
        self._places: set[int] = set()
        self._did = self._cell(table.place(id_column))
        self._format = self._found(*FORMAT) or (lambda row: "")
        self._cells = {name: cell for name, cell in self._columns(with_address).items() if cell}
        self._seen: set[bytes] = set()
        self._pending: dict[str, str] = {}
        self.rows = self.nameless = self.outside = self.spectra = 0
        self.repeats = 0  # rows of a spectrum that had been complete

    @property
    def header(self) -> list[str]:
        return ["id", *self._cells]

    @property
    def places(self) -> list[int]:
        """The columns that are read: all that need be asked for, where that is for us to say."""
        return sorted(self._places)

    def take(self, row: Row) -> Iterator[dict[str, str]]:
        """What is complete now: a spectrum is once a row of another follows."""
        self.rows += 1
        try:
            did = parse_did(self._did(row))
        except ValueError:
            self.nameless += 1
            return
        if self._pending.get("id") == did:
            if "fits" in self._format(row) and "fits" not in self._pending.get("format", "fits"):
                self._pending = self._read(did, row)
            return
        yield from self.rest()
        digest = hashlib.blake2b(did.encode(), digest_size=8).digest()
        if digest in self._seen:
            self.repeats += 1
            return
        self._seen.add(digest)
        self._pending = self._read(did, row)

    def rest(self) -> Iterator[dict[str, str]]:
        """The last spectrum."""
        spectrum, self._pending = self._pending, {}
        if not spectrum:
            return
        if self._constraints.admit(spectrum):
            self.spectra += 1
            yield spectrum
        else:
            self.outside += 1

    def _read(self, did: str, row: Row) -> dict[str, str]:
        return {"id": did} | {name: cell(row) for name, cell in self._cells.items()}

    def _columns(self, with_address: bool) -> dict[str, Cell | None]:
        ra, dec = self._positions()
        low, high = self._waves()
        return {
            "object": self._text(*OBJECT),
            "ra": ra,
            "dec": dec,
            "wave_min": low,
            "wave_max": high,
            "time": self._time(),
            "format": self._text(*FORMAT),
            "size": self._scaled(_BYTES, *SIZE),
            "access_url": self._text(*ADDRESS) if with_address else None,
        }

    def _cell(self, place: int | None) -> Cell:
        if place is not None:
            self._places.add(place)

        def read(row: Row) -> str:
            return row[place].strip() if place is not None and place < len(row) else ""

        return read

    def _found(self, *names: str) -> Cell | None:
        """The column of one of these names or roles, or the constant that stands for it."""
        place = place_of(self._table, *names)
        if place is not None:
            return self._cell(place)
        constant = constant_of(self._table, *names)
        value = constant.value if constant else None
        return (lambda row: value) if value else None

    def _field(self, *names: str) -> VotableField | None:
        place = place_of(self._table, *names)
        return self._table.fields[place] if place is not None else constant_of(self._table, *names)

    def _text(self, *names: str) -> Cell | None:
        cell = self._found(*names)
        return cell and (lambda row: plain_line(cell(row), 2000))

    def _scaled(self, units: dict[str, float], *names: str) -> Cell | None:
        """A number in our unit; no column where its own unit is unknown, rather than a wrong one."""
        cell, field = self._found(*names), self._field(*names)
        factor = units.get(field.unit.strip().casefold()) if field else None
        if cell is None or factor is None:
            return None
        return lambda row: _number(cell(row), factor)

    def _positions(self) -> tuple[Cell | None, Cell | None]:
        """Two columns, or one with both numbers (``345.02 56.95``, ``Position ICRS 345.02 56.95``)."""
        ra, dec = self._found(*RA), self._found(*DEC)
        if ra and dec:
            return (lambda row: _number(ra(row))), (lambda row: _number(dec(row)))
        both = self._found(*POINT)
        if both is None:
            return None, None
        return (lambda row: _of_two(both(row), 0)), (lambda row: _of_two(both(row), 1))

    def _waves(self) -> tuple[Cell | None, Cell | None]:
        """The limits where they are told, else the middle and half the width."""
        low, high = self._scaled(METRES, *START), self._scaled(METRES, *STOP)
        if low and high:
            return low, high
        middle = self._scaled(METRES, f"{_WAVES}.location.value")
        width = self._scaled(METRES, f"{_WAVES}.bounds.extent")
        if not (middle and width):
            return low, high
        return (lambda row: _beside(middle(row), width(row), -0.5)), (lambda row: _beside(middle(row), width(row), 0.5))

    def _time(self) -> Cell | None:
        cell = self._found(*WHEN)
        return cell and (lambda row: _date(cell(row)))


def _number(text: str, factor: float = 1.0) -> str:
    """The text itself where nothing is to be converted; empty for what is no finite number (NaN stands for null)."""
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
    """A modified Julian date, from one, a Julian date, or a moment in ISO 8601."""
    number = _number(text)
    if number:
        value = float(number)
        return f"{value - 2400000.5:.8f}" if value > 2400000 else number
    try:
        return f"{mjd(text.strip().removesuffix('Z')):.8f}" if text.strip() else ""
    except (ValueError, OverflowError):
        return ""

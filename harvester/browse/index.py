"""Index all spectra of a harvest in a temporary database, for a table of a million rows.

The ledger is copied once and then followed row by row: sorting and filtering never disturb a run that writes it. What
only the files know (time, position, shape) is filled in as they are read.
"""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, islice
from threading import Lock
from typing import Any

from ..errors import StoreError
from ..ledger.overview import COLUMNS, Row
from .selection import Selection

VIEWS = 12  # orders that are kept, of 8 bytes a row
MOST_ROWS = 500  # of one answer
ROWS_PER_WRITE = 20_000  # a tenth of a second, in which nothing is read

_FILLED = ("mjd", "ra", "dec", "star", "doubt", "unusual", "mine", "disagree", "picked")
_TABLE = f"""
CREATE TABLE spectrum(
    number INTEGER PRIMARY KEY, did TEXT NOT NULL UNIQUE, {", ".join(COLUMNS[1:])},
    mjd REAL, ra REAL, dec REAL, star INTEGER, doubt REAL, unusual REAL, mine TEXT, disagree INTEGER, picked INTEGER
)
"""
_UPSERT = (
    f"INSERT INTO spectrum({', '.join(COLUMNS)}) VALUES({', '.join('?' * len(COLUMNS))}) ON CONFLICT(did) DO UPDATE "
    f"SET {', '.join(f'{name} = excluded.{name}' for name in COLUMNS[1:])}"
)
_SHOWN = (
    "number", "name", "object", "status", "kind", "label", "mine", "mjd", "doubt", "unusual", "disagree", "picked"
)  # fmt: skip
_STORED = "status IN ('present', 'saved')"


@dataclass(frozen=True, slots=True)
class View:
    """An order of row numbers, as it was when it was made.

    version: of the index at that time.
    """

    key: str
    numbers: array[int]
    version: int


class SpectraIndex:
    """A table of all spectra with row numbers that stay the same. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = Lock()
        # An unnamed database: SQLite spills it to a file that goes with the process.
        self._connection = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._connection.execute(_TABLE)
        self._connection.execute("CREATE INDEX spectrum_star ON spectrum(star) WHERE star NOT NULL")
        self._views: OrderedDict[str, View] = OrderedDict()
        self._serial = count(1)
        self.version = 0
        """Rises with each change of a row."""

    def close(self) -> None:
        """Give the temporary file back."""
        with self._using():
            self._connection.close()

    def add(self, rows: Iterable[Row]) -> None:
        """Add rows of the ledger, or bring them up to date; others may read in the meantime."""
        self._write_some(_UPSERT, rows)

    def fill(self, column: str, values: Iterable[tuple[Any, int]]) -> None:
        """Set one of the columns that the ledger lacks, from pairs of value and row number."""
        assert column in _FILLED
        self._write_some(f"UPDATE spectrum SET {column} = ? WHERE number = ?", values)  # noqa: S608 - a known column

    def fill_by_did(self, column: str, values: Iterable[tuple[Any, str]]) -> None:
        """Set one of the columns that the ledger lacks, from pairs of value and DID."""
        assert column in _FILLED
        self._write_some(f"UPDATE spectrum SET {column} = ? WHERE did = ?", values)  # noqa: S608 - a known column

    def join_stars(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Make one star of two, from pairs of the number that stays and the one that goes."""
        self._write_some("UPDATE spectrum SET star = ? WHERE star = ?", pairs)

    def clear(self, column: str) -> None:
        """Empty one of the columns that the ledger lacks."""
        assert column in _FILLED
        self._write(f"UPDATE spectrum SET {column} = NULL WHERE {column} NOT NULL AND ?", [(1,)])  # noqa: S608

    def _write_some(self, sql: str, values: Iterable[tuple[Any, ...]]) -> None:
        """Write values part by part; others may read meanwhile."""
        remaining = iter(values)
        while some := list(islice(remaining, ROWS_PER_WRITE)):
            self._write(sql, some)

    def _write(self, sql: str, values: Iterable[tuple[Any, ...]]) -> None:
        with self._using():
            self._connection.execute("BEGIN")
            with self._connection:
                self._connection.executemany(sql, values)
            self.version += 1

    def view(self, selection: Selection) -> View:
        """Return the rows of a selection in its order. ValueError if a field has no meaning."""
        sql, values = selection.sql()
        with self._using():
            version = self.version
            numbers = array("q", (row[0] for row in self._connection.execute(sql, values)))
            made = View(f"v{next(self._serial)}", numbers, version)
            self._views[made.key] = made
            while len(self._views) > VIEWS:
                self._views.popitem(last=False)
        return made

    def known_view(self, key: str) -> View:
        """Return a view that was made before. KeyError if it is too long ago."""
        with self._lock:
            self._views.move_to_end(key)
            return self._views[key]

    def rows(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """Return what a table shows of these rows, in their order."""
        found = {row[0]: row for row in self._select(_SHOWN, numbers[:MOST_ROWS])}
        return [dict(zip(_SHOWN, found[number], strict=True)) for number in numbers if number in found]

    def row(self, number: int) -> Mapping[str, Any]:
        """Return all of one row. KeyError if there is none of that number."""
        names = ("number", *COLUMNS, *_FILLED)
        for row in self._select(names, [number]):
            return dict(zip(names, row, strict=True))
        raise KeyError(number)

    def _select(self, names: Sequence[str], numbers: Sequence[int]) -> list[tuple[Any, ...]]:
        marks = ",".join("?" * len(numbers))
        return self._all(f"SELECT {', '.join(names)} FROM spectrum WHERE number IN ({marks})", *numbers)  # noqa: S608

    def _all(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with self._using():
            return self._connection.execute(sql, values).fetchall()

    @contextmanager
    def _using(self) -> Iterator[None]:
        """Let one thread use the database. StoreError if its temporary file fails."""
        with self._lock:
            try:
                yield
            except sqlite3.OperationalError as error:
                raise StoreError(
                    f"the page's temporary table cannot be kept ({error}); make room in /var/tmp, or set SQLITE_TMPDIR "
                    "to another folder"
                ) from error

    def number_of(self, did: str) -> int | None:
        """Return the row number of a DID, None if the harvest does not list it."""
        found = self._all("SELECT number FROM spectrum WHERE did = ?", did)
        return found[0][0] if found else None

    def stored_dids(self, numbers: Sequence[int]) -> list[str]:
        """Return the DIDs of those rows whose spectra are stored, in the order of ``numbers``."""
        sql = f"SELECT number, did FROM spectrum WHERE {_STORED} AND number IN (SELECT value FROM json_each(?))"  # noqa: S608
        found = dict(self._all(sql, json.dumps(list(numbers))))
        return [found[number] for number in numbers if number in found]

    def stored_after(self, number: int, most: int) -> list[tuple[int, str]]:
        """Return number and DID of stored spectra after row ``number``.

        They are the next ones whose files have not been read.
        """
        where = f"number > ? AND star IS NULL AND {_STORED}"
        sql = f"SELECT number, did FROM spectrum WHERE {where} ORDER BY number LIMIT ?"  # noqa: S608
        return self._all(sql, number, most)

    def labels(self, numbers: Sequence[int]) -> list[str]:
        """Return the label of each row, the user's own before the catalog's; '' without one."""
        sql = "SELECT number, coalesce(mine, label, '') FROM spectrum WHERE number IN (SELECT value FROM json_each(?))"
        found: list[str] = []
        for start in range(0, len(numbers), ROWS_PER_WRITE):  # others may read meanwhile
            some = list(numbers[start : start + ROWS_PER_WRITE])
            known = dict(self._all(sql, json.dumps(some)))
            found += [str(known.get(number, "")) for number in some]
        return found

    def catalog_labels(self) -> dict[str, str]:
        """Return the catalog's labels by DID."""
        return {did: str(label) for did, label in self._all("SELECT did, label FROM spectrum WHERE label <> ''")}

    def total(self) -> int:
        """Return the number of rows."""
        return int(self._all("SELECT count(*) FROM spectrum")[0][0])

    def same_star(self, number: int, star: int, most: int) -> list[int]:
        """Return other rows of the same star, by time."""
        sql = "SELECT number FROM spectrum WHERE star = ? AND number <> ? ORDER BY mjd LIMIT ?"
        return [row[0] for row in self._all(sql, star, number, most)]

    def counts(self) -> dict[str, dict[str, int]]:
        """Return how many rows have each status, failure kind and label."""
        return {
            name: {str(value): number for value, number in self._all(sql)}
            for name, sql in (
                ("status", "SELECT status, count(*) FROM spectrum GROUP BY 1"),
                ("kind", "SELECT kind, count(*) FROM spectrum WHERE status = 'failed' GROUP BY 1"),
                ("label", "SELECT coalesce(mine, label, ''), count(*) FROM spectrum GROUP BY 1 LIMIT 100"),
            )
        }

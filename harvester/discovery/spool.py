"""Keep the rows of a list on disk until all have come.

Only then is it known which identifiers are shared. A million rows take some 300 MB there and no memory. Rows come in
any order, and a row may come twice (the parts of a divided list overlap): each is kept once.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from itertools import groupby
from types import TracebackType
from typing import Self

from ..vo.identity import RowIdentity
from ..vo.listing import ListedRow

_SEEN = "UPDATE row SET in_parts = 1 WHERE dataset = ? AND address = ? AND media = ?"


class ListingSpool:
    """A temporary table of rows, by the dataset that they belong to. A context manager."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)  # a temporary file that SQLite removes itself
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._create()

    def _create(self) -> None:
        self.rows = 0
        self.datasets = 0
        self.wanted_datasets = 0
        self.repeated = 0  # rows that came before: parts overlap, or the service repeats itself
        self._in_parts = 0
        self._last_key, self._last_number = "", 0
        for statement in (
            "DROP TABLE IF EXISTS dataset",
            "DROP TABLE IF EXISTS row",
            "CREATE TABLE dataset (number INTEGER PRIMARY KEY, key TEXT UNIQUE, is_wanted INTEGER)",
            "CREATE TABLE row (dataset INTEGER, address TEXT, media TEXT, number INTEGER, is_wanted INTEGER, "
            "in_parts INTEGER, data TEXT, PRIMARY KEY (dataset, address, media)) WITHOUT ROWID",
            "BEGIN",
        ):
            self._database.execute(statement)

    def clear(self) -> None:
        """Forget all rows."""
        self._database.execute("COMMIT")
        self._create()

    def add(self, row: ListedRow) -> bool:
        """Keep ``row``. Return whether its dataset came before, with rows of others in between."""
        identity = row.identity
        key = identity.dataset or f"@{identity.address}"
        number, is_back = self._number(key, row.is_wanted)
        where = (number, identity.address, identity.media_type)
        values = (*where, self.rows, row.is_wanted, self._in_parts, json.dumps(row.values))
        done = self._database.execute("INSERT OR IGNORE INTO row VALUES (?, ?, ?, ?, ?, ?, ?)", values)
        if done.rowcount == 0:
            self.repeated += 1
            if self._in_parts:
                self._database.execute(_SEEN, where)
        self.rows += 1
        return is_back

    def _number(self, key: str, is_wanted: bool) -> tuple[int, bool]:
        if key == self._last_key:
            return self._last_number, False
        done = self._database.execute("INSERT OR IGNORE INTO dataset VALUES (NULL, ?, ?)", (key, is_wanted))
        if done.rowcount:
            self.datasets += 1
            self.wanted_datasets += is_wanted
            number = done.lastrowid or 0
        else:
            [number] = self._database.execute("SELECT number FROM dataset WHERE key = ?", (key,)).fetchone()
        self._last_key, self._last_number = key, number
        return number, done.rowcount == 0

    def by_dataset(self) -> Iterator[list[ListedRow]]:
        """Yield the rows of each dataset, datasets and rows in the order in which they came."""
        found = self._database.execute(
            "SELECT dataset.key, row.dataset, address, media, row.is_wanted, data FROM row "
            "JOIN dataset ON dataset.number = row.dataset ORDER BY row.dataset, row.number"
        )
        for _, group in groupby(found, key=lambda each: each[1]):
            yield [_row(*each) for each in group]

    def begin_parts(self) -> None:
        """Note that the rows that follow are those of parts.

        They should have all that came so far once more.
        """
        self._database.execute("UPDATE row SET in_parts = 0")
        self._in_parts = 1

    @property
    def missing_in_parts(self) -> int:
        """Rows that came before the parts, and in none of them."""
        [count] = self._database.execute("SELECT COUNT(*) FROM row WHERE in_parts = 0").fetchone()
        return int(count)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()


def _row(key: str, dataset: int, address: str, media: str, is_wanted: int, data: str) -> ListedRow:
    identity = RowIdentity("" if key.startswith("@") else key, address, media)
    return ListedRow(identity, json.loads(data), bool(is_wanted))

"""Import a catalog into the ledger piece by piece during the run.

A million rows delay no first request.

The rows come in the order of the ledger, in which SQLite takes them many times as fast as in that of most catalogs; a
temporary database sorts them. But a row should exist before its spectrum is stored: so pieces in the order of the
requests come between. A killed run leaves the rest to the next one, which goes through all rows again and touches
those that differ.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice, repeat

from ..catalog.plan import HarvestPlan
from ..catalog.reader import Catalog
from ..model.target import SpectrumId
from .bulk import ROWS, write_rows
from .schema import LOST_ROWS, WITHOUT_NAME, next_run

ROWS_PER_TRANSACTION = 2000  # a few hundredths of a second, in which the run's events wait to be written
ROWS_PER_SORT = 50_000  # for the same reason: about a tenth of a second
SAMPLE_STEP = 1000  # rows of which one is looked at to find where the sorted parts begin

CatalogRow = tuple[SpectrumId, str, int]
"""A DID, its status by the disk, and its number in the catalog."""


class CatalogImport:
    """Write what the catalog lists and what the disk has of it.

    Where ledger and disk disagree, the disk is right.

    ``seen`` has the spectra that something happened to since the run began: there the ledger is newer than the plan.
    """

    def __init__(self, connection: sqlite3.Connection, plan: HarvestPlan, catalog: Catalog) -> None:
        self.seen: set[SpectrumId] = set()
        self._catalog = catalog
        self._present, self._wanted = plan.present, plan.wanted
        self._run = next_run(connection)
        self._ahead, self._lead = self._rows(), 0
        self._behind: Iterator[list[CatalogRow]] | None = self._sorted()
        self._piece = self._next_piece()

    def _rows(self) -> Iterator[CatalogRow]:
        """Yield all rows in the order of the requests."""
        for status, numbers in (("wanted", self._wanted.numbers), ("present", self._present.numbers)):
            yield from zip(map(self._catalog.dids.__getitem__, numbers), repeat(status), numbers, strict=False)

    def _sorted(self) -> Iterator[list[CatalogRow]]:
        """Yield all rows by DID, piece by piece.

        The pieces are empty while the rows are being copied.
        """
        rows, bounds = self._rows(), self._bounds()
        with closing(
            sqlite3.connect("", check_same_thread=False)
        ) as temporary:  # its file has no name and goes with it
            temporary.execute(_PARTS)
            while some := list(islice(rows, ROWS_PER_TRANSACTION)):
                parted = sorted((bisect(bounds, did), number, did, status) for did, status, number in some)
                temporary.executemany("INSERT INTO listed VALUES(?, ?, ?, ?)", parted)
                yield []
            for part in range(len(bounds) + 1):
                found = temporary.execute("SELECT did, status, number FROM listed WHERE part = ? ORDER BY did", (part,))
                while piece := found.fetchmany(ROWS_PER_TRANSACTION):
                    yield piece

    def _bounds(self) -> Sequence[SpectrumId]:
        """Return the DIDs at which all but the first part begin.

        SQLite's order is Python's: by code points.
        """
        step = ROWS_PER_SORT // SAMPLE_STEP
        return sorted(self._catalog.dids[::SAMPLE_STEP])[step::step]

    def _next_piece(self) -> list[CatalogRow] | None:
        if self._lead == len(self._wanted) + len(self._present):
            return None
        if self._behind is None or self._lead < len(self.seen) + ROWS_PER_TRANSACTION:
            piece = list(islice(self._ahead, ROWS_PER_TRANSACTION))
            self._lead += len(piece)
            return piece
        try:
            return next(self._behind, None)
        except sqlite3.Error:  # no room for the temporary database: the order of the requests needs none
            self._behind = None
            return []

    @property
    def complete(self) -> bool:
        """Whether everything is written."""
        return self._piece is None

    def write_next(self, connection: sqlite3.Connection) -> None:
        """Write the next piece, if there is one. sqlite3.Error, which changes nothing.

        Rows that are up to date are not touched.
        """
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            rows = [self._row(*row) for row in self._piece or ()]
            known = {did for did, *_ in rows if did in self.seen}
            write_rows(connection, _RELEASE, [(folded, did) for did, _, folded, *_ in rows])
            write_rows(connection, _IMPORT, [row for row in rows if row[0] not in known])
            write_rows(connection, _DESCRIBE, [row for row in rows if row[0] in known])
        self._piece = self._next_piece()
        if self.complete:
            self.seen.clear()  # it has grown with the harvest, and is not needed any more

    def _row(self, did: SpectrumId, status: str, number: int) -> tuple[str, str, str, str, str, int]:
        name = self._wanted.item(number).name
        return did, name, name.casefold(), self._catalog.columns[number], status, self._run


# Rows of a part are stored together, so that each part is read, and sorted, by itself.
_PARTS = """
CREATE TABLE listed(part INTEGER, number INTEGER, did TEXT, status TEXT, PRIMARY KEY(part, number)) WITHOUT ROWID
"""

# A name that passes to another DID must be free before that one's row comes.
_RELEASE = f"""
WITH new(folded, did) AS (VALUES {ROWS})
UPDATE entry SET folded = {WITHOUT_NAME} WHERE did IN (
    SELECT old.did FROM new CROSS JOIN entry AS old ON old.folded = new.folded WHERE old.did <> new.did)
"""  # noqa: S608 - constants

_INSERT = "INSERT INTO entry(did, name, folded, columns, status, run) VALUES {rows} ON CONFLICT(did)"
# Columns that this catalog lacks and an earlier one had stay. SQLite writes JSON without blanks.
_NAMED = """name = excluded.name, folded = excluded.folded,
    columns = json_patch(entry.columns, excluded.columns)"""
_RENAMED = """entry.name <> excluded.name OR entry.folded <> excluded.folded
    OR (entry.columns <> excluded.columns
        AND json(entry.columns) <> json_patch(entry.columns, excluded.columns))"""

_DESCRIBE = f"{_INSERT} DO UPDATE SET {_NAMED} WHERE {_RENAMED}"

_IMPORT = f"""
{_INSERT} DO UPDATE SET {_NAMED},
    status = CASE
        WHEN excluded.status = 'present' AND entry.status = 'saved' THEN 'saved'
        WHEN excluded.status = 'wanted' AND entry.status IN ('failed', 'retry') THEN entry.status
        ELSE excluded.status END,
    run = CASE WHEN (excluded.status = 'present') = (entry.status IN ('saved', 'present')) THEN entry.run
        ELSE excluded.run END
WHERE {_RENAMED}
    OR (excluded.status = 'present' AND entry.status NOT IN ('saved', 'present'))
    OR (excluded.status = 'wanted' AND entry.status NOT IN ('wanted', 'failed', 'retry'))
"""

_CLEAR_LOST = "UPDATE entry SET sha256 = NULL, content_digest = NULL, bytes = NULL, checksum = NULL WHERE did = ?"


def drop_unlisted_losses(connection: sqlite3.Connection, catalog: Catalog) -> None:
    """Forget spectra that were stored, are gone, and are not in the catalog.

    The user dropped them. sqlite3.Error.
    """
    rows = connection.execute(f"SELECT did FROM entry WHERE {LOST_ROWS}")  # noqa: S608 - a constant
    lost = {SpectrumId(did) for (did,) in rows}
    if lost:
        dropped = lost.difference(did for did in catalog.dids if did in lost)
        connection.executemany(_CLEAR_LOST, [(did,) for did in dropped])

"""A catalog written into the ledger piece by piece, beside the harvest: a million rows keep no first request waiting.

The rows come in the order of the ledger, in which SQLite takes them many times as fast as in that of most catalogs; a
temporary database sorts them. But a row should be there before its spectrum is: so pieces in the order in which spectra
are asked for come between. A killed run leaves the rest to the next one, which goes through all of it again and touches
what differs.
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
from .bulk import write_rows
from .schema import next_run

PIECE = 2000  # rows a transaction: a few hundredths of a second, in which what happened waits to be written down
PART = 50_000  # rows that are sorted at once, for the same reason: about a tenth of a second
EVERY = 1000  # rows of which one is looked at to tell where the parts begin

CatalogRow = tuple[SpectrumId, str, int]
"""What is listed, its status by the disk, and its place in the catalog."""


class CatalogImport:
    """What the catalog lists and what the disk has of it; where ledger and disk disagree, the disk is right.

    ``heard_of`` has the spectra that something happened to since the run began: of these the ledger knows better than
    the plan.
    """

    def __init__(self, connection: sqlite3.Connection, plan: HarvestPlan, catalog: Catalog) -> None:
        self.heard_of: set[SpectrumId] = set()
        self._catalog = catalog
        self._present, self._wanted = plan.present, plan.wanted
        self._run = next_run(connection)
        self._ahead, self._lead = self._listed(), 0
        self._behind = self._sorted()
        self._piece = self._next_piece()

    def _listed(self) -> Iterator[CatalogRow]:
        """In the order in which it is asked for."""
        for status, numbers in (("wanted", self._wanted.numbers), ("present", self._present.numbers)):
            yield from zip(map(self._catalog.dids.__getitem__, numbers), repeat(status), numbers, strict=False)

    def _sorted(self) -> Iterator[list[CatalogRow]]:
        """In the order of the DIDs, by the piece; the pieces are empty while the rows are handed over."""
        listed, bounds = self._listed(), self._bounds()
        with closing(sqlite3.connect("", check_same_thread=False)) as aside:  # without a name: its file goes with it
            aside.execute(_PARTS)
            while some := list(islice(listed, PIECE)):
                parted = sorted((bisect(bounds, did), number, did, status) for did, status, number in some)
                aside.executemany("INSERT INTO listed VALUES(?, ?, ?, ?)", parted)
                yield []
            for part in range(len(bounds) + 1):
                rows = aside.execute("SELECT did, status, number FROM listed WHERE part = ? ORDER BY did", (part,))
                while piece := rows.fetchmany(PIECE):
                    yield piece

    def _bounds(self) -> Sequence[SpectrumId]:
        """The DIDs at which all but the first part begin. SQLite's order is that of Python: by code points."""
        return sorted(self._catalog.dids[::EVERY])[PART // EVERY :: PART // EVERY]

    def _next_piece(self) -> list[CatalogRow] | None:
        if self._lead == len(self._wanted) + len(self._present):
            return None
        if self._lead < len(self.heard_of) + PIECE:
            piece = list(islice(self._ahead, PIECE))
            self._lead += len(piece)
            return piece
        return next(self._behind, None)

    @property
    def complete(self) -> bool:
        """Whether everything is written."""
        return self._piece is None

    def go_on(self, connection: sqlite3.Connection) -> None:
        """Write the next piece, if there is one. sqlite3.Error goes through, and changes nothing.

        Rows that say so already are not touched.
        """
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            rows = [self._row(*listed) for listed in self._piece or ()]
            known = {did for did, *_ in rows if did in self.heard_of}
            write_rows(connection, _FREE, [(folded, did) for did, _, folded, *_ in rows])
            write_rows(connection, _ENROL, [row for row in rows if row[0] not in known])
            write_rows(connection, _DESCRIBE, [row for row in rows if row[0] in known])
        self._piece = self._next_piece()
        if self.complete:
            self.heard_of.clear()  # it has grown with the harvest, and nobody asks any more

    def _row(self, did: SpectrumId, status: str, number: int) -> tuple[str, str, str, str, str, int]:
        name = self._wanted.thing(number).name
        return did, name, name.casefold(), self._catalog.columns[number], status, self._run


# Rows of a part lie together, so that each is read, and sorted, by itself.
_PARTS = """
CREATE TABLE listed(part INTEGER, number INTEGER, did TEXT, status TEXT, PRIMARY KEY(part, number)) WITHOUT ROWID
"""

# A name that passes to another DID must be free before that one's row comes.
_FREE = """
WITH new(folded, did) AS (VALUES {rows})
UPDATE spectrum SET folded = did WHERE did IN (
    SELECT old.did FROM new CROSS JOIN spectrum AS old ON old.folded = new.folded WHERE old.did <> new.did)
"""

_INSERT = "INSERT INTO spectrum(did, name, folded, columns, status, run) VALUES {rows} ON CONFLICT(did)"
# What a catalog does not tell of, an earlier one may have told: its columns stay. SQLite writes JSON without blanks.
_NAMED = """name = excluded.name, folded = excluded.folded,
    columns = json_patch(spectrum.columns, excluded.columns)"""
_RENAMED = """spectrum.name <> excluded.name OR spectrum.folded <> excluded.folded
    OR (spectrum.columns <> excluded.columns
        AND json(spectrum.columns) <> json_patch(spectrum.columns, excluded.columns))"""

_DESCRIBE = f"{_INSERT} DO UPDATE SET {_NAMED} WHERE {_RENAMED}"

_ENROL = f"""
{_INSERT} DO UPDATE SET {_NAMED},
    status = CASE
        WHEN excluded.status = 'present' AND spectrum.status = 'saved' THEN 'saved'
        WHEN excluded.status = 'wanted' AND spectrum.status IN ('failed', 'retry') THEN spectrum.status
        ELSE excluded.status END,
    run = CASE WHEN (excluded.status = 'present') = (spectrum.status IN ('saved', 'present')) THEN spectrum.run
        ELSE excluded.run END
WHERE {_RENAMED}
    OR (excluded.status = 'present' AND spectrum.status NOT IN ('saved', 'present'))
    OR (excluded.status = 'wanted' AND spectrum.status NOT IN ('wanted', 'failed', 'retry'))
"""

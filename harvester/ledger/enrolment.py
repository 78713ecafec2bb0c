"""A catalogue written into the ledger piece by piece, beside the harvest: a million rows keep no first request waiting.

What is wanted comes first and in the order in which it is asked for, so that a row is there long before its spectrum. A
killed run leaves the rest to the next one, which goes through all of it again and touches what differs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import chain, islice, repeat

from ..plan import HarvestPlan
from ..spectra import SpectrumId, Target
from .schema import next_run

PIECE = 2000  # rows a transaction: a few hundredths of a second, in which what happened waits to be written down

Listed = tuple[Target, str, int]
"""What is listed, its status by the disk, and its place in the catalogue."""


class Enrolment:
    """What the catalogue lists and what the disk has of it; where ledger and disk disagree, the disk is right.

    ``columns`` are the JSON objects of the catalogue's other columns. ``heard_of`` has the spectra that something
    happened to since the run began: of these the ledger knows better than the plan.
    """

    def __init__(self, connection: sqlite3.Connection, plan: HarvestPlan, columns: Sequence[str]) -> None:
        self.heard_of: set[SpectrumId] = set()
        self.complete = False
        self._columns = columns
        self._run = next_run(connection)
        wanted, present = plan.wanted, plan.present
        self._listed: Iterator[Listed] = chain(
            zip(wanted, repeat("wanted"), wanted.numbers, strict=False),
            zip(present, repeat("present"), present.numbers, strict=False),
        )
        self._piece = self._next_piece()

    def _next_piece(self) -> list[Listed]:
        return list(islice(self._listed, PIECE))

    def go_on(self, connection: sqlite3.Connection) -> None:
        """Write the next piece; ``complete`` tells when none is left. sqlite3.Error goes through, and changes nothing.

        Rows that say so already are not touched.
        """
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            # A name that passes to another DID must be free before that one's row comes.
            connection.executemany(
                "UPDATE spectrum SET folded = did WHERE folded = ? AND did <> ?",
                ((target.name.casefold(), target.did) for target, _, _ in self._piece),
            )
            heard_of = frozenset(self.heard_of)
            connection.executemany(_ENROL, map(self._row, self._of(heard_of, known=False)))
            connection.executemany(_DESCRIBE, map(self._row, self._of(heard_of, known=True)))
        self._piece = self._next_piece()
        self.complete = not self._piece

    def _of(self, heard_of: frozenset[SpectrumId], known: bool) -> Iterator[Listed]:
        return (listed for listed in self._piece if (listed[0].did in heard_of) is known)

    def _row(self, listed: Listed) -> tuple[str, str, str, str, str, int]:
        target, status, number = listed
        return target.did, target.name, target.name.casefold(), self._columns[number], status, self._run


_INSERT = "INSERT INTO spectrum(did, name, folded, columns, status, run) VALUES(?, ?, ?, ?, ?, ?) ON CONFLICT(did)"
_NAMED = "name = excluded.name, folded = excluded.folded, columns = excluded.columns"
_RENAMED = """(spectrum.name, spectrum.folded, spectrum.columns)
    <> (excluded.name, excluded.folded, excluded.columns)"""

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

# A spectrum that something happens to before its turn to be enrolled has come: its name may still be another's.
MEET = """
INSERT OR IGNORE INTO spectrum(did, name, folded, status, run)
VALUES(?1, ?2, ?1, 'wanted', (SELECT number FROM run WHERE run = ?3))
"""

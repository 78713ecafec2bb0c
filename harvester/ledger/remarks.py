"""Record what is unusual about stored files.

A table of its own, empty for archives whose files have nothing unusual.

``level`` is how far a file was verified, ``invalid`` counts the points without a finite flux, ``segments`` orders, arms
or chips; ``remarks`` is a JSON list of sentences. A row counts only for the file whose ``sha256`` it has.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping

from ..model.outcomes import Level, VerifiedSpectrum
from ..model.target import SpectrumId

TABLE = """
CREATE TABLE IF NOT EXISTS reading(
    did TEXT PRIMARY KEY, sha256 TEXT NOT NULL, level TEXT NOT NULL, invalid INTEGER NOT NULL,
    segments INTEGER NOT NULL, remarks TEXT NOT NULL
) WITHOUT ROWID
"""
_WRITE = "INSERT OR REPLACE INTO reading(did, sha256, level, invalid, segments, remarks) VALUES(?, ?, ?, ?, ?, ?)"
_LOWER_LEVELS = "SELECT did, level FROM reading JOIN spectrum USING (did, sha256) WHERE level != 'science'"

Values = tuple[str, str, str, int, int, str]


def remarks_row(did: str, proof: VerifiedSpectrum) -> tuple[str, Values] | None:
    """Return the statement and the row that record what is unusual about ``proof``.

    None for a usual spectrum.
    """
    if proof.level is Level.SCIENCE and not proof.invalid and proof.segments == 1 and not proof.remarks:
        return None
    remarks = json.dumps(proof.remarks)
    return _WRITE, (did, proof.sha256, proof.level.value, proof.invalid, proof.segments, remarks)


def write_remarks(connection: sqlite3.Connection, did: str, proof: VerifiedSpectrum) -> None:
    """Record what is unusual about a file that was verified again. sqlite3.Error."""
    row = remarks_row(did, proof)
    if row is not None:
        connection.execute(*row)


def lower_levels(connection: sqlite3.Connection) -> Mapping[SpectrumId, Level]:
    """Return the levels of stored spectra that our own readers did not verify."""
    if not has_table(connection):
        return {}
    return {SpectrumId(row[0]): Level(row[1]) for row in connection.execute(_LOWER_LEVELS)}


def has_table(connection: sqlite3.Connection) -> bool:
    """Return whether the ledger has the table; older ones lack it."""
    query = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'reading'"
    return bool(connection.execute(query).fetchone()[0])

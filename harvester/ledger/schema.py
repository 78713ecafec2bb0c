"""The ledger's tables, and how to open them: one SQLite file, written by one thread, readable meanwhile (WAL).

The files are the truth of what is there; the ledger is the memory of how it came about. Losing it loses history,
never spectra.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from ..errors import StoreError

VERSION = 1

SCHEMA = """
CREATE TABLE IF NOT EXISTS run(
    run TEXT PRIMARY KEY, started REAL NOT NULL, ended REAL, host TEXT NOT NULL, pid INTEGER NOT NULL,
    version TEXT NOT NULL, archive TEXT NOT NULL, summary TEXT NOT NULL DEFAULT '{}'
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS spectrum(
    did TEXT PRIMARY KEY, name TEXT NOT NULL, folded TEXT NOT NULL UNIQUE, columns TEXT NOT NULL DEFAULT '{}',
    status TEXT NOT NULL CHECK(status IN ('wanted', 'present', 'saved', 'retry', 'failed')),
    attempts INTEGER NOT NULL DEFAULT 0, due REAL, bytes INTEGER, sha256 TEXT, content_digest TEXT,
    points INTEGER, wave_min REAL, wave_max REAL, object TEXT,
    kind TEXT, detail TEXT, http_status INTEGER, last_tried REAL, saved REAL, elapsed REAL, url TEXT, run TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS spectrum_status ON spectrum(status);
CREATE TABLE IF NOT EXISTS event(time REAL NOT NULL, run TEXT NOT NULL, name TEXT NOT NULL, fields TEXT NOT NULL);
"""


def open_for_writing(path: Path) -> sqlite3.Connection:
    """The ledger at ``path``, made if it is not there. StoreError in plain words if it cannot be used."""
    try:
        connection = sqlite3.connect(path, timeout=30, check_same_thread=False, isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found > VERSION:
            raise StoreError(f"{path}: written by a newer harvester (schema {found}); update harvester or move it away")
        connection.executescript(SCHEMA)
        connection.execute(f"PRAGMA user_version={VERSION}")
    except sqlite3.Error as error:
        raise StoreError(
            f"{path}: the ledger cannot be used ({error}); move it away, no spectrum is lost by that"
        ) from None
    path.chmod(0o600)
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection | None:
    """A read-only view of the ledger, also while a run writes it; None if there is none."""
    if not path.exists():
        return None
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=30)
    connection.row_factory = sqlite3.Row
    return connection

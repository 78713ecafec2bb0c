"""The ledger's tables, and how to open them: one SQLite file, written by one thread, readable meanwhile (WAL).

The files are the truth of what is there; the ledger is the memory of how it came about. Losing it loses history,
never spectra.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import StoreError
from ..model.filesystem import file_system

VERSION = 2

# A row's ``run`` is the number of the run that brought it into its state; NULL: before there were numbers. Whatever
# gives a stored row another run leaves the version before in ``past``: a directory's content at the end of any run can
# be told, and an unchanged spectrum costs nothing. An upsert takes away the OR IGNORE of what a trigger inserts.
SCHEMA = """
CREATE TABLE IF NOT EXISTS run(
    number INTEGER PRIMARY KEY, run TEXT NOT NULL UNIQUE, started REAL NOT NULL, ended REAL, host TEXT NOT NULL,
    pid INTEGER NOT NULL, version TEXT NOT NULL, archive TEXT NOT NULL, summary TEXT NOT NULL DEFAULT '{}',
    endpoint TEXT, shape TEXT, user_agent TEXT, profile_sha256 TEXT
);

CREATE TABLE IF NOT EXISTS spectrum(
    did TEXT PRIMARY KEY, name TEXT NOT NULL, folded TEXT NOT NULL UNIQUE, columns TEXT NOT NULL DEFAULT '{}',
    status TEXT NOT NULL CHECK(status IN ('wanted', 'present', 'saved', 'retry', 'failed')),
    attempts INTEGER NOT NULL DEFAULT 0, due REAL, bytes INTEGER, sha256 TEXT, content_digest TEXT,
    points INTEGER, wave_min REAL, wave_max REAL, object TEXT,
    kind TEXT, detail TEXT, http_status INTEGER, last_tried REAL, saved REAL, elapsed REAL, url TEXT,
    etag TEXT, last_modified TEXT, run INTEGER
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS spectrum_status ON spectrum(status);

CREATE TABLE IF NOT EXISTS past(
    did TEXT NOT NULL, since INTEGER, until INTEGER NOT NULL, sha256 TEXT NOT NULL, content_digest TEXT,
    PRIMARY KEY(did, until)
) WITHOUT ROWID;

CREATE TRIGGER IF NOT EXISTS spectrum_past AFTER UPDATE OF run ON spectrum
WHEN OLD.status IN ('present', 'saved') AND OLD.sha256 NOT NULL AND OLD.run IS NOT NEW.run AND NEW.run NOT NULL
    AND NOT EXISTS (SELECT 1 FROM past WHERE did = OLD.did AND until = NEW.run)
BEGIN INSERT INTO past VALUES(OLD.did, OLD.run, NEW.run, OLD.sha256, OLD.content_digest); END;

CREATE VIEW IF NOT EXISTS provenance AS
SELECT did, name, status, attempts, http_status, strftime('%Y-%m-%dT%H:%M:%fZ', asked, 'unixepoch') AS asked, url,
    etag, last_modified, sha256, content_digest, run.run, archive, endpoint, shape, user_agent, profile_sha256, version
FROM (SELECT *, run AS number, last_tried - coalesce(elapsed, 0) AS asked FROM spectrum
    WHERE status IN ('saved', 'failed', 'retry')) LEFT JOIN run USING (number);

CREATE TABLE IF NOT EXISTS request(shape TEXT NOT NULL);

CREATE TABLE IF NOT EXISTS event(time REAL NOT NULL, run TEXT NOT NULL, name TEXT NOT NULL, fields TEXT NOT NULL)
"""

# What a ledger of an earlier version needs before and after SCHEMA. Tables are made anew: SQLite before 3.35, which
# some clusters have, drops no column.
BEFORE = {
    1: """
ALTER TABLE run RENAME TO run_1;

ALTER TABLE spectrum RENAME TO spectrum_1;

DROP INDEX spectrum_status
"""
}
AFTER = {
    1: """
INSERT INTO run(run, started, ended, host, pid, version, archive, summary)
    SELECT run, started, ended, host, pid, version, archive, summary FROM run_1 ORDER BY started;

INSERT INTO spectrum
    SELECT did, name, folded, columns, status, attempts, due, bytes, sha256, content_digest, points, wave_min, wave_max,
        object, kind, detail, http_status, last_tried, saved, elapsed, url, NULL, NULL,
        (SELECT number FROM run WHERE run.run = spectrum_1.run) FROM spectrum_1;

DROP TABLE spectrum_1;

DROP TABLE run_1
"""
}


def open_for_writing(path: Path) -> sqlite3.Connection:
    """The ledger at ``path``, made or brought up to date if need be. StoreError in plain words if it cannot be used."""
    with using(path):
        connection = sqlite3.connect(path, timeout=30, check_same_thread=False, isolation_level=None)
        path.chmod(0o600)
        network = is_on_network(path)
        connection.execute(f"PRAGMA journal_mode={'TRUNCATE' if network else 'WAL'}")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("BEGIN IMMEDIATE")
        found = _version(connection, path)
        if found < VERSION:
            for script in (BEFORE.get(found, ""), SCHEMA, AFTER.get(found, "")):
                for statement in script.split(";\n\n"):
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version={VERSION}")
        connection.execute("COMMIT")
    return connection


def next_run(connection: sqlite3.Connection) -> int:
    """The number of the run that is about to begin: what is found between two runs is the later one's to tell."""
    return int(connection.execute("SELECT coalesce(max(number), 0) + 1 FROM run").fetchone()[0])


def open_for_reading(path: Path) -> sqlite3.Connection | None:
    """A read-only view of the ledger, also while a run writes it; None if there is none. StoreError if it is none."""
    if not path.exists():
        return None
    with using(path):
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=30)
        connection.row_factory = sqlite3.Row
        found = _version(connection, path)
    if 0 < found < VERSION:
        connection.close()
        raise StoreError(
            f"{path}: written by an older harvester (schema {found}); a run, or `python -m harvester verify --fix`, "
            "brings it up to date, nothing is lost by that"
        )
    return connection if found else None


@contextmanager
def using(path: Path) -> Iterator[None]:
    """Whatever SQLite or the disk complains of within becomes a StoreError about the ledger at ``path``."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{path}: the ledger cannot be used ({error}); {_advice(error)}") from error


def _advice(error: Exception) -> str:
    """What to do about it: nothing is wrong with a ledger that another program holds, or that finds no room."""
    fault = str(error) if isinstance(error, sqlite3.Error) else ""  # the system's words have a path in them
    if "locked" in fault:
        return "another program holds it: end that, and run again"
    if "full" in fault:
        return "make room and run again"
    return "`python -m harvester verify --fix` makes a new one, no spectrum is lost by that"


def _version(connection: sqlite3.Connection, path: Path) -> int:
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if found > VERSION:
        raise StoreError(f"{path}: written by a newer harvester (schema {found}); update harvester or move it away")
    return found


NETWORK = frozenset(
    ["9p", "afs", "beegfs", "ceph", "cifs", "glusterfs", "gpfs", "lustre", "nfs", "nfs4", "smb3", "smbfs"]
)


def is_on_network(path: Path) -> bool:
    """Whether ``path`` lies on a network file system, where SQLite's WAL, which needs shared memory, is not safe."""
    kind = file_system(path)
    return kind in NETWORK or kind.startswith("fuse.")

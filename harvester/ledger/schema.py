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
CREATE TABLE IF NOT EXISTS request(shape TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS event(time REAL NOT NULL, run TEXT NOT NULL, name TEXT NOT NULL, fields TEXT NOT NULL)
"""


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
        for statement in SCHEMA.split(";") if found < VERSION else ():
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version={VERSION}")
        connection.execute("COMMIT")
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection | None:
    """A read-only view of the ledger, also while a run writes it; None if there is none. StoreError if it is none."""
    if not path.exists():
        return None
    with using(path):
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=30)
        connection.row_factory = sqlite3.Row
        return connection if _version(connection, path) else None


@contextmanager
def using(path: Path) -> Iterator[None]:
    """Whatever SQLite or the disk complains of within becomes a StoreError about the ledger at ``path``."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StoreError(
            f"{path}: the ledger cannot be used ({error}); `python -m harvester verify --fix` makes a new one, "
            "no spectrum is lost by that"
        ) from error


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
    try:
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    except OSError:
        return False  # no Linux: nothing to tell from, and WAL is SQLite's own recommendation
    real = str(path.resolve())
    under = [(len(place), kind) for _, place, kind, *_ in mounts if real.startswith(place.rstrip("/") + "/")]
    kind = max(under, default=(0, ""))[1]
    return kind in NETWORK or kind.startswith("fuse.")

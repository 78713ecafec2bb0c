"""The ledger's tables, and how to open them.

It is one SQLite file, written by one thread and readable at the same time (WAL).

The files are the truth of what is stored; the ledger explains how it came about. Losing it loses no spectrum.
"""

from __future__ import annotations

import re
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import StoreError
from ..model.filesystem import file_system
from ..model.invocation import command_line
from .remarks import TABLE as REMARKS_TABLE

VERSION = 4
OLDEST_READABLE = 2  # what an older version lacks is not read; version 1 has no run numbers

# A row's ``run`` is the number of the run that brought it into its state; NULL: before there were numbers. Whatever
# gives a stored row another run leaves the version before in ``past``: so the content of a directory at the end of any
# run is known, and an unchanged spectrum costs nothing. An upsert takes away the OR IGNORE of what a trigger inserts.
# ``shape`` is the request key. ``checksum`` is of what the ledger says of a stored file: see ``checksum_of``.
#
# ``entry`` has what ``spectrum`` shows, in half the bytes: digests as 32 bytes, and as ``url`` the number of the run
# from whose template it follows (``url_template.py``). The index on ``status`` has only what failed.
SCHEMA = """
CREATE TABLE IF NOT EXISTS run(
    number INTEGER PRIMARY KEY, run TEXT NOT NULL UNIQUE, started REAL NOT NULL, ended REAL, host TEXT NOT NULL,
    pid INTEGER NOT NULL, version TEXT NOT NULL, archive TEXT NOT NULL, summary TEXT NOT NULL DEFAULT '{}',
    endpoint TEXT, shape TEXT, user_agent TEXT, profile_sha256 TEXT, url_before TEXT, url_behind TEXT
);

CREATE TABLE IF NOT EXISTS entry(
    did TEXT PRIMARY KEY, name TEXT NOT NULL, folded TEXT NOT NULL UNIQUE, columns TEXT NOT NULL DEFAULT '{}',
    status TEXT NOT NULL CHECK(status IN ('wanted', 'present', 'saved', 'retry', 'failed')),
    attempts INTEGER NOT NULL DEFAULT 0, due REAL, bytes INTEGER, sha256, content_digest,
    points INTEGER, wave_min REAL, wave_max REAL, object TEXT,
    kind TEXT, detail TEXT, http_status INTEGER, last_tried REAL, saved REAL, elapsed REAL, url,
    etag TEXT, last_modified TEXT, run INTEGER, checksum INTEGER
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS entry_status ON entry(status) WHERE status = 'failed' OR status = 'retry';

CREATE VIEW IF NOT EXISTS spectrum AS
SELECT did, name, folded, columns, status, attempts, due, bytes,
    CASE typeof(sha256) WHEN 'blob' THEN lower(hex(sha256)) ELSE sha256 END AS sha256,
    CASE typeof(content_digest) WHEN 'blob' THEN lower(hex(content_digest)) ELSE content_digest END AS content_digest,
    points, wave_min, wave_max, object, kind, detail, http_status, last_tried, saved, elapsed,
    CASE typeof(url) WHEN 'integer' THEN (SELECT url_before || replace(replace(replace(did, ':', '%3A'), '/', '%2F'),
        '?', '%3F') || url_behind FROM run WHERE number = entry.url) ELSE url END AS url,
    etag, last_modified, run, checksum
FROM entry;

CREATE TABLE IF NOT EXISTS past(
    did TEXT NOT NULL, since INTEGER, until INTEGER NOT NULL, sha256 TEXT NOT NULL, content_digest TEXT,
    PRIMARY KEY(did, until)
) WITHOUT ROWID;

CREATE TRIGGER IF NOT EXISTS entry_past AFTER UPDATE OF run ON entry
WHEN OLD.status IN ('present', 'saved') AND OLD.sha256 NOT NULL AND OLD.run IS NOT NEW.run AND NEW.run NOT NULL
    AND NOT EXISTS (SELECT 1 FROM past WHERE did = OLD.did AND until = NEW.run)
BEGIN INSERT INTO past VALUES(OLD.did, OLD.run, NEW.run,
    CASE typeof(OLD.sha256) WHEN 'blob' THEN lower(hex(OLD.sha256)) ELSE OLD.sha256 END,
    CASE typeof(OLD.content_digest) WHEN 'blob' THEN lower(hex(OLD.content_digest)) ELSE OLD.content_digest END); END;

CREATE VIEW IF NOT EXISTS provenance AS
SELECT did, name, status, attempts, http_status, strftime('%Y-%m-%dT%H:%M:%fZ', asked, 'unixepoch') AS asked, url,
    etag, last_modified, sha256, content_digest, run.run, archive, endpoint, shape, user_agent, profile_sha256, version
FROM (SELECT *, run AS number, last_tried - coalesce(elapsed, 0) AS asked FROM spectrum
    WHERE status IN ('saved', 'failed', 'retry')) LEFT JOIN run USING (number);

CREATE TABLE IF NOT EXISTS request(shape TEXT NOT NULL);

CREATE TABLE IF NOT EXISTS event(time REAL NOT NULL, run TEXT NOT NULL, name TEXT NOT NULL, fields TEXT NOT NULL);

CREATE TABLE IF NOT EXISTS conflict(
    did TEXT NOT NULL, column_name TEXT NOT NULL, kept TEXT NOT NULL, other TEXT NOT NULL
)
"""

WITHOUT_NAME = "CASE WHEN instr(did, '/') THEN did ELSE '/' || did END"
"""What ``folded`` is in a row whose name may be another's: its DID, with a slash before it if it could be a name."""

LOST_ROWS = "status NOT IN ('present', 'saved') AND sha256 NOT NULL"
"""Spectra that were stored once and are gone."""

# Without it each `status` reads all rows: 0.34 s for a million. Ledgers of this version that lack it are readable.
LOST_INDEX = f"CREATE INDEX IF NOT EXISTS entry_lost ON entry(name) WHERE {LOST_ROWS}"

RENAMED_KINDS = {
    "no_address": "no_url",
    "no_link": "no_datalink",
    "redirected": "redirect_blocked",
    "cut_off": "connection_lost",
    "garbled": "protocol_error",
    "unnamed": "no_identifier",
    "wrong_axis": "invalid_axis",
}
"""Failure kinds of ledgers before version 3, and what they are called now."""

# What a ledger of an earlier version needs before and after SCHEMA. Its tables are made again: SQLite before 3.35,
# which some clusters have, drops no column.
_BEFORE_4 = """
DROP VIEW IF EXISTS provenance;

DROP TRIGGER IF EXISTS spectrum_past;

DROP INDEX IF EXISTS spectrum_status;

DROP INDEX IF EXISTS spectrum_lost;

ALTER TABLE spectrum RENAME TO spectrum_3;

ALTER TABLE run ADD COLUMN url_before TEXT;

ALTER TABLE run ADD COLUMN url_behind TEXT
"""
_AFTER_4 = """
INSERT INTO entry
    SELECT did, name, folded, columns, status, attempts, due, bytes, packed(sha256), packed(content_digest), points,
        wave_min, wave_max, object, kind, detail, http_status, last_tried, saved, elapsed, url, etag, last_modified,
        run, checksum FROM spectrum_3;

DROP TABLE spectrum_3
"""
BEFORE = {
    1: """
ALTER TABLE run RENAME TO run_1;

ALTER TABLE spectrum RENAME TO spectrum_1;

DROP INDEX spectrum_status
""",
    2: f"ALTER TABLE spectrum ADD COLUMN checksum INTEGER;\n\n{_BEFORE_4}",
    3: _BEFORE_4,
}
AFTER = {
    1: """
INSERT INTO run(run, started, ended, host, pid, version, archive, summary)
    SELECT run, started, ended, host, pid, version, archive, summary FROM run_1 ORDER BY started;

INSERT INTO entry
    SELECT did, name, folded, columns, status, attempts, due, bytes, packed(sha256), packed(content_digest), points,
        wave_min, wave_max, object, kind, detail, http_status, last_tried, saved, elapsed, url, NULL, NULL,
        (SELECT number FROM run WHERE run.run = spectrum_1.run), NULL FROM spectrum_1;

DROP TABLE spectrum_1;

DROP TABLE run_1
""",
    2: _AFTER_4,
    3: _AFTER_4,
}

_SHA256 = re.compile("[0-9a-f]{64}")


def packed(digest: str | None) -> bytes | str | None:
    """Return a SHA-256 in hex as its bytes, half as long; anything else as it is."""
    return bytes.fromhex(digest) if digest is not None and _SHA256.fullmatch(digest) else digest


def checksum_of(did: str, size: int | None, sha256: str | None, content_digest: str | None) -> int:
    """Return the checksum of what the ledger says of a stored file.

    SQLite's own checks do not see a byte that changed inside a text.
    """
    return zlib.crc32(f"{did} {size} {sha256} {content_digest}".encode(errors="surrogatepass"))


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Open the ledger at ``path``; make it, or convert one of an older version, if need be.

    Raises StoreError.
    """
    with using(path):
        connection = sqlite3.connect(path, timeout=30, check_same_thread=False, isolation_level=None)
        path.chmod(0o600)
        try:
            connection.execute(f"PRAGMA journal_mode={'TRUNCATE' if is_on_network(path) else 'WAL'}")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("BEGIN IMMEDIATE")
            _convert(connection, path)
            connection.execute(REMARKS_TABLE)
            connection.execute(LOST_INDEX)
            connection.execute("COMMIT")
        except BaseException:
            connection.close()
            raise
    return connection


def _convert(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables, or bring those of an older version up to date.

    Sqlite3.Error, StoreError if they are newer.
    """
    found = version_of(connection)
    if found > VERSION:
        raise newer_version(path, found)
    if found < VERSION:
        connection.create_function("packed", 1, packed, deterministic=True)
        for script in (BEFORE.get(found, ""), SCHEMA, AFTER.get(found, "")):
            for statement in script.split(";\n\n"):
                connection.execute(statement)
        kinds = ((new, old) for old, new in RENAMED_KINDS.items())
        connection.executemany("UPDATE entry SET kind = ? WHERE kind = ?", kinds)
        connection.execute(f"PRAGMA user_version={VERSION}")


def next_run(connection: sqlite3.Connection) -> int:
    """Return the number of the next run.

    What changes between two runs is recorded as the later one's.
    """
    return int(connection.execute("SELECT coalesce(max(number), 0) + 1 FROM run").fetchone()[0])


def open_for_reading(path: Path) -> sqlite3.Connection | None:
    """Open the ledger read-only, also while a run writes it; None if there is none.

    StoreError if it cannot be read.
    """
    if not path.exists():
        return None
    with using(path):
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=30)
        connection.row_factory = sqlite3.Row
        try:
            found = version_of(connection)
            if OLDEST_READABLE <= found < 4:
                connection.execute("CREATE TEMP VIEW entry AS SELECT * FROM spectrum")
        except BaseException:
            connection.close()
            raise
    if OLDEST_READABLE <= found <= VERSION:
        return connection
    connection.close()
    if not found:
        return None
    if found > VERSION:
        raise newer_version(path, found)
    raise StoreError(
        f"{path}: written by an older harvester (schema {found}); a run, or `{_repair(path)}`, "
        "upgrades it without losing anything"
    )


def version_of(connection: sqlite3.Connection) -> int:
    """Return the version of the schema.

    0 if SQLite made the file and nothing was written to it. sqlite3.Error.
    """
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def newer_version(path: Path, found: int) -> StoreError:
    """Return the error for a ledger that a newer harvester wrote."""
    return StoreError(
        f"{path}: written by a newer harvester (schema {found}); update harvester, or let a run, or "
        f"`{_repair(path)}`, move it aside and make a new one from the files"
    )


@contextmanager
def using(path: Path) -> Iterator[None]:
    """Raise an error of SQLite or of the disk as a StoreError about the ledger."""
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError, OSError) as error:  # a name of a column may be no UTF-8
        raise StoreError(f"{path}: the ledger cannot be used ({error}); {_advice(error, path)}") from error


def _repair(path: Path) -> str:
    """Return the command that makes the ledger at ``path`` again from the files."""
    return command_line("verify", "--fix", "--out", str(path.parent.parent))


def _advice(error: Exception, path: Path) -> str:
    """Return what to do about an error.

    Nothing is wrong with a ledger that another program holds, or on a full disk.
    """
    fault = str(error) if isinstance(error, sqlite3.Error) else ""  # the system's message has a path in it
    if "locked" in fault:
        return "another program holds it: end that, and run again"
    if "full" in fault:
        return "make room and run again"
    return f"a run, or `{_repair(path)}`, makes a new one from the files, no spectrum is lost by that"


NETWORK = frozenset(
    ["9p", "afs", "beegfs", "ceph", "cifs", "glusterfs", "gpfs", "lustre", "nfs", "nfs4", "smb3", "smbfs"]
)


def is_on_network(path: Path) -> bool:
    """Return whether ``path`` is on a network file system.

    SQLite's WAL, which needs shared memory, is unsafe there.
    """
    kind = file_system(path)
    return kind in NETWORK or kind.startswith("fuse.")

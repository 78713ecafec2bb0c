"""Ledger and disk brought together: what the ledger remembers of the files, and what the files teach a ledger anew.

The files are the truth. A ledger that cannot be read is moved aside, never repaired: nothing in it is worth a guess.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from ..errors import StoreError
from ..model.batching import batches
from ..model.findings import Damaged, FileToCheck, Finding, Missing, Record, Sound
from ..model.target import SpectrumId
from .schema import VERSION, next_run, open_for_reading, open_for_writing

PAGE = 400  # rows a query: below the number of parameters that any SQLite allows
SUFFIXES = ("", "-wal", "-shm")
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}

# The plus keeps SQLite from the index on status, which nearly all rows share: pages are found by their names.
_STORED = "SELECT did, name, folded, sha256, content_digest FROM spectrum WHERE +status IN ('present', 'saved')"


def ensure_usable(path: Path) -> str | None:
    """Make sure that there is a ledger at ``path`` that can be written; what had to be done for it, None if nothing.

    One that is damaged is moved aside with its write-ahead log. StoreError where that does not help: no permission, a
    full disk, or a ledger of a newer harvester, which is nobody's damage. Call it with the directory's lock held.
    """
    if not path.exists():
        open_for_writing(path).close()
        return f"there was no ledger: made {path.name} anew"
    fault = damage_of(path)
    if fault is None:
        open_for_writing(path).close()  # one of an older harvester is brought up to date
        return None
    aside = f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    try:
        for suffix in SUFFIXES:
            piece = path.with_name(path.name + suffix)
            if piece.exists():
                piece.replace(path.with_name(aside + suffix))
    except OSError as error:
        raise StoreError(f"{path}: damaged ({fault}), and cannot be moved away: {error.strerror}") from error
    open_for_writing(path).close()
    return f"the ledger was damaged ({fault}): moved it to {aside} and began a new one"


def damage_of(path: Path) -> str | None:
    """What is wrong inside the ledger at ``path``; None if nothing is, or if there is none.

    StoreError if it cannot be looked at, or was written by a newer harvester.
    """
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(path, timeout=30)) as connection:
            if (version := connection.execute("PRAGMA user_version").fetchone()[0]) > VERSION:
                raise StoreError(
                    f"{path}: written by a newer harvester (schema {version}); update harvester or move it away"
                )
            verdict = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if verdict == "ok" and (version == VERSION or (version == 0 and tables)):
                connection.execute(f"{_STORED} LIMIT 1").fetchone()
            return None if verdict == "ok" else " ".join(verdict.split())
    except sqlite3.Error as error:
        # In extended result codes the low byte is the kind. A lock, a full disk or a bad sector is no damage to it;
        # our version without our columns is, and so are tables of no version at all.
        kind = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if kind in _CORRUPT or str(error).startswith("no such"):
            return str(error)
        raise StoreError(f"{path}: the ledger cannot be read ({error})") from error


def files_to_check(path: Path, names: Mapping[str, object]) -> Iterator[FileToCheck]:
    """Each of ``names`` (stems of the files on disk, whatever they map to) with the ledger's record of it, in order;
    then every spectrum that the ledger believes stored and ``names`` lacks. Without a ledger: the names alone.
    """
    connection = open_for_reading(path)
    if connection is None:
        yield from (FileToCheck(name) for name in names)
        return
    with closing(connection):
        for some in batches(names, PAGE):
            records = _records(connection, some)
            yield from (FileToCheck(name, records.get(name)) for name in some)
        yield from (examined for examined in _all(connection) if examined.name not in names)


def _records(connection: sqlite3.Connection, names: Sequence[str]) -> dict[str, Record]:
    folded = [name.casefold() for name in names if name.isascii()]  # ours are; others may not even be text
    marks = ",".join("?" * len(folded))
    found = connection.execute(f"{_STORED} AND folded IN ({marks})", folded)
    return {row["name"]: _record(row) for row in found}


def _all(connection: sqlite3.Connection) -> Iterator[FileToCheck]:
    """Page by page, so that no reader keeps a running harvest from tidying its write-ahead log for long."""
    last = ""
    while page := connection.execute(f"{_STORED} AND folded > ? ORDER BY folded LIMIT {PAGE}", (last,)).fetchall():
        yield from (FileToCheck(row["name"], _record(row)) for row in page)
        last = page[-1]["folded"]


def _record(row: sqlite3.Row) -> Record:
    return Record(SpectrumId(row["did"]), row["sha256"], row["content_digest"])


# Other bytes than were saved are present, and not known to be an answer to our request. A spectrum that the ledger has
# under another name keeps it (two files may hold the same spectrum), and a name that is another's, but for its case, is
# not taken from it: hence the OR IGNORE.
_LEARN = """
UPDATE OR IGNORE spectrum SET status = CASE WHEN status = 'saved' AND sha256 = ? THEN 'saved' ELSE 'present' END,
    name = ?, folded = ?, due = NULL, kind = NULL, detail = NULL, bytes = ?, sha256 = ?, content_digest = ?, points = ?,
    wave_min = ?, wave_max = ?, object = ?, run = ? WHERE did = ? AND (name = ? OR status NOT IN ('present', 'saved'))
"""
_MEET = """
INSERT OR IGNORE INTO spectrum(status, name, folded, bytes, sha256, content_digest, points, wave_min, wave_max, object,
    run, did) VALUES('present', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_LOSE = "UPDATE spectrum SET status = 'wanted', run = ? WHERE did = ? AND name = ? AND status IN ('present', 'saved')"


def write_findings(connection: sqlite3.Connection, findings: Iterable[Finding]) -> int:
    """Write down what the disk has and what it has no more; how many rows changed. sqlite3.Error goes through.

    ``Sound`` files become present, ``Damaged`` and ``Missing`` ones wanted. What could not be read is left as it was.
    """
    before = connection.total_changes
    run = next_run(connection)
    for some in batches(findings, PAGE):
        with connection:
            connection.execute("BEGIN")
            for finding in some:
                _write(connection, finding, run)
    return connection.total_changes - before


def release_names(connection: sqlite3.Connection) -> None:
    """Names of spectra that are not stored belong to nobody: a file found under one may be another's."""
    connection.execute("UPDATE spectrum SET folded = did WHERE status NOT IN ('present', 'saved') AND folded <> did")


def _write(connection: sqlite3.Connection, finding: Finding, run: int) -> None:
    match finding:
        case Sound(name=name, did=str(did), verified=proof, known=False):
            digests = (proof.size, proof.sha256, proof.content_digest)
            waves = (proof.points, proof.wave_min, proof.wave_max, proof.object_name)
            facts = (name, name.casefold(), *digests, *waves, run)
            if connection.execute(_LEARN, (proof.sha256, *facts, did, name)).rowcount == 0:
                connection.execute(_MEET, (*facts, did))
        case Damaged(did=str(did)) | Missing(did=str(did)):
            connection.execute(_LOSE, (run, did, finding.name))

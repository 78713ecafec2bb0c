"""Bring ledger and disk together.

What the ledger says of the files, and what the files teach a new ledger.

The files are the truth. A ledger that cannot be believed is moved aside, never repaired: nothing is worth a guess.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from ..errors import StoreError
from ..model.batching import batches
from ..model.findings import Damaged, FileToCheck, Finding, Missing, Record, Sound
from ..model.outcomes import Level
from ..model.target import SpectrumId
from .damage import damage_of, is_damage
from .remarks import lower_levels, write_remarks
from .schema import VERSION, WITHOUT_NAME, checksum_of, next_run, open_for_reading, open_for_writing, packed, version_of

ROWS_PER_QUERY = 400  # below the number of parameters that any SQLite allows
SUFFIXES = ("", "-wal", "-shm", "-journal")

# The plus keeps SQLite from the index on status, which nearly all rows share: pages are found by their names.
_STORED = "SELECT did, name, folded, sha256, content_digest FROM spectrum WHERE +status IN ('present', 'saved')"


def ensure_usable(path: Path) -> str | None:
    """Make sure that there is a ledger at ``path`` that can be written.

    Return what had to be done, None if nothing.

    One that cannot be believed is moved aside with its journals, one of an older version is converted. StoreError where
    that does not help: no permission, a full disk. Call it with the directory's lock held.
    """
    if not path.exists():
        _move_aside(path, "an orphaned journal")
        open_for_writing(path).close()
        return "there was no ledger: a new one is made from the files"
    before = _version(path)
    fault = damage_of(path) or _opening_fault(path)
    if fault is None:
        return None if before in (0, VERSION) else f"the ledger was converted from schema {before} to {VERSION}"
    aside = _move_aside(path, fault)
    open_for_writing(path).close()
    return f"the ledger was damaged ({fault}): it was moved to {aside}, and a new one is made from the files"


def _version(path: Path) -> int:
    """Return the version of the schema, 0 if it cannot be read."""
    try:
        with closing(sqlite3.connect(path, timeout=30)) as connection:
            return version_of(connection)
    except (sqlite3.Error, UnicodeDecodeError):  # what is wrong is found and said below
        return 0


def _opening_fault(path: Path) -> str | None:
    """Open the ledger, which converts an older one.

    Return what is wrong with it, None if nothing is. StoreError.
    """
    try:
        open_for_writing(path).close()
    except StoreError as error:
        if not is_damage(error.__cause__):
            raise
        return str(error.__cause__)
    return None


def _move_aside(path: Path, fault: str) -> str:
    """Move the ledger and its journals; return the new name. StoreError."""
    aside = f"{path.name}.damaged-{datetime.fromtimestamp(time.time(), UTC):%Y%m%dT%H%M%SZ}"
    try:
        for suffix in SUFFIXES:
            piece = path.with_name(path.name + suffix)
            if piece.exists():
                piece.replace(path.with_name(aside + suffix))
    except OSError as error:
        raise StoreError(f"{path}: damaged ({fault}), and cannot be moved away: {error.strerror}") from error
    return aside


def files_to_check(path: Path, names: Mapping[str, object]) -> Iterator[FileToCheck]:
    """Yield each of the stored ``names`` with its record, then what is missing.

    Missing is what the ledger has as stored and ``names`` lack.

    Without a ledger: the names alone. StoreError, sqlite3.Error.
    """
    connection = open_for_reading(path)
    if connection is None:
        yield from (FileToCheck(name) for name in names)
        return
    with closing(connection):
        levels = lower_levels(connection)
        for some in batches(names, ROWS_PER_QUERY):
            records = _records(connection, some)
            yield from (_with_level(FileToCheck(name, records.get(name)), levels) for name in some)
        yield from (_with_level(file, levels) for file in _all(connection) if file.name not in names)


def _with_level(file: FileToCheck, levels: Mapping[SpectrumId, Level]) -> FileToCheck:
    """Return ``file`` with the level at which it was stored, where that is not the usual one."""
    if file.record is None or file.record.did not in levels:
        return file
    return FileToCheck(file.name, replace(file.record, level=levels[file.record.did]))


def _records(connection: sqlite3.Connection, names: Sequence[str]) -> dict[str, Record]:
    folded = [name.casefold() for name in names if name.isascii()]  # ours are; others may not even be text
    marks = ",".join("?" * len(folded))
    found = connection.execute(f"{_STORED} AND folded IN ({marks})", folded)
    return {row["name"]: _record(row) for row in found}


def _all(connection: sqlite3.Connection) -> Iterator[FileToCheck]:
    """Yield all stored files, page by page.

    So a reader never keeps a running harvest from truncating its journal for long.
    """
    last = ""
    query = f"{_STORED} AND folded > ? ORDER BY folded LIMIT {ROWS_PER_QUERY}"
    while page := connection.execute(query, (last,)).fetchall():
        yield from (FileToCheck(row["name"], _record(row)) for row in page)
        last = page[-1]["folded"]


def _record(row: sqlite3.Row) -> Record:
    return Record(SpectrumId(row["did"]), row["sha256"], row["content_digest"])


# Other bytes than were saved are present, and not known to be a response to our request. A spectrum that the ledger has
# under another name keeps it (two files may hold the same spectrum), and a name that is another's, but for its case, is
# not taken from it: hence the OR IGNORE.
_UPDATE_PRESENT = """
UPDATE OR IGNORE entry SET status = CASE WHEN status = 'saved' AND sha256 = ? THEN 'saved' ELSE 'present' END,
    name = ?, folded = ?, due = NULL, kind = NULL, detail = NULL, bytes = ?, sha256 = ?, content_digest = ?, points = ?,
    wave_min = ?, wave_max = ?, object = ?, run = ?, checksum = ?
    WHERE did = ? AND (name = ? OR status NOT IN ('present', 'saved'))
"""
_INSERT_PRESENT = """
INSERT OR IGNORE INTO entry(status, name, folded, bytes, sha256, content_digest, points, wave_min, wave_max, object,
    run, checksum, did) VALUES('present', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_RELEASE = f"""
UPDATE entry SET folded = {WITHOUT_NAME} WHERE status NOT IN ('present', 'saved') AND folded <> {WITHOUT_NAME}
"""  # noqa: S608 - a constant
_SET_WANTED = (
    "UPDATE entry SET status = 'wanted', run = ? WHERE did = ? AND name = ? AND status IN ('present', 'saved')"
)


def write_findings(connection: sqlite3.Connection, findings: Iterable[Finding]) -> int:
    """Write down what the disk has and what it has no more; return how many rows changed.

    Raises sqlite3.Error.

    ``Sound`` files become present, ``Damaged`` and ``Missing`` ones wanted. What could not be read is left as it was.
    """
    before = connection.total_changes
    run = next_run(connection)
    for some in batches(findings, ROWS_PER_QUERY):
        with connection:
            connection.execute("BEGIN")
            for finding in some:
                _write(connection, finding, run)
    return connection.total_changes - before


def release_names(connection: sqlite3.Connection) -> None:
    """Release the names of spectra that are not stored.

    A file found under one may be another's. sqlite3.Error.
    """
    connection.execute(_RELEASE)


def _write(connection: sqlite3.Connection, finding: Finding, run: int) -> None:
    match finding:
        case Sound(name=name, did=str(did), verified=found, known=False):
            write_remarks(connection, did, found)
            digests = (found.size, packed(found.sha256), packed(found.content_digest))
            checksum = checksum_of(did, found.size, found.sha256, found.content_digest)
            waves = (found.points, found.wave_min, found.wave_max, found.object_name)
            facts = (name, name.casefold(), *digests, *waves, run, checksum)
            if connection.execute(_UPDATE_PRESENT, (packed(found.sha256), *facts, did, name)).rowcount == 0:
                connection.execute(_INSERT_PRESENT, (*facts, did))
        case Damaged(did=str(did)) | Missing(did=str(did)):
            connection.execute(_SET_WANTED, (run, did, finding.name))

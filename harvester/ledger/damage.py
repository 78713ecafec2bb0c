"""Find out whether a ledger can be believed.

Its pages, its tables and every value in them are examined.

SQLite checks its own structure only. A byte that changed inside a text or a number passes its checks, and would end in
a wrong answer or a failure much later; so every text must be UTF-8, every number possible, every failure kind known.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

from ..errors import StoreError
from ..model.failures import FailureKind
from ..model.invocation import command_line
from ..model.outcomes import LONGEST_WAVELENGTH, Level
from .schema import OLDEST_READABLE, RENAMED_KINDS, SCHEMA, VERSION, checksum_of, version_of

_ENVIRONMENT = {
    sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOLFS, sqlite3.SQLITE_AUTH,
}  # fmt: skip
"""Errors of disk, memory and other programs: the ledger itself may be sound."""

_INTERNAL = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, sqlite3.Error)
"""What impossible values end in where nothing expects them."""

_TIME = "BETWEEN 0 AND 1e11"  # seconds since 1970
_KINDS = ", ".join(f"'{kind}'" for kind in (*FailureKind, *RENAMED_KINDS))

# A condition for each column that a sound row meets; NULL meets all of them.
_POSSIBLE = {
    "spectrum": (
        *(f"typeof({name}) = 'text'" for name in ("did", "name", "folded", "columns", "status")),
        *(
            f"typeof({name}) IN ('text', 'null')"
            for name in ("sha256", "content_digest", "object", "kind", "detail", "url", "etag", "last_modified")
        ),
        *(f"typeof({name}) IN ('integer', 'null')" for name in ("attempts", "bytes", "points", "http_status", "run")),
        *(f"typeof({name}) IN ('real', 'null')" for name in ("due", "last_tried", "saved", "elapsed")),
        *(
            f"typeof({name}) IN ('real', 'null') AND abs({name}) < {LONGEST_WAVELENGTH}"
            for name in ("wave_min", "wave_max")
        ),
        *(f"{name} {_TIME}" for name in ("due", "last_tried", "saved")),
        "attempts BETWEEN 0 AND 1000000 AND typeof(attempts) = 'integer'",
        "bytes BETWEEN 0 AND 1099511627776",
        "points BETWEEN 0 AND 1099511627776",
        "http_status BETWEEN 0 AND 999",
        "elapsed BETWEEN -1e9 AND 1e9",
        "run BETWEEN 0 AND 2147483647",
        "CASE WHEN json_valid(columns) THEN json_type(columns) = 'object' ELSE 0 END",
        f"kind IN ({_KINDS})",
        "length(name) = length(CAST(name AS BLOB)) AND name NOT GLOB '*/*'",  # it is a file's name
        "kind IS NOT NULL OR status <> 'failed'",
        "due IS NOT NULL OR status <> 'retry'",
        "last_tried IS NOT NULL OR status NOT IN ('failed', 'retry')",
        "detail IS NOT NULL OR status <> 'failed'",
        "status NOT IN ('present', 'saved') OR folded IN (lower(name), did, '/' || did)",
    ),
    "run": (
        *(f"typeof({name}) = 'text'" for name in ("run", "host", "version", "archive", "summary")),
        *(f"typeof({name}) IN ('text', 'null')" for name in ("endpoint", "shape", "user_agent", "profile_sha256")),
        f"typeof(started) = 'real' AND started {_TIME}",
        f"typeof(ended) IN ('real', 'null') AND ended {_TIME}",
        "length(run) = length(CAST(run AS BLOB)) AND run NOT GLOB '*[^0-9A-Za-z-]*'",  # it is a folder's name
        "typeof(pid) = 'integer' AND pid BETWEEN 0 AND 4294967295",
        "number BETWEEN 0 AND 2147483647",
        "CASE WHEN json_valid(summary) THEN json_type(summary) = 'object' ELSE 0 END",
    ),
    "past": (
        *(f"typeof({name}) = 'text'" for name in ("did", "sha256")),
        "typeof(content_digest) IN ('text', 'null')",
        "typeof(until) = 'integer' AND until BETWEEN 0 AND 2147483647",
        "typeof(since) IN ('integer', 'null')",
    ),
    "request": ("typeof(shape) = 'text'",),
    "event": (f"typeof(time) = 'real' AND time {_TIME}", "json_valid(fields)", "typeof(fields) = 'text'"),
}

_LEVELS = ", ".join(f"'{level}'" for level in Level)
_POSSIBLE_IF_PRESENT = {
    "reading": (
        *(f"typeof({name}) = 'text'" for name in ("did", "sha256", "level", "remarks")),
        f"level IN ({_LEVELS})",
        "typeof(invalid) = 'integer' AND invalid BETWEEN 0 AND 1099511627776",
        "typeof(segments) = 'integer' AND segments BETWEEN 0 AND 1099511627776",
        "CASE WHEN json_valid(remarks) THEN json_type(remarks) = 'array' ELSE 0 END",
    ),
    "conflict": tuple(f"typeof({name}) = 'text'" for name in ("did", "column_name", "kept", "other")),
}
"""The same for tables that not all ledgers have."""

_TEXTS = {
    "reading": ("did", "sha256", "remarks"),
    "conflict": ("did", "column_name", "kept", "other"),
    "spectrum": ("name", "folded", "columns", "object", "kind", "detail", "url", "etag", "last_modified"),
    "run": ("run", "host", "version", "archive", "endpoint", "shape", "user_agent", "profile_sha256", "summary"),
    "past": ("did", "sha256", "content_digest"),
    "request": ("shape",),
    "event": ("run", "name", "fields"),
}
"""The texts that are decoded to see whether they are UTF-8, besides those of a stored file's checksum."""

REQUIRED_NUMBERS = ("listed", "present", "saved", "failed", "remaining", "requests", "bytes", "seconds")
"""What a run's summary has, once there is one."""


def damage_of(path: Path) -> str | None:
    """Return what is wrong inside the ledger at ``path``.

    None if nothing is, or if there is none.

    A ledger of a newer version counts as damaged. StoreError if it cannot be looked at.
    """
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(path, timeout=30)) as connection:
            return next(_faults(connection), None)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        if is_damage(error):
            undecodable = isinstance(error, UnicodeDecodeError) or "decode" in str(error)
            return "a text that is not UTF-8" if undecodable else " ".join(str(error).split())
        raise StoreError(f"{path}: the ledger cannot be read ({error})") from error


def raise_if_damaged(ledger: Path | None, error: Exception) -> None:
    """Raise StoreError if a damaged ledger explains ``error``.

    No reader expects impossible values, and a run makes a new ledger.
    """
    fault = None if ledger is None else damage_of(ledger)
    if fault is not None:
        fix = command_line("verify", "--fix")
        raise StoreError(
            f"{ledger}: the ledger is damaged ({fault}); a run, or `{fix}`, makes a new one from the files"
        ) from error


@contextmanager
def explained_by_damage(ledger: Path) -> Iterator[None]:
    """Raise an internal error as StoreError if a damaged ledger explains it."""
    try:
        yield
    except _INTERNAL as error:
        raise_if_damaged(ledger, error)
        raise


def is_damage(error: BaseException | None) -> bool:
    """Return whether an error is about the ledger's content.

    Errors of the disk and of other programs are not.
    """
    # In extended result codes the low byte is the kind.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    return isinstance(error, sqlite3.Error | UnicodeDecodeError) and code not in _ENVIRONMENT


def _faults(connection: sqlite3.Connection) -> Iterator[str]:
    """Yield what is wrong. sqlite3.Error, MemoryError."""
    version = version_of(connection)
    yield from _faults_of_file(connection, version)
    if version == VERSION and not _expected_definitions() <= _definitions(connection):
        yield "a damaged definition of a table"
    if version >= OLDEST_READABLE:
        present = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        optional = {table: _POSSIBLE_IF_PRESENT[table] for table in present & _POSSIBLE_IF_PRESENT.keys()}
        for table, conditions in (_POSSIBLE | optional).items():
            yield from _impossible(connection, table, conditions)
            if table != "spectrum":  # whose texts are decoded with its checksums
                yield from _undecodable(connection, table)
        yield from _wrong_checksums(connection, version)
        yield from _wrong_summaries(connection)
    elif version == 1 or connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        connection.execute("SELECT did, name, folded, sha256, content_digest FROM spectrum LIMIT 1").fetchone()
        if version == 0:
            yield "its tables are those of another program"


def _faults_of_file(connection: sqlite3.Connection, version: int) -> Iterator[str]:
    """Yield what is wrong with the version and the pages. sqlite3.Error, MemoryError."""
    if version > VERSION:
        yield f"written by a newer harvester, schema {version}"
    elif version < 0:
        yield f"an impossible schema, {version}"
    verdict = str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
    if verdict.endswith(f"error code={sqlite3.SQLITE_NOMEM}"):
        raise MemoryError(verdict)
    if verdict != "ok":
        yield " ".join(verdict.split())


def _definitions(connection: sqlite3.Connection) -> set[str]:
    """Return the definitions of tables, indexes, views and triggers, without blanks."""
    return {"".join(sql.split()) for (sql,) in connection.execute("SELECT sql FROM sqlite_master WHERE sql NOT NULL")}


@cache
def _expected_definitions() -> set[str]:
    with closing(sqlite3.connect(":memory:")) as connection:
        for statement in SCHEMA.split(";\n\n"):
            connection.execute(statement)
        return _definitions(connection)


def _impossible(connection: sqlite3.Connection, table: str, conditions: tuple[str, ...]) -> Iterator[str]:
    """Yield a fault if a row of the table does not meet a condition."""
    wrong = " OR ".join(f"NOT ({condition})" for condition in conditions)
    if connection.execute(f"SELECT 1 FROM {table} WHERE {wrong} LIMIT 1").fetchone():  # noqa: S608 - names of this module
        yield f"an impossible value in the table {table}"


def _joined_texts(table: str) -> str:
    """Return an expression that joins all texts of a row: one string to decode."""
    return " || ' ' || ".join(f"coalesce({name}, '')" for name in _TEXTS[table])


def _undecodable(connection: sqlite3.Connection, table: str) -> Iterator[str]:
    """Decode all texts of the table: sqlite3.OperationalError if one is no UTF-8."""
    for _ in connection.execute(f"SELECT {_joined_texts(table)} FROM {table}"):  # noqa: S608 - names of this module
        pass
    yield from ()


def _wrong_checksums(connection: sqlite3.Connection, version: int) -> Iterator[str]:
    """Yield a fault if a stored file's row differs from its checksum.

    Decode the row's texts on the way.
    """
    checksum = "checksum" if version >= 3 else "NULL"
    columns = f"did, bytes, sha256, content_digest, {checksum}, {_joined_texts('spectrum')}"
    rows = connection.execute(f"SELECT {columns} FROM spectrum")  # noqa: S608 - see above
    for did, size, sha256, content_digest, expected, _ in rows:
        if expected is not None and checksum_of(did, size, sha256, content_digest) != expected:
            yield "a row differs from its checksum"


def _wrong_summaries(connection: sqlite3.Connection) -> Iterator[str]:
    """Yield a fault if the summary of a run lacks a number or has an impossible one."""
    for (text,) in connection.execute("SELECT summary FROM run WHERE summary <> '{}'"):
        summary = json.loads(text)
        numbers = [summary.get(name) for name in REQUIRED_NUMBERS]
        if not all(isinstance(number, int | float) and 0 <= number < 1e15 for number in numbers):
            yield "an impossible number in the summary of a run"

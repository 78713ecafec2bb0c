"""Read the ledger: runs, stored spectra, failures. Read-only, also while a run writes.

StoreError if it is damaged.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..catalog.plan import EntryRow
from ..catalog.reader import Conflict
from ..model.failures import FailureKind, Responsibility
from ..model.target import SpectrumId
from .damage import REQUIRED_NUMBERS
from .schema import LOST_ROWS, open_for_reading, using, version_of
from .values import failure_kind, json_object


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run, as the ledger has it.

    summary: the fields of summary.json so far. ended: None until it has ended.

    endpoint: address of the archive, None in ledgers that did not record it.
    """

    run: str
    started: float
    ended: float | None
    host: str
    pid: int
    archive: str
    endpoint: str | None
    summary: dict[str, Any]
    request_key: str | None = None


@dataclass(frozen=True, slots=True)
class FailureRecord:
    """A missing spectrum, and why it failed.

    ``columns`` are the catalog's other columns of it.
    """

    did: str
    name: str
    kind: FailureKind
    detail: str
    attempts: int
    http_status: int | None
    last_tried: float
    columns: dict[str, str]

    @property
    def blame(self) -> Responsibility:
        """What caused the failure."""
        return self.kind.blame


def last_run(path: Path) -> RunRecord | None:
    """Return the latest run in the ledger at ``path``.

    None if there is no ledger or no run in it. Runs are in the order of their rows: clocks are set back.
    """
    return next(iter(_runs(path, "SELECT * FROM run ORDER BY rowid DESC LIMIT 1")), None)


def runs(path: Path) -> list[RunRecord]:
    """Return all runs in the ledger at ``path``, the latest first."""
    return _runs(path, "SELECT * FROM run ORDER BY rowid DESC")


def _runs(path: Path, sql: str) -> list[RunRecord]:
    with using(path):
        return [_run(row) for row in _rows(path, sql)]


def _run(row: sqlite3.Row) -> RunRecord:
    summary = dict.fromkeys(REQUIRED_NUMBERS, 0) | {"failures": {}} | json_object(row["summary"])
    known = row.keys()
    endpoint, request_key = (row[name] if name in known else None for name in ("endpoint", "shape"))
    return RunRecord(
        row["run"],
        row["started"],
        row["ended"],
        row["host"],
        row["pid"],
        row["archive"],
        endpoint,
        summary,
        request_key,
    )


# A spectrum has its run's number, which is its rowid; in ledgers of version 1, its name.
_BROUGHT = """
WITH brought AS (SELECT DISTINCT run FROM spectrum WHERE +status = 'saved')
SELECT * FROM run WHERE rowid IN brought OR run IN brought ORDER BY rowid
"""


def runs_with_new_spectra(path: Path) -> list[RunRecord]:
    """Return the runs that downloaded what is stored now, the first one first."""
    return _runs(path, _BROUGHT)


def failures(path: Path) -> list[FailureRecord]:
    """Return every spectrum that failed and is not stored since.

    They are ordered by kind, then by DID.
    """
    sql = "SELECT * FROM spectrum WHERE status = 'failed' ORDER BY kind, did"
    with using(path):
        return [_failure(row) for row in _rows(path, sql)]


def _failure(row: sqlite3.Row) -> FailureRecord:
    return FailureRecord(
        row["did"],
        row["name"],
        failure_kind(row["kind"]),
        row["detail"],
        row["attempts"],
        row["http_status"],
        row["last_tried"],
        json_object(row["columns"]),
    )


def saved_by(path: Path, runs: Sequence[str]) -> frozenset[SpectrumId]:
    """Return the stored spectra whose present version one of ``runs`` has downloaded."""
    sql = (
        "SELECT did FROM spectrum JOIN run ON number = spectrum.run "
        "WHERE status = 'saved' AND run.run IN (SELECT value FROM json_each(?))"
    )
    return frozenset(SpectrumId(row["did"]) for row in _rows(path, sql, json.dumps(list(runs))))


def mean_size(path: Path) -> float | None:
    """Return the mean size of the stored spectra in bytes; None if none is stored."""
    stored = [numbers for status, numbers in counts(path).items() if status in ("present", "saved")]
    spectra, size = (sum(numbers) for numbers in zip(*stored, strict=True)) if stored else (0, 0)
    return size / spectra if size else None


def failed_dids(path: Path) -> set[SpectrumId]:
    """Return the spectra that failed and are not stored since."""
    return {SpectrumId(row["did"]) for row in _rows(path, "SELECT did FROM spectrum WHERE status = 'failed'")}


def stored_entries(path: Path) -> Iterator[EntryRow]:
    """Yield case-folded name, DID and size in bytes of each stored spectrum, by DID."""
    sql = "SELECT folded, did, bytes FROM spectrum WHERE +status IN ('present', 'saved') ORDER BY did"
    connection = open_for_reading(path)
    if connection is None:
        return
    connection.row_factory = None  # tuples, at a third of the time
    with closing(connection), using(path):
        yield from connection.execute(sql)


_NAMED = "SELECT name FROM spectrum WHERE +status IN ('present', 'saved') AND folded"


def stored_among(path: Path, names: Sequence[str]) -> frozenset[str]:
    """Return those of a few hundred ``names`` under which spectra are stored."""
    return _stored_as(path, names) & frozenset(names)


def names_from_other_runs(path: Path, run: str, names: Sequence[str]) -> frozenset[str]:
    """Return those of a few hundred ``names`` whose spectra other runs than ``run`` stored.

    The case of names does not matter.
    """
    others = _stored_as(path, names, "AND run IS NOT (SELECT number FROM run WHERE run = ?)", run)
    folded = {name.casefold() for name in others}
    return frozenset(name for name in names if name.casefold() in folded)


def _stored_as(path: Path, names: Sequence[str], more: str = "", *values: str) -> frozenset[str]:
    """Return the names of stored spectra that equal one of ``names`` but for the case."""
    folded = [name.casefold() for name in names if name.isascii()]  # ours are; others may not even be text
    marks = ",".join("?" * len(folded))
    return frozenset(row["name"] for row in _rows(path, f"{_NAMED} IN ({marks}) {more}", *folded, *values))


def dids_named(path: Path, name: str) -> list[SpectrumId]:
    """Return the spectrum with the identifier ``name``, else those whose file is called so.

    File names are without ``.fits``. If there are none: those whose DID ends in it.
    """
    own = [row["did"] for row in _rows(path, "SELECT did FROM spectrum WHERE did = ?", name)]
    if own or "/" in name:
        return own
    stored = [row["did"] for row in _rows(path, "SELECT did FROM spectrum WHERE folded = ?", name.casefold())]
    listed = (row["did"] for row in _rows(path, "SELECT did FROM spectrum"))
    return stored or [SpectrumId(did) for did in listed if did.rpartition("/")[2] == name]


def retries(path: Path) -> dict[SpectrumId, tuple[int, float]]:
    """Return the retries that an earlier run left.

    Attempts made, and when the next is due (seconds since 1970).
    """
    sql = "SELECT did, attempts, due FROM spectrum WHERE status = 'retry'"
    return {SpectrumId(row["did"]): (row["attempts"], row["due"]) for row in _rows(path, sql)}


def request_parameters(path: Path) -> str | None:
    """Return the request key of the directory's spectra, None if nothing was requested yet."""
    return next((str(row["shape"]) for row in _rows(path, "SELECT shape FROM request")), None)


def digests(path: Path) -> Iterator[tuple[str, str]]:
    """Yield file name and SHA-256 of every stored spectrum that has one, by name."""
    sql = "SELECT name, sha256 FROM spectrum WHERE status IN ('present', 'saved') AND sha256 NOT NULL ORDER BY name"
    for row in _rows(path, sql):
        yield f"{row['name']}.fits", row["sha256"]


_STORED = """
SELECT spectrum.*, run.run AS run_name FROM spectrum LEFT JOIN run ON number = spectrum.run
WHERE +status IN ('present', 'saved')
"""
# The plus keeps SQLite from the index on status: it would sort all rows before it yields one, 8 s for a million.


def stored(path: Path, share: float = 1.0) -> Iterator[sqlite3.Row]:
    """Yield the row of every stored spectrum, by name, without regard to case.

    Each has the ``run_name`` of the run that stored it.

    share: of them, the same each time: those whose SHA-256 begins with ``last_prefix`` or less.
    """
    some = last_prefix(share)
    yield from _rows(path, f"{_STORED} AND substr(coalesce(sha256, ''), 1, {len(some)}) <= ? ORDER BY folded", some)


def share_of(most: int, spectra: int) -> float:
    """Return the share of ``spectra`` that a sample of about ``most`` is."""
    return min(1.0, most / max(1, spectra))


def last_prefix(share: float) -> str:
    """Return the largest first digits of a SHA-256 in a sample of that share."""
    return f"{round(share * 0xFFFFFF):06x}"


def contents(path: Path) -> Iterator[tuple[str, int, str, str]]:
    """Yield DID, size, SHA-256 and content digest of every stored spectrum, by DID.

    Spectra without digests are left out.
    """
    sql = "SELECT did, bytes, sha256, content_digest FROM spectrum WHERE +status IN ('present', 'saved') ORDER BY did"
    for row in _rows(path, sql):
        if row["sha256"] is not None:
            yield row["did"], row["bytes"], row["sha256"], row["content_digest"] or ""


def stored_dids(path: Path) -> Iterator[SpectrumId]:
    """Yield the publisher DID of every stored spectrum."""
    for row in _rows(path, "SELECT did FROM spectrum WHERE status IN ('present', 'saved')"):
        yield SpectrumId(row["did"])


def stored_as(path: Path, key: str) -> sqlite3.Row | None:
    """Return the row of the stored spectrum whose DID or file name is ``key``.

    File names are without ``.fits``.
    """
    by_did = next(_rows(path, f"{_STORED} AND did = ?", key), None)
    return by_did or next(_rows(path, f"{_STORED} AND folded = ?", key.casefold()), None)


def counts(path: Path) -> dict[str, tuple[int, int]]:
    """Return by status the number of spectra and of bytes."""
    sql = "SELECT status, count(*) AS spectra, total(bytes) AS bytes FROM spectrum GROUP BY status"
    return {row["status"]: (row["spectra"], int(row["bytes"])) for row in _rows(path, sql)}


def count_by(path: Path, column: str) -> dict[str, int]:
    """Return how many stored spectra have each value of a catalog's ``column``.

    '' for those without one.
    """
    sql = (
        "SELECT coalesce((SELECT value FROM json_each(columns) WHERE key = ?), '') AS value, count(*) AS spectra "
        "FROM spectrum WHERE status IN ('present', 'saved') GROUP BY 1 ORDER BY 1"
    )
    return {str(row["value"]): row["spectra"] for row in _rows(path, sql, column)}


def ranges(path: Path, step: float) -> list[tuple[int, int, int]]:
    """Return how many stored spectra have which first and last wavelength.

    Wavelengths are in whole ``step`` (metres).
    """
    sql = (
        "SELECT round(wave_min / ?1) AS low, round(wave_max / ?1) AS high, count(*) AS spectra FROM spectrum "
        "WHERE status IN ('present', 'saved') AND wave_min > 0 GROUP BY 1, 2 ORDER BY 1, 2"
    )
    return [(int(row["low"]), int(row["high"]), row["spectra"]) for row in _rows(path, sql, step)]


def lost(path: Path) -> list[tuple[SpectrumId, str]]:
    """Return DID and file name of the spectra that were stored and are gone, by name."""
    sql = f"SELECT did, name FROM entry WHERE {LOST_ROWS} ORDER BY name"  # noqa: S608 - a constant
    return [(SpectrumId(row["did"]), row["name"]) for row in _rows(path, sql)]


def lost_since_last_run(path: Path) -> int:
    """Return how many spectra were found gone after the latest run, which counts them."""
    sql = f"SELECT count(*) FROM spectrum WHERE {LOST_ROWS} AND run > (SELECT max(number) FROM run)"  # noqa: S608 - a constant
    return next((int(row[0]) for row in _rows(path, sql)), 0)


def conflicts(path: Path) -> list[Conflict]:
    """Return where the catalog of the last run contradicts itself."""
    connection = open_for_reading(path)
    if connection is None:
        return []
    with closing(connection), using(path):
        if version_of(connection) < 3:
            return []
        rows = connection.execute("SELECT did, column_name, kept, other FROM conflict ORDER BY did, column_name")
        return [Conflict(*row) for row in rows]


def _rows(path: Path, sql: str, *values: object) -> Iterator[sqlite3.Row]:
    connection = open_for_reading(path)
    if connection is None:
        return
    with closing(connection), using(path):
        yield from connection.execute(sql, values)

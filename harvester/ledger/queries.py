"""What the ledger tells: the last run, and what is not there and why. Read-only, also while a run writes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..catalog.plan import LedgerEntries, PlanNotes
from ..model.failures import FailureKind, Responsibility
from ..model.target import SpectrumId
from .schema import open_for_reading, using


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run; ``summary`` has the fields of summary.json so far, ``ended`` is None until it said goodbye.

    endpoint: where the archive answered, None in ledgers of old.
    """

    run: str
    started: float
    ended: float | None
    host: str
    pid: int
    archive: str
    endpoint: str | None
    summary: dict[str, Any]


@dataclass(frozen=True, slots=True)
class FailureRecord:
    """A spectrum that is not there, and why. ``name`` is what its file would be called, ``columns`` are the catalog's
    other columns of it."""

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
        return self.kind.blame


def last_run(path: Path) -> RunRecord | None:
    """The latest run in the ledger at ``path``; None if there is no ledger or no run in it."""
    return next((_run(row) for row in _rows(path, "SELECT * FROM run ORDER BY started DESC LIMIT 1")), None)


def runs(path: Path) -> list[RunRecord]:
    """All runs in the ledger at ``path``, the latest first."""
    return [_run(row) for row in _rows(path, "SELECT * FROM run ORDER BY started DESC")]


def _run(row: sqlite3.Row) -> RunRecord:
    summary = json.loads(row["summary"])
    endpoint = row["endpoint"] if "endpoint" in row.keys() else None  # noqa: SIM118 - `in row` looks at the values
    return RunRecord(
        row["run"], row["started"], row["ended"], row["host"], row["pid"], row["archive"], endpoint, summary
    )


# A spectrum has its run's number, which is its rowid; in ledgers of version 1, its name.
_BROUGHT = """
WITH brought AS (SELECT DISTINCT run FROM spectrum WHERE +status = 'saved')
SELECT * FROM run WHERE rowid IN brought OR run IN brought ORDER BY started
"""


def runs_with_new_spectra(path: Path) -> list[RunRecord]:
    """The runs that fetched what is stored now, the first first."""
    return [_run(row) for row in _rows(path, _BROUGHT)]


def failures(path: Path) -> list[FailureRecord]:
    """Every spectrum that was given up and not had since, kinds together, in the order they were tried."""
    sql = "SELECT * FROM spectrum WHERE status = 'failed' ORDER BY kind, last_tried"
    return [
        FailureRecord(
            row["did"], row["name"], FailureKind[row["kind"].upper()], row["detail"], row["attempts"],
            row["http_status"], row["last_tried"], json.loads(row["columns"]),
        )
        for row in _rows(path, sql)
    ]  # fmt: skip


def failed_dids(path: Path) -> set[SpectrumId]:
    """The spectra that were given up and not had since."""
    return {SpectrumId(row["did"]) for row in _rows(path, "SELECT did FROM spectrum WHERE status = 'failed'")}


def receipts(path: Path) -> LedgerEntries:
    """What is known of stored spectra, by case-folded name."""
    return LedgerEntries(stored_entries(path))


def stored_entries(path: Path) -> Iterator[PlanNotes]:
    """The same, one by one, by DID."""
    sql = "SELECT folded, did, bytes FROM spectrum WHERE +status IN ('present', 'saved') ORDER BY did"
    connection = open_for_reading(path)
    if connection is None:
        return
    connection.row_factory = None  # tuples, at a third of the time
    with closing(connection), using(path):
        yield from connection.execute(sql)


_NAMED = "SELECT name FROM spectrum WHERE +status IN ('present', 'saved') AND folded"


def stored_among(path: Path, names: Sequence[str]) -> frozenset[str]:
    """Those of a few hundred ``names`` that files of stored spectra have."""
    return _stored_as(path, names) & frozenset(names)


def names_from_other_runs(path: Path, run: str, names: Sequence[str]) -> frozenset[str]:
    """Those of a few hundred ``names``, whatever their case, of stored spectra that ``run`` has not written down as its
    own."""
    others = _stored_as(path, names, "AND run IS NOT (SELECT number FROM run WHERE run = ?)", run)
    folded = {name.casefold() for name in others}
    return frozenset(name for name in names if name.casefold() in folded)


def _stored_as(path: Path, names: Sequence[str], more: str = "", *values: str) -> frozenset[str]:
    """The names of stored spectra that are ``names`` but for the case."""
    folded = [name.casefold() for name in names if name.isascii()]  # ours are; others may not even be text
    marks = ",".join("?" * len(folded))
    return frozenset(row["name"] for row in _rows(path, f"{_NAMED} IN ({marks}) {more}", *folded, *values))


def dids_named(path: Path, name: str) -> list[SpectrumId]:
    """The listed spectra whose file is called ``name`` (without ``.fits``), else those whose DID ends in it."""
    stored = [row["did"] for row in _rows(path, "SELECT did FROM spectrum WHERE folded = ?", name.casefold())]
    listed = (row["did"] for row in _rows(path, "SELECT did FROM spectrum"))
    return stored or [SpectrumId(did) for did in listed if did.rpartition("/")[2] == name]


def retries(path: Path) -> dict[SpectrumId, tuple[int, float]]:
    """The retries that an earlier run left behind: attempts made, and when the next is due (seconds since 1970)."""
    sql = "SELECT did, attempts, due FROM spectrum WHERE status = 'retry'"
    return {SpectrumId(row["did"]): (row["attempts"], row["due"]) for row in _rows(path, sql)}


def request_parameters(path: Path) -> str | None:
    """What the directory's spectra were asked as, None if nothing was asked yet."""
    return next((str(row["shape"]) for row in _rows(path, "SELECT shape FROM request")), None)


def digests(path: Path) -> Iterator[tuple[str, str]]:
    """File name and SHA-256 of every stored spectrum that has one, by name."""
    sql = "SELECT name, sha256 FROM spectrum WHERE status IN ('present', 'saved') AND sha256 NOT NULL ORDER BY name"
    for row in _rows(path, sql):
        yield f"{row['name']}.fits", row["sha256"]


_STORED = """
SELECT spectrum.*, run.run AS run_name FROM spectrum LEFT JOIN run ON number = spectrum.run
WHERE status IN ('present', 'saved')
"""


def stored(path: Path, share: float = 1.0) -> Iterator[sqlite3.Row]:
    """The whole row of every stored spectrum, and the ``run_name`` of the run that brought it, by name; of a ``share``
    of them, the same each time, if not of all."""
    some = f"{round(share * 0xFFFFFF):06x}"
    yield from _rows(path, f"{_STORED} AND substr(coalesce(sha256, ''), 1, 6) <= ? ORDER BY name", some)


def contents(path: Path) -> Iterator[tuple[str, int, str, str]]:
    """DID, bytes, SHA-256 and content digest of every stored spectrum that has them, by DID."""
    sql = "SELECT did, bytes, sha256, content_digest FROM spectrum WHERE +status IN ('present', 'saved') ORDER BY did"
    for row in _rows(path, sql):
        if row["sha256"] is not None:
            yield row["did"], row["bytes"], row["sha256"], row["content_digest"] or ""


def stored_dids(path: Path) -> Iterator[SpectrumId]:
    """The publisher DID of every stored spectrum."""
    for row in _rows(path, "SELECT did FROM spectrum WHERE status IN ('present', 'saved')"):
        yield SpectrumId(row["did"])


def stored_as(path: Path, key: str) -> sqlite3.Row | None:
    """The whole row of the stored spectrum whose DID, or else whose file's name (without ``.fits``), is ``key``."""
    by_did = next(_rows(path, f"{_STORED} AND did = ?", key), None)
    return by_did or next(_rows(path, f"{_STORED} AND folded = ?", key.casefold()), None)


def counts(path: Path) -> dict[str, tuple[int, int]]:
    """By status, how many spectra and how many bytes."""
    sql = "SELECT status, count(*) AS spectra, total(bytes) AS bytes FROM spectrum GROUP BY status"
    return {row["status"]: (row["spectra"], int(row["bytes"])) for row in _rows(path, sql)}


def count_by(path: Path, column: str) -> dict[str, int]:
    """How many stored spectra have each value of a catalog's ``column``; '' is those without one."""
    sql = (
        "SELECT coalesce((SELECT value FROM json_each(columns) WHERE key = ?), '') AS value, count(*) AS spectra "
        "FROM spectrum WHERE status IN ('present', 'saved') GROUP BY 1 ORDER BY 1"
    )
    return {str(row["value"]): row["spectra"] for row in _rows(path, sql, column)}


def ranges(path: Path, step: float) -> list[tuple[int, int, int]]:
    """Of the stored spectra, first and last wavelength in whole ``step`` (metres), and how many have these."""
    sql = (
        "SELECT round(wave_min / ?1) AS low, round(wave_max / ?1) AS high, count(*) AS spectra FROM spectrum "
        "WHERE status IN ('present', 'saved') AND wave_min > 0 GROUP BY 1, 2 ORDER BY 1, 2"
    )
    return [(int(row["low"]), int(row["high"]), row["spectra"]) for row in _rows(path, sql, step)]


def _rows(path: Path, sql: str, *values: object) -> Iterator[sqlite3.Row]:
    connection = open_for_reading(path)
    if connection is None:
        return
    try:
        with using(path):
            yield from connection.execute(sql, values)
    finally:
        connection.close()

"""List what a directory contained at the end of each of its runs, by the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..model.findings import Content
from ..model.target import SpectrumId
from .schema import open_for_reading, using
from .values import json_object

# Stored now, since that run or before; or stored then, and not since a later one. Both tables have the order of DIDs.
_AT = """
SELECT did, sha256, content_digest FROM spectrum
    WHERE +status IN ('present', 'saved') AND sha256 NOT NULL AND coalesce(run, 0) <= :number
UNION ALL SELECT did, sha256, content_digest FROM past WHERE coalesce(since, 0) <= :number AND until > :number
ORDER BY did
"""


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a directory; ``request_key`` is None in ledgers that did not record it."""

    number: int
    name: str
    started: float
    request_key: str | None


def runs(path: Path) -> list[Run]:
    """Return the runs in the ledger at ``path``, the latest first; none without a ledger.

    Raises StoreError.
    """
    return [Run(*row) for row in _rows(path, "SELECT number, run, started, shape FROM run ORDER BY number DESC")]


def contents_at(path: Path, number: int | None = None) -> Iterator[Content]:
    """Yield what was stored at the end of the run of that number, by DID.

    None: what is stored now. StoreError.
    """
    last = 2**62 if number is None else number
    return (Content(*row) for row in _rows(path, _AT, {"number": last}))


def columns(path: Path, dids: Iterable[SpectrumId]) -> Iterator[tuple[SpectrumId, dict[str, str]]]:
    """Yield each of ``dids`` with the catalog's other columns of it.

    There are none where the ledger lacks it. StoreError.
    """
    connection = open_for_reading(path)
    if connection is None:
        yield from ((did, {}) for did in dids)
        return
    with closing(connection), using(path):
        for did in dids:
            row = connection.execute("SELECT columns FROM spectrum WHERE did = ?", (did,)).fetchone()
            yield did, json_object(row["columns"]) if row else {}


def _rows(path: Path, sql: str, values: Mapping[str, object] | None = None) -> Iterator[tuple[Any, ...]]:
    connection = open_for_reading(path)
    if connection is None:
        return
    connection.row_factory = None
    with closing(connection), using(path):
        yield from connection.execute(sql, values or {})

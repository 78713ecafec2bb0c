"""A ledger with impossible values: the Python API and the readers say in a sentence that it is damaged, or read on."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

import harvester
from harvester.dataset.stored_files import DamagedError
from harvester.errors import HarvestError, StoreError
from harvester.results import Harvest

COUNT = 2
VALUES: tuple[object, ...] = (b"\xff\xfe", -1, '{"a": "1}', "\x00")
USES: tuple[Callable[[Harvest], object], ...] = (
    lambda harvest: (len(harvest), repr(harvest), harvest.exit_code, harvest.reason),
    lambda harvest: [(one.kind.advice, one.blame, one.columns) for one in harvest.failures],
    lambda harvest: [(one.label, one.path, repr(one)) for one in harvest],
    lambda harvest: (harvest["na010010"].flux, harvest.table(observations=False)),
)


def columns_of(ledger: Path, table: str) -> list[str]:
    with closing(sqlite3.connect(ledger)) as connection:
        return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


def put(ledger: Path, table: str, column: str, value: object) -> None:
    """Write the value past what the table allows, as a changed byte would."""
    with closing(sqlite3.connect(ledger)) as connection, suppress(sqlite3.IntegrityError), connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        where = " WHERE name = 'na010010'" if table == "spectrum" else ""
        written = "entry" if table == "spectrum" else table  # which the view shows
        connection.execute(f"UPDATE {written} SET {column} = ?{where}", [value])


@pytest.mark.parametrize("table", ["spectrum", "run"])
def test_no_value_of_the_ledger_is_an_internal_error_of_the_api(out: Path, table: str) -> None:
    ledger = out / ".harvester" / "ledger.sqlite"
    sound, refused = ledger.read_bytes(), 0
    for column in columns_of(ledger, table):
        for value in VALUES:
            ledger.write_bytes(sound)
            put(ledger, table, column, value)
            for use in USES:
                try:
                    use(harvester.open_harvest(out))
                except (HarvestError, DamagedError, KeyError, IndexError) as error:
                    refused += isinstance(error, StoreError)
                except Exception as error:
                    raise AssertionError(f"{table}.{column} = {value!r}: {type(error).__name__}") from error
    assert refused >= 4

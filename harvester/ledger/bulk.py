"""Many rows in one statement.

Each statement releases the interpreter and must win it back from a busy event loop: row by row, that costs ten times
what SQLite itself takes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

Row = Sequence[Any]

ROWS = "{rows}"
"""Stands in a statement for the rows of its VALUES."""
MAX_VALUES = 999  # in one statement, for any SQLite


def write_rows(connection: sqlite3.Connection, statement: str, rows: Sequence[Row]) -> None:
    """Execute ``statement`` for ``rows`` of equal length, in their order.

    All of them replace its ``{rows}``.

    One without ``{rows}`` is executed for each. sqlite3.Error.
    """
    if ROWS not in statement:
        connection.executemany(statement, rows)
        return
    for some in _portions(rows):
        connection.execute(_with_rows(statement, len(some), len(some[0])), list(chain.from_iterable(some)))


def _portions(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Yield powers of two, as large as may be.

    So there are few different statements, which SQLite parses once.
    """
    done = 0
    while done < len(rows):
        fitting = min(len(rows) - done, MAX_VALUES // len(rows[done]))
        size = 1 << (fitting.bit_length() - 1)
        yield rows[done : done + size]
        done += size


@lru_cache(64)
def _with_rows(statement: str, rows: int, width: int) -> str:
    row = f"({', '.join('?' * width)})"
    return statement.replace(ROWS, ", ".join([row] * rows))

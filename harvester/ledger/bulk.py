"""Many rows in one statement.

Each statement gives the interpreter away and must win it back from a busy event loop: row by row, that costs ten times
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
MOST_VALUES = 999  # in one statement, for any SQLite


def write_rows(connection: sqlite3.Connection, statement: str, rows: Sequence[Row]) -> None:
    """Execute ``statement`` for ``rows`` of equal length, in their order: all of them stand for its ``{rows}``.

    One without that is executed for each. sqlite3.Error goes through.
    """
    if ROWS not in statement:
        connection.executemany(statement, rows)
        return
    for some in _portions(rows):
        connection.execute(_spelled(statement, len(some), len(some[0])), list(chain.from_iterable(some)))


def _portions(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Powers of two, as large as may be: few different statements, which SQLite need not understand each time anew."""
    done = 0
    while done < len(rows):
        fitting = min(len(rows) - done, MOST_VALUES // len(rows[done]))
        size = 1 << (fitting.bit_length() - 1)
        yield rows[done : done + size]
        done += size


@lru_cache(64)
def _spelled(statement: str, rows: int, width: int) -> str:
    row = f"({', '.join('?' * width)})"
    return statement.replace(ROWS, ", ".join([row] * rows))

"""Spectra that are wanted, as Python programs list them: DIDs, dicts, or a table of columns.

All become the CSV that they could have been, so that the same rules and the same sentences hold for them.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from ..errors import UsageError
from .reader import Catalog, parse_catalog

MISSING = frozenset({"NoneType", "NAType", "NaTType", "MaskedConstant"})
"""Types of the values by which Python, pandas and numpy say that there is none."""


def catalog_from_python(wanted: Iterable[Any], id_column: str, takes_any: bool = False) -> Catalog:
    """The catalog that ``wanted`` is: publisher DIDs, mappings with an ``id_column``, or a table (astropy, pandas,
    polars). UsageError for anything else, and for what a CSV would be told off for."""
    lines = _lines(_rows(wanted, id_column))
    return parse_catalog(lines, "from Python (its header is line 1)", id_column, takes_any=takes_any)


def _rows(wanted: Iterable[Any], id_column: str) -> Iterator[Mapping[str, Any]]:
    names = getattr(wanted, "colnames", getattr(wanted, "columns", None))
    if names is not None:  # any table whose columns are had by name
        columns = [wanted[name] for name in names]  # type: ignore[index]  # no protocol that astropy and pandas share
        yield from (dict(zip(map(str, names), row, strict=True)) for row in zip(*columns, strict=True))
        return
    if isinstance(wanted, (str, bytes, Mapping, os.PathLike)) or not isinstance(wanted, Iterable):
        raise UsageError(f"catalog: a {type(wanted).__name__} is no list of spectra; give DIDs, dicts, or a table")
    for one in wanted:
        yield one if isinstance(one, Mapping) else {id_column: one}


def _lines(rows: Iterator[Mapping[str, Any]]) -> Iterator[str]:
    """CSV, header first: the columns of the first row are those of all."""
    first = next(rows, None)
    if first is None:
        raise UsageError("catalog: the list is empty; give DIDs, dicts, or a table")
    yield _line(first)
    for row in chain((first,), rows):
        yield _line(_told(row.get(name)) for name in first)


def _line(fields: Iterable[str]) -> str:
    written = io.StringIO()
    csv.writer(written).writerow(fields)
    return written.getvalue()


def _told(value: object) -> str:
    """NaN is the one value that differs from itself: what pandas has in place of an empty field."""
    return "" if type(value).__name__ in MISSING or value != value else str(value)  # noqa: PLR0124

"""Spectra that Python programs list: DIDs, dicts, or a table of columns.

All become the CSV that they could have been, so that the same rules and the same messages hold for them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from ..errors import UsageError
from .files import csv_line
from .reader import Catalog, parse_catalog
from .rules import CatalogRules
from .text_form import TextForm


def catalog_from_python(wanted: Iterable[Any], rules: CatalogRules) -> Catalog:
    """Return the catalog of ``wanted``.

    They are DIDs, mappings with the id column, or a table (astropy, pandas, polars).

    UsageError for anything else, and for what a CSV would be refused for.
    """
    lines = _lines(_rows(wanted, rules.id_column))
    return parse_catalog(lines, "from Python (its header is line 1)", rules, form=TextForm())


def _rows(wanted: Iterable[Any], id_column: str) -> Iterator[Mapping[str, Any]]:
    names = getattr(wanted, "colnames", getattr(wanted, "columns", None))
    if names is not None:  # any table whose columns are had by name
        # No protocol has both astropy's tables and pandas'. Quantities and times become plain numbers.
        columns = [_plain(wanted[name]) for name in names]  # type: ignore[index]
        yield from (dict(zip(map(str, names), row, strict=True)) for row in zip(*columns, strict=True))
        return
    if isinstance(wanted, (str, bytes, Mapping, os.PathLike)) or not isinstance(wanted, Iterable):
        raise UsageError(f"catalog: a {type(wanted).__name__} is not a list of spectra; give DIDs, dicts, or a table")
    for each in wanted:
        yield each if isinstance(each, Mapping) else {id_column: each}


def _plain(column: Any) -> Any:
    """Return a column; the plain numbers of a Quantity or a Time."""
    has_value = hasattr(column, "value") and (hasattr(column, "unit") or hasattr(column, "scale"))
    return column.value if has_value else column


def _lines(rows: Iterator[Mapping[str, Any]]) -> Iterator[str]:
    """Yield lines of CSV, header first: the columns of the first row are those of all."""
    first = next(rows, None)
    if first is None:
        raise UsageError("catalog: the list is empty; give DIDs, dicts, or a table")
    yield csv_line(first)
    for row in chain((first,), rows):
        yield csv_line(row.get(name) for name in first)

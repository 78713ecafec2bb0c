"""What a harvest holds, as an astropy table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .holdings import Holding

if TYPE_CHECKING:
    from astropy.table import Column, Table

OURS = ("did", "name", "object_name", "points", "wave_min", "wave_max", "size", "sha256")
UNITS = {"wave_min": "m", "wave_max": "m", "size": "byte"}

_WHOLE = re.compile(r"-?(?:0|[1-9]\d{0,17})")
_REAL = re.compile(r"[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")


def table_of(held: Sequence[Holding]) -> Table:
    """A row for each of ``held``: what was proved of it, then the columns of its catalogue row.

    A catalogue's column has numbers where it has nothing else (``007`` is none: it would not come back), and is masked
    where a row has nothing. One that is called as one of ours gets ``catalogue_`` before its name.
    """
    from astropy.table import Table

    columns = {name: _column([getattr(one, name) for one in held]) for name in OURS}
    for name in dict.fromkeys(name for one in held for name in one.columns):
        called = f"catalogue_{name}" if name in columns else name
        columns[called] = _column(_numbers([one.columns.get(name) or None for one in held]))
    table = Table(columns)
    for name, unit in UNITS.items():
        table[name].unit = unit
    return table


def _numbers(texts: Sequence[str | None]) -> Sequence[str | int | float | None]:
    told = [text for text in texts if text is not None]
    for form, number in ((_WHOLE, int), (_REAL, float)):
        if all(form.fullmatch(text) for text in told):
            return [None if text is None else number(text) for text in texts]
    return texts


def _column(values: Sequence[object]) -> Column:
    """``None`` is masked; the column is of the type of the others."""
    from astropy.table import Column, MaskedColumn

    missing = [value is None for value in values]
    filler = next((value for value in values if value is not None), "")
    filled = [filler if value is None else value for value in values]
    return MaskedColumn(filled, mask=missing) if any(missing) else Column(filled)

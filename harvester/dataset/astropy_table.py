"""What a harvest holds, as an astropy table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .catalog_columns import ColumnTypes
from .stored_files import StoredFile

if TYPE_CHECKING:
    from astropy.table import Column, Table

OURS = ("did", "name", "object_name", "points", "wave_min", "wave_max", "size", "sha256")
UNITS = {"wave_min": "m", "wave_max": "m", "size": "byte"}


def table_of(held: Sequence[StoredFile]) -> Table:
    """A row for each of ``held``: what was proved of it, then the columns of its catalog row.

    A catalog's column has the name and the type that an export gives it, and is masked where a row has nothing.
    """
    from astropy.table import Table

    columns = {name: _column([getattr(one, name) for one in held]) for name in OURS}
    types = ColumnTypes()
    for one in held:
        types.add(one.columns)
    columns |= {known.name: _column([known.value(one.columns) for one in held]) for known in types.columns(OURS)}
    table = Table(columns)
    for name, unit in UNITS.items():
        table[name].unit = unit
    return table


def _column(values: Sequence[object]) -> Column:
    """``None`` is masked; the column is of the type of the others."""
    from astropy.table import Column, MaskedColumn

    missing = [value is None for value in values]
    filler = next((value for value in values if value is not None), "")
    filled = [filler if value is None else value for value in values]
    return MaskedColumn(filled, mask=missing) if any(missing) else Column(filled)

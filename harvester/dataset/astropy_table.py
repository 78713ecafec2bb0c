"""The stored spectra of a harvest as an astropy table with units, times and positions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..fits.observation import Observation, observation_of
from .catalog_columns import ColumnTypes
from .stored_files import DamagedError, StoredFile, read_stored

if TYPE_CHECKING:
    from astropy.table import Column, QTable

LEDGER = ("did", "name", "object_name", "points", "wave_min", "wave_max", "size", "sha256")
HEADER = ("ra", "dec", "time", "exposure", "medium")
RESERVED = frozenset((*LEDGER, *HEADER))
"""The names that no column of a catalog keeps."""


def build_table(files: Iterable[StoredFile], meta: Mapping[str, Any], *, observations: bool = True) -> QTable:
    """Return a row for each of ``files``: ledger, header, then the columns of its catalog row.

    ra, dec: deg, ICRS, NaN if unknown; time: middle of the exposure, UTC, masked if unknown; exposure: s; wave_min,
    wave_max: Angstrom; medium: Air, Vacuum or ''. Without ``observations`` no file is read, and these columns are
    missing. Files that are damaged are listed in ``meta["damaged"]``. A catalog's column has the name and the type that
    an export gives it, and is masked where a row is blank.
    """
    from astropy import units as u
    from astropy.table import QTable

    rows = list(files)
    columns: dict[str, Any] = {name: _column([getattr(row, name) for row in rows]) for name in LEDGER}
    for name in ("wave_min", "wave_max"):
        metres = [getattr(row, name) for row in rows]
        columns[name] = [float("nan") if value is None else float(f"{value * 1e10:.12g}") for value in metres] * u.AA
    columns["size"] = _column([row.size for row in rows])
    table_meta = dict(meta)
    if observations:
        found, damaged = _observations(rows)
        columns |= _of_headers(found)
        table_meta["damaged"] = damaged
    types = ColumnTypes()
    for row in rows:
        types.add(row.columns)
    columns |= {known.name: _column([known.value(row.columns) for row in rows]) for known in types.columns(RESERVED)}
    return QTable(columns, meta=table_meta)


def _observations(rows: Sequence[StoredFile]) -> tuple[list[Observation], list[str]]:
    """Read each file's observation.

    A damaged file has an empty one, and its name is returned too.
    """
    found: list[Observation] = []
    damaged: list[str] = []
    for row in rows:
        try:
            found.append(observation_of(read_stored(row)))
        except DamagedError:
            found.append(Observation())
            damaged.append(row.name)
    return found, damaged


def _of_headers(found: Sequence[Observation]) -> dict[str, Any]:
    from astropy import units as u
    from astropy.time import Time
    from astropy.utils.masked import Masked

    def known(values: Sequence[float | None]) -> list[float]:
        return [float("nan") if value is None else value for value in values]

    missing = [one.mjd is None for one in found]
    mjd = Masked([0.0 if one.mjd is None else one.mjd for one in found], mask=missing) if any(missing) else None
    return {
        "ra": known([one.ra for one in found]) * u.deg,
        "dec": known([one.dec for one in found]) * u.deg,
        "time": Time([one.mjd for one in found] if mjd is None else mjd, format="mjd", scale="utc"),
        "exposure": known([one.exposure for one in found]) * u.s,
        "medium": _column([one.medium for one in found]),
    }


def _column(values: Sequence[object]) -> Column:
    """Return a column of the type of its values, with None masked."""
    from astropy.table import Column, MaskedColumn

    missing = [value is None for value in values]
    filler = next((value for value in values if value is not None), "")
    filled = [filler if value is None else value for value in values]
    return MaskedColumn(filled, mask=missing) if any(missing) else Column(filled)

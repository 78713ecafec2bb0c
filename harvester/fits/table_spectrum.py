"""From a table to a spectrum.

One point a row, an array in the only row, or an array (a segment) in each row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from ..model.conventions import FileConventions
from .ascii_table import ascii_values
from .axis import LARGEST_LOGARITHM, StoredAxis
from .column_names import Role, plain
from .columns import unit_of
from .errors import InvalidSpectrumError, unreadable
from .hdu import Hdu
from .header import Header
from .segments import MOST_SEGMENTS, Segment, SegmentSource, assemble, joined_axis, standard_deviation
from .spectrum import Array, Flags, Spectrum
from .table import BinaryTable, TableColumn, column_rows, column_values, texts

_POINTERS = frozenset("PQ")
_OBJECT_COLUMNS = frozenset(
    {
        "object", "target", "targetid", "target_id", "source_id", "sourceid", "srcname", "fiber", "fibre", "fiberid",
        "fibre_id", "fiber_id", "objid", "obj_id", "star", "targname", "target_name", "object_name", "objname",
        "designation",
    }
)  # fmt: skip
_TRUE = 84.0  # the letter T, as logical columns store it


def table_spectrum(raw: bytes, primary: Header, hdu: Hdu, table: BinaryTable, conventions: FileConventions) -> Spectrum:
    """Return the spectrum in ``table``, which is ``hdu`` in ``raw``.

    InvalidSpectrumError if it holds none.
    """
    wave, flux = table.wave, table.flux
    if wave is None or flux is None:
        raise _no_column("spectral" if wave is None else "flux", table, conventions)
    if table.is_usual and not conventions.spectral_scale:
        axis, values = column_values(raw, hdu, table, wave), column_values(raw, hdu, table, flux)
        if axis.size and axis[0] > LARGEST_LOGARITHM:
            header = hdu.header
            return Spectrum(
                axis, wave.unit, values, flux.unit, wave.number, primary, header, conventions=conventions, ucd=wave.ucd
            )
    segments = _segments(raw, hdu, table, wave, flux)
    field = f"column {wave.label!r}"
    stored = StoredAxis(joined_axis(segments), unit_of(wave), table.roles.scale, field, table.roles.kind)
    source = SegmentSource(primary, hdu.header, field, wave.number, flux.unit, wave.ucd, conventions)
    remarks = [*table.roles.remarks, *_unit_remarks(table, flux)]
    if len(segments) > 1:
        remarks.append(f"several spectra in one file: {len(segments)} rows of arrays are read as segments")
    return assemble(segments, stored, source, remarks)


def _no_column(missing: str, table: BinaryTable, conventions: FileConventions) -> InvalidSpectrumError:
    names = ", ".join(column.name or "unnamed" for column in table.columns[:40]) or "none"
    field = f"{missing}_column"
    named = conventions.spectral_column if missing == "spectral" else conventions.flux_column
    if named:
        detail = f"the table has no column of numbers {named!r}, as {field} in the archive's profile says"
        return unreadable(f"{detail}; its columns: {names}")
    advice = "; name them with spectral_column and flux_column in the archive's profile"
    only_two = sum(column.is_numeric for column in table.columns) == 2
    detail = f"the table has no {missing} column by utype, UCD or name; its columns: {names}"
    return unreadable(detail + (advice if only_two else ""))


def _segments(raw: bytes, hdu: Hdu, table: BinaryTable, wave: TableColumn, flux: TableColumn) -> Sequence[Segment]:
    if hdu.kind == "TABLE":
        return [_one_point_a_row(table, partial(ascii_values, raw, hdu, table), wave, flux)]
    if _is_single(wave) and _is_single(flux):
        return [_one_point_a_row(table, partial(column_values, raw, hdu, table), wave, flux)]
    for column in (wave, flux):
        if _is_single(column) and table.rows > 1 and not (column is wave and table.roles.step is not None):
            detail = (
                f"column {column.number} is {column.count}{column.code} in {table.rows} rows: neither one number a row"
            )
            raise unreadable(f"{detail} nor an array in one row")
    if table.rows > 1:
        _refuse_many_objects(raw, hdu, table)
    return _arrays_in_rows(raw, hdu, table, wave, flux)


def _is_single(column: TableColumn) -> bool:
    return column.count == 1 and column.code not in _POINTERS


def _one_point_a_row(
    table: BinaryTable, read: Callable[[TableColumn], Array], wave: TableColumn, flux: TableColumn
) -> Segment:
    roles = table.roles
    axis, values = read(wave), read(flux)
    if roles.uncertainty is None and roles.mask is None:
        return Segment(axis, values)
    places = [found[0] for found in (roles.uncertainty, roles.mask) if found is not None]
    others = {place: array for place in places if (array := read(table.columns[place])).size == values.size}
    return Segment(axis, values, *_uncertainty_and_mask(table, others))


def _uncertainty_and_mask(table: BinaryTable, arrays: dict[int, Array]) -> tuple[Array | None, Flags | None]:
    """Return the uncertainty as standard deviation, and where the file flags a point as bad."""
    uncertainty, mask, roles = None, None, table.roles
    if roles.uncertainty is not None and roles.uncertainty[0] in arrays and _same_unit(table):
        number, role = roles.uncertainty
        uncertainty = standard_deviation(arrays[number], role)
        mask = arrays[number] <= 0 if role is Role.INVERSE_VARIANCE else None
    if roles.mask is not None and roles.mask[0] in arrays:
        number, role = roles.mask
        logical = table.columns[number].code == "L" or table.columns[number].element == "L"
        flagged = arrays[number] == _TRUE if logical else arrays[number] != 0
        flagged = ~flagged if role is Role.GOOD else flagged
        mask = flagged if mask is None else mask | flagged
    return uncertainty, mask


def _same_unit(table: BinaryTable) -> bool:
    """Return whether the uncertainty is in the unit of the flux, or in none.

    Variances have units of their own.
    """
    assert table.roles.uncertainty is not None
    number, role = table.roles.uncertainty
    flux = table.flux
    own = plain(table.columns[number].unit)
    return role is not Role.SIGMA or not own or flux is None or own == plain(flux.unit)


def _unit_remarks(table: BinaryTable, flux: TableColumn) -> list[str]:
    if table.roles.uncertainty is None or _same_unit(table):
        return []
    column = table.columns[table.roles.uncertainty[0]]
    return [f"column {column.label!r} is left out: its unit {column.unit!r} is not that of the flux, {flux.unit!r}"]


def _arrays_in_rows(
    raw: bytes, hdu: Hdu, table: BinaryTable, wave: TableColumn, flux: TableColumn
) -> Sequence[Segment]:
    if table.rows > MOST_SEGMENTS:
        raise unreadable(f"the table has {table.rows:,} rows of arrays; at most {MOST_SEGMENTS} are read as segments")
    roles = table.roles
    fluxes = column_rows(raw, hdu, table, flux)
    axes = _axes(raw, hdu, table, wave, [array.size for array in fluxes])
    points = _points(raw, hdu, table, fluxes)
    others: dict[int, list[Array]] = {}
    for found in (roles.uncertainty, roles.mask):
        if found is not None:
            arrays = column_rows(raw, hdu, table, table.columns[found[0]])
            if all(one.size == array.size for one, array in zip(arrays, fluxes, strict=True)):
                others[found[0]] = arrays
    segments = []
    for row, (axis, values) in enumerate(zip(axes, fluxes, strict=True)):
        if axis.size != values.size:
            raise unreadable(f"{axis.size} wavelengths stand against {values.size} values of flux")
        own = {number: arrays[row][: points[row]] for number, arrays in others.items()}
        segments.append(Segment(axis[: points[row]], values[: points[row]], *_uncertainty_and_mask(table, own)))
    return [segment for segment in segments if segment.flux.size] or segments[:1] or [_NOTHING]


_NOTHING = Segment(np.empty(0), np.empty(0))


def _axes(raw: bytes, hdu: Hdu, table: BinaryTable, wave: TableColumn, sizes: Sequence[int]) -> Sequence[Array]:
    axes = column_rows(raw, hdu, table, wave)
    if not _is_single(wave) or table.roles.step is None:
        return axes
    # IUE low dispersion: a row has its first wavelength and the step.
    steps = column_values(raw, hdu, table, table.columns[table.roles.step])
    if steps.size != len(axes):
        raise unreadable(f"column {table.roles.step + 1} has no single step of wavelength in each row")
    return [first[0] + step * np.arange(size) for first, step, size in zip(axes, steps.tolist(), sizes, strict=True)]


def _points(raw: bytes, hdu: Hdu, table: BinaryTable, fluxes: Sequence[Array]) -> Sequence[int]:
    """Return how many points of each row count.

    As a column such as NPOINTS or NELEM says, else all.
    """
    number = table.roles.points
    if number is None or not _is_single(table.columns[number]):
        return [array.size for array in fluxes]
    counts = column_values(raw, hdu, table, table.columns[number]).tolist()
    sizes = []
    for count, array in zip(counts, fluxes, strict=True):
        if not 0 <= count <= array.size:
            label = table.columns[number].label
            raise unreadable(f"column {label!r} says that {count:g} points count, but the array has {array.size}")
        sizes.append(int(count))
    return sizes


def _refuse_many_objects(raw: bytes, hdu: Hdu, table: BinaryTable) -> None:
    for column in table.columns:
        if plain(re.sub(r"[(\[].*", "", column.name)) in _OBJECT_COLUMNS:
            names = set(texts(raw, hdu, table, column))
            if len(names) > 1:
                detail = f"the table holds {table.rows} spectra of {len(names)} objects, by its column {column.label!r}"
                raise unreadable(f"{detail}; files with one object each are read")

"""Turn a table of any format into a spectrum.

It has one point a row, an array in the only row, or an array (a segment) in each row.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from ..formatting import plural
from ..model.conventions import FileConventions
from .axis import StoredAxis
from .cards import Cards
from .column_names import Role, plain
from .columns import ColumnDescription, Roles, unit_of
from .errors import InvalidSpectrumError, UnknownFormError, unreadable
from .segments import (
    MOST_SEGMENTS,
    Segment,
    SegmentSource,
    assemble,
    deviation_factor,
    joined_axis,
    left_out,
    standard_deviation,
)
from .spectrum import Array, ArrayMeaning, Flags, Spectrum

_OBJECT_COLUMNS = frozenset(
    {
        "object", "target", "targetid", "target_id", "source_id", "sourceid", "srcname", "fiber", "fibre", "fiberid",
        "fibre_id", "fiber_id", "objid", "obj_id", "star", "targname", "target_name", "object_name", "objname",
        "designation",
    }
)  # fmt: skip


class SpectralColumn(ColumnDescription, Protocol):
    """A column, and how files number it."""

    @property
    def number(self) -> int: ...
    @property
    def label(self) -> str: ...


class TableData(Protocol):
    """A table with its numbers; columns are named by their place."""

    @property
    def columns(self) -> Sequence[SpectralColumn]: ...
    @property
    def roles(self) -> Roles: ...
    @property
    def meanings(self) -> Mapping[str, ArrayMeaning]: ...
    @property
    def rows(self) -> int: ...
    def is_single(self, place: int) -> bool:
        """Whether a column has one number a row."""
        ...

    def form(self, place: int) -> str:
        """Return what a cell holds, for messages."""
        ...

    def values(self, place: int) -> Array:
        """Return one number a row, or the array in the only row."""
        ...

    def arrays(self, place: int) -> list[Array]:
        """Return an array a row."""
        ...

    def flags(self, array: Array, place: int) -> Flags:
        """Return where the numbers of a column stand for true."""
        ...

    def texts(self, place: int) -> Sequence[str]:
        """Return the text in each row of a column of names or numbers, none for others."""
        ...


def table_spectrum(primary: Cards, header: Cards, data: TableData, conventions: FileConventions) -> Spectrum:
    """Return the spectrum in the table ``data``.

    ``header`` describes it, beside ``primary``.

    InvalidSpectrumError if it holds none.
    """
    roles = data.roles
    if roles.spectral is None or roles.flux is None:
        raise _no_column("spectral" if roles.spectral is None else "flux", data, conventions)
    wave, flux = data.columns[roles.spectral], data.columns[roles.flux]
    segments = _segments(data, roles.spectral, roles.flux)
    field = f"column {wave.label!r}"
    stored = StoredAxis(joined_axis(segments), unit_of(wave), roles.scale, field, roles.kind)
    source = SegmentSource(
        primary, header, field, wave.number, flux_unit_of(flux, primary), wave.ucd, conventions, data.meanings
    )
    remarks = [*roles.remarks, *_unit_remarks(data, flux)]
    if len(segments) > 1:
        remarks.append(f"several spectra in one file: {len(segments)} rows of arrays are read as segments")
    return assemble(segments, stored, source, remarks)


def _no_column(missing: str, data: TableData, conventions: FileConventions) -> InvalidSpectrumError:
    names = ", ".join(column.name or "unnamed" for column in data.columns[:40]) or "none"
    field = f"{missing}_column"
    named = conventions.spectral_column if missing == "spectral" else conventions.flux_column
    if named:
        detail = f"the table has no column of numbers {named!r}, as {field} in the archive's profile says"
        return unreadable(f"{detail}; its columns: {names}")
    advice = "; name them with spectral_column and flux_column in the archive's profile"
    only_two = sum(column.is_numeric for column in data.columns) == 2
    detail = f"the table has no {missing} column by utype, UCD or name; its columns: {names}"
    return UnknownFormError(detail + (advice if only_two else ""))


def _segments(data: TableData, wave: int, flux: int) -> Sequence[Segment]:
    if data.is_single(wave) and data.is_single(flux):
        return [_one_point_a_row(data, wave, flux)]
    for place in (wave, flux):
        if data.is_single(place) and data.rows > 1 and not (place == wave and data.roles.step is not None):
            detail = f"column {place + 1} is {data.form(place)} in {data.rows} rows: neither one number a row"
            raise unreadable(f"{detail} nor an array in one row")
    if data.rows > 1:
        _refuse_many_objects(data)
    return _arrays_in_rows(data, wave, flux)


def _one_point_a_row(data: TableData, wave: int, flux: int) -> Segment:
    roles = data.roles
    axis, values = data.values(wave), data.values(flux)
    if roles.uncertainty is None and roles.mask is None:
        return Segment(axis, values)
    places = [found[0] for found in (roles.uncertainty, roles.mask) if found is not None]
    others = {place: array for place in places if (array := data.values(place)).size == values.size}
    return Segment(axis, values, *_uncertainty_and_mask(data, others))


def _uncertainty_and_mask(data: TableData, arrays: dict[int, Array]) -> tuple[Array | None, Flags | None]:
    """Return the uncertainty as standard deviation, and where the file flags a point as bad."""
    uncertainty, mask, roles = None, None, data.roles
    if roles.uncertainty is not None and roles.uncertainty[0] in arrays and (factor := _factor(data)) is not None:
        number, role = roles.uncertainty
        uncertainty = standard_deviation(arrays[number] * factor, role)
        mask = arrays[number] <= 0 if role is Role.INVERSE_VARIANCE else None
    if roles.mask is not None and roles.mask[0] in arrays:
        number, role = roles.mask
        flagged = data.flags(arrays[number], number)
        flagged = ~flagged if role is Role.GOOD or _means_good(flagged, uncertainty) else flagged
        mask = flagged if mask is None else mask | flagged
    return uncertainty, mask


def _means_good(mask: Flags, uncertainty: Array | None) -> bool:
    """Return whether a mask flags exactly the points with an uncertainty.

    Then it must mean the good ones, as PypeIt's ``mask`` does.
    """
    if uncertainty is None or not mask.any():
        return False
    with np.errstate(invalid="ignore"):
        return bool(np.array_equal(mask, np.isfinite(uncertainty) & (uncertainty > 0)))


def _factor(data: TableData) -> float | None:
    """Return what the uncertainty is multiplied by; None if it has the unit of something else."""
    assert data.roles.uncertainty is not None
    assert data.roles.flux is not None
    number, role = data.roles.uncertainty
    return deviation_factor(role, data.columns[number].unit, data.columns[data.roles.flux].unit)


def _unit_remarks(data: TableData, flux: SpectralColumn) -> list[str]:
    if data.roles.uncertainty is None or _factor(data) is not None:
        return []
    column = data.columns[data.roles.uncertainty[0]]
    return [left_out(f"column {column.label!r}", column.unit, flux.unit)]


def flux_unit_of(column: ColumnDescription, primary: Cards) -> str:
    """Return the unit of a column of flux.

    Where it has none: BUNIT of a first HDU that has no data and only describes the file, as SDSS has it.
    """
    if column.unit or primary.get("NAXIS") != 0:
        return column.unit
    return str(primary.get("BUNIT", "")).strip()


def _arrays_in_rows(data: TableData, wave: int, flux: int) -> Sequence[Segment]:
    if data.rows > MOST_SEGMENTS:
        raise unreadable(
            f"the table has {plural(data.rows, 'row')} of arrays; at most {MOST_SEGMENTS} are read as segments"
        )
    roles = data.roles
    fluxes = data.arrays(flux)
    axes = _axes(data, wave, [array.size for array in fluxes])
    points = _points(data, fluxes)
    others: dict[int, list[Array]] = {}
    for found in (roles.uncertainty, roles.mask):
        if found is not None:
            arrays = data.arrays(found[0])
            if all(one.size == array.size for one, array in zip(arrays, fluxes, strict=True)):
                others[found[0]] = arrays
    segments = []
    for row, (axis, values) in enumerate(zip(axes, fluxes, strict=True)):
        if axis.size != values.size:
            raise unreadable(f"{plural(axis.size, 'wavelength')} stand against {plural(values.size, 'value')} of flux")
        own = {number: arrays[row][points[row]] for number, arrays in others.items()}
        on_axis = slice(points[row].stop - points[row].start) if roles.step is not None else points[row]
        segments.append(Segment(axis[on_axis], values[points[row]], *_uncertainty_and_mask(data, own)))
    return [segment for segment in segments if segment.flux.size] or segments[:1] or [_NOTHING]


_NOTHING = Segment(np.empty(0), np.empty(0))


def _axes(data: TableData, wave: int, sizes: Sequence[int]) -> Sequence[Array]:
    axes = data.arrays(wave)
    if not data.is_single(wave) or data.roles.step is None:
        return axes
    # IUE low dispersion: a row has its first wavelength and the step.
    steps = data.values(data.roles.step)
    if steps.size != len(axes):
        raise unreadable(f"column {data.roles.step + 1} has no single step of wavelength in each row")
    return [first[0] + step * np.arange(size) for first, step, size in zip(axes, steps.tolist(), sizes, strict=True)]


def _points(data: TableData, fluxes: Sequence[Array]) -> Sequence[slice]:
    """Return which points of each row count.

    As columns such as NPOINTS or NELEM, and IUE's STARTPIX, say; else all.
    """
    roles = data.roles
    if roles.points is None or not data.is_single(roles.points):
        return [slice(0, array.size) for array in fluxes]
    counts = data.values(roles.points).tolist()
    starts = [1.0] * len(counts)
    if roles.first is not None and data.is_single(roles.first):
        starts = data.values(roles.first).tolist()
    parts = []
    for count, start, array in zip(counts, starts, fluxes, strict=True):
        if not (count >= 0 and start >= 1 and start - 1 + count <= array.size):
            label = data.columns[roles.points].label
            detail = f"column {label!r} says that {count:g} points count"
            behind = f" from number {start:g} on" if start != 1 else ""
            raise unreadable(f"{detail}{behind}, but the array has {array.size}")
        parts.append(slice(int(start) - 1, int(start) - 1 + int(count)))
    return parts


def _refuse_many_objects(data: TableData) -> None:
    for place, column in enumerate(data.columns):
        if plain(re.sub(r"[(\[].*", "", column.name)) in _OBJECT_COLUMNS:
            names = set(data.texts(place))
            if len(names) > 1:
                detail = f"the table holds {data.rows} spectra of {len(names)} objects, by its column {column.label!r}"
                raise unreadable(f"{detail}; files with one object each are read")

"""What each column of a table is: spectral axis, flux, uncertainty, mask.

The UCD decides, then the IVOA's UTYPE, then the names that the field uses (``loglam``, ``LAMBDA``, ``OPT_WAVE``,
``ivar`` ...).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from ..model.units import AxisKind, Scale, spectral_unit
from .column_names import (
    FLUX_NAMES,
    OPEN_KINDS,
    ROLE_OF_NAME,
    SPECTRAL_NAMES,
    UNCERTAINTIES,
    Role,
    name_and_unit,
    name_order,
    named_scale,
    plain,
    role_of_name,
)
from .spectrum import ArrayMeaning


class ColumnDescription(Protocol):
    """What is known of a column. Name, utype and ucd are in lower case."""

    @property
    def name(self) -> str: ...
    @property
    def utype(self) -> str: ...
    @property
    def ucd(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def is_numeric(self) -> bool: ...


class Evidence(IntEnum):
    """How well it is known which columns are the spectrum: the more, the better."""

    NONE = 0
    NAMES = 1
    UCD = 2
    UTYPE = 3


@dataclass(frozen=True, slots=True)
class Roles:
    """The places of the columns with a role. ``remarks``: what was chosen among several."""

    spectral: int | None = None
    flux: int | None = None
    uncertainty: tuple[int, Role] | None = None
    mask: tuple[int, Role] | None = None
    step: int | None = None
    points: int | None = None
    first: int | None = None
    scale: Scale | None = None
    kind: AxisKind | None = None
    evidence: Evidence = Evidence.NONE
    remarks: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether there are both a spectral axis and flux."""
        return self.spectral is not None and self.flux is not None


_SPELLED = {"hz": "Hz", "ghz": "GHz", "ev": "eV", "kev": "keV"}  # names of columns are in lower case
_BRACKETS = re.compile(r"[^(\[]*[(\[]([^()\[\]]+)[)\]]\s*")
_SPECTRAL_UTYPES = ("spectralaxis.value", "spectralcoord.value")  # the second ones: the data model before 1.0
_FLUX_UTYPES = ("fluxaxis.value", "points.flux.value")
_DESCRIBES_OTHERS = ("stat.error", "meta.code", "stat.fit", "stat.snr", "instr", "meta.number")


def assign_roles(columns: Sequence[ColumnDescription], spectral_column: str = "", flux_column: str = "") -> Roles:
    """Return which of ``columns`` are the spectrum; not ``complete`` if they hold none.

    ``spectral_column`` and ``flux_column`` are what the archive's profile calls them, by name or number.
    """
    numeric = [number for number, column in enumerate(columns) if column.is_numeric]
    spectral, spectral_evidence, spectral_remarks = (
        _named_column(columns, numeric, spectral_column)
        if spectral_column
        else _best(columns, numeric, _spectral_rank, "the spectral axis")
    )
    others = [number for number in numeric if number != spectral]
    flux, flux_evidence, flux_remarks = (
        _named_column(columns, others, flux_column) if flux_column else _best(columns, others, _flux_rank, "the flux")
    )
    if spectral is None or flux is None:
        return Roles(spectral, flux)
    scale, kind = _scale_and_kind(columns[spectral])
    rest = [number for number in others if number != flux]
    return Roles(
        spectral,
        flux,
        _uncertainty(columns, rest, columns[flux]),
        _mask(columns, rest),
        _named(columns, rest, Role.STEP),
        _named(columns, rest, Role.POINTS),
        _named(columns, rest, Role.FIRST),
        scale,
        kind,
        min(spectral_evidence, flux_evidence),
        spectral_remarks + flux_remarks,
    )


def meanings_of(columns: Sequence[ColumnDescription], roles: Roles) -> Mapping[str, ArrayMeaning]:
    """Return what the columns with a role say, by the names of a spectrum's arrays."""
    places = {
        "wave": roles.spectral,
        "flux": roles.flux,
        "uncertainty": roles.uncertainty and roles.uncertainty[0],
        "mask": roles.mask and roles.mask[0],
    }
    found = {name: columns[place] for name, place in places.items() if place is not None}
    return {name: ArrayMeaning(column.name, column.ucd, column.utype) for name, column in found.items()}


Rank = tuple[int, ...]
"""The larger, the better: main one, calibrated, evidence, name space, place in the list of usual names."""


def _best(
    columns: Sequence[ColumnDescription],
    numbers: Sequence[int],
    rank: Callable[[ColumnDescription], Rank | None],
    what: str,
) -> tuple[int | None, Evidence, tuple[str, ...]]:
    """Return the column with the highest rank, the first of several.

    And a remark where that was a choice.
    """
    ranked = [(found, number) for number in numbers if (found := rank(columns[number])) is not None]
    if not ranked:
        return None, Evidence.NONE, ()
    top = max(found for found, _ in ranked)
    best = [number for found, number in ranked if found == top]
    remarks: tuple[str, ...] = ()
    if len(best) > 1:
        names = ", ".join(columns[number].name or f"column {number + 1}" for number in best)
        remarks = (f"{len(best)} columns may be {what} ({names}); the first is read",)
    return best[0], Evidence(top[2]), remarks


def _named_column(
    columns: Sequence[ColumnDescription], numbers: Sequence[int], wanted: str
) -> tuple[int | None, Evidence, tuple[str, ...]]:
    """Return the column that a profile names.

    By its name in any case, else by its number from 1 on.
    """
    by_name = [number for number in numbers if columns[number].name == wanted.strip().lower()]
    by_number = [number for number in numbers if str(number + 1) == wanted.strip()]
    found = by_name or by_number
    return (found[0], Evidence.UTYPE, ()) if found else (None, Evidence.NONE, ())


def unit_of(column: ColumnDescription) -> str:
    """Return the unit of a spectral column.

    Its own, else the one behind its name, as in ``lambda (A)`` or ``wavelength_nm``.
    """
    if column.unit:
        return column.unit
    bracketed = _BRACKETS.fullmatch(column.name)
    behind = bracketed[1] if bracketed else name_and_unit(plain(column.name))[1]
    return _SPELLED.get(behind, behind) if spectral_unit(_SPELLED.get(behind, behind)) else ""


def _rank(column: ColumnDescription, evidence: Evidence, order: int = 0) -> Rank:
    """Rank a column among those with one role.

    The main one and the calibrated one go first, then the IVOA's own name space.
    """
    words = column.ucd.split(";")
    own = column.utype.rpartition(":")[0] in ("", "spec", "ssa", "sdm", "spectrum")
    return ("meta.main" in words, "stat.uncalib" not in words, evidence, own, -order)


def _is_described_by(column: ColumnDescription, ucds: tuple[str, ...]) -> bool:
    return column.ucd.startswith(ucds) and "accuracy" not in column.utype and "background" not in column.utype


def _spectral_rank(column: ColumnDescription) -> Rank | None:
    if column.utype.endswith(_SPECTRAL_UTYPES):
        return _rank(column, Evidence.UTYPE)
    if _is_described_by(column, ("em.wl", "em.freq", "em.energy", "em.wavenumber")):
        return _rank(column, Evidence.UCD)
    if role_of_name(column.name) is Role.SPECTRAL and not column.ucd.startswith(_DESCRIBES_OTHERS):
        return _rank(column, Evidence.NAMES, name_order(column.name, [*SPECTRAL_NAMES]))
    return None


def _flux_rank(column: ColumnDescription) -> Rank | None:
    if column.utype.endswith(_FLUX_UTYPES):
        return _rank(column, Evidence.UTYPE)
    if _is_described_by(column, ("phot.flux", "phot.count", "phot.fluence")):
        return _rank(column, Evidence.UCD)
    if role_of_name(column.name) is Role.FLUX and not column.ucd.startswith(_DESCRIBES_OTHERS):
        return _rank(column, Evidence.NAMES, name_order(column.name, FLUX_NAMES))
    return None


def _scale_and_kind(column: ColumnDescription) -> tuple[Scale | None, AxisKind | None]:
    """Return what a spectral column's name tells of its scale and its quantity.

    Its UCD goes before.
    """
    short = name_and_unit(plain(re.sub(r"[(\[].*", "", column.name)))[0]
    unit = spectral_unit(column.unit)
    scale = named_scale(column.name) if unit is None or unit.scale is Scale.LINEAR else None
    for ucd, kind in (
        ("em.wl", AxisKind.WAVELENGTH),
        ("em.freq", AxisKind.FREQUENCY),
        ("em.energy", AxisKind.ENERGY),
        ("em.wavenumber", AxisKind.WAVENUMBER),
    ):
        if column.ucd.startswith(ucd):
            return scale, kind
    if column.utype.endswith(_SPECTRAL_UTYPES) or short in OPEN_KINDS:
        return scale, None
    return scale, SPECTRAL_NAMES.get(short, AxisKind.WAVELENGTH if scale else None)


def _uncertainty(
    columns: Sequence[ColumnDescription], rest: Sequence[int], flux: ColumnDescription
) -> tuple[int, Role] | None:
    """Return the uncertainty that belongs to ``flux``.

    By UTYPE, by UCD, else by a name made of that of the flux.
    """
    prefix, _, _ = flux.utype.rpartition(":")
    for number in rest:
        column = columns[number]
        name_space, _, utype = column.utype.rpartition(":")
        if name_space == prefix and utype.endswith(("fluxaxis.accuracy.staterror", "fluxaxis.accuracy.statvariance")):
            return number, _uncertainty_kind(column)
    by_ucd = [number for number in rest if columns[number].ucd.startswith(("stat.error;phot", "stat.variance;phot"))]
    if len(by_ucd) == 1:
        return by_ucd[0], _uncertainty_kind(columns[by_ucd[0]])
    named = [(number, role) for number in rest if (role := role_of_name(columns[number].name)) in UNCERTAINTIES]
    own = [(number, role) for number, role in named if _belongs(plain(columns[number].name), plain(flux.name))]
    others = {plain(columns[number].name) for number in rest}
    general = [(number, role) for number, role in named if _is_general(plain(columns[number].name), others)]
    return next(iter(own or (general if not plain(flux.name).startswith(("opt_", "box_")) else [])), None)


def _uncertainty_kind(column: ColumnDescription) -> Role:
    named = role_of_name(column.name)
    if named in UNCERTAINTIES:
        return named
    return Role.VARIANCE if "variance" in column.utype or "stat.variance" in column.ucd else Role.SIGMA


def _is_general(name: str, others: Collection[str]) -> bool:
    """Return whether the name of an uncertainty names no certain flux.

    It names none, or just ``flux`` where no other column is called so.
    """
    return name in ROLE_OF_NAME or ("flux" in name and "flux" not in others)


def _belongs(name: str, flux: str) -> bool:
    """Return whether the name of an uncertainty is made of that of the flux.

    As flux_err, err_flux, flux_reduced's.
    """
    return name != flux and (name.startswith(flux) or name.endswith(f"_{flux}"))


def _mask(columns: Sequence[ColumnDescription], rest: Sequence[int]) -> tuple[int, Role] | None:
    for number in rest:
        column = columns[number]
        if column.utype.endswith("fluxaxis.accuracy.qualitystatus") or column.ucd.startswith("meta.code.qual"):
            return number, Role.MASK
    named = ((number, role_of_name(columns[number].name)) for number in rest)
    return next(((number, role) for number, role in named if role in (Role.MASK, Role.GOOD)), None)


def _named(columns: Sequence[ColumnDescription], rest: Sequence[int], wanted: Role) -> int | None:
    return next((number for number in rest if role_of_name(columns[number].name) is wanted), None)

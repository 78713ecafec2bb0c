"""What each column of a table is: spectral axis, flux, uncertainty, mask.

The UCD decides, then the IVOA's UTYPE, then the names that the field uses (``loglam``, ``LAMBDA``, ``OPT_WAVE``,
``ivar`` ...). Rows of images and names of HDUs are understood by the same names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import lru_cache
from typing import Protocol

from ..model.units import AxisKind, Scale, spectral_unit


class Described(Protocol):
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


class Role(StrEnum):
    """What a column, a row of an image or a whole image can hold."""

    SPECTRAL = "wavelength"
    FLUX = "flux"
    SIGMA = "standard deviation"
    VARIANCE = "variance"
    INVERSE_VARIANCE = "inverse variance"
    MASK = "mask"
    GOOD = "mask of good points"
    STEP = "wavelength step"
    POINTS = "number of points"
    BACKGROUND = "background"


UNCERTAINTIES = (Role.SIGMA, Role.VARIANCE, Role.INVERSE_VARIANCE)


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
    scale: Scale | None = None
    kind: AxisKind | None = None
    evidence: Evidence = Evidence.NONE
    remarks: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether there are both a spectral axis and flux."""
        return self.spectral is not None and self.flux is not None


_LENGTHS = (
    "wave", "wavelength", "wavelengths", "lambda", "lam", "wl", "wavel", "wav", "spectral", "spectral_axis", "waveobs",
    "wave_obs", "awave", "wave_vac", "wave_air", "wavelength_vac", "wavelength_air", "lambda_vac", "lambda_air",
    "vac_wave", "air_wave", "wavevac", "waveair", "opt_wave", "box_wave",
)  # fmt: skip
_SPECTRAL_NAMES = {
    **dict.fromkeys(_LENGTHS, AxisKind.WAVELENGTH),
    **dict.fromkeys(("frequency", "freq", "nu"), AxisKind.FREQUENCY),
    "energy": AxisKind.ENERGY,
    **dict.fromkeys(("wavenumber", "wavenum", "wave_number"), AxisKind.WAVENUMBER),
}
_OPEN_KINDS = frozenset({"spectral", "spectral_axis"})  # any quantity, as the unit says
_LOG10_NAME = re.compile(r"log(10)?_?(lam|lambda|wave|wavelength|wl)(_?(vac|air))?")
_LN_NAME = re.compile(r"ln_?(lam|lambda|wave|wavelength|wl)")
_FLUX_NAMES = (
    "flux", "fluxdensity", "flux_density", "flam", "f_lambda", "flambda", "fnu", "f_nu", "opt_flam", "spec", "spectrum",
    "intensity", "opt_counts", "box_flam", "box_counts", "counts", "flux_reduced", "normalized_flux", "norm_flux",
    "flux_norm",
)  # fmt: skip
_OTHER_ROLES = {
    Role.SIGMA: "err error errors errs sigma sig stddev std unc uncertainty noise e_flux eflux dflux rms staterror "
    "stat_error statistical_error flux_stat_error error_array sigma_array",
    Role.VARIANCE: "var variance varian variances",
    Role.INVERSE_VARIANCE: "ivar invvar inv_var inverse_variance inverse ivariance invvariance",
    Role.MASK: "mask and_mask andmask or_mask ormask dq qual quality flag flags dataqual bpm badpix data_quality",
    Role.GOOD: "good gpm opt_mask box_mask",
    Role.STEP: "deltaw delta_w dw delta_wave delta_wavelength wave_step wavestep deltalambda step",
    Role.POINTS: "npoints nelem npts n_points npix nvalid numpts",
    Role.BACKGROUND: "sky background bkg bg backgrnd skyflux sky_flux raw",
}
_ROLE_OF_NAME = {name: role for role, names in _OTHER_ROLES.items() for name in names.split()}
_SUFFIXES = {
    "err": Role.SIGMA, "error": Role.SIGMA, "sig": Role.SIGMA, "sigma": Role.SIGMA, "unc": Role.SIGMA,
    "std": Role.SIGMA, "uncertainty": Role.SIGMA, "var": Role.VARIANCE, "variance": Role.VARIANCE,
    "ivar": Role.INVERSE_VARIANCE, "invvar": Role.INVERSE_VARIANCE, "mask": Role.MASK, "dq": Role.MASK,
    "qual": Role.MASK, "flag": Role.MASK,
}  # fmt: skip
_NO_LETTERS = re.compile(r"[^a-z0-9]+")
_DESCRIBES_OTHERS = ("stat.error", "meta.code", "stat.fit", "stat.snr", "instr", "meta.number")


@lru_cache(512)
def plain(name: str) -> str:
    """Return a name in lower case with single underscores for all that is no letter or digit."""
    return _NO_LETTERS.sub("_", name.lower().strip()).strip("_")


@lru_cache(512)
def role_of_name(name: str) -> Role | None:
    """Return what a column, an image or a row of this name holds.

    None if the name does not say.
    """
    short = plain(re.sub(r"[(\[].*", "", name))
    if short in _SPECTRAL_NAMES or _LOG10_NAME.fullmatch(short) or _LN_NAME.fullmatch(short):
        return Role.SPECTRAL
    if short in _FLUX_NAMES:
        return Role.FLUX
    if short in _ROLE_OF_NAME:
        return _ROLE_OF_NAME[short]
    head, _, tail = short.rpartition("_")
    if head in _FLUX_NAMES and tail in _SUFFIXES:
        return _SUFFIXES[tail]
    joined = next((flux for flux in ("flux", "spec") if short.startswith(flux) and short[len(flux) :] in _SUFFIXES), "")
    if joined:
        return _SUFFIXES[short[len(joined) :]]
    return _SUFFIXES.get(head) if tail in _FLUX_NAMES else None


def assign_roles(columns: Sequence[Described]) -> Roles:
    """Return which of ``columns`` are the spectrum; not ``complete`` if they hold none."""
    numeric = [number for number, column in enumerate(columns) if column.is_numeric]
    spectral, spectral_evidence, spectral_remarks = _best(columns, numeric, _spectral_rank, "the spectral axis")
    others = [number for number in numeric if number != spectral]
    flux, flux_evidence, flux_remarks = _best(columns, others, _flux_rank, "the flux")
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
        scale,
        kind,
        min(spectral_evidence, flux_evidence),
        spectral_remarks + flux_remarks,
    )


Rank = tuple[int, ...]
"""The larger, the better: main one, calibrated, evidence, name space, place in the list of usual names."""


def _best(
    columns: Sequence[Described], numbers: Sequence[int], rank: Callable[[Described], Rank | None], what: str
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


def _rank(column: Described, evidence: Evidence, order: int = 0) -> Rank:
    """Rank a column among those with one role.

    The main one and the calibrated one go first, then the IVOA's own name space.
    """
    words = column.ucd.split(";")
    own = column.utype.rpartition(":")[0] in ("", "spec", "ssa", "sdm", "spectrum")
    return ("meta.main" in words, "stat.uncalib" not in words, evidence, own, -order)


def _is_described_by(column: Described, ucds: tuple[str, ...]) -> bool:
    return column.ucd.startswith(ucds) and "accuracy" not in column.utype and "background" not in column.utype


def _spectral_rank(column: Described) -> Rank | None:
    if column.utype.endswith("spectralaxis.value"):
        return _rank(column, Evidence.UTYPE)
    if _is_described_by(column, ("em.wl", "em.freq", "em.energy", "em.wavenumber")):
        return _rank(column, Evidence.UCD)
    if role_of_name(column.name) is Role.SPECTRAL and not column.ucd.startswith(_DESCRIBES_OTHERS):
        return _rank(column, Evidence.NAMES, _order(column.name, [*_SPECTRAL_NAMES]))
    return None


def _flux_rank(column: Described) -> Rank | None:
    if column.utype.endswith("fluxaxis.value"):
        return _rank(column, Evidence.UTYPE)
    if _is_described_by(column, ("phot.flux", "phot.count", "phot.fluence")):
        return _rank(column, Evidence.UCD)
    if role_of_name(column.name) is Role.FLUX and not column.ucd.startswith(_DESCRIBES_OTHERS):
        return _rank(column, Evidence.NAMES, _order(column.name, _FLUX_NAMES))
    return None


def _order(name: str, names: Sequence[str]) -> int:
    short = plain(re.sub(r"[(\[].*", "", name))
    return names.index(short) if short in names else len(names)


def named_scale(name: str) -> Scale | None:
    """Return the logarithm that a name such as ``loglam`` tells, None if it tells none."""
    short = plain(re.sub(r"[(\[].*", "", name))
    return Scale.LOG10 if _LOG10_NAME.fullmatch(short) else Scale.LN if _LN_NAME.fullmatch(short) else None


def _scale_and_kind(column: Described) -> tuple[Scale | None, AxisKind | None]:
    """Return what a spectral column's name tells of its scale and its quantity.

    Its UCD goes before.
    """
    short = plain(re.sub(r"[(\[].*", "", column.name))
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
    if column.utype.endswith("spectralaxis.value") or short in _OPEN_KINDS:
        return scale, None
    return scale, _SPECTRAL_NAMES.get(short, AxisKind.WAVELENGTH if scale else None)


def _uncertainty(columns: Sequence[Described], rest: Sequence[int], flux: Described) -> tuple[int, Role] | None:
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


def _uncertainty_kind(column: Described) -> Role:
    named = role_of_name(column.name)
    if named in UNCERTAINTIES:
        return named
    return Role.VARIANCE if "variance" in column.utype or "stat.variance" in column.ucd else Role.SIGMA


def _is_general(name: str, others: Collection[str]) -> bool:
    """Return whether the name of an uncertainty names no certain flux.

    It names none, or just ``flux`` where no other column is called so.
    """
    return name in _ROLE_OF_NAME or ("flux" in name and "flux" not in others)


def _belongs(name: str, flux: str) -> bool:
    """Return whether the name of an uncertainty is made of that of the flux.

    As flux_err, err_flux, flux_reduced's.
    """
    return name != flux and (name.startswith(flux) or name.endswith(f"_{flux}"))


def _mask(columns: Sequence[Described], rest: Sequence[int]) -> tuple[int, Role] | None:
    for number in rest:
        column = columns[number]
        if column.utype.endswith("fluxaxis.accuracy.qualitystatus") or column.ucd.startswith("meta.code.qual"):
            return number, Role.MASK
    named = ((number, role_of_name(columns[number].name)) for number in rest)
    return next(((number, role) for number, role in named if role in (Role.MASK, Role.GOOD)), None)


def _named(columns: Sequence[Described], rest: Sequence[int], wanted: Role) -> int | None:
    return next((number for number in rest if role_of_name(columns[number].name) is wanted), None)

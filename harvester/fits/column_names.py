"""What the names that the field uses say: spectral axis, flux, uncertainty, mask.

Columns of tables, rows of images and names of HDUs are understood by the same (``loglam``, ``OPT_WAVE``, ``ivar``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache

from ..model.units import AxisKind, Scale


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
    FIRST = "first point"
    BACKGROUND = "background"


UNCERTAINTIES = (Role.SIGMA, Role.VARIANCE, Role.INVERSE_VARIANCE)


_LENGTHS = (
    "wave", "wavelength", "wavelengths", "lambda", "lam", "wl", "wavel", "wav", "spectral", "spectral_axis", "waveobs",
    "wave_obs", "awave", "wave_vac", "wave_air", "wavelength_vac", "wavelength_air", "lambda_vac", "lambda_air",
    "vac_wave", "air_wave", "wavevac", "waveair", "wave_vacuum", "opt_wave", "box_wave", "wavelength_obs",
    "obs_wavelength", "lambda_obs",
)  # fmt: skip
SPECTRAL_NAMES = {
    **dict.fromkeys(_LENGTHS, AxisKind.WAVELENGTH),
    **dict.fromkeys(("frequency", "freq", "nu"), AxisKind.FREQUENCY),
    "energy": AxisKind.ENERGY,
    **dict.fromkeys(("wavenumber", "wavenum", "wave_number"), AxisKind.WAVENUMBER),
}
OPEN_KINDS = frozenset({"spectral", "spectral_axis"})  # any quantity, as the unit says
_LOG10_NAME = re.compile(r"log(10)?_?(lam|lambda|wave|wavelength|wl)(_?(vac|air))?")
_LN_NAME = re.compile(r"ln_?(lam|lambda|wave|wavelength|wl)")
FLUX_NAMES = (
    "flux", "fluxdensity", "flux_density", "flam", "f_lambda", "flambda", "fnu", "f_nu", "opt_flam", "spec", "spectrum",
    "intensity", "opt_counts", "box_flam", "box_counts", "counts", "flux_reduced", "normalized_flux", "norm_flux",
    "flux_norm", "flux_lambda", "flux_nu", "f_lam", "flux_cal", "flux_calibrated", "calflux", "irradiance", "abs_cal",
    "normalised_flux", "flux_normalized", "flux_normalised", "intens",
)  # fmt: skip
_KINDS_OF_FLUX = frozenset(
    {"relative", "calibrated", "observed", "corrected", "scaled", "net", "total", "continuum_normalized"}
)
_OTHER_ROLES = {
    Role.SIGMA: "err error errors errs sigma sig stddev stdev std unc uncertainty noise e_flux eflux dflux rms "
    "staterror stat_error statistical_error flux_stat_error error_array sigma_array errdata",
    Role.VARIANCE: "var variance varian variances stat",
    Role.INVERSE_VARIANCE: "ivar invvar inv_var inverse_variance inverse ivariance invvariance",
    Role.MASK: "mask and_mask andmask or_mask ormask dq qual quality flag flags dataqual bpm badpix data_quality "
    "qualdata bad pixmask pixel_mask",
    Role.GOOD: "good gpm opt_mask box_mask",
    Role.STEP: "deltaw delta_w dw delta_wave delta_wavelength wave_step wavestep deltalambda step",
    Role.POINTS: "npoints nelem npts n_points numpts",
    Role.FIRST: "startpix",
    Role.BACKGROUND: "sky background bkg bg backgrnd skyflux sky_flux raw",
}
ROLE_OF_NAME = {name: role for role, names in _OTHER_ROLES.items() for name in names.split()}
_SUFFIXES = {
    "err": Role.SIGMA, "error": Role.SIGMA, "sig": Role.SIGMA, "sigma": Role.SIGMA, "unc": Role.SIGMA,
    "std": Role.SIGMA, "stdev": Role.SIGMA, "stddev": Role.SIGMA, "uncertainty": Role.SIGMA,
    "var": Role.VARIANCE, "variance": Role.VARIANCE,
    "ivar": Role.INVERSE_VARIANCE, "invvar": Role.INVERSE_VARIANCE, "mask": Role.MASK, "dq": Role.MASK,
    "qual": Role.MASK, "flag": Role.MASK,
}  # fmt: skip
_UNIT_BEHIND = re.compile(r"(.+)_(angstroms?|ang|aa|a|nm|um|microns?|hz|ghz|ev|kev)")
_NO_LETTERS = re.compile(r"[^a-z0-9]+")


@lru_cache(512)
def plain(name: str) -> str:
    """Return a name in lower case with single underscores for all that is no letter or digit."""
    return _NO_LETTERS.sub("_", name.lower().strip()).strip("_")


def name_and_unit(short: str) -> tuple[str, str]:
    """Return a plain name, and the unit of a spectral axis behind it, as in ``wavelength_nm``."""
    found = _UNIT_BEHIND.fullmatch(short)
    return (found[1], found[2]) if found else (short, "")


@lru_cache(512)
def role_of_name(name: str) -> Role | None:
    """Return what a column, an image or a row of this name holds.

    None if the name does not say.
    """
    short = plain(re.sub(r"[(\[].*", "", name))
    if name_and_unit(short)[0] in SPECTRAL_NAMES or _LOG10_NAME.fullmatch(short) or _LN_NAME.fullmatch(short):
        return Role.SPECTRAL
    if short in FLUX_NAMES:
        return Role.FLUX
    if short in ROLE_OF_NAME:
        return ROLE_OF_NAME[short]
    head, _, tail = short.rpartition("_")
    if head in FLUX_NAMES and tail in _SUFFIXES:
        return _SUFFIXES[tail]
    joined = next((flux for flux in ("flux", "spec") if short.startswith(flux) and short[len(flux) :] in _SUFFIXES), "")
    if joined:
        return _SUFFIXES[short[len(joined) :]]
    if tail not in FLUX_NAMES:
        return None
    return Role.FLUX if head in _KINDS_OF_FLUX else _SUFFIXES.get(head)


def name_order(name: str, names: Sequence[str]) -> int:
    """Return the place of a name among ``names``, their number if it is none of them."""
    short = plain(re.sub(r"[(\[].*", "", name))
    return names.index(short) if short in names else len(names)


def named_scale(name: str) -> Scale | None:
    """Return the logarithm that a name such as ``loglam`` tells, None if it tells none."""
    short = plain(re.sub(r"[(\[].*", "", name))
    return Scale.LOG10 if _LOG10_NAME.fullmatch(short) else Scale.LN if _LN_NAME.fullmatch(short) else None

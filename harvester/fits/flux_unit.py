"""Read the unit of flux that a file names, in whichever of the usual spellings."""

from __future__ import annotations

import re
import warnings
from functools import lru_cache

import astropy.units as u

_PER_ANGSTROM = re.compile(r"(?i)\b(A|Ang|Angs|Angstroms|Angstroem)\b")
_FLUX_NAMES = {
    "flam": "erg / (s cm2 Angstrom)", "fnu": "erg / (s cm2 Hz)", "adu": "adu", "dn": "adu", "counts": "ct",
    "count": "ct", "jy": "Jy", "jansky": "Jy",
    "electrons": "electron", "e-": "electron", "counts/s": "ct / s", "normalized": "", "none": "", "relative": "",
}  # fmt: skip
_PLURALS = {
    "ergs": "erg", "photons": "photon", "counts": "ct", "cts": "ct", "electrons": "electron", "microns": "micron",
    "nanometers": "nm", "watts": "W", "sec": "s",
}  # fmt: skip
_PLURAL = re.compile(rf"(?i)\b({'|'.join(_PLURALS)})\b")


def flux_unit(spelled: str) -> tuple[u.UnitBase, list[str]]:
    """Return the unit of flux that ``spelled`` means, and notes.

    ``A`` is Angstrom, never ampere. Normalized flux has no unit; what is no unit is taken for none, and that is noted.
    """
    unit = _known(spelled)
    if unit is not None:
        return unit, [] if spelled else ["the file gives no unit of flux: a ratio, or counts"]
    return u.dimensionless_unscaled, [f"the file's unit of flux is {spelled!r}, which is taken for none"]


@lru_cache(1024)
def conversion(unit: str, flux: str, power: int) -> float | None:
    """Return the factor from ``unit`` to that power of the unit ``flux``, None without one.

    For powers other than 1, spellings that are not understood are taken for right: few files spell them.
    """
    theirs, ours = _known(unit), _known(flux)
    if theirs is None or ours is None:
        return None if power == 1 else 1.0
    try:
        factor = float(theirs.to(ours**power))
    except (u.UnitsError, ArithmeticError):
        return None
    return factor if 0 < factor < float("inf") else None


def _known(spelled: str) -> u.UnitBase | None:
    text = _FLUX_NAMES.get(spelled.strip().lower(), spelled.strip())
    text = _PER_ANGSTROM.sub("Angstrom", _PLURAL.sub(lambda found: _PLURALS[found[1].lower()], text))
    candidates = (candidate.replace("angstrom", "Angstrom") for candidate in (text, text.lower()))
    return next((unit for candidate in candidates if (unit := _parsed(candidate)) is not None), None)


@lru_cache(1024)  # astropy looks for units of a similar name, for up to 25 ms
def _parsed(text: str) -> u.UnitBase | None:
    """Return the unit that astropy reads in one of its formats, None for what is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", u.UnitsWarning)  # about slashes and spellings that formats deprecate
        for form in (None, "fits", "cds", "ogip"):
            try:
                unit = u.Unit(text, format=form)
            except (ValueError, TypeError):
                continue
            return unit if u.A not in unit.decompose().bases else None
    return None

"""Read the unit of flux that a file names, in whichever of the usual spellings."""

from __future__ import annotations

import re
import warnings
from functools import lru_cache

import astropy.units as u

_PER_ANGSTROM = re.compile(r"(?i)\b(A|Ang|Angs|Angstroms|Angstroem)\b")
_FLUX_NAMES = {
    "flam": "erg / (s cm2 Angstrom)", "fnu": "erg / (s cm2 Hz)", "adu": "adu", "dn": "adu", "counts": "ct",
    "count": "ct",
    "electrons": "electron", "e-": "electron", "counts/s": "ct / s", "normalized": "", "none": "", "relative": "",
}  # fmt: skip


def flux_unit(spelled: str) -> tuple[u.UnitBase, list[str]]:
    """Return the unit of flux that ``spelled`` means, and notes.

    ``A`` is Angstrom, never ampere. Normalized flux has no unit; what is no unit is taken for none, and that is noted.
    """
    text = _FLUX_NAMES.get(spelled.strip().lower(), spelled.strip())
    for candidate in (_PER_ANGSTROM.sub("Angstrom", text), _PER_ANGSTROM.sub("Angstrom", text).lower()):
        unit = _parsed(candidate.replace("angstrom", "Angstrom").replace("ergs", "erg"))
        if unit is not None:
            return unit, [] if spelled else ["the file gives no unit of flux: a ratio, or counts"]
    return u.dimensionless_unscaled, [f"the file's unit of flux is {spelled!r}, which is taken for none"]


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

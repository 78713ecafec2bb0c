"""Units of spectral axes.

They are of wavelength, frequency, energy and wavenumber, linear or as logarithms. Files spell units in many ways
(``Angstroms``, ``Ang``, ``AA``, ``microns``). On a spectral axis ``A`` is Angstrom, never ampere. What the table here
does not know is parsed by astropy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

MJD_ZERO = datetime(1858, 11, 17)  # noqa: DTZ001 - FITS times carry no zone; only shown as UT
JD_OF_MJD_ZERO = 2_400_000.5

LIGHT_SPEED = 299_792_458.0  # m/s, exact
PLANCK = 6.626_070_15e-34  # J s, exact
ELECTRON_VOLT = 1.602_176_634e-19  # J, exact

LONGEST_UNIT = 80  # characters; longer texts are no unit


class AxisKind(StrEnum):
    """The physical quantity of a spectral axis."""

    WAVELENGTH = "wavelength"
    FREQUENCY = "frequency"
    ENERGY = "energy"
    WAVENUMBER = "wavenumber"


class Scale(StrEnum):
    """How the numbers of an axis stand for its quantity."""

    LINEAR = "linear"
    LOG10 = "log10"
    LN = "ln"


@dataclass(frozen=True, slots=True)
class SpectralUnit:
    """A unit of a spectral axis: ``factor`` SI units (m, Hz, J or 1/m) in one of it."""

    kind: AxisKind
    factor: float
    scale: Scale = Scale.LINEAR


METRES = {
    "angstrom": 1e-10, "angstroms": 1e-10, "aa": 1e-10, "a": 1e-10, "0.1nm": 1e-10, "0.1 nm": 1e-10,
    "nm": 1e-9, "um": 1e-6, "micron": 1e-6, "microns": 1e-6, "mm": 1e-3, "cm": 1e-2, "m": 1.0,
    "ang": 1e-10, "angs": 1e-10, "angstroem": 1e-10, "ångström": 1e-10, "angstrom(s)": 1e-10, "å": 1e-10,
    "10^-10m": 1e-10, "10**-10m": 1e-10, "10**(-10)m": 1e-10, "1e-10m": 1e-10, "1e-10 m": 1e-10,
    "nanometer": 1e-9, "nanometers": 1e-9, "nanometre": 1e-9, "nanometres": 1e-9, "nms": 1e-9,
    "micrometer": 1e-6, "micrometers": 1e-6, "micrometre": 1e-6, "micrometres": 1e-6, "µm": 1e-6, "μm": 1e-6,
    "millimeter": 1e-3, "millimeters": 1e-3, "millimetre": 1e-3, "millimetres": 1e-3,
    "centimeter": 1e-2, "centimeters": 1e-2, "centimetre": 1e-2, "centimetres": 1e-2,
    "meter": 1.0, "meters": 1.0, "metre": 1.0, "metres": 1.0,
}  # fmt: skip
"""Metres in one unit of length, by its spelling in lower case."""

_HERTZ = {
    "Hz": 1.0, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9, "THz": 1e12, "PHz": 1e15, "EHz": 1e18,
    "hertz": 1.0, "HZ": 1.0, "hz": 1.0, "GHZ": 1e9, "KHZ": 1e3, "KHz": 1e3, "THZ": 1e12, "1/s": 1.0, "s-1": 1.0,
    "s**-1": 1.0,
}  # fmt: skip
_JOULES = {
    "eV": ELECTRON_VOLT, "ev": ELECTRON_VOLT, "EV": ELECTRON_VOLT, "keV": 1e3 * ELECTRON_VOLT,
    "kev": 1e3 * ELECTRON_VOLT, "KeV": 1e3 * ELECTRON_VOLT, "KEV": 1e3 * ELECTRON_VOLT, "MeV": 1e6 * ELECTRON_VOLT,
    "GeV": 1e9 * ELECTRON_VOLT, "TeV": 1e12 * ELECTRON_VOLT, "meV": 1e-3 * ELECTRON_VOLT, "J": 1.0, "erg": 1e-7,
}  # fmt: skip
_PER_METRE = {
    "1/cm": 1e2, "cm-1": 1e2, "cm^-1": 1e2, "cm**-1": 1e2, "cm**(-1)": 1e2, "CM-1": 1e2, "kayser": 1e2,
    "1/m": 1.0, "m-1": 1.0, "m^-1": 1.0, "m**-1": 1.0, "m**(-1)": 1.0, "1/um": 1e6, "um-1": 1e6, "um^-1": 1e6,
    "um**-1": 1e6, "1/micron": 1e6, "1/nm": 1e9, "nm-1": 1e9, "1/Angstrom": 1e10, "Angstrom-1": 1e10,
}  # fmt: skip
_LOGARITHM = re.compile(r"(?i)(log10|log|dex|ln) ?(?:\((.+)\)|\[(.+)\]|[ _]([^()\[\]]+))")

_NUMBER = re.compile(r"\d[\d.]*(?:[eE][+-]?\d+)?")
_WORD = re.compile(r"[^\W\d]+")


@lru_cache(256)
def spectral_unit(text: str) -> SpectralUnit | None:
    """Return the spectral unit that ``text`` spells, None for what is none."""
    text = " ".join(text.split())
    if not text or len(text) > LONGEST_UNIT:
        return None
    logarithm = _LOGARITHM.fullmatch(text)
    if logarithm:
        inner = spectral_unit(logarithm[2] or logarithm[3] or logarithm[4])
        if inner is None or inner.scale is not Scale.LINEAR:
            return None
        return SpectralUnit(inner.kind, inner.factor, Scale.LN if logarithm[1].lower() == "ln" else Scale.LOG10)
    return _known(text) or _parsed_by_astropy(text)


def _known(text: str) -> SpectralUnit | None:
    for kind, table, spelling in (
        (AxisKind.WAVELENGTH, METRES, text.lower()),
        (AxisKind.FREQUENCY, _HERTZ, text),
        (AxisKind.ENERGY, _JOULES, text),
        (AxisKind.WAVENUMBER, _PER_METRE, text),
    ):
        if spelling in table:
            return SpectralUnit(kind, table[spelling])
    return None


def _parsed_by_astropy(text: str) -> SpectralUnit | None:
    """Return what astropy parses from ``text``, if that is a unit of a spectral axis."""
    import astropy.units as u  # a third of a second, for spellings that no table knows

    known = u.get_current_unit_registry().registry
    if not all(word in known for word in _WORD.findall(_NUMBER.sub(" ", text))):
        return None  # astropy would look for units of a similar name, for up to 25 ms
    try:
        unit = u.Unit(text)
    except (ValueError, TypeError):
        return None
    for kind, base in (
        (AxisKind.WAVELENGTH, u.m),
        (AxisKind.FREQUENCY, u.Hz),
        (AxisKind.ENERGY, u.J),
        (AxisKind.WAVENUMBER, u.m**-1),
    ):
        if unit.is_equivalent(base):
            factor = float(unit.to(base))
            return SpectralUnit(kind, factor) if 0 < factor < float("inf") else None
    return None

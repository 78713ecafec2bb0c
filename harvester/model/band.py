"""Parse a wavelength interval in metres, the BAND of SODA.

SODA 1.0 section 3.3.3; DALI 1.1 section 3.3.4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

# Gamma rays to long radio waves lie far inside; 6500 (Angstrom, typed without its unit) lies far outside.
SHORTEST, LONGEST = 1e-13, 1e-3


@dataclass(frozen=True, slots=True)
class Band:
    """Inclusive limits in metres; an open end is ``-inf`` or ``+inf``."""

    low: float
    high: float

    def __str__(self) -> str:
        """Return the BAND parameter in the shortest decimals that parse to the same numbers."""
        return f"{_metres(self.low)} {_metres(self.high)}"

    def format_angstroms(self) -> str:
        """Return both limits in Angstrom, for people."""
        low, high = (f"{limit * 1e10:.6g}" if math.isfinite(limit) else "open" for limit in (self.low, self.high))
        return f"{low} to {high} Angstrom"


def _metres(limit: float) -> str:
    if math.isinf(limit):
        return "+Inf" if limit > 0 else "-Inf"
    return repr(limit)


def parse_band(text: str) -> Band:
    """Parse ``LO HI [UNIT]``.

    The unit is any unit of length that astropy knows, metres by default. ValueError, with one clause that says what to
    do, for anything to which an archive would respond with an empty 204.
    """
    parts = text.split(maxsplit=2)
    if len(parts) < 2:
        raise ValueError('two limits are needed, for example "6.5e-07 6.6e-07" or "6500 6600 AA"')
    low, high = (_limit(part) for part in parts[:2])
    factor = _factor(parts[2]) if len(parts) == 3 else 1.0
    return _checked(Band(_scaled(low, factor), _scaled(high, factor)), with_unit=len(parts) == 3)


def _limit(part: str) -> float:
    try:
        value = float(part)
    except ValueError:
        raise ValueError(f"{part!r} is not a number") from None
    if math.isnan(value):
        raise ValueError("a limit is NaN")
    return value


def _scaled(value: float, factor: float) -> float:
    """Return ``value * factor`` without binary noise.

    6500 Angstrom is 6.5e-07, not 6.500000000000001e-07.
    """
    return float(f"{value * factor:.15g}") if math.isfinite(value) else value


def _factor(unit: str) -> float:
    if unit in ("m", "metre", "meter"):
        return 1.0
    from astropy import units  # loaded late: it takes half a second, and only a band with a unit needs it

    try:
        return float(units.Unit(unit).to(units.m))
    except (ValueError, TypeError, units.UnitConversionError):
        raise ValueError(f"{unit!r} is not a unit of length (try AA, nm, um, m)") from None


def _checked(band: Band, with_unit: bool) -> Band:
    if band.low == math.inf or band.high == -math.inf:
        raise ValueError("open ends are -Inf for the lower and +Inf for the upper limit")
    if any(math.isfinite(limit) and limit <= 0 for limit in (band.low, band.high)):
        raise ValueError("wavelengths are positive")
    if band.low >= band.high:
        raise ValueError(f"the limits are reversed or equal (lower {_metres(band.low)}, upper {_metres(band.high)})")
    for limit in (band.low, band.high):
        if math.isfinite(limit) and not SHORTEST <= limit <= LONGEST:
            hint = "" if with_unit else '; without a unit they are metres: add one, as in "6500 6600 AA"'
            raise ValueError(f"{limit:g} m is not a wavelength of a spectrum{hint}")
    return band

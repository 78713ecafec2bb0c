"""Where a spectrum's object is on the sky.

The star's own cards precede those of plate and telescope.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache

from .cards import Cards

_PAIRS = (
    ("PLUG_RA", "PLUG_DEC"), ("RA_OBJ", "DEC_OBJ"), ("RA_TARG", "DEC_TARG"), ("TARG_RA", "TARG_DEC"),
    ("OBJRA", "OBJDEC"), ("OBJ_RA", "OBJ_DEC"), ("RA_OBJECT", "DEC_OBJECT"), ("TARGRA", "TARGDEC"),
    ("OBJCTRA", "OBJCTDEC"), ("RAJ2000", "DEJ2000"), ("RAJ2000", "DECJ2000"), ("RA2000", "DEC2000"),
    ("RA_DEG", "DEC_DEG"), ("RADEG", "DECDEG"), ("RA", "DEC"),
)  # fmt: skip
_SEXAGESIMAL = re.compile(r"([+-]?)(\d{1,3})([:hd° ])\s*(\d{1,2})(?:[:m' ]\s*(\d{1,2}(?:\.\d*)?))?[s\"]?")
_HOURS = re.compile(r"(?i)\bhours?\b|\bhrs?\b|\bhh:?mm|\[h[a-z:. ]*\]|\bh:m:s\b")
_RADIANS = re.compile(r"(?i)\brad(?:ians?)?\b")
_ROUND_EQUINOXES = (1855.0, 1875.0, 1900.0, 1950.0, 1975.0, 2000.0)
_EQUINOX_TOLERANCE = 0.05  # years: 0.5 arcminutes of precession are 0.6 years


def position_of(*headers: Cards) -> tuple[float, float] | None:
    """Return right ascension and declination in degrees, ICRS; None if no header has both."""
    for names in _PAIRS:
        for header in headers:
            if names[0] not in header:
                continue
            right_ascension = _right_ascension(header, names[0])
            declination = None if right_ascension is None else _in_degrees(header, names[1])
            if right_ascension is None or declination is None:
                continue
            if 0 <= right_ascension <= 360 and -90 <= declination <= 90:
                of_2000 = ("ICRS", 2000.0) if names[0].endswith("2000") else None
                return _in_icrs(right_ascension, declination, *(of_2000 or _system(header, *headers)))
    return None


def _right_ascension(header: Cards, name: str) -> float | None:
    value = header.get(name)
    angle = _in_degrees(header, name)
    if angle is None:
        return None
    minutes = _SEXAGESIMAL.fullmatch(value.strip()) if isinstance(value, str) else None
    if minutes:
        # Text with minutes is in hours; what exceeds a day, or names its degrees, can only be degrees.
        return angle * 15 if angle < 24 and minutes[3] not in "d°" else angle
    return angle * 15 if _HOURS.search(header.comment(name)) and angle <= 24 else angle


def _in_degrees(header: Cards, name: str) -> float | None:
    """Return the angle of a card; degrees unless its comment says radians."""
    value = header.get(name)
    angle = None if value is None else _angle(value)
    is_radians = angle is not None and isinstance(value, float) and _RADIANS.search(header.comment(name))
    return math.degrees(angle) if angle is not None and is_radians else angle


def _angle(value: object) -> float | None:
    """Return an angle as its card has it: a number, or text with minutes and seconds."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        return float(value) if math.isfinite(value) else None
    text = str(value).strip()
    found = _SEXAGESIMAL.fullmatch(text)
    if found:
        minutes, seconds = int(found[4]), float(found[5] or 0)
        if minutes >= 60 or seconds >= 60:
            return None
        size = int(found[2]) + minutes / 60 + seconds / 3600
        return -size if found[1] == "-" else size
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _system(*headers: Cards) -> tuple[str, float]:
    """Return the reference system and the equinox in years; ICRS and 2000 if no card says."""
    for header in headers:
        system = str(header.get("RADESYS", header.get("RADECSYS", ""))).strip().upper()
        equinox = _equinox(header.get("EQUINOX"))
        if equinox is None and _equinox(header.get("EPOCH")) in _ROUND_EQUINOXES:
            equinox = _equinox(header.get("EPOCH"))  # other values are of the observation, not of the coordinates
        if system or equinox is not None:
            assumed = "FK4" if equinox is not None and equinox < 1984 else "FK5"
            return system or assumed, equinox or (1950.0 if system == "FK4" else 2000.0)
    return "ICRS", 2000.0


def _equinox(value: object) -> float | None:
    text = str(value).strip().upper().lstrip("JB") if value is not None and not isinstance(value, bool) else ""
    try:
        year = float(text)
    except ValueError:
        return None
    return year if 1800 <= year <= 2100 else None


def _in_icrs(ra: float, dec: float, system: str, equinox: float) -> tuple[float, float]:
    if system not in ("FK4", "FK5") or (system == "FK5" and abs(equinox - 2000) < _EQUINOX_TOLERANCE):
        return ra, dec
    return _precessed(ra, dec, system, equinox)


@lru_cache(1024)
def _precessed(ra: float, dec: float, system: str, equinox: float) -> tuple[float, float]:
    """Return a position of FK4 (B1950 as a rule) or of another equinox in ICRS, by astropy."""
    from astropy.coordinates import FK4, FK5, SkyCoord  # slow to import, and few files need it

    prefix, frame = ("B", FK4) if system == "FK4" else ("J", FK5)
    there = SkyCoord(ra, dec, unit="deg", frame=frame(equinox=f"{prefix}{equinox}")).icrs
    return float(there.ra.deg), float(there.dec.deg)

"""Narrow a listing: by SSAP's own parameters, and by the same as a test of each row.

A service must permit constraints that it does not support, and then ignores them (SSAP 1.1, section 4.1): what it
sends is checked. SSAP's BAND and TIME have a slash between their ends (section 8.7.2), unlike SODA's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from ..model.band import Band

MJD_ZERO = datetime(1858, 11, 17)  # noqa: DTZ001 - the standard's times carry no zone


@dataclass(frozen=True, slots=True)
class Constraints:
    """Degrees, metres, and times as ISO 8601 has them ("": open)."""

    position: tuple[float, float] | None = None
    size: float = 0.1
    """The diameter of the circle around ``position`` (SSAP 1.1, section 4.1.1.2)."""
    target: str = ""
    by_words: bool = False
    """Whether the words of ``target`` must be in the name, rather than what the service takes for that object."""
    band: Band | None = None
    time: tuple[str, str] | None = None

    def parameters(self) -> dict[str, str]:
        """Return the parameters to send (SSAP 1.1, sections 4.1.1 and 4.1.2)."""
        asked: dict[str, str] = {}
        if self.position:
            asked |= {"POS": f"{self.position[0]!r},{self.position[1]!r}", "SIZE": repr(self.size)}
        if self.band:
            asked["BAND"] = "/".join(repr(end) if math.isfinite(end) else "" for end in (self.band.low, self.band.high))
        if self.time:
            asked["TIME"] = "/".join(self.time)
        if self.target:
            asked["TARGETNAME"] = self.target
        return asked

    def admit(self, row: dict[str, str]) -> bool:
        """Return whether a listed spectrum is wanted.

        A value that the row lacks cannot exclude it.
        """
        return self._is_near(row) and self._overlaps(row) and self._is_of_then(row) and self._is_named(row)

    def _is_named(self, row: dict[str, str]) -> bool:
        name = row.get("object", "").lower()
        return not self.by_words or not name or all(word in name for word in self.target.lower().split())

    def _is_near(self, row: dict[str, str]) -> bool:
        if not self.position or not row.get("ra") or not row.get("dec"):
            return True
        (ra, dec), there = map(math.radians, self.position), (float(row["ra"]), float(row["dec"]))
        to_ra, to_dec = map(math.radians, there)
        half = math.sin((to_dec - dec) / 2) ** 2 + math.cos(dec) * math.cos(to_dec) * math.sin((to_ra - ra) / 2) ** 2
        apart = math.degrees(2 * math.asin(min(1.0, math.sqrt(half))))
        return apart <= self.size / 2 + 1e-3  # rounded positions, precession of the aperture: a few arc seconds

    def _overlaps(self, row: dict[str, str]) -> bool:
        if not self.band or not row.get("wave_min") or not row.get("wave_max"):
            return True
        slack = 1e-4  # listed limits are rounded to six figures
        low, high = float(row["wave_min"]) * (1 - slack), float(row["wave_max"]) * (1 + slack)
        return low <= self.band.high and high >= self.band.low

    def _is_of_then(self, row: dict[str, str]) -> bool:
        if not self.time or not row.get("time"):
            return True
        first, last = self.time
        when = float(row["time"])
        # A day is all of that day, and listed times may be the beginning, middle or end of an exposure.
        after = not first or when >= mjd(first) - 0.5
        return after and (not last or when <= mjd(last) + 1.5)


def mjd(moment: str) -> float:
    """Return the modified Julian date of an ISO 8601 moment. ValueError if it is none."""
    then = datetime.fromisoformat(moment).replace(tzinfo=None)
    return (then - MJD_ZERO).total_seconds() / 86400


def parse_position(text: str) -> tuple[float, float]:
    """Parse ``RA DEC`` in degrees. ValueError, in one clause."""
    try:
        ra, dec = map(float, text.replace(",", " ").split())
    except ValueError:
        raise ValueError("right ascension and declination in degrees are expected, like '345.02 56.945'") from None
    if not (0 <= ra <= 360 and -90 <= dec <= 90):
        raise ValueError("right ascension goes from 0 to 360, declination from -90 to 90 degrees")
    return ra, dec


def parse_time(text: str) -> tuple[str, str]:
    """Parse ``FROM TO``: dates or moments in ISO 8601, ``-`` for an open end.

    ValueError, in one clause.
    """
    ends = ["" if end == "-" else end for end in text.replace("/", " ").split()]
    try:
        moments = [mjd(end) for end in ends if end]
    except ValueError:
        raise ValueError("two dates are expected, like '2010-01-01 2011-06-30', or - for an open end") from None
    if len(ends) != 2 or not moments:
        raise ValueError("two dates are expected, like '2010-01-01 2011-06-30', or - for an open end")
    if moments != sorted(moments):
        raise ValueError("the second date is before the first")
    return ends[0], ends[1]

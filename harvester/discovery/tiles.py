"""Divide what a service lists into parts that it lists whole.

The parts are ranges of time or of wavelength, or tiles of the sky. SSAP has no pages (1.1, section 8.10.2). Where an
answer is cut, or a position with a largest size is demanded, the list is put together from several answers. Parts
overlap at their edges, so a spectrum may come twice; none is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol, Self

from ..model.band import Band
from ..vo.constraints import MJD_ZERO, Constraints

EARLIEST, LATEST = -3652.0, 88069.0  # MJD: 1848 and 2100; before and behind these the parts are open
SHORTEST_TIME = 1.0 / 1440.0  # days
SHORTEST_WAVE, LONGEST_WAVE = 1e-13, 10.0  # metres: gamma rays to radio
NARROWEST_BAND = 1.0001  # ratio of its ends
SMALLEST_TILE = 1.0 / 3600.0  # degrees
WHOLE_SKY = 360.0  # SIZE of "everywhere", as services understand it


class Part(Protocol):
    """A part of a list: what to ask for it, and its halves if it has too much."""

    def constrain(self, constraints: Constraints) -> Constraints: ...

    def divide(self) -> tuple[Self, ...]: ...


@dataclass(frozen=True, slots=True)
class TimePart:
    """All between two moments (MJD); infinite ones are open ends."""

    start: float = -math.inf
    stop: float = math.inf

    def constrain(self, constraints: Constraints) -> Constraints:
        """Return ``constraints`` with this part's time in place of theirs."""
        return replace(constraints, time=(_iso(self.start), _iso(self.stop)))

    def divide(self) -> tuple[TimePart, ...]:
        """Return its halves; none where it is too short to have any."""
        first = EARLIEST if math.isinf(self.start) else self.start
        last = LATEST if math.isinf(self.stop) else self.stop
        if last - first < SHORTEST_TIME:
            return ()
        middle = _whole_second((first + last) / 2)
        return TimePart(self.start, middle), TimePart(middle, self.stop)


@dataclass(frozen=True, slots=True)
class BandPart:
    """All that overlaps wavelengths in metres; 0 and infinity are open ends."""

    low: float = 0.0
    high: float = math.inf

    def constrain(self, constraints: Constraints) -> Constraints:
        """Return ``constraints`` with this part's wavelengths in place of theirs."""
        low = -math.inf if self.low == 0 else self.low
        return replace(constraints, band=Band(low, self.high))

    def divide(self) -> tuple[BandPart, ...]:
        """Return its halves in the logarithm of the wavelength; none where it is too narrow."""
        low, high = self.low or SHORTEST_WAVE, min(self.high, LONGEST_WAVE)
        if high / low < NARROWEST_BAND:
            return ()
        middle = math.sqrt(low * high)
        return BandPart(self.low, middle), BandPart(middle, self.high)


@dataclass(frozen=True, slots=True)
class SkyTile:
    """A field of the sky between two declinations and two right ascensions, in degrees."""

    south: float
    north: float
    west: float
    east: float

    @property
    def center(self) -> tuple[float, float]:
        """Right ascension and declination of its middle."""
        return (self.west + self.east) / 2 % 360.0, (self.south + self.north) / 2

    @property
    def size(self) -> float:
        """The diameter of the circle that covers it."""
        ra, dec = self.center
        corners = [(each, edge) for each in (self.west, self.east) for edge in (self.south, self.north)]
        edges = [(ra, self.south), (ra, self.north)]  # near a pole the middle of an edge is farther than its corners
        radius = max(separation(ra, dec, *point) for point in [*corners, *edges])
        return WHOLE_SKY if self.east - self.west > 180.0 else min(2 * radius * 1.0001 + 1e-6, WHOLE_SKY)

    def constrain(self, constraints: Constraints) -> Constraints:
        """Return ``constraints`` with the circle around this tile in place of theirs."""
        ra, dec = self.center
        return replace(constraints, position=(round(ra, 7), round(dec, 7)), size=round(self.size, 7))

    def divide(self) -> tuple[SkyTile, ...]:
        """Return four tiles that make it up; none where it is too small."""
        if self.north - self.south < SMALLEST_TILE:
            return ()
        dec, ra = (self.south + self.north) / 2, (self.west + self.east) / 2
        return tuple(
            SkyTile(south, north, west, east)
            for south, north in ((self.south, dec), (dec, self.north))
            for west, east in ((self.west, ra), (ra, self.east))
        )


EVERYWHERE = SkyTile(-90.0, 90.0, -180.0, 180.0)


def sky_tiles(largest: float) -> Iterator[SkyTile]:
    """Yield tiles that cover the sky.

    Each lies in a circle of at most ``largest`` degrees in diameter.
    """
    if largest <= 0:
        raise ValueError("a tile needs a size above zero")
    height = min(180.0, largest / math.sqrt(2.0)) * 0.999
    bands = max(1, math.ceil(180.0 / height))
    for number in range(bands):
        south, north = -90.0 + 180.0 * number / bands, -90.0 + 180.0 * (number + 1) / bands
        nearest = 0.0 if south < 0 < north else min(abs(south), abs(north))
        width = math.cos(math.radians(nearest)) * 360.0
        columns = max(1, math.ceil(width / height))
        while SkyTile(south, north, 0.0, 360.0 / columns).size > largest:
            columns += 1
        for column in range(columns):
            yield SkyTile(south, north, 360.0 * column / columns, 360.0 * (column + 1) / columns)


def separation(ra: float, dec: float, other_ra: float, other_dec: float) -> float:
    """Return the angle between two directions.

    All angles are in degrees (haversine, exact for small angles).
    """
    alpha, delta, beta, gamma = map(math.radians, (ra, dec, other_ra, other_dec))
    half = math.sin((gamma - delta) / 2) ** 2 + math.cos(delta) * math.cos(gamma) * math.sin((beta - alpha) / 2) ** 2
    return math.degrees(2 * math.asin(min(1.0, math.sqrt(half))))


def _iso(mjd: float) -> str:
    return "" if math.isinf(mjd) else _moment(mjd).isoformat()


def _moment(mjd: float) -> datetime:
    return MJD_ZERO + timedelta(seconds=round(mjd * 86400))


def _whole_second(mjd: float) -> float:
    return round(mjd * 86400) / 86400

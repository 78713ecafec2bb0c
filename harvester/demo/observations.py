"""Make up what the demo archive observed.

Each star and each exposure is a function of its number or DID alone. Grids, names and classes follow the Ondrejov
CCD700 archive. Random numbers come from BLAKE2b digests, so every machine has the same sky.
"""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import IntEnum
from functools import lru_cache

from ..model.target import SpectrumId

STARS = 1400  # the genuine archive has about one object for ten spectra
_MJD_ZERO = date(1858, 11, 17)
_OLD_NAME = re.compile(r"([a-z])([a-l])([0-3]\d)(\d{4})")
_NEW_NAME = re.compile(r"a(\d{4})(\d\d)(\d\d)(\d{4})")
PUBLISHED = "2016-02-02T11:27:53"  # when the archive made all of them public, UTC
_DEGREE = math.pi / 180
_EXACT = 2.0**-39  # wavelengths that are multiples of it add up without rounding, so the grid is linear to the last bit
_GREEK = "alp bet gam del eps zet eta the iot kap lam mu nu xi omi pi rho sig tau ups phi chi psi ome"
_CONSTELLATIONS = "And Aql Aqr Ari Aur Boo Cam Cas Cep Cet CMa CMi Cnc Cyg Del Dra Gem Her Leo Lyr Ori Peg Per"


class LineProfile(IntEnum):
    """The shape of H-alpha, with the labels of the archive's labelled set."""

    EMISSION = 0
    ABSORPTION = 1
    UNKNOWN = 2
    DOUBLE_PEAK = 3


@dataclass(frozen=True, slots=True)
class Star:
    """A star; ``ra`` and ``dec`` in degrees, ICRS.

    ``velocity`` is H-alpha's shift in Angstrom.
    """

    name: str
    ra: float
    dec: float
    profile: LineProfile
    velocity: float


@dataclass(frozen=True, slots=True)
class SyntheticObservation:
    """One exposure: ``mid_time`` (MJD), ``exposure`` (s), ``first`` and ``step`` (Angstrom)."""

    did: SpectrumId
    name: str
    star: Star
    label: LineProfile
    mid_time: float
    exposure: float
    first: float
    step: float
    points: int
    seed: int

    @property
    def accref(self) -> str:
        """Return the path of the original file below the archive's inputs, as in the card TITLE."""
        folder = "6255-6767" if self.points == 1997 else "6260-6735"
        return f"ccd700/data/{self.star.name.replace(' ', '').lower()}/{folder}/{self.name}.fit"

    @property
    def wave_limits(self) -> tuple[float, float]:
        """Return first and last wavelength in Angstrom."""
        return self.first, self.first + self.step * (self.points - 1)

    @property
    def log(self) -> dict[str, str]:
        """Return the observing log, by the archive's own names.

        Some of it is missing, as in the archive.
        """
        return {
            "raj2000": _sexagesimal(self.star.ra / 15),
            "dej2000": f"{'-' if self.star.dec < 0 else '+'}{_sexagesimal(abs(self.star.dec))}",
            "observer": "",
            "mhjd": "NaN",
            "vhelio": "NaN",
            "grat_angle": "30.25",
            "spg_setup": "2/1",
            "detector": "SITe 2000x800" if self.points == 1997 else "PyLoN 2048x512",
            "instrument": "COUDE700",
            "telescope": "Ondrejov Perek 2m",
            "expval": "NaN",
        }

    @property
    def written(self) -> datetime:
        """Return when the archive wrote the reduced spectrum, UTC."""
        return datetime(1858, 11, 17) + timedelta(days=int(self.mid_time) + 300, seconds=self.seed % 86400)  # noqa: DTZ001 - only formatted, and FITS dates carry no zone


def _sexagesimal(value: float) -> str:
    seconds = round(value * 3600, 2)
    return f"{int(seconds // 3600):02d}:{int(seconds // 60) % 60:02d}:{seconds % 60:05.2f}"


class DigestRandom:
    """Random numbers in [0, 1) from one digest, two bytes each."""

    def __init__(self, key: str) -> None:
        self._digest = hashlib.blake2b(key.encode("utf-8", "surrogateescape"), digest_size=32).digest()
        self._used = 0
        self.seed = int.from_bytes(self._digest[24:], "big")

    def roll(self) -> float:
        self._used += 2
        return int.from_bytes(self._digest[self._used - 2 : self._used], "big") / 65536


@lru_cache(maxsize=STARS)
def star(number: int) -> Star:
    """Return the star of that number, 0 to ``STARS - 1``; no two share a name."""
    dice = DigestRandom(f"star {number}")
    ra = _degrees(360 * (number + 0.8 * dice.roll()) / STARS)
    dec = _degrees(75 * dice.roll() - 10)
    return Star(_star_name(number, ra, dec), ra, dec, _profile(dice.roll()), 1.6 * (dice.roll() - 0.5))


def _degrees(value: float) -> float:
    """Return an angle as DaCHS' database does, which stores radians with ten decimals."""
    return round(value * _DEGREE, 10) / _DEGREE


def _star_name(number: int, ra: float, dec: float) -> str:
    turn, kind = divmod(number, 4)
    if kind == 0:
        constellations = _CONSTELLATIONS.split()
        greek, constellation = divmod(turn, len(constellations))
        return f"{_GREEK.split()[greek]} {constellations[constellation]}"
    if kind == 1:
        minutes, arcminutes = int(ra * 4), int(abs(dec) * 60)
        sign = "-" if dec < 0 else "+"
        return f"GALEX J{minutes // 60:02d}{minutes % 60:02d}{sign}{arcminutes // 60:02d}{arcminutes % 60:02d}"
    return f"HIP{100 + 83 * number}" if kind == 2 else f"HD {1000 + 160 * number}"


def _profile(roll: float) -> LineProfile:
    """Return a profile, in the proportions of the labelled set."""
    if roll < 0.46:
        return LineProfile.ABSORPTION
    if roll < 0.86:
        return LineProfile.EMISSION
    return LineProfile.DOUBLE_PEAK if roll < 0.975 else LineProfile.UNKNOWN


def observe(did: SpectrumId) -> SyntheticObservation:
    """Return the observation of ``did``.

    DIDs that differ only in their last character are exposures of one star.
    """
    name = did.rpartition("/")[2]
    dice = DigestRandom(did)
    target = star(DigestRandom(name[:-1]).seed % STARS)
    night, late = _night(name, dice)
    new = len(name) == 13
    return SyntheticObservation(
        did=did,
        name=name,
        star=target,
        label=LineProfile.UNKNOWN if dice.roll() < 0.01 else target.profile,
        mid_time=round(night + 0.74 + 0.4 * late + 0.004 * dice.roll(), 10),
        exposure=round(20 + 3580 * dice.roll() ** 2, 2 if new else 0),
        first=_exact((6260.0 if new else 6255.0) + 2 * dice.roll()),
        step=_exact((0.2308 if new else 0.2566) + 0.0001 * dice.roll()),
        points=2048 if new else 1997,
        seed=dice.seed,
    )


def _exact(value: float) -> float:
    return round(value / _EXACT) * _EXACT


def _night(name: str, dice: DigestRandom) -> tuple[int, float]:
    """Return the MJD of the evening and the time of night (0 to 1), from name or digest."""
    if match := _NEW_NAME.fullmatch(name):
        year, month, day, number = map(int, match.groups())
    elif match := _OLD_NAME.fullmatch(name):
        # The archive counts years and months in letters: u is 2011, a is January.
        year, month = 1991 + ord(match[1]) - ord("a"), 1 + ord(match[2]) - ord("a")
        day, number = int(match[3]), int(match[4])
    else:
        return 53000 + dice.seed % 5000, dice.roll()
    try:
        return (date(year, month, day) - _MJD_ZERO).days, (number % 100) / 100
    except ValueError:  # looks like a date and is none
        return 53000 + dice.seed % 5000, dice.roll()

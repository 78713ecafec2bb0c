"""Parse a queryData of SSAP, with DaCHS' messages for invalid values."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from .columns import CALIBRATIONS, FITS_MIME, VOTABLE_MIME
from .observations import PUBLISHED, SyntheticObservation

_MOST_ROWS, _USUAL_ROWS = 1_000_000, 10_000
_MJD_ZERO = datetime(1858, 11, 17)  # noqa: DTZ001 - DALI timestamps carry no zone
_FORMATS = {
    "": (FITS_MIME, VOTABLE_MIME),
    "all": (FITS_MIME, VOTABLE_MIME),
    FITS_MIME: (FITS_MIME,),
    "native": (FITS_MIME,),
    VOTABLE_MIME: (VOTABLE_MIME,),
    "compliant": (VOTABLE_MIME,),
    "votable": (VOTABLE_MIME,),
}

Test = Callable[[SyntheticObservation], bool]


@dataclass(frozen=True, slots=True)
class SsapQuery:
    """A parsed queryData: all ``tests`` must hold; rows of the ``mimes`` only.

    The response has at most ``maxrec`` rows.
    """

    tests: tuple[Test, ...]
    mimes: tuple[str, ...]
    maxrec: int
    metadata: bool = False

    def matches(self, observation: SyntheticObservation) -> bool:
        return all(test(observation) for test in self.tests)


def read_query(given: Mapping[str, str]) -> SsapQuery:
    """Parse a query. ValueError, worded as DaCHS words it, for what it calls an error."""
    if given.get("REQUEST") != "queryData":
        raise ValueError("Field REQUEST: Missing or invalid value for REQUEST.")
    most, top = _number(given, "maxrec", _USUAL_ROWS), _number(given, "TOP", 0)
    wanted = given.get("FORMAT", "").lower()
    if wanted == "graphic":
        raise ValueError("dict is not a sequence")  # what DaCHS' own failure there says
    makers = {
        "BAND": _band,
        "TIME": _time,
        "MTIME": _published,
        "TARGETNAME": _target,
        "PUBDID": _did,
        "FLUXCALIB": _calibrated,
    }
    tests = [maker(given[name]) for name, maker in makers.items() if given.get(name)]
    if given.get("POS"):
        tests.append(_cone(given["POS"], given.get("SIZE", "")))
    return SsapQuery(
        tests=tuple(tests),
        mimes=_FORMATS.get(wanted, ()),
        maxrec=min(most, top or most, _MOST_ROWS),
        metadata=wanted == "metadata" or most == 0,
    )


def _number(given: Mapping[str, str], name: str, default: int) -> int:
    text = given.get(name.upper(), "")
    try:
        number = int(text or default)
    except ValueError:
        raise _not_literal(name, text) from None
    if number < 0:
        raise ValueError("list assignment index out of range")  # PostgreSQL's refusal, after DaCHS took it
    return number


def _not_literal(name: str, text: str) -> ValueError:
    return ValueError(f"Field {name}: {text!r} is not a valid literal for {name}")


def _not_valid(name: str, text: str) -> ValueError:
    return ValueError(f"Field {name}: {text!r} is not a valid value for {name}")


def _cone(position: str, size: str) -> Test:
    parts = position.partition(";")[0].split(",")
    if bad := [part for part in parts if not _is_number(part)]:
        raise _not_valid("range within POS", bad[0].upper())
    if len(parts) != 2:
        raise ValueError("Field POS: PQL position values must be lists of length divisible by 2.")
    if size and not _is_number(size):
        raise _not_literal("SIZE", size)
    ra, dec = (math.radians(float(part)) for part in parts)
    radius = math.radians(float(size)) / 2 if size else math.inf  # POS without SIZE constrains nothing in DaCHS

    def within(observation: SyntheticObservation) -> bool:
        star_ra, star_dec = math.radians(observation.star.ra), math.radians(observation.star.dec)
        across = math.cos(dec) * math.cos(star_dec) * math.sin((star_ra - ra) / 2) ** 2
        return 2 * math.asin(math.sqrt(math.sin((star_dec - dec) / 2) ** 2 + across)) <= radius

    return within


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _interval(text: str, read: Callable[[str], float]) -> tuple[float, float]:
    """Parse ``low/high``, either end open, or one value for both. ValueError."""
    low, separator, high = text.partition(";")[0].partition("/")
    if not separator:
        return read(low), read(low)
    return read(low) if low else -math.inf, read(high) if high else math.inf


def _band(text: str) -> Test:
    try:
        low, high = _interval(text, float)
    except ValueError:
        return lambda observation: False  # it is taken for the name of a band, which no spectrum has

    def overlaps(observation: SyntheticObservation) -> bool:
        first, last = observation.wave_limits
        return first * 1e-10 <= high and last * 1e-10 >= low

    return overlaps


def _mjd(text: str) -> float:
    return (datetime.fromisoformat(text) - _MJD_ZERO).total_seconds() / 86400


def _days(text: str, name: str) -> tuple[float, float]:
    try:
        return _interval(text, _mjd)  # a day is its first instant in DaCHS, and has no spectrum
    except ValueError:
        raise _not_valid(f"range within {name}", text) from None


def _time(text: str) -> Test:
    low, high = _days(text, "TIME")
    return lambda observation: low <= observation.mid_time <= high


def _published(text: str) -> Test:
    low, high = _days(text, "MTIME")
    return lambda observation: low <= _mjd(PUBLISHED) <= high


def _target(text: str) -> Test:
    words = set(text.lower().split())
    return lambda observation: words <= set(observation.star.name.lower().split())


def _calibrated(text: str) -> Test:
    if text.upper() not in CALIBRATIONS:
        raise _not_valid("FLUXCALIB", text)
    return lambda observation: text.upper() in ("UNCALIBRATED", "ANY")


def _did(text: str) -> Test:
    return lambda observation: observation.did == text

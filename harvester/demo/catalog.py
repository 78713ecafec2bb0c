"""List the demo archive's spectra.

There are any number of DIDs that look like genuine ones, and their labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from ..model.target import SpectrumId
from .observations import LineProfile, observe

COLLECTION = "ivo://asu.cas.cz/stel/ccd700/"
_FIRST_NIGHT = date(2004, 1, 1)
_NIGHTS = 7300  # twenty years
_STRIDE = 2311  # coprime to the nights: all are visited before one is visited again
_PER_NIGHT = 30


@dataclass(frozen=True, slots=True)
class DemoRow:
    """One row of the catalog: ``did,label``."""

    did: SpectrumId
    label: LineProfile


def listed_dids(count: int) -> Iterator[SpectrumId]:
    """Yield the first ``count`` DIDs, all different regardless of case.

    Ten in a row are of the same star.
    """
    for index in range(count):
        visit, exposure = divmod(index, _PER_NIGHT)
        turn, night = divmod(visit, _NIGHTS)
        evening = _FIRST_NIGHT + timedelta(days=night * _STRIDE % _NIGHTS)
        yield SpectrumId(COLLECTION + _name(evening, 10 + turn * _PER_NIGHT + exposure))


def _name(evening: date, number: int) -> str:
    """Return a name as the archive builds it.

    Until 2013 names have letters for year and month (ua160034: 2011 January 16).
    """
    if evening.year > 2013:
        return f"a{evening:%Y%m%d}{number:04d}"
    return f"{chr(ord('a') + evening.year - 1991)}{chr(ord('a') + evening.month - 1)}{evening.day:02d}{number:04d}"


def listing(count: int) -> list[DemoRow]:
    """Yield the first ``count`` spectra with their labels."""
    return [DemoRow(did, observe(did).label) for did in listed_dids(count)]

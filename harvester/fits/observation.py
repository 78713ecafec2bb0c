"""What the header of a spectrum tells of its observation: object, place, time, and where its wavelengths were measured.

A header's words come from a server: each is one printable line before it gets near a terminal, a page or a figure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..formatting import plain_line
from .header import Header
from .spectrum import Spectrum

H_ALPHA_AIR, H_ALPHA_VACUUM = 6562.80, 6564.61  # Angstrom, at rest

_MJD_ZERO = datetime(1858, 11, 17)  # noqa: DTZ001 - FITS times carry no zone; only shown as UT
_EARLIEST, _LATEST = 0.0, 88_069.0  # MJD of the years 1858 and 2100; beyond them TMID is something else


@dataclass(frozen=True, slots=True)
class Observation:
    """One observation, as far as its header tells (None, or nothing, where it does not).

    ra, dec: degrees. mjd: middle of the exposure, modified Julian date, from TMID; DATE is the day on which somebody
    wrote a file. exposure: seconds. medium: ``Air`` or ``Vacuum``, where the wavelengths are of one or the other.
    """

    object_name: str = ""
    ra: float | None = None
    dec: float | None = None
    mjd: float | None = None
    exposure: float | None = None
    medium: str = ""

    @property
    def when(self) -> str:
        """The middle of the exposure to the minute, UT."""
        return "" if self.mjd is None else f"{moment(self.mjd) + timedelta(seconds=30):%Y-%m-%d %H:%M} UT"

    @property
    def h_alpha(self) -> float:
        """H-alpha at rest in Angstrom, where this spectrum's axis has it."""
        return H_ALPHA_VACUUM if self.medium == "Vacuum" else H_ALPHA_AIR


def moment(mjd: float) -> datetime:
    """A modified Julian date as a date and time (UT, without a zone)."""
    return _MJD_ZERO + timedelta(days=mjd)


def observation_of(spectrum: Spectrum) -> Observation:
    """The observation that ``spectrum`` is of; numbers that cannot be what their card says count as not told."""
    name = str(_told(spectrum, "OBJECT") or "")
    ra, dec = _number(spectrum, "RA", 0, 360), _number(spectrum, "DEC", -90, 90)
    placed = ra is not None and dec is not None
    return Observation(
        plain_line(name, len(name)),
        ra if placed else None,
        dec if placed else None,
        _number(spectrum, "TMID", _EARLIEST, _LATEST),
        _number(spectrum, "TELAPSE", 0, 1e7),
        _medium(spectrum),
    )


def _told(spectrum: Spectrum, card: str) -> object:
    return spectrum.table.get(card, spectrum.primary.get(card))


def _number(spectrum: Spectrum, card: str, lowest: float, highest: float) -> float | None:
    value = _told(spectrum, card)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) and lowest <= value <= highest else None


def _medium(spectrum: Spectrum) -> str:
    told = _told_of_axis(spectrum.table, spectrum.axis).lower().split()
    return next((name for name in ("Air", "Vacuum") if name.lower() in told), "")


def _told_of_axis(header: Header, axis: int) -> str:
    """The words of the spectral column: its TCOMM card, and the comment behind its name, where DaCHS puts them."""
    comments = [field.partition(b"/")[2].decode("ascii", "replace") for field in header.fields(f"TTYPE{axis}")]
    return " ".join([*comments, str(header.get(f"TCOMM{axis}", ""))])

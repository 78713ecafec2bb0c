"""What the header of a spectrum says about its observation.

That is object, position, time, exposure and medium. Text in a header comes from a server: it becomes one printable line
before it gets near a terminal, a page or a figure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..formatting import plain_line
from ..model.units import JD_OF_MJD_ZERO, MJD_ZERO
from .medium import medium_of
from .position import position_of
from .spectrum import Spectrum

H_ALPHA_AIR, H_ALPHA_VACUUM = 6562.80, 6564.61  # Angstrom, at rest

_EARLIEST, _LATEST = 0.0, 88_069.0  # MJD of the years 1858 and 2100; beyond them a card is no date
_LONGEST_EXPOSURE = 1e7  # seconds
_SECONDS_PER_DAY = 86_400.0
_OBJECT = ("OBJECT", "OBJNAME", "TARGNAME", "TARGET")
_EXPOSURE = (
    "EXPTIME", "EXPOSURE", "TEXPTIME", "EXP_TIME", "EXP-TIME", "EXPOSUR", "XPOSURE", "EFFEXPTM", "TOTEXP", "ITIME",
)  # fmt: skip
_UNIT_OF_TIME = r"(ms|msec|milliseconds?|s|secs?|seconds?|min|minutes?|h|hrs?|hours?|d|days?)"
_UNIT_IN_COMMENT = re.compile(rf"(?i)[\[(]\s*{_UNIT_OF_TIME}\s*[\])]|\bin {_UNIT_OF_TIME}\b|^{_UNIT_OF_TIME}$")
_DURATION = re.compile(rf"(?i)([+-]?[\d.]+(?:e[+-]?\d+)?)\s*{_UNIT_OF_TIME}?")
_SECONDS_IN = (("ms", 1e-3), ("mil", 1e-3), ("s", 1.0), ("min", 60.0), ("h", 3600.0), ("d", _SECONDS_PER_DAY))
_MIDDLE = ("TMID", "MJD-MID", "MJD_MID", "MJDMID", "MJD-AVG", "JD-MID", "JD_MID", "DATE-AVG", "DATE-MID")
_START = (
    "MJD-OBS",
    "MJD_OBS",
    "MJDOBS",
    "MJD-BEG",
    "MJD-STRT",
    "JD-OBS",
    "JD_OBS",
    "TSTART",
    "EXPSTART",
    "DATE-BEG",
    "DATE-OBS",
)
_END = ("MJD-END", "JD-END", "TSTOP", "EXPEND", "DATE-END")
_SINCE_AN_EPOCH = ("TSTART", "TSTOP", "EXPSTART", "EXPEND")  # in seconds, unless they are modified Julian dates
_OLD_DATE = re.compile(r"(\d\d)/(\d\d)/(\d\d)")  # day, month and year of the 20th century: FITS before 1999
_CLOCK = ("TIME-OBS", "UT", "UTC", "UT-START", "UTSTART", "UTC-OBS", "UT-OBS", "TIME_OBS")


@dataclass(frozen=True, slots=True)
class Observation:
    """One observation, as far as its header tells (None, or '', where it does not).

    ra, dec: degrees, ICRS. mjd: middle of the exposure, modified Julian date; its start if the header has no exposure
    time. exposure: seconds. medium: ``Air`` or ``Vacuum``, what the wavelengths are of. remarks: contradictions.
    """

    object_name: str = ""
    ra: float | None = None
    dec: float | None = None
    mjd: float | None = None
    exposure: float | None = None
    medium: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def when(self) -> str:
        """The middle of the exposure to the minute, UT."""
        return "" if self.mjd is None else f"{moment(self.mjd) + timedelta(seconds=30):%Y-%m-%d %H:%M} UT"

    @property
    def h_alpha(self) -> float:
        """H-alpha at rest in Angstrom, where this spectrum's axis has it."""
        return H_ALPHA_VACUUM if self.medium == "Vacuum" else H_ALPHA_AIR


def moment(mjd: float) -> datetime:
    """Return a modified Julian date as a date and time (UT, without a zone)."""
    return MJD_ZERO + timedelta(days=mjd)


def observation_of(spectrum: Spectrum) -> Observation:
    """Return the observation that ``spectrum`` is of.

    Numbers that cannot be what their card says are left out.
    """
    exposure = next(_durations(spectrum, _EXPOSURE), None)
    elapsed = next(_durations(spectrum, ("TELAPSE",)), None)
    ra, dec = position_of(spectrum.table, spectrum.primary) or (None, None)
    medium, remarks = medium_of(spectrum)
    return Observation(
        object_name(spectrum),
        ra,
        dec,
        _middle(spectrum, exposure if elapsed is None else elapsed),
        elapsed if exposure is None else exposure,
        medium,
        remarks,
    )


def object_name(spectrum: Spectrum) -> str:
    """Return what was observed, as the first of OBJECT, OBJNAME, TARGNAME and TARGET says.

    '' if none does.
    """
    for card in _OBJECT:
        for header in (spectrum.table, spectrum.primary):
            value = header.get(card)
            if value is not None and not isinstance(value, bool) and (name := str(value).strip()):
                return plain_line(name, len(name))
    return ""


def _middle(spectrum: Spectrum, seconds: float | None) -> float | None:
    """Return the middle of the exposure.

    As the header says, between start and end, or half its length after start.
    """
    middle = next(_dates(spectrum, _MIDDLE), None)
    if middle is not None:
        return middle
    start, end = next(_dates(spectrum, _START), None), next(_dates(spectrum, _END), None)
    if start is None:
        return None
    if end is not None and start <= end <= start + _LONGEST_EXPOSURE / _SECONDS_PER_DAY:
        return (start + end) / 2
    return start + (seconds or 0.0) / 2 / _SECONDS_PER_DAY


def _dates(spectrum: Spectrum, cards: tuple[str, ...]) -> Iterator[float]:
    for card in cards:
        for header in (spectrum.table, spectrum.primary):
            value = header.get(card)
            if card.startswith("DATE"):
                mjd = _of_date(value, [header.get(name) for name in _CLOCK] if card == "DATE-OBS" else [])
            elif card in _SINCE_AN_EPOCH and not _is_absolute(value):
                continue
            else:
                mjd = _of_number(value, JD_OF_MJD_ZERO if card.startswith("JD") else 0.0)
            if mjd is not None and _EARLIEST < mjd <= _LATEST:
                yield mjd


def _is_absolute(value: object) -> bool:
    """Return whether a card such as TSTART can be a modified Julian date after 1980.

    The IVOA's files and those of HST have such dates there.
    """
    return isinstance(value, float) and 44_000 < value < _LATEST


def _of_number(value: object, zero: float) -> float | None:
    """Return the modified Julian date of a card.

    Its days are counted from ``zero`` days before those of MJD.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) - zero if math.isfinite(value) else None


def _of_date(value: object, clocks: list[object]) -> float | None:
    """Return the date in ``value``.

    A day alone counts only with a time of day from another card.
    """
    if not isinstance(value, str):
        return None
    text = _OLD_DATE.sub(r"19\3-\2-\1", value.strip().removesuffix("Z")).replace(" ", "T")
    if "T" not in text:
        clock = next((str(one).strip() for one in clocks if isinstance(one, str) and ":" in one), "")
        text = f"{text}T{clock.zfill(8) if clock.find(':') == 1 else clock}" if clock else ""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if when.tzinfo is not None else (when - MJD_ZERO) / timedelta(days=1)


def _durations(spectrum: Spectrum, cards: tuple[str, ...]) -> Iterator[float]:
    """Yield the durations in seconds; none is zero, which is what a card without a value has."""
    for card in cards:
        for header in (spectrum.table, spectrum.primary):
            seconds = _seconds(header.get(card), header.comment(card)) if card in header else None
            if seconds is not None and 0 < seconds <= _LONGEST_EXPOSURE:
                yield seconds


def _seconds(value: object, comment: str) -> float | None:
    """Return a duration in seconds.

    Its unit is the one that its text or its comment names, else seconds.
    """
    found = _DURATION.fullmatch(str(value).strip())
    if found is None or isinstance(value, bool):
        return None
    in_comment = _UNIT_IN_COMMENT.search(comment)
    unit = found[2] or (next(filter(None, in_comment.groups())) if in_comment else "s")
    number = _of_text(found[1])
    factor = next(seconds for beginning, seconds in _SECONDS_IN if unit.lower().startswith(beginning))
    return None if number is None else number * factor


def _of_text(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None

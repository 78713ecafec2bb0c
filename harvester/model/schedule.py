"""Compute when a run may send requests.

A daily window, a deadline, and how many nights the rest takes. Hours are those of a place's wall clock, so the
arithmetic is done there: a window from 20:00 to 06:00 is nine hours long when the clock goes forward and eleven when it
goes back. A time that the clock skips is the moment of the jump, one that it shows twice is the first of the two. All
datetimes are timezone-aware.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
DAY = timedelta(days=1)
MAX_NIGHTS = 1000  # beyond it a date means nothing

_CLOCK = r"([01]?\d|2[0-3]):([0-5]\d)"
_WINDOW = re.compile(rf"\s*{_CLOCK}\s*-\s*(?:{_CLOCK}|24:00)(?:\s+(\S+))?\s*", re.ASCII)
_HOUR = re.compile(rf"\s*{_CLOCK}(?:\s+(\S+))?\s*", re.ASCII)
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(s|m|min|h|d)\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of every day, across midnight if ``closes`` is not after ``opens``.

    ``zone`` "" is this machine's.
    """

    opens: time
    closes: time
    zone: str = ""

    def __str__(self) -> str:
        return f"{self.opens:%H:%M}-{self.closes:%H:%M} {self.zone}".rstrip()

    @property
    def length(self) -> float:
        """Return its length in seconds on a day without a change of the clock."""
        return (_minutes(self.closes) - _minutes(self.opens)) % (24 * 60) * 60.0

    def is_open(self, now: datetime) -> bool:
        """Return whether ``now`` is inside the window."""
        return any(begin <= now < end for begin, end in self._spans(now))

    def next_open(self, now: datetime) -> datetime:
        """Return the first opening after ``now``, also if the window is open."""
        return next(begin for begin, _ in self._spans(now) if begin > now)

    def next_close(self, now: datetime) -> datetime:
        """Return the end of the current hours, or else of the next ones."""
        return next(end for _, end in self._spans(now) if end > now)

    def _spans(self, now: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Yield openings and closings around ``now``, without hours that the clock skips that day."""
        today = _wall_clock(now, self.zone).date()
        overnight = DAY if self.closes <= self.opens else timedelta()
        for offset in range(-2, 5):
            day = today + offset * DAY
            begin = _moment(day, self.opens, self.zone)
            end = _moment(day + overnight, self.closes, self.zone)
            if begin < end:
                yield begin, end


@dataclass(frozen=True, slots=True)
class Deadline:
    """The next ``hour`` of a clock in ``zone`` ("": local), or ``seconds`` after the start."""

    hour: time | None = None
    seconds: float = 0.0
    zone: str = ""

    def __str__(self) -> str:
        if self.hour is not None:
            return f"{self.hour:%H:%M} {self.zone}".rstrip()
        unit = next((unit for unit in ("h", "m") if self.seconds % UNITS[unit] == 0), "s")
        return f"{self.seconds / UNITS[unit]:g}{unit}"

    def due(self, now: datetime) -> datetime:
        """Return the deadline of a run that begins ``now``."""
        if self.hour is None:
            return now + timedelta(seconds=self.seconds)
        today = _wall_clock(now, self.zone).date()
        days = (_moment(today + offset * DAY, self.hour, self.zone) for offset in range(-1, 4))
        return next(moment for moment in days if moment > now)


@dataclass(frozen=True, slots=True)
class RunWindow:
    """The allowed hours of one run.

    From ``opens`` until ``ends`` (None: no end), which ``reason`` explains.
    """

    opens: datetime
    ends: datetime | None = None
    reason: str = ""
    window: Window | None = None

    @property
    def night(self) -> float | None:
        """Return the seconds that the next run with the same settings has; None without an end."""
        if self.ends is None:
            return None
        return self.window.length if self.window else (self.ends - self.opens).total_seconds()

    def until_open(self, now: datetime) -> float:
        """Return the seconds until requests are allowed, by the clock as it is ``now``."""
        if self.window is None or self.window.is_open(now):
            return 0.0
        return (self.window.next_open(now) - now).total_seconds()

    def until_end(self, now: datetime, opened: bool) -> float | None:
        """Return the seconds until the hours end, by the clock as it is ``now``.

        None if they do not. ``opened``: the window has opened for this run.
        """
        if self.ends is None:
            return None
        if self.window is not None and opened:
            if not self.window.is_open(now):
                return 0.0
            if self.ends == self.window.next_close(self.opens):  # no deadline comes before
                return (self.window.next_close(now) - now).total_seconds()
        return (self.ends - now).total_seconds()

    def set_back(self, seconds: float) -> RunWindow:
        """Return the hours after the clock was set back; a deadline comes no later."""
        return self if self.ends is None else replace(self, ends=self.ends - timedelta(seconds=seconds))


def allowed_hours(now: datetime, window: Window | None = None, deadline: Deadline | None = None) -> RunWindow:
    """Return the allowed hours of a run that begins ``now``."""
    opens = now if window is None or window.is_open(now) else window.next_open(now)
    ends = []
    if window is not None:
        ends.append((window.next_close(opens), f"the window {window} has closed"))
    if deadline is not None:
        ends.append((deadline.due(now), f"the deadline {deadline} has come"))
    return RunWindow(opens, *min(ends), window) if ends else RunWindow(opens)


def nights_left(remaining: int, rate: float, night: float) -> int | None:
    """Return how many nights of ``night`` seconds the rest takes at ``rate``; None if never."""
    if remaining <= 0:
        return 0
    return math.ceil(remaining / (rate * night)) if rate * night > 0 else None


def finish(now: datetime, seconds: float, window: Window) -> tuple[int, datetime] | None:
    """Return how many nights ``seconds`` of work take and when it is done.

    None if more than ``MAX_NIGHTS``.
    """
    for night in range(1, MAX_NIGHTS + 1):
        begin = now if window.is_open(now) else window.next_open(now)
        end = window.next_close(begin)
        room = (end - begin).total_seconds()
        if seconds <= room:
            return night, begin + timedelta(seconds=seconds)
        seconds -= room
        now = end
    return None


def parse_window(text: str) -> Window:
    """Parse ``20:00-06:00`` or ``20:00-06:00 Europe/Prague``. ValueError with one sentence."""
    match = _WINDOW.fullmatch(text)
    if match is None:
        raise ValueError("hours like '20:00-06:00' are expected, or '20:00-06:00 Europe/Prague'")
    opens = time(int(match[1]), int(match[2]))
    closes = time(int(match[3] or 0), int(match[4] or 0))
    if opens == closes:
        raise ValueError("it opens and closes at the same time; leave it out to allow all hours")
    return Window(opens, closes, _zone_name(match[5]))


def parse_deadline(text: str) -> Deadline:
    """Parse ``06:00``, ``06:00 Europe/Prague``, ``90s`` or ``8h``.

    ValueError with one sentence.
    """
    if match := _HOUR.fullmatch(text):
        return Deadline(time(int(match[1]), int(match[2])), zone=_zone_name(match[3]))
    seconds = parse_duration(text)
    if not seconds:
        raise ValueError("a time of day like '06:00' is expected, or a duration like '90s', '30m', '8h'")
    if seconds > MAX_NIGHTS * 86400:
        raise ValueError(f"it is more than {MAX_NIGHTS} days away")
    return Deadline(seconds=seconds)


def parse_duration(text: str) -> float | None:
    """Return ``90s``, ``30m``, ``12h`` or ``2d`` in seconds; None if ``text`` is no duration."""
    match = _DURATION.fullmatch(text)
    return float(match[1]) * UNITS[match[2]] if match else None


def _zone_name(zone: str | None) -> str:
    try:
        return ZoneInfo(zone).key if zone else ""
    except (KeyError, ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(f"there is no time zone {zone!r}; names are like Europe/Prague") from None


def _minutes(hour: time) -> int:
    return hour.hour * 60 + hour.minute


def _wall_clock(moment: datetime, zone: str) -> datetime:
    """Return what a clock in ``zone`` shows at ``moment``."""
    return moment.astimezone(ZoneInfo(zone) if zone else None).replace(tzinfo=None, fold=0)


def _moment(day: date, hour: time, zone: str) -> datetime:
    """Return the first moment at which the clock shows ``hour`` or, if skipped, a later time."""
    wall = datetime.combine(day, hour, ZoneInfo(zone) if zone else None)
    early, late = sorted(wall.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    shown = wall.replace(tzinfo=None)
    if _wall_clock(early, zone) == shown:
        return early
    while late - early > timedelta(seconds=1):  # the clock skipped it: find the jump
        middle = (early + (late - early) / 2).replace(microsecond=0)
        early, late = (early, middle) if _wall_clock(middle, zone) >= shown else (middle, late)
    return late

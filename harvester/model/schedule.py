"""When a harvest may ask: the hours of a window, a deadline, and how many nights the rest takes.

Hours are told by the wall clock of a place, so the arithmetic is done there: a window from 20:00 to 06:00 is nine hours
long when the clock goes forward and eleven when it goes back. A time that the clock jumps over is the moment of the
jump, one that it shows twice is the first of the two. Moments in and out are aware datetimes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
DAY = timedelta(days=1)
FARTHEST = 1000  # nights: beyond it a date says nothing

_CLOCK = r"([01]?\d|2[0-3]):([0-5]\d)"
_WINDOW = re.compile(rf"\s*{_CLOCK}\s*-\s*(?:{_CLOCK}|24:00)(?:\s+(\S+))?\s*", re.ASCII)
_HOUR = re.compile(rf"\s*{_CLOCK}(?:\s+(\S+))?\s*", re.ASCII)
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(s|m|min|h|d)\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of every day, over midnight where ``closes`` is not after ``opens``; ``zone`` "" is this machine's."""

    opens: time
    closes: time
    zone: str = ""

    def __str__(self) -> str:
        return f"{self.opens:%H:%M}-{self.closes:%H:%M} {self.zone}".rstrip()

    @property
    def length(self) -> float:
        """Seconds of an ordinary night."""
        return (_minutes(self.closes) - _minutes(self.opens)) % (24 * 60) * 60.0

    def is_open(self, now: datetime) -> bool:
        return any(begin <= now < end for begin, end in self._spans(now))

    def next_open(self, now: datetime) -> datetime:
        """The first opening after ``now``, also when it is open already."""
        return next(begin for begin, _ in self._spans(now) if begin > now)

    def next_close(self, now: datetime) -> datetime:
        """When it closes: the hours that are running, or else the next ones."""
        return next(end for _, end in self._spans(now) if end > now)

    def _spans(self, now: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Openings and closings around ``now``, in order. Hours that the clock jumps over do not exist that day."""
        today = _on_the_wall(now, self.zone).date()
        overnight = DAY if self.closes <= self.opens else timedelta()
        for offset in range(-2, 5):
            day = today + offset * DAY
            begin = _moment(day, self.opens, self.zone)
            end = _moment(day + overnight, self.closes, self.zone)
            if begin < end:
                yield begin, end


@dataclass(frozen=True, slots=True)
class Deadline:
    """The next time that a clock shows ``hour`` (in ``zone``; "" is this machine's), or ``seconds`` from the start."""

    hour: time | None = None
    seconds: float = 0.0
    zone: str = ""

    def __str__(self) -> str:
        if self.hour is not None:
            return f"{self.hour:%H:%M} {self.zone}".rstrip()
        unit = next((unit for unit in ("h", "m") if self.seconds % UNITS[unit] == 0), "s")
        return f"{self.seconds / UNITS[unit]:g}{unit}"

    def due(self, now: datetime) -> datetime:
        """When it comes for a run that begins ``now``."""
        if self.hour is None:
            return now + timedelta(seconds=self.seconds)
        today = _on_the_wall(now, self.zone).date()
        days = (_moment(today + offset * DAY, self.hour, self.zone) for offset in range(-1, 4))
        return next(moment for moment in days if moment > now)


@dataclass(frozen=True, slots=True)
class RunWindow:
    """When one run may ask: from ``opens`` on, until ``ends`` (None: no end) for the reason ``why``."""

    opens: datetime
    ends: datetime | None = None
    why: str = ""
    window: Window | None = None

    @property
    def night(self) -> float | None:
        """Seconds that the next run like this one has; None without an end."""
        if self.ends is None:
            return None
        return self.window.length if self.window else (self.ends - self.opens).total_seconds()


def shift(now: datetime, window: Window | None = None, deadline: Deadline | None = None) -> RunWindow:
    """The hours of a run that begins ``now``."""
    opens = now if window is None or window.is_open(now) else window.next_open(now)
    ends = []
    if window is not None:
        ends.append((window.next_close(opens), f"the window {window} has closed"))
    if deadline is not None:
        ends.append((deadline.due(now), f"the deadline {deadline} has come"))
    return RunWindow(opens, *min(ends), window) if ends else RunWindow(opens)


def nights_left(remaining: int, rate: float, night: float) -> int | None:
    """How many nights of ``night`` seconds ``remaining`` spectra take at ``rate`` a second; None if never."""
    if remaining <= 0:
        return 0
    return math.ceil(remaining / (rate * night)) if rate * night > 0 else None


def finish(now: datetime, seconds: float, window: Window) -> tuple[int, datetime] | None:
    """How many nights ``seconds`` of work take, and when it is done; None beyond all planning."""
    for night in range(1, FARTHEST + 1):
        begin = now if window.is_open(now) else window.next_open(now)
        end = window.next_close(begin)
        room = (end - begin).total_seconds()
        if seconds <= room:
            return night, begin + timedelta(seconds=seconds)
        seconds -= room
        now = end
    return None


def parse_window(text: str) -> Window:
    """``20:00-06:00``, ``20:00-06:00 Europe/Prague``. ValueError in a sentence."""
    told = _WINDOW.fullmatch(text)
    if told is None:
        raise ValueError("hours like '20:00-06:00' are expected, or '20:00-06:00 Europe/Prague'")
    opens = time(int(told[1]), int(told[2]))
    closes = time(int(told[3] or 0), int(told[4] or 0))
    if opens == closes:
        raise ValueError("it opens and closes at the same time; leave it out if all hours will do")
    return Window(opens, closes, _known(told[5]))


def parse_deadline(text: str) -> Deadline:
    """``06:00``, ``06:00 Europe/Prague``, ``90s``, ``8h``. ValueError in a sentence."""
    if told := _HOUR.fullmatch(text):
        return Deadline(time(int(told[1]), int(told[2])), zone=_known(told[3]))
    seconds = parse_duration(text)
    if not seconds:
        raise ValueError("a time of day like '06:00' is expected, or a duration like '90s', '30m', '8h'")
    if seconds > FARTHEST * 86400:
        raise ValueError("that is further off than anybody can plan")
    return Deadline(seconds=seconds)


def parse_duration(text: str) -> float | None:
    """``90s``, ``30m``, ``12h``, ``2d`` in seconds; None if it is no duration."""
    told = _DURATION.fullmatch(text)
    return float(told[1]) * UNITS[told[2]] if told else None


def _known(zone: str | None) -> str:
    try:
        return ZoneInfo(zone).key if zone else ""
    except (KeyError, ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(f"there is no time zone {zone!r}; names are like Europe/Prague") from None


def _minutes(hour: time) -> int:
    return hour.hour * 60 + hour.minute


def _on_the_wall(moment: datetime, zone: str) -> datetime:
    """What the clock shows."""
    return moment.astimezone(ZoneInfo(zone) if zone else None).replace(tzinfo=None, fold=0)


def _moment(day: date, hour: time, zone: str) -> datetime:
    """The first moment at which the clock shows that time or, on the day that lacks it, a later one."""
    wall = datetime.combine(day, hour, ZoneInfo(zone) if zone else None)
    early, late = sorted(wall.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    shown = wall.replace(tzinfo=None)
    if _on_the_wall(early, zone) == shown:
        return early
    while late - early > timedelta(seconds=1):  # the clock jumped over it: find the jump
        middle = (early + (late - early) / 2).replace(microsecond=0)
        early, late = (early, middle) if _on_the_wall(middle, zone) >= shown else (middle, late)
    return late

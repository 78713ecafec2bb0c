"""Fold ``events.jsonl`` into a few hundred bins, in constant memory.

A bin's width doubles whenever the run outgrows the bins, so a million events cost one pass and no more.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ...events.politeness import PauseFold, PauseInterval
from ...storage.errors import translate_os_errors

MOST_BINS = 480
MOST_LISTED = 40  # pauses that are listed one by one
# Nearly all lines are these: parsing them as JSON takes three times as long. No text within another line can look the
# same, since JSON escapes quotes.
_SAVED = re.compile(
    r'\{"event": "(?P<event>spectrum_saved)", "time": "(?P<time>[^"]*)".*?"elapsed": (?P<elapsed>[\d.e-]+),'
)
_TENTH = math.log(1.1)  # latencies are kept in steps of 10 %


@dataclass(slots=True)
class Bin:
    """Results of the attempts within one interval.

    ``elapsed`` counts spectra by the logarithm of seconds.
    """

    saved: int = 0
    failed: int = 0
    slowed: int = 0
    elapsed: Counter[int] = field(default_factory=Counter)

    @property
    def attempts(self) -> int:
        """Attempts that ended, in a spectrum or in a failure."""
        return self.saved + self.failed

    def add(self, other: Bin) -> None:
        """Add the counts of another bin."""
        self.saved += other.saved
        self.failed += other.failed
        self.slowed += other.slowed
        self.elapsed.update(other.elapsed)

    def percentile(self, share: float) -> float | None:
        """Return the seconds that this share of the spectra took at most, to 10 %.

        None without any.
        """
        left = share * sum(self.elapsed.values())
        for step in sorted(self.elapsed):
            left -= self.elapsed[step]
            if left <= 0:
                return math.exp((step + 0.5) * _TENTH)
        return None


@dataclass(slots=True)
class Timeline:
    """Events between ``start`` and ``end`` (seconds since 1970), in bins of ``width`` seconds."""

    start: float = 0.0
    end: float = 0.0
    width: float = 1.0
    bins: list[Bin] = field(default_factory=list)
    pauses: list[PauseInterval] = field(default_factory=list)
    slow_downs: Counter[str] = field(default_factory=Counter)
    quarantined: int = 0
    unreadable: int = 0
    ended: bool = False
    _allowed: tuple[float, float] = (math.inf, math.inf)
    _pauses: PauseFold = field(default_factory=PauseFold, compare=False)

    @property
    def pauses_counted(self) -> int:
        """Number of pauses, those that are not listed included."""
        return self._pauses.count

    @property
    def attempts(self) -> int:
        """Attempts that ended, in all."""
        return sum(one.attempts for one in self.bins)

    def add(self, event: Mapping[str, Any]) -> None:
        """Add one event, as events.jsonl has it."""
        time = datetime.fromisoformat(event["time"]).timestamp()
        self.start = self.start or time
        self.end = max(self.end, time)
        match event["event"]:
            case "spectrum_saved":
                self._saved(time, float(event["elapsed"]))
            case "retry_scheduled" | "spectrum_failed":
                self._bin(time).failed += 1
            case "harvest_started":
                self._allowed = (event["rate"] or math.inf, 1)
            case "limits_changed" | "pace_changed":  # the latter in logs of before the first release
                reason = str(event["reason"]) if event.get("by_server", event.get("imposed", True)) else ""
                self._limits_changed(time, event["rate"] or math.inf, event["concurrency"], reason)
            case "body_quarantined":
                self.quarantined += 1
            case "harvest_paused":
                self._add_pause(self._pauses.pause(str(event.get("kind", "")), time, str(event["reason"])))
            case "harvest_resumed" | "harvest_draining" | "harvest_ended" as name:
                self._add_pause(self._pauses.resume(time))
                self.ended = name == "harvest_ended"

    def close(self) -> None:
        """End the pause that was going on, at the last known time."""
        self._add_pause(self._pauses.resume(self.end))

    def _saved(self, time: float, elapsed: float) -> None:
        current = self._bin(time)
        current.saved += 1
        current.elapsed[math.floor(math.log(max(elapsed, 1e-3)) / _TENTH)] += 1

    def _bin(self, time: float) -> Bin:
        """Return the bin of ``time``, never one before the first, even if the clock was set back."""
        while (number := max(0, int((time - self.start) / self.width))) >= MOST_BINS:
            self._halve()
        while len(self.bins) <= number:
            self.bins.append(Bin())
        return self.bins[number]

    def _halve(self) -> None:
        for left, right in zip(self.bins[::2], self.bins[1::2], strict=False):
            left.add(right)
        self.bins, self.width = self.bins[::2], 2 * self.width

    def _limits_changed(self, time: float, rate: float, concurrency: float, reason: str) -> None:
        before, self._allowed = self._allowed, (rate, concurrency)
        if reason and (rate < before[0] or concurrency < before[1]):
            self._bin(time).slowed += 1
            if reason in self.slow_downs or len(self.slow_downs) < MOST_LISTED:
                self.slow_downs[reason] += 1

    def _add_pause(self, pause: PauseInterval | None) -> None:
        if pause is not None and len(self.pauses) < MOST_LISTED:
            self.pauses.append(pause)


@dataclass(slots=True)
class TimelineReader:
    """Fold a growing ``events.jsonl`` into its timeline."""

    path: Path
    _timeline: Timeline = field(default_factory=Timeline)
    _read: int = 0  # bytes

    def advance(self) -> None:
        """Fold the lines that were written since. StoreError if they cannot be read."""
        self._fold_lines(only_whole=True)

    def finish(self) -> Timeline:
        """Return the timeline of the whole file, which is empty if there is none. StoreError."""
        self._fold_lines(only_whole=False)
        self._timeline.close()
        return self._timeline

    def _fold_lines(self, only_whole: bool) -> None:
        """Fold the lines behind those that were read; the last one may still be being written."""
        if not self.path.exists():
            return
        with translate_os_errors(self.path), self.path.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if only_whole and not line.endswith(b"\n"):
                    break
                self._read += len(line)
                self._fold(line)

    def _fold(self, line: bytes) -> None:
        """Add the event of a line.

        Count one that cannot be read, such as the last one of a killed run.
        """
        text = line.decode("utf-8", "replace")
        saved = _SAVED.match(text)
        try:
            event = json.loads(text) if saved is None else saved.groupdict()
            if isinstance(event, dict) and isinstance(event.get("time"), str):
                self._timeline.add(event)
        except (KeyError, TypeError, ValueError, OverflowError):  # no JSON, or a damaged event: a byte changed
            self._timeline.unreadable += 1


def read_timeline(path: Path) -> Timeline:
    """Read the timeline from ``path``; empty if there is no such file.

    StoreError if it cannot be read.
    """
    return TimelineReader(path).finish()

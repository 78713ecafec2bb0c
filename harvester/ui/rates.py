"""Measure rates, latency, the time left and waiting retries, in fixed memory."""

from __future__ import annotations

import heapq
import math
from bisect import insort
from collections import deque
from dataclasses import dataclass

from ..model.target import SpectrumId

HISTORY = 600  # seconds
MAX_DUE_TIMES = 64


class RateHistory:
    """Count amounts in each of the last ten minutes' seconds.

    A time earlier than the last one counts as the last.
    """

    def __init__(self) -> None:
        self._amounts = [0.0] * HISTORY
        self._first: int | None = None
        self._second = 0

    def add(self, now: float, amount: float = 1.0) -> None:
        """Count ``amount`` at ``now``."""
        self._advance(now)
        self._amounts[self._second % HISTORY] += amount

    def rate(self, now: float, window: int = 8) -> float:
        """Return the amount a second over the last ``window`` seconds.

        Where fewer have passed since the first amount, it is the mean over those.
        """
        self._advance(now)
        if self._first is None:
            return 0.0
        known = min(window, max(1, self._second - self._first))
        return self._sum(self._second - known, known) / known

    def levels(self, now: float, columns: int) -> tuple[float, ...]:
        """Return amounts a second up to now, in at most ``columns`` steps of equal length.

        The current step is left out. The steps are aligned to the clock, so that a picture moves on a step at a time
        and does not shimmer.
        """
        self._advance(now)
        if self._first is None:
            return ()
        known = min(HISTORY - 1, self._second - self._first)
        step = max(1, math.ceil(HISTORY / columns) if known > HISTORY // 2 else math.ceil(known / columns))
        end = self._second // step * step
        begins = range(end - step * min(columns, known // step), end, step)
        return tuple(self._sum(begin, step) / step for begin in begins if begin >= self._second - HISTORY)

    def _sum(self, begin: int, seconds: int) -> float:
        return sum(self._amounts[second % HISTORY] for second in range(begin, begin + seconds))

    def _advance(self, now: float) -> None:
        second = math.floor(now)
        if self._first is None:
            self._first = self._second = second
        for stale in range(max(self._second + 1, second - HISTORY + 1), second + 1):
            self._amounts[stale % HISTORY] = 0.0
        self._second = max(self._second, second)


class ProgressEstimate:
    """Estimate completions a second; recent ones weigh more, and pauses are left out."""

    MEMORY = 60.0
    MIN_ITEMS = 20
    MIN_SECONDS = 10.0

    def __init__(self) -> None:
        self._items = 0
        self._weight = 0.0
        self._active = 0.0
        self._last: float | None = None
        self._paused = False

    def start(self, now: float) -> None:
        """Begin to measure at ``now``."""
        self._last = now

    def complete(self, now: float) -> None:
        """Count one completion at ``now``."""
        self._advance(now)
        self._items += 1
        self._weight += 1.0

    def pause(self, now: float, paused: bool) -> None:
        """Stop the clock at ``now``, or let it go on."""
        self._advance(now)
        self._paused = paused

    def rate(self, now: float) -> float | None:
        """Return completions a second, or None as long as too little is known."""
        self._advance(now)
        if not self._items or (self._items < self.MIN_ITEMS and self._active < self.MIN_SECONDS):
            return None
        seen = self.MEMORY * -math.expm1(-self._active / self.MEMORY)
        return self._weight / max(seen, 0.1)

    def _advance(self, now: float) -> None:
        passed = max(0.0, now - self._last) if self._last is not None else 0.0
        self._last = max(now, self._last) if self._last is not None else now
        if not self._paused:
            self._active += passed
            self._weight *= math.exp(-passed / self.MEMORY)


@dataclass(frozen=True, slots=True)
class Latency:
    """The median of the last responses and the best of the run, in seconds.

    The best is what an idle archive takes.
    """

    median: float
    unloaded: float


class LatencyWindow:
    """Keep the last 64 latencies: few enough to show the present."""

    def __init__(self) -> None:
        self._last: deque[float] = deque(maxlen=64)
        self._best = math.inf

    def add(self, latency: float) -> None:
        """Take in one latency in seconds."""
        self._last.append(latency)
        self._best = min(self._best, latency)

    def read(self) -> Latency | None:
        """Return what was measured, or None if nothing was."""
        if not self._last:
            return None
        ordered = sorted(self._last)
        return Latency(ordered[len(ordered) // 2], self._best)


class WaitingRetries:
    """Count the retries that wait, and know when the next and the last of them are due.

    Times are seconds since 1970. It holds one number for each retry, as the work queue holds one target.
    """

    def __init__(self) -> None:
        self._due: dict[SpectrumId, float] = {}
        self._inherited = 0
        self._soonest: list[float] = []
        self._latest = -math.inf

    def __len__(self) -> int:
        return len(self._due) + self._inherited

    def inherit(self, number: int, until: float) -> None:
        """Take over ``number`` retries from an earlier run, the last of which is due at ``until``."""
        self._inherited = number
        if number:
            self._latest = max(self._latest, until)

    def add(self, did: SpectrumId, due: float) -> None:
        """Add the retry of one spectrum."""
        self._due[did] = due
        self._latest = max(self._latest, due)
        if len(self._due) <= MAX_DUE_TIMES or (self._soonest and due < self._soonest[-1]):
            insort(self._soonest, due)
            del self._soonest[MAX_DUE_TIMES:]

    def take(self, did: SpectrumId, attempt: int) -> None:
        """Note that a worker has taken up ``attempt`` (from 1) of one spectrum."""
        if self._due.pop(did, None) is None and attempt > 1:
            self._inherited = max(0, self._inherited - 1)

    def next_due(self, now: float) -> float | None:
        """Return when the next retry is due, or None if none is due after ``now``."""
        while self._soonest and self._soonest[0] <= now:
            self._soonest.pop(0)
        if not self._soonest and self._latest > now:
            self._soonest = heapq.nsmallest(MAX_DUE_TIMES, (due for due in self._due.values() if due > now))
        return self._soonest[0] if self._soonest and self._due else None

    @property
    def last_due(self) -> float | None:
        """When the last of the waiting retries is due, or None if none waits."""
        return self._latest if len(self) else None

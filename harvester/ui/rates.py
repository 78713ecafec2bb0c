"""Instruments of fixed size, read a few times a second and fed a few thousand times: rates, latency, time to go."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

HISTORY = 600


class RateHistory:
    """How much happened in each of the last ten minutes' seconds. Time that goes backwards counts as now."""

    def __init__(self) -> None:
        self._amounts = [0.0] * HISTORY
        self._first: int | None = None
        self._second = 0

    def beat(self, now: float, amount: float = 1.0) -> None:
        self._advance(now)
        self._amounts[self._second % HISTORY] += amount

    def rate(self, now: float, window: int = 8) -> float:
        """Amount a second over the last ``window`` seconds, or since the first beat if that is less."""
        self._advance(now)
        if self._first is None:
            return 0.0
        known = min(window, max(1, self._second - self._first))
        return self._sum(self._second - known, known) / known

    def levels(self, now: float, columns: int) -> tuple[float, ...]:
        """Amounts a second from then to now, in at most ``columns`` steps of equal length; the running one is left out.

        The steps are aligned to the clock, so that a picture moves on a step at a time and never shimmers.
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
    """Completions a second, recent ones weighing more. Pauses are left out: they say nothing about the speed."""

    MEMORY = 60.0
    ENOUGH_ITEMS = 20
    ENOUGH_SECONDS = 10.0

    def __init__(self) -> None:
        self._items = 0
        self._weight = 0.0
        self._active = 0.0
        self._then: float | None = None
        self._paused = False

    def start(self, now: float) -> None:
        self._then = now

    def complete(self, now: float) -> None:
        self._advance(now)
        self._items += 1
        self._weight += 1.0

    def pause(self, now: float, paused: bool) -> None:
        self._advance(now)
        self._paused = paused

    def rate(self, now: float) -> float | None:
        """Completions a second; None as long as it would be a guess."""
        self._advance(now)
        if not self._items or (self._items < self.ENOUGH_ITEMS and self._active < self.ENOUGH_SECONDS):
            return None
        seen = self.MEMORY * -math.expm1(-self._active / self.MEMORY)
        return self._weight / max(seen, 0.1)

    def _advance(self, now: float) -> None:
        passed = max(0.0, now - self._then) if self._then is not None else 0.0
        self._then = max(now, self._then) if self._then is not None else now
        if not self._paused:
            self._active += passed
            self._weight *= math.exp(-passed / self.MEMORY)


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds: the last answers' median, and the best of the whole harvest, which is what one guest alone would see."""

    median: float
    unloaded: float


class LatencyWindow:
    """Keeps the last 64 latencies: few enough to say how it is now."""

    def __init__(self) -> None:
        self._last: deque[float] = deque(maxlen=64)
        self._best = math.inf

    def add(self, latency: float) -> None:
        self._last.append(latency)
        self._best = min(self._best, latency)

    def read(self) -> Latency | None:
        if not self._last:
            return None
        ordered = sorted(self._last)
        return Latency(ordered[len(ordered) // 2], self._best)

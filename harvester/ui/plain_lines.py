"""Progress where there is no terminal: few lines, each worth reading in a log the next morning."""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from .. import events as ev
from ..events.stats import HarvestStats
from ..formatting import clock, count, duration, percent, plain_line, plural, size, time_of_day, wall
from ..model.failures import Failure, FailureKind
from ..model.target import Target
from .output_thread import OutputThread
from .state import DashboardState, DashboardView, RunState

MINUTE = 60.0
HEARTBEAT = 5.0  # seconds between looks whether a minute has passed in silence
SHARE = 0.05
LEAST_GAP = 2.0


class PlainLines:
    """Add it to the bus, behind the tally that ``numbers`` reads; enter it around the harvest.

    Inside, a heartbeat gives a silent hour its line a minute. Lines carry the time of day unless systemd's journal,
    which adds its own, is listening.
    """

    def __init__(
        self,
        outlet: OutputThread,
        numbers: Callable[[], HarvestStats],
        *,
        timestamps: bool | None = None,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._outlet, self._now, self._sleep = outlet, now, sleep
        self._timestamps = "JOURNAL_STREAM" not in os.environ if timestamps is None else timestamps
        self._view = DashboardView(numbers)
        self._seen: set[FailureKind] = set()
        self._told_at, self._told_items = -math.inf, 0
        self._fault: Exception | None = None
        self._beating: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._beating = asyncio.create_task(self._beat(), name="plain-lines")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.wait((self._beating,))

    def __call__(self, event: ev.Event) -> None:
        if self._fault is not None:
            raise self._fault
        self._view(event)
        match event:
            case ev.RetryScheduled(time=time, target=target, failure=failure):
                self._first(time, target, failure, f"asked again at {time_of_day(event.due)}")
            case ev.SpectrumFailed(time=time, outcome=failed):
                self._first(time, failed.target, failed.failure, "given up")
                self._progress(time)
            case ev.SpectrumSaved(time=time):
                self._progress(time)
            case _:
                self._say_if_it_matters(event)

    def _say_if_it_matters(self, event: ev.Event) -> None:
        match event:
            case ev.HarvestStarted(time=time):
                self._told_at = time
                self._say(time, self._opening(event))
            case ev.LimitsChanged(rate=rate, concurrency=concurrency, reason=reason):
                pace = f"{rate:g} req/s" if rate else "no limit"
                self._say(event.time, f"pace: {pace}, at most {concurrency} at once: {reason}")
            case ev.HarvestPaused(time=time, reason=reason, until=until):
                self._say(time, f"paused until {time_of_day(until)} ({duration(until - time)}): {reason}")
            case ev.HarvestResumed(time=time, reason=reason):
                self._say(time, f"resumed: {reason}")
            case ev.HarvestDraining(time=time, reason=reason):
                self._say(time, f"draining: {reason}; what is in flight may end")
            case ev.ClockJumped(time=time, seconds=seconds):
                self._say(time, f"the clock jumped by {duration(abs(seconds))}: new connections from here on")
            case ev.ObserverFailed(time=time, observer=observer, error=error):
                self._say(time, f"{observer} is off: {error}; the harvest goes on")

    def _opening(self, start: ev.HarvestStarted) -> str:
        rate = f"{start.rate:g} req/s" if start.rate else "no rate limit"
        left_out = start.listed - start.present - start.wanted
        others = f", {count(left_out)} left for another run" if left_out > 0 else ""
        return (
            f"harvest {start.run}: {count(start.listed)} listed, {count(start.present)} already here,"
            f" {count(start.wanted)} to fetch from {start.host} to {start.out}{others},"
            f" at most {start.concurrency} at once, {rate}"
        )

    def _first(self, time: float, target: Target, failure: Failure, fate: str) -> None:
        if failure.kind not in self._seen:
            self._seen.add(failure.kind)
            words = plain_line(failure.detail) or failure.kind.meaning
            self._say(time, f"first {failure.kind.value}: {target.name}: {words}; {fate}")

    async def _beat(self) -> None:
        try:
            while True:
                await self._sleep(HEARTBEAT)
                self._still_here(self._now())
        except Exception as error:  # noqa: BLE001 - the next event raises it, and the bus drops and names us
            self._fault = error

    def _still_here(self, now: float) -> None:
        scene = self._view.scene(now)
        if scene.state not in (RunState.STARTING, RunState.ENDED) and self._silence(now) >= MINUTE:
            self._tell(scene)

    def _silence(self, now: float) -> float:
        """Seconds since the last line. A clock that was set back must not silence us until it is there again."""
        self._told_at = min(self._told_at, now)
        return now - self._told_at

    def _progress(self, time: float) -> None:
        scene = self._view.scene(time)
        self._told_at = min(
            self._told_at, time
        )  # a clock that was set back must not silence us until it is there again
        gap = time - self._told_at
        settled = scene.stats.saved + scene.stats.failed
        share = SHARE * (settled + scene.left)
        if gap >= MINUTE or (gap >= LEAST_GAP and settled - self._told_items >= share):
            self._tell(scene)

    def _tell(self, scene: DashboardState) -> None:
        stats, now = scene.stats, scene.now
        self._told_at, self._told_items = now, stats.saved + stats.failed
        goal = scene.done + scene.left
        to_go = f", ETA {clock(scene.eta)} ({wall(now + scene.eta, now)})" if scene.eta is not None else ""
        paused = f", paused {scene.waiting_words}" if scene.state is RunState.PAUSED else ""
        self._say(
            now,
            f"{count(scene.done)} of {count(goal)} ({percent(scene.done, goal)}): {count(stats.saved)} saved"
            f" ({size(stats.bytes)}), {count(stats.failed)} failed, {plural(scene.due, 'retry', 'retries')} due,"
            f" {scene.rate:.2f} req/s{paused}{to_go}",
        )

    def _say(self, time: float, words: str) -> None:
        stamp = f"{time_of_day(time)} " if self._timestamps else ""
        self._outlet.write(stamp + plain_line(words, 600) + "\n")

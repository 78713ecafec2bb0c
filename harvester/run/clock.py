"""Who looks at the clocks while a harvest works: when its hours end, and whether the machine was asleep.

The loop's clock stands still while a laptop sleeps, and timers with it; the wall clock goes on. So both are compared
every few seconds: hours end by the wall, and a jump between the two means that what was connected is not any more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from .. import events as ev
from ..engine.rate_limit import wait_for_event
from ..engine.shutdown import Shutdown
from ..model.exit_codes import StopReason
from ..model.schedule import Deadline, RunWindow, Window, shift

log = logging.getLogger(__name__)

TICK = 5.0  # seconds between two looks at the clocks
DRIFT = 2.0  # seconds between the clocks that no adjustment by NTP explains
WORTH_ANOTHER_RUN = 4


def run_window(now: float, window: Window | None, deadline: Deadline | None) -> RunWindow:
    """The hours of a run that begins at ``now``, in seconds since 1970."""
    return shift(datetime.fromtimestamp(now, UTC), window, deadline)


@dataclass(frozen=True, slots=True)
class ClockWatch:
    """``keep`` it around the engine. ``renew`` makes the archive's client forget its connections."""

    hours: RunWindow
    emit: Callable[[ev.Event], None]
    stop: Shutdown
    renew: Callable[[], Awaitable[None]]
    clock: Callable[[], float]

    @asynccontextmanager
    async def keep(self) -> AsyncIterator[None]:
        """Watch the clocks for as long as this lasts."""
        watch = asyncio.create_task(self._watch(), name="vigil")
        try:
            yield
        finally:
            watch.cancel()
            await asyncio.wait((watch,))

    async def opening(self) -> bool:
        """Wait until the hours begin; False if the run was stopped before they did."""
        opens = self.hours.opens.timestamp()
        if self.clock() >= opens or self.stop.draining.is_set():
            return not self.stop.draining.is_set()
        self.emit(ev.HarvestPaused(self.clock(), f"outside the window {self.hours.window}", opens, ev.Pause.WINDOW))
        while (left := opens - self.clock()) > 0:
            if await wait_for_event(self.stop.draining, min(left, TICK)):
                self.emit(ev.HarvestDraining(self.clock(), self.stop.cause.reason if self.stop.cause else "stopped"))
                return False
        self.emit(ev.HarvestResumed(self.clock(), f"the window {self.hours.window} is open"))
        return True

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        before = self.clock() - loop.time()
        while True:
            await asyncio.sleep(self._tick())
            now = self.clock() - loop.time()
            if abs(now - before) > DRIFT:
                await self._jumped(now - before)
            before = now
            self._look_at_the_hour()

    def _tick(self) -> float:
        left = self._left()
        return TICK if left is None else min(TICK, max(left, 0.001))

    def _left(self) -> float | None:
        """Seconds until the hours end; None without an end, or once the run is told to stop."""
        ends = self.hours.ends
        return None if ends is None or self.stop.draining.is_set() else ends.timestamp() - self.clock()

    def _look_at_the_hour(self) -> None:
        left = self._left()
        if left is not None and left <= 0:
            self.stop.drain(StopReason(self.hours.why, WORTH_ANOTHER_RUN))

    async def _jumped(self, seconds: float) -> None:
        self.emit(ev.ClockJumped(self.clock(), seconds))
        try:
            await self.renew()
        except Exception:  # whatever is wrong with the old connections, the hours are still to be kept
            log.exception("while renewing the connections")

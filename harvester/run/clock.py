"""Watch the clocks during a run.

End it with its allowed hours, and notice that the machine was suspended. The event loop's clock stops while a laptop is
suspended, and timers with it; the wall clock does not. Both are compared every few seconds: hours end by the wall
clock, and a jump between the two means that the connections are dead.
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
from ..model.schedule import Deadline, RunWindow, Window, allowed_hours

log = logging.getLogger(__name__)

TICK = 5.0  # seconds between two comparisons of the clocks
DRIFT = 2.0  # seconds between the clocks that no adjustment by NTP explains
WORK_LEFT = 4  # exit code


def run_window(now: float, window: Window | None, deadline: Deadline | None) -> RunWindow:
    """Return the allowed hours of a run that begins at ``now`` (seconds since 1970)."""
    return allowed_hours(datetime.fromtimestamp(now, UTC), window, deadline)


@dataclass(slots=True)
class ClockWatch:
    """End a run with its allowed hours.

    ``renew`` replaces the connections of the archive's client after a jump. Enter ``watching`` around the engine.
    """

    hours: RunWindow
    emit: Callable[[ev.Event], None]
    shutdown: Shutdown
    renew: Callable[[], Awaitable[None]]
    clock: Callable[[], float]
    opened: bool = False

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch the clocks inside this context."""
        watch = asyncio.create_task(self._watch(), name="clock-watch")
        try:
            yield
        finally:
            watch.cancel()
            await asyncio.wait((watch,))

    async def wait_for_opening(self) -> bool:
        """Wait until the allowed hours begin. Return False if the run was stopped before."""
        left = self.hours.until_open(self._wall_time())
        if left <= 0 or self.shutdown.draining.is_set():
            self.opened = not self.shutdown.draining.is_set()
            return self.opened
        opens = self.clock() + left
        self.emit(ev.HarvestPaused(self.clock(), f"outside the window {self.hours.window}", opens, ev.Pause.WINDOW))
        while (left := self.hours.until_open(self._wall_time())) > 0:
            if await wait_for_event(self.shutdown.draining, min(left, TICK)):
                reason = self.shutdown.cause.reason if self.shutdown.cause else "stopped"
                self.emit(ev.HarvestDraining(self.clock(), reason))
                return False
        self.emit(ev.HarvestResumed(self.clock(), f"the window {self.hours.window} is open"))
        self.opened = True
        return True

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        before = self.clock() - loop.time()
        while True:
            await asyncio.sleep(self._tick())
            now = self.clock() - loop.time()
            if abs(now - before) > DRIFT:
                await self._handle_jump(now - before)
            before = now
            self._drain_at_end()

    def _tick(self) -> float:
        left = self._left()
        return TICK if left is None else min(TICK, max(left, 0.001))

    def _left(self) -> float | None:
        """Return seconds until the hours end; None if they do not, or if the run drains already."""
        return None if self.shutdown.draining.is_set() else self.hours.until_end(self._wall_time(), self.opened)

    def _wall_time(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)

    def _drain_at_end(self) -> None:
        left = self._left()
        if left is not None and left <= 0:
            self.shutdown.drain(StopReason(self.hours.reason, WORK_LEFT))

    async def _handle_jump(self, seconds: float) -> None:
        self.emit(ev.ClockJumped(self.clock(), seconds))
        if seconds < 0:
            self.hours = self.hours.set_back(-seconds)
        try:
            await self.renew()
        except Exception:  # whatever is wrong with the old connections, the hours still end
            log.exception("the connections could not be replaced")

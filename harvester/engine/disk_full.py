"""Wait for free disk space: all workers together, and no request is sent in the meantime."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from .. import events as ev
from ..errors import StoreError, StoreFullError
from ..model.exit_codes import StopReason
from ..model.outcomes import FailedCheck, Fetched
from ..model.target import Target
from .interfaces import SpectrumWriter, Throttle
from .rate_limit import wait_for_event
from .shutdown import Shutdown

T = TypeVar("T")

MOST_WRITES = 10  # of one spectrum, if there is room again each time
CHECK_INTERVAL = 1.0  # seconds between two checks of a full disk


class DiskFullRetry:
    """Store spectra in ``store``.

    Wait up to ``longest_wait`` seconds for room before the run ends.
    """

    def __init__(
        self,
        store: SpectrumWriter,
        throttle: Throttle,
        shutdown: Shutdown,
        longest_wait: float,
        emit: Callable[[ev.Event], None],
        clock: Callable[[], float],
    ) -> None:
        self._store, self._throttle, self._shutdown = store, throttle, shutdown
        self._longest_wait, self._emit, self._clock = longest_wait, emit, clock
        self._fifo = asyncio.Lock()

    async def put(self, target: Target, body: bytes) -> None:
        """Store ``body``. StoreError if that fails, or there is no room in time."""
        await self._written(lambda: self._store.put(target, body), len(body))

    async def quarantine(self, target: Target, fetched: Fetched, rejected: FailedCheck) -> str:
        """Store a body that failed a check in quarantine and return its path.

        StoreError as above.
        """
        return await self._written(lambda: self._store.quarantine(target, fetched, rejected), len(fetched.body))

    async def _written(self, write: Callable[[], Awaitable[T]], size: int) -> T:
        for left in reversed(range(MOST_WRITES)):
            try:
                return await write()
            except StoreFullError as error:
                if not left or not await self._room(error, size):
                    raise
        raise AssertionError("the last attempt returns or raises")

    async def _room(self, error: StoreError, size: int) -> bool:
        """Wait until there is room; return False if there is none in time."""
        async with self._fifo:
            self._throttle.disk_full = True
            try:
                return await self._store.has_room(size) or await self._wait_for_room(error, size)
            finally:
                self._throttle.disk_full = False
                self._throttle.notify()

    async def _wait_for_room(self, error: StoreError, size: int) -> bool:
        if self._shutdown.draining.is_set():
            return False
        loop = asyncio.get_running_loop()
        deadline, until = loop.time() + self._longest_wait, self._clock() + self._longest_wait
        self._emit(ev.HarvestPaused(self._clock(), str(error), until, ev.Pause.DISK))
        while loop.time() < deadline and not await wait_for_event(self._shutdown.draining, CHECK_INTERVAL):
            if await self._store.has_room(size):
                self._emit(ev.HarvestResumed(self._clock(), "there is free disk space again"))
                return True
        self._shutdown.drain(StopReason(str(error), error.exit_code))
        return False

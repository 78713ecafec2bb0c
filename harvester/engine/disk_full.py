"""A store that has no room at the moment: whoever has something to store waits, together, and nothing is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .. import events as ev
from ..errors import StoreError, StoreFullError
from ..model.exit_codes import StopReason
from ..model.target import Target
from .interfaces import SpectrumWriter, Throttle
from .rate_limit import wait_for_event
from .shutdown import Shutdown

TRIES = 10  # of one spectrum, where there is room again each time
LOOK = 1.0  # seconds between two looks at a full disk


class DiskFullRetry:
    """Puts spectra into ``store``. ``patience`` is how long, in seconds, room is waited for before the run ends."""

    def __init__(
        self,
        store: SpectrumWriter,
        admission: Throttle,
        stop: Shutdown,
        patience: float,
        emit: Callable[[ev.Event], None],
        wall: Callable[[], float],
    ) -> None:
        self._store, self._admission, self._stop = store, admission, stop
        self._patience, self._emit, self._wall = patience, emit, wall
        self._line = asyncio.Lock()

    async def put(self, target: Target, body: bytes) -> None:
        """Give ``body`` its name. StoreError if that cannot be done, nor will be in time."""
        for left in reversed(range(TRIES)):
            try:
                await self._store.put(target, body)
            except StoreFullError as error:
                if not left or not await self._room(error, len(body)):
                    raise
            else:
                return

    async def _room(self, error: StoreError, size: int) -> bool:
        """Wait until there is room again; False if there is none in time, or no time left."""
        async with self._line:
            self._admission.disk_full = True
            try:
                return await self._store.has_room(size) or await self._look_for_room(error, size)
            finally:
                self._admission.disk_full = False
                self._admission.notify()

    async def _look_for_room(self, error: StoreError, size: int) -> bool:
        if self._stop.draining.is_set():
            return False
        loop = asyncio.get_running_loop()
        deadline, until = loop.time() + self._patience, self._wall() + self._patience
        self._emit(ev.HarvestPaused(self._wall(), str(error), until, ev.Pause.DISK))
        while loop.time() < deadline and not await wait_for_event(self._stop.draining, LOOK):
            if await self._store.has_room(size):
                self._emit(ev.HarvestResumed(self._wall(), "what is fetched can be stored again"))
                return True
        self._stop.drain(StopReason(str(error), error.exit_code))
        return False

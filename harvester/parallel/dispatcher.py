"""Deals the list out to a crew until all of it is settled, whoever of the crew is lost meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from ..engine.shutdown import Shutdown
from ..engine.work_queue import PendingRetry
from ..model.exit_codes import StopReason
from .channel import HandLostError
from .shards import Shard, ShardQueue

log = logging.getLogger(__name__)

LOSSES = 10  # hands lost on one shard, one after the other: then it is not chance


class WorkerPool(Protocol):
    """Hands that can be given shards."""

    @property
    def hands(self) -> int:
        """How many shards can be given out at once."""
        ...

    async def work(self, shard: Shard) -> Sequence[PendingRetry]:
        """Have a hand work on ``shard``; the retries that it handed back. HandLostError, or whatever a bug raises."""
        ...


class Dispatcher:
    """One harvest by a ``crew``. Retries that a shard handed back are worked on once nothing fresh is left."""

    def __init__(self, deal: ShardQueue, crew: WorkerPool, stop: Shutdown) -> None:
        self._deal, self._crew, self._stop = deal, crew, stop
        self._busy = 0
        self._changed = asyncio.Condition()

    async def run(self) -> None:
        """Until everything is settled, or the stop says so and every hand has ended. Raises a crew's first fault."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._crew.hands):
                    group.create_task(self._oversee())
        except ExceptionGroup as faults:
            raise faults.exceptions[0] from faults

    async def _oversee(self) -> None:
        """Give one hand after the other something to do."""
        while (shard := await self._next()) is not None:
            back: Sequence[PendingRetry] = ()
            try:
                back = await self._settled(shard)
            finally:
                async with self._changed:
                    self._busy -= 1
                    self._deal.hand_back(back, self._now())
                    self._changed.notify_all()

    async def _next(self) -> Shard | None:
        """The next shard; None once there will be none, which is certain only when nobody works any more."""
        async with self._changed:
            while not self._stop.draining.is_set():
                shard = self._deal.next(self._now())
                if shard is not None or not self._busy:
                    self._busy += shard is not None
                    return shard
                await self._changed.wait()
        return None

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def _settled(self, shard: Shard) -> Sequence[PendingRetry]:
        """What comes back of a shard, by as many hands as it takes."""
        for losses in range(1, LOSSES + 1):
            try:
                return await self._crew.work(shard)
            except HandLostError as lost:
                log.warning("shard %d: %s", shard.number, lost)
                if self._stop.draining.is_set():
                    return ()
                if losses == LOSSES:
                    self._stop.drain(StopReason(f"the work on one part of the list was lost {losses} times: {lost}", 4))
        return ()

"""Give shards to the workers of a pool until nothing is left, though workers may be lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from ..engine.shutdown import Shutdown
from ..engine.work_queue import PendingRetry
from ..model.exit_codes import StopReason
from .channel import WorkerLostError
from .shards import Shard, ShardQueue

log = logging.getLogger(__name__)

MOST_LOSSES = 10  # workers lost on one shard, one after the other: more is no coincidence


class WorkerPool(Protocol):
    """Workers that can be given shards."""

    @property
    def workers(self) -> int:
        """How many shards can be in progress at once."""
        ...

    async def work(self, shard: Shard) -> Sequence[PendingRetry]:
        """Have a worker harvest ``shard``; return its retries that are not due yet.

        WorkerLostError if it is lost.
        """
        ...


class Dispatcher:
    """One harvest by a ``pool``.

    Retries that are returned too early wait until no fresh target is left.
    """

    def __init__(self, shards: ShardQueue, pool: WorkerPool, shutdown: Shutdown) -> None:
        self._shards, self._pool, self._shutdown = shards, pool, shutdown
        self._busy = 0
        self._changed = asyncio.Condition()

    async def run(self) -> None:
        """Return when nothing is left, or at shutdown when every worker has ended.

        Raises the pool's first fault.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._pool.workers):
                    group.create_task(self._give_shards())
        except ExceptionGroup as faults:
            raise faults.exceptions[0] from faults

    async def _give_shards(self) -> None:
        while (shard := await self._next()) is not None:
            leftovers: Sequence[PendingRetry] = ()
            try:
                leftovers = await self._harvest(shard)
            finally:
                async with self._changed:
                    self._busy -= 1
                    self._shards.give_back(leftovers, self._now())
                    self._changed.notify_all()

    async def _next(self) -> Shard | None:
        """Return the next shard.

        None once there will be none, which is certain only when no shard is in progress.
        """
        async with self._changed:
            while not self._shutdown.draining.is_set():
                shard = self._shards.next(self._now())
                if shard is not None or not self._busy:
                    self._busy += shard is not None
                    return shard
                await self._changed.wait()
        return None

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def _harvest(self, shard: Shard) -> Sequence[PendingRetry]:
        """Return the retries that a shard leaves, with as many workers as it takes."""
        for losses in range(1, MOST_LOSSES + 1):
            try:
                return await self._pool.work(shard)
            except WorkerLostError as lost:
                log.warning("shard %d: %s", shard.number, lost)
                if self._shutdown.draining.is_set():
                    return ()
                if losses == MOST_LOSSES:
                    self._shutdown.drain(StopReason(f"shard {shard.number} was lost {losses} times: {lost}", 4))
        return ()

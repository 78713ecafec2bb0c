"""Workers that are processes of this machine, for archives that are faster than one core."""

from __future__ import annotations

import asyncio
import logging
import subprocess
from collections.abc import Coroutine, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..engine.rate_limit import wait_for_event
from ..engine.shutdown import Shutdown
from ..engine.work_queue import PendingRetry
from .channel import SocketChannel, WorkerLostError, receive_messages
from .child_process import remove_if_empty, start_child
from .coordinator import Coordinator
from .job_spec import JobSpec
from .messages import ShardDone
from .shards import Shard

log = logging.getLogger(__name__)

END_TIMEOUT = 10.0  # seconds that a process gets to end once it has nothing to do, or after ``limits.grace``


class ProcessPool:
    """``count`` processes, each with one shard at a time; an async context manager.

    What they print goes into the file ``output``; they inherit ``locks``. One that was killed is replaced when it is
    needed.
    """

    def __init__(
        self,
        count: int,
        job: JobSpec,
        coordinator: Coordinator,
        shutdown: Shutdown,
        output: Path,
        locks: tuple[int, ...] = (),
    ) -> None:
        self.workers = count
        self._job, self._coordinator, self._shutdown, self._output = job, coordinator, shutdown, output
        self._locks = locks
        self._lost = False
        self._idle: list[_WorkerProcess] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._idle:
            await process.end()
        if self._lost:
            await asyncio.to_thread(self._job.sweep)
        remove_if_empty(self._output)

    async def work(self, shard: Shard) -> Sequence[PendingRetry]:
        """Have a process harvest ``shard``; return its retries that are not due yet.

        WorkerLostError if it is lost.
        """
        process = self._idle.pop() if self._idle else await _WorkerProcess.start(self._job, self._output, self._locks)
        try:
            leftovers = await process.work(shard, self._coordinator, self._until_overdue())
        except BaseException:
            self._lost = True
            await process.end()
            raise
        self._coordinator.drop_shard(shard.number)
        self._idle.append(process)
        return leftovers

    async def _until_overdue(self) -> None:
        """Return when a process that drains has had all the time that it gets."""
        await self._shutdown.draining.wait()
        await wait_for_event(self._shutdown.aborting, self._job.limits.grace)
        await asyncio.sleep(END_TIMEOUT)


class _WorkerProcess:
    """One process, and the channel to it."""

    def __init__(self, process: subprocess.Popen[bytes], channel: SocketChannel) -> None:
        self._process, self._channel = process, channel

    @classmethod
    async def start(cls, job: JobSpec, output: Path, locks: tuple[int, ...]) -> _WorkerProcess:
        """Start a process.

        It shares nothing with this one but a socket, which ends with either of them, and the ``locks``.
        """
        process, ours = start_child("process_worker", output, locks)
        worker = cls(process, await SocketChannel.over(ours))
        worker._channel.send(job)
        return worker

    async def work(
        self, shard: Shard, coordinator: Coordinator, overdue: Coroutine[Any, Any, None]
    ) -> Sequence[PendingRetry]:
        """Have the process harvest ``shard`` until ``overdue`` returns.

        ``coordinator`` answers its messages.

        WorkerLostError if it is killed, or does not end in time.
        """
        worker = coordinator.connect(self._channel.send, self._process.kill)
        done: list[ShardDone] = []

        def handle(message: Any) -> bool:
            if isinstance(message, ShardDone):
                done.append(message)
                return False
            coordinator.handle(worker, message)
            return True

        self._channel.send(shard)
        receiving = asyncio.create_task(receive_messages(self._channel, handle))
        waiting = asyncio.create_task(overdue)
        try:
            await asyncio.wait((receiving, waiting), return_when=asyncio.FIRST_COMPLETED)
        finally:
            coordinator.disconnect(worker)
            receiving.cancel()
            waiting.cancel()
            await asyncio.wait((receiving, waiting))
        if not receiving.cancelled():
            receiving.result()
        if not done:
            self._process.kill()
            raise WorkerLostError(f"process {self._process.pid} ended, or cannot be reached")
        return done[0].leftovers

    async def end(self) -> None:
        """Close the channel and wait for the process to end; kill it if it does not."""
        await self._channel.close()
        try:
            await asyncio.to_thread(self._process.wait, END_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)

"""A process that verifies and stores, beside the one that downloads: the near end of it."""

from __future__ import annotations

import asyncio
import pickle
import socket
import subprocess
from collections import deque
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ..model.target import Target
from .channel import Frames, WorkerLostError
from .child_process import remove_if_empty, start_child
from .storage_messages import SentBody, StorageJob, Stored, unpacked_results

START_TIMEOUT = 30.0  # seconds until it is ready, on a busy machine
END_TIMEOUT = 30.0  # seconds that it gets to store what it has, on a slow disk
LONGEST_SILENCE = 60.0  # seconds without a result, twice, after which it is taken for stopped, and killed
_SEND_BUFFER = 1 << 20  # bytes: a few bodies, so that they leave without a copy of ours


class StorageProcess(asyncio.Protocol):
    """A running storage process. ``store`` bodies, and ``close`` it at the end.

    ``lost`` is whether it was killed, or never became ready. It is the protocol of the socket that results come by.
    """

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self._process, self._output = process, output
        self._loop = asyncio.get_running_loop()
        self._is_ready: asyncio.Future[None] = self._loop.create_future()
        self._is_gone: asyncio.Future[None] = self._loop.create_future()
        self._frames = Frames()
        self._waiting = deque[asyncio.Future[Stored]]()
        self._silences = 0
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle
        self.lost = False

    @classmethod
    async def start(cls, job: StorageJob, output: Path, locks: tuple[int, ...] = ()) -> StorageProcess:
        """Start a process and wait until it is ready.

        What it prints goes into the file ``output``; it inherits ``locks``. ClusterError, WorkerLostError.
        """
        process, ours = start_child("storage_worker", output, locks)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        transport, storage = await asyncio.get_running_loop().create_connection(
            partial(cls, process, output), sock=ours
        )
        transport.write(pickle.dumps(job))
        try:
            async with asyncio.timeout(START_TIMEOUT):
                await storage._is_ready
        except (WorkerLostError, TimeoutError) as gone:
            transport.abort()
            process.kill()
            await asyncio.to_thread(process.wait)
            raise WorkerLostError("the storage process did not start") from gone
        return storage

    async def store(self, target: Target, path: str, body: bytes) -> Stored:
        """Verify ``body`` and store it at ``path`` if it passes.

        WorkerLostError if the process is lost: what has become of the body is not known.
        """
        if self.lost:
            raise WorkerLostError("the storage process was lost")
        stored: asyncio.Future[Stored] = self._loop.create_future()
        sent = SentBody(target.did, path, body).to_bytes()
        self._waiting.append(stored)
        self._transport.write(sent)
        return await stored

    async def close(self) -> None:
        """Wait for what it has begun to store, and end it."""
        if self._waiting:
            await asyncio.wait(tuple(self._waiting))
        self._transport.close()
        try:
            await asyncio.to_thread(self._process.wait, END_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)
        await self._is_gone
        remove_if_empty(self._output)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to watch for silence."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take in the results of each batch, in the order in which bodies were sent."""
        for batch in self._frames.feed(data):
            self._silences = 0
            for result in unpacked_results(batch):
                waiting = self._waiting.popleft()
                if not waiting.done():
                    waiting.set_result(result)
            if not self._is_ready.done():  # by a batch without results
                self._is_ready.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        """Leave to the run what was not stored."""
        self.lost = True
        self._timer.cancel()
        self._is_gone.set_result(None)
        waiting: Sequence[asyncio.Future[Any]] = (self._is_ready, *self._waiting)
        for each in waiting:
            if not each.done():
                each.set_exception(WorkerLostError("the storage process was killed"))

    def _watch(self) -> None:
        """Kill a process that is silent while bodies wait.

        A run must not hang because it was stopped.
        """
        self._silences = self._silences + 1 if self._waiting else 0
        if self._silences > 2:  # the first was counted within ``LONGEST_SILENCE``
            self._process.kill()
        self._timer = self._loop.call_later(LONGEST_SILENCE, self._watch)

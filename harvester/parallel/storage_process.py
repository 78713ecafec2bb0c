"""A process that verifies and stores, beside the one that downloads: the near end of it."""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import socket
import subprocess
from collections import deque
from pathlib import Path

from ..model.target import Target
from .channel import WorkerLostError
from .child_process import remove_if_empty, start_child
from .storage_messages import LENGTH, SentBody, StorageJob, Stored, unpacked_results

START_TIMEOUT = 30.0  # seconds until it is ready, on a busy machine
END_TIMEOUT = 30.0  # seconds that it gets to store what it has, on a slow disk
LONGEST_SILENCE = 60.0  # seconds without a result, twice, after which it is taken for stopped, and killed
_SEND_BUFFER = 1 << 20  # bytes: a few bodies, so that they leave without a copy of ours


class StorageProcess:
    """A running storage process. ``store`` bodies, and ``close`` it at the end.

    ``lost`` is whether it was killed, or never became ready.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        output: Path,
    ) -> None:
        self._process, self._reader, self._writer, self._output = process, reader, writer, output
        self._waiting = deque[asyncio.Future[Stored]]()
        self._receiving = asyncio.create_task(self._receive(), name="storage-process")
        self.lost = False

    @classmethod
    async def start(cls, job: StorageJob, output: Path, locks: tuple[int, ...] = ()) -> StorageProcess:
        """Start a process and wait until it is ready.

        What it prints goes into the file ``output``; it inherits ``locks``. ClusterError, WorkerLostError.
        """
        process, ours = start_child("storage_worker", output, locks)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        reader, writer = await asyncio.open_connection(sock=ours)
        writer.write(pickle.dumps(job))
        try:
            async with asyncio.timeout(START_TIMEOUT):
                await reader.readexactly(len(b"ready"))
        except (asyncio.IncompleteReadError, ConnectionError, TimeoutError) as gone:
            writer.close()
            process.kill()
            await asyncio.to_thread(process.wait)
            raise WorkerLostError("the storage process did not start") from gone
        return cls(process, reader, writer, output)

    async def store(self, target: Target, path: str, body: bytes) -> Stored:
        """Verify ``body`` and store it at ``path`` if it passes.

        WorkerLostError if the process is lost: what has become of the body is not known.
        """
        if self.lost:
            raise WorkerLostError("the storage process was lost")
        stored: asyncio.Future[Stored] = asyncio.get_running_loop().create_future()
        sent = SentBody(target.did, path, body).to_bytes()
        self._waiting.append(stored)
        self._writer.write(sent)
        return await stored

    async def close(self) -> None:
        """Wait for what it has begun to store, and end it."""
        if self._waiting:
            await asyncio.wait(tuple(self._waiting))
        self._writer.close()
        try:
            await asyncio.to_thread(self._process.wait, END_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)
        await self._receiving
        remove_if_empty(self._output)

    async def _receive(self) -> None:
        """Take in the results of each batch, in the order in which bodies were sent."""
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    (length,) = LENGTH.unpack(await self._next_head())
                    for result in unpacked_results(await self._reader.readexactly(length)):
                        waiting = self._waiting.popleft()
                        if not waiting.done():
                            waiting.set_result(result)
        finally:
            self.lost = True
            for waiting in self._waiting:
                if not waiting.done():
                    waiting.set_exception(WorkerLostError("the storage process was killed"))

    async def _next_head(self) -> bytes:
        """Return what comes before the results of a batch.

        Kill a process that is silent while bodies wait: a run must not hang because it was stopped.
        """
        had_waited = False
        while True:
            try:
                async with asyncio.timeout(LONGEST_SILENCE):
                    return await self._reader.readexactly(LENGTH.size)
            except TimeoutError:
                if had_waited:
                    self._process.kill()
                had_waited = bool(self._waiting)

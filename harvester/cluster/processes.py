"""Hands on this machine: processes of our own, for archives that are faster than one core."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..retry import Leftover
from .broker import Broker
from .commission import Commission
from .foreman import HandLostError
from .line import SocketLine, attend
from .messages import Done
from .shards import Shard

log = logging.getLogger(__name__)

FAREWELL = 10.0  # seconds that a process gets to end once nothing is asked of it any more
_HOME = str(Path(__file__).resolve().parents[2])


class ProcessCrew:
    """``count`` processes, each working on one shard at a time; an async context manager.

    What they have to complain of goes into the file ``complaints``. One that was killed is replaced when it is needed.
    """

    def __init__(self, count: int, commission: Commission, broker: Broker, complaints: Path) -> None:
        self.hands = count
        self._commission, self._broker, self._complaints = commission, broker, complaints
        self._idle: list[_Child] = []

    async def __aenter__(self) -> Self:
        self._idle = [await _Child.hired(self._commission, self._complaints) for _ in range(self.hands)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in self._idle:
            await child.dismiss()
        with contextlib.suppress(OSError):
            if not self._complaints.stat().st_size:
                self._complaints.unlink()

    async def work(self, shard: Shard) -> Sequence[Leftover]:
        child = self._idle.pop() if self._idle else await _Child.hired(self._commission, self._complaints)
        try:
            leftovers = await child.work(shard, self._broker)
        except HandLostError:
            await child.dismiss()
            raise
        except BaseException:
            child.kill()
            raise
        self._broker.forget(shard.number)
        self._idle.append(child)
        return leftovers


class _Child:
    """One process, and the line to it."""

    def __init__(self, process: subprocess.Popen[bytes], line: SocketLine) -> None:
        self._process, self._line = process, line

    @classmethod
    async def hired(cls, commission: Commission, complaints: Path) -> _Child:
        """A new one. It shares nothing with us but a socket, which ends with either of us."""
        ours, theirs = socket.socketpair()
        path = os.pathsep.join(filter(None, (_HOME, os.environ.get("PYTHONPATH"))))
        with theirs, complaints.open("ab") as words:
            process = subprocess.Popen(  # noqa: ASYNC220, S603 - it takes milliseconds, once; the words are ours
                [sys.executable, "-m", "harvester.cluster.child", str(theirs.fileno())],
                stdin=subprocess.DEVNULL, stdout=words, stderr=words, pass_fds=(theirs.fileno(),),
                env={**os.environ, "PYTHONPATH": path},
            )  # fmt: skip
        child = cls(process, await SocketLine.over(ours))
        child._line.say(commission)
        return child

    async def work(self, shard: Shard, broker: Broker) -> Sequence[Leftover]:
        """Have it work on ``shard``, with ``broker`` at this end of the line. HandLostError if it is killed."""
        guest = broker.welcome(self._line.say)
        done: asyncio.Future[Done] = asyncio.get_running_loop().create_future()

        def heed(message: Any) -> None:
            if isinstance(message, Done):
                done.set_result(message)
            else:
                broker.heed(guest, message)

        self._line.say(shard)
        try:
            await attend(self._line, heed, until=done)
            if not done.done():
                raise HandLostError(f"process {self._process.pid} ended")
            return done.result().leftovers
        finally:
            broker.lose(guest)

    def kill(self) -> None:
        self._process.kill()

    async def dismiss(self) -> None:
        """Hang up, and see to it that it ends."""
        await self._line.close()
        try:
            await asyncio.to_thread(self._process.wait, FAREWELL)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)

"""Hands on this machine: processes of our own, for archives that are faster than one core."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import subprocess
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..engine.rate_limit import wait_for_event
from ..engine.shutdown import Shutdown
from ..engine.work_queue import PendingRetry
from ..errors import ClusterError
from .channel import HandLostError, SocketLine, receive_messages
from .coordinator import Coordinator
from .job_spec import JobSpec
from .messages import ShardDone
from .shards import Shard

log = logging.getLogger(__name__)

FAREWELL = 10.0  # seconds that a process gets to end once nothing is asked of it any more, or beyond its grace
_PROGRAM = """
import sys
sys.path.append({home!r})
from harvester.parallel.process_worker import main
main()
"""


class ProcessPool:
    """``count`` processes, each working on one shard at a time; an async context manager.

    What they have to complain of goes into the file ``complaints``. One that was killed is replaced when it is needed.
    """

    def __init__(self, count: int, commission: JobSpec, broker: Coordinator, stop: Shutdown, complaints: Path) -> None:
        self.hands = count
        self._commission, self._broker, self._stop, self._complaints = commission, broker, stop, complaints
        self._lost = False
        self._idle: list[_Child] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in self._idle:
            await child.dismiss()
        if self._lost:
            await asyncio.to_thread(self._commission.sweep)
        with contextlib.suppress(OSError):
            if not self._complaints.stat().st_size:
                self._complaints.unlink()

    async def work(self, shard: Shard) -> Sequence[PendingRetry]:
        child = self._idle.pop() if self._idle else await _Child.hired(self._commission, self._complaints)
        try:
            leftovers = await child.work(shard, self._broker, self._patience())
        except BaseException:
            self._lost = True
            await child.dismiss()
            raise
        self._broker.forget(shard.number)
        self._idle.append(child)
        return leftovers

    async def _patience(self) -> None:
        """Returns when nobody can be waited for any longer."""
        await self._stop.draining.wait()
        await wait_for_event(self._stop.aborting, self._commission.limits.grace)
        await asyncio.sleep(FAREWELL)


class _Child:
    """One process, and the line to it."""

    def __init__(self, process: subprocess.Popen[bytes], line: SocketLine) -> None:
        self._process, self._line = process, line

    @classmethod
    async def hired(cls, commission: JobSpec, complaints: Path) -> _Child:
        """A new one. It shares nothing with us but a socket, which ends with either of us."""
        ours, theirs = socket.socketpair()
        program = _PROGRAM.format(home=str(Path(__file__).resolve().parents[2]))
        try:
            with theirs, complaints.open("ab") as words:
                process = subprocess.Popen(  # noqa: ASYNC220, S603 - it takes milliseconds, once; the words are ours
                    [sys.executable, "-c", program, str(theirs.fileno())],
                    stdin=subprocess.DEVNULL, stdout=words, stderr=words, pass_fds=(theirs.fileno(),), process_group=0,
                )  # fmt: skip
        except OSError as error:
            ours.close()
            raise ClusterError(f"no further process can be started ({error}); try fewer --processes") from error
        child = cls(process, await SocketLine.over(ours))
        child._line.say(commission)
        return child

    async def work(
        self, shard: Shard, broker: Coordinator, patience: Coroutine[Any, Any, None]
    ) -> Sequence[PendingRetry]:
        """Have it work on ``shard``, with ``broker`` at this end of the line, as long as ``patience`` lasts.
        HandLostError if it is killed, or does not end in time."""
        guest = broker.welcome(self._line.say, self._process.kill)
        done: list[ShardDone] = []

        def heed(message: Any) -> bool:
            if isinstance(message, ShardDone):
                done.append(message)
                return False
            broker.heed(guest, message)
            return True

        self._line.say(shard)
        listening, waiting = asyncio.create_task(receive_messages(self._line, heed)), asyncio.create_task(patience)
        try:
            await asyncio.wait((listening, waiting), return_when=asyncio.FIRST_COMPLETED)
        finally:
            broker.lose(guest)
            listening.cancel()
            waiting.cancel()
            await asyncio.wait((listening, waiting))
        if not listening.cancelled():
            listening.result()
        if not done:
            self._process.kill()
            raise HandLostError(f"process {self._process.pid} ended, or is out of reach")
        return done[0].leftovers

    async def dismiss(self) -> None:
        """Hang up, and see to it that it ends."""
        await self._line.close()
        try:
            await asyncio.to_thread(self._process.wait, FAREWELL)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)

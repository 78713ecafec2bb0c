"""A process of a crew. Its last argument is the number of an open socket to its parent.

It ends when its parent does. Signals are the parent's business: what it drains, its hands drain.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from contextlib import suppress
from typing import Any

from .channel import HandLostError, Inbox, SocketLine, attend
from .job_spec import Commission
from .messages import Done
from .shards import Shard
from .worker import work_on


class _Child:
    def __init__(self, line: SocketLine) -> None:
        self._line = line
        self._commission: Commission | None = None
        self._inbox = Inbox(line.say)
        self._work: asyncio.Task[None] | None = None

    def heed(self, message: Any) -> None:
        match message:
            case Commission():
                self._commission = message
            case Shard():
                self._inbox = Inbox(self._line.say)
                self._work = asyncio.create_task(self._serve(message, self._inbox))
            case _:
                self._inbox.put(message)

    async def _serve(self, shard: Shard, inbox: Inbox) -> None:
        assert self._commission is not None
        with suppress(HandLostError):  # then the line is gone, or soon will be
            self._line.say(Done(await work_on(shard, self._commission, inbox)))

    async def live(self) -> None:
        await attend(self._line, self.heed)
        self._inbox.lose()
        if self._work is not None:
            await self._work


async def _live(descriptor: int) -> None:
    line = await SocketLine.over(socket.socket(fileno=descriptor))
    await _Child(line).live()


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    asyncio.run(_live(int(sys.argv[-1])))

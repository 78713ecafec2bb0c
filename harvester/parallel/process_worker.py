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

from .channel import HandLostError, MessageQueue, SocketLine, receive_messages
from .job_spec import JobSpec
from .messages import ShardDone
from .shards import Shard
from .worker import work_on


class _Child:
    def __init__(self, line: SocketLine) -> None:
        self._line = line
        self._commission: JobSpec | None = None
        self._inbox = MessageQueue(line.say)
        self._work: asyncio.Task[None] | None = None

    def heed(self, message: Any) -> None:
        match message:
            case JobSpec():
                self._commission = message
            case Shard():
                self._inbox = MessageQueue(self._line.say)
                self._work = asyncio.create_task(self._serve(message, self._inbox))
            case _:
                self._inbox.put(message)

    async def _serve(self, shard: Shard, inbox: MessageQueue) -> None:
        assert self._commission is not None
        with suppress(HandLostError):  # then the line is gone, or soon will be
            self._line.say(ShardDone(await work_on(shard, self._commission, inbox)))

    async def live(self) -> None:
        await receive_messages(self._line, self.heed)
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

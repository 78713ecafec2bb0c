"""A worker process. Its last argument is the number of an open socket to its parent.

It ends when its parent does. Signals are handled by the parent: when it drains, its workers drain.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from contextlib import suppress
from typing import Any

from .channel import MessageQueue, SocketChannel, WorkerLostError, receive_messages
from .job_spec import JobSpec
from .messages import ShardDone
from .shards import Shard
from .worker import work_on


class _WorkerProcess:
    """What a worker process does with its parent's messages."""

    def __init__(self, channel: SocketChannel) -> None:
        self._channel = channel
        self._job: JobSpec | None = None
        self._messages = MessageQueue(channel.send)
        self._work: asyncio.Task[None] | None = None

    def handle(self, message: Any) -> None:
        match message:
            case JobSpec():
                self._job = message
            case Shard():
                self._messages = MessageQueue(self._channel.send)
                self._work = asyncio.create_task(self._harvest(message, self._messages))
            case _:
                self._messages.put(message)

    async def _harvest(self, shard: Shard, messages: MessageQueue) -> None:
        assert self._job is not None
        with suppress(WorkerLostError):  # then the channel is closed, or soon will be
            self._channel.send(ShardDone(await work_on(shard, self._job, messages)))

    async def run(self) -> None:
        await receive_messages(self._channel, self.handle)
        self._messages.close()
        if self._work is not None:
            await self._work


async def _run(descriptor: int) -> None:
    await _WorkerProcess(await SocketChannel.over(socket.socket(fileno=descriptor))).run()


def main() -> None:
    """Run the worker until its parent closes the socket."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    asyncio.run(_run(int(sys.argv[-1])))

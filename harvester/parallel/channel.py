"""Channels between a worker and the coordinator.

Messages in order, as long as both ends exist.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import pickle
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Protocol

_LENGTH = struct.Struct("!Q")


class _Reductions(dict[type, Callable[[Any], Any]]):
    """Pickle dataclasses as the call that makes them, and everything else in its own way.

    The way that ``slots`` gives frozen dataclasses looks up their fields each time, at both ends: it takes three times
    as long.
    """

    def __missing__(self, kind: type) -> Callable[[Any], Any]:
        if not is_dataclass(kind):
            raise KeyError(kind)
        names = [each.name for each in fields(kind)]
        self[kind] = lambda value: (kind, tuple([getattr(value, name) for name in names]))
        return self[kind]


_REDUCTIONS = _Reductions()


def packed(messages: Sequence[Any]) -> bytes:
    """Pickle ``messages``; ``pickle.loads`` unpacks them."""
    body = io.BytesIO()
    pickler = pickle.Pickler(body, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = _REDUCTIONS
    pickler.dump(messages)
    return body.getvalue()


class ChannelClosedError(Exception):
    """The other end is gone."""


class WorkerLostError(Exception):
    """The worker of a shard was killed, cannot be reached, or was considered lost.

    Another one continues the shard.
    """


class Channel(Protocol):
    """One end of a channel.

    ``send`` never waits; what is sent in one iteration of the loop leaves together.
    """

    def send(self, message: Any) -> None:
        """Queue ``message`` for the other end."""
        ...

    async def receive(self) -> list[Any]:
        """Return the messages that have arrived, at least one.

        ChannelClosedError once the other end is gone.
        """
        ...


class MessageQueue:
    """A channel whose messages arrive by other means.

    ``put`` them in, and ``close`` it when no more will come.
    """

    def __init__(self, send: Callable[[Any], None]) -> None:
        self.send = send
        self._received: list[Any] = []
        self._closed = False
        self._news = asyncio.Event()

    def put(self, message: Any) -> None:
        """Add a message that has arrived."""
        self._received.append(message)
        self._news.set()

    def close(self) -> None:
        """Note that no more messages will arrive."""
        self._closed = True
        self._news.set()

    async def receive(self) -> list[Any]:
        """Return the messages that have arrived, at least one.

        ChannelClosedError once the other end is gone.
        """
        await self._news.wait()
        if not self._received:
            raise ChannelClosedError
        received, self._received = self._received, []
        if not self._closed:
            self._news.clear()
        return received


class MessageBatcher:
    """Collect the messages of one loop iteration, and ``send`` them pickled in one piece."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._waiting: list[Any] = []

    def add(self, message: Any) -> None:
        """Send ``message`` at the end of this iteration of the loop."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self.flush)
        self._waiting.append(message)

    def flush(self) -> None:
        """Send what was collected now."""
        if self._waiting:
            messages, self._waiting = self._waiting, []
            self._send(packed(messages))


class SocketChannel:
    """A channel over a socket pair of this program.

    Messages are pickled, and no other program can write to it.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._batcher = MessageBatcher(self._write)
        self.send = self._batcher.add

    @classmethod
    async def over(cls, end: socket.socket) -> SocketChannel:
        """Make a channel of one end of a socket pair."""
        return cls(*await asyncio.open_connection(sock=end, limit=1 << 20))

    def _write(self, body: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(_LENGTH.pack(len(body)) + body)

    async def receive(self) -> list[Any]:
        """Return the messages that have arrived, at least one.

        ChannelClosedError once the other end is gone.
        """
        try:
            (length,) = _LENGTH.unpack(await self._reader.readexactly(_LENGTH.size))
            received: list[Any] = pickle.loads(await self._reader.readexactly(length))  # noqa: S301 - our socket pair
        except (asyncio.IncompleteReadError, ConnectionError) as gone:
            raise ChannelClosedError from gone
        return received

    async def close(self) -> None:
        """Send what is still waiting, and close the connection."""
        self._batcher.flush()
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


async def receive_messages(channel: Channel, handle: Callable[[Any], bool | None]) -> None:
    """Pass on messages until ``handle`` returns False or the other end is gone."""
    with contextlib.suppress(ChannelClosedError):
        while True:
            for message in await channel.receive():
                if handle(message) is False:
                    return

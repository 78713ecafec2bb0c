"""The line between a hand and the broker: messages in order, as long as both are there."""

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
    """Dataclasses pickled as the call that makes them; whatever else, in its own way.

    What ``slots`` gives frozen ones looks up their fields each time, there and back: three times as long.
    """

    def __missing__(self, kind: type) -> Callable[[Any], Any]:
        if not is_dataclass(kind):
            raise KeyError(kind)
        names = [each.name for each in fields(kind)]
        self[kind] = lambda thing: (kind, tuple([getattr(thing, name) for name in names]))
        return self[kind]


_REDUCTIONS = _Reductions()


def packed(messages: Sequence[Any]) -> bytes:
    """The messages pickled; ``pickle.loads`` unpacks them."""
    body = io.BytesIO()
    pickler = pickle.Pickler(body, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = _REDUCTIONS
    pickler.dump(messages)
    return body.getvalue()


class LineLostError(Exception):
    """The other end is gone."""


class HandLostError(Exception):
    """Whoever worked on a shard was killed, is out of reach, or was taken for lost: another hand goes on with it."""


class Channel(Protocol):
    """One end. ``say`` never waits; what is said within one turn of the loop goes out together."""

    def say(self, message: Any) -> None: ...

    async def heard(self) -> list[Any]:
        """What the other end said since, at least one message. LineLostError once it is gone."""
        ...


class MessageQueue:
    """A line whose messages somebody else brings: ``put`` them in, and ``lose`` it when no more will come."""

    def __init__(self, say: Callable[[Any], None]) -> None:
        self.say = say
        self._heard: list[Any] = []
        self._lost = False
        self._news = asyncio.Event()

    def put(self, message: Any) -> None:
        self._heard.append(message)
        self._news.set()

    def lose(self) -> None:
        self._lost = True
        self._news.set()

    async def heard(self) -> list[Any]:
        await self._news.wait()
        if not self._heard:
            raise LineLostError
        heard, self._heard = self._heard, []
        if not self._lost:
            self._news.clear()
        return heard


class MessageBatcher:
    """What is said within one turn of the loop, pickled and sent by ``send`` in one piece."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._unsaid: list[Any] = []

    def say(self, message: Any) -> None:
        if not self._unsaid:
            asyncio.get_running_loop().call_soon(self.flush)
        self._unsaid.append(message)

    def flush(self) -> None:
        if self._unsaid:
            said, self._unsaid = self._unsaid, []
            self._send(packed(said))


class SocketLine:
    """A line over a socket, both ends of which are ours: messages are pickled, and nobody else can write to it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._bundle = MessageBatcher(self._send)
        self.say = self._bundle.say

    @classmethod
    async def over(cls, end: socket.socket) -> SocketLine:
        return cls(*await asyncio.open_connection(sock=end, limit=1 << 20))

    def _send(self, body: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(_LENGTH.pack(len(body)) + body)

    async def heard(self) -> list[Any]:
        try:
            (length,) = _LENGTH.unpack(await self._reader.readexactly(_LENGTH.size))
            said: list[Any] = pickle.loads(await self._reader.readexactly(length))  # noqa: S301 - a socketpair of ours
        except (asyncio.IncompleteReadError, ConnectionError) as gone:
            raise LineLostError from gone
        return said

    async def close(self) -> None:
        """Say what is still to be said, and hang up."""
        self._bundle.flush()
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


async def receive_messages(line: Channel, heed: Callable[[Any], bool | None]) -> None:
    """Pass on what is heard, until it is heeded by False or the other end is gone."""
    with contextlib.suppress(LineLostError):
        while True:
            for message in await line.heard():
                if heed(message) is False:
                    return

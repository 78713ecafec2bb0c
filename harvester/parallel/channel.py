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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Protocol

_LENGTH = struct.Struct("!Q")  # of the bytes that follow
LINGER = 0.003  # seconds, as long as a batch of spectra waits for others before it is stored


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


def framed(body: bytes) -> bytes:
    """Return ``body`` behind its length, as ``Frames`` takes it apart."""
    return _LENGTH.pack(len(body)) + body


class Frames:
    """Take apart what arrives over our socket pair: bodies, each behind its length."""

    def __init__(self) -> None:
        self._arrived = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the bodies that ``data`` completes."""
        self._arrived += data
        while len(self._arrived) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._arrived)[0]
            if len(self._arrived) < end:
                return
            body = bytes(self._arrived[_LENGTH.size : end])
            del self._arrived[:end]
            yield body


class ChannelClosedError(Exception):
    """The other end is gone."""


class WorkerLostError(Exception):
    """The worker of a shard was killed, cannot be reached, or was considered lost.

    Another one continues the shard.
    """


class Send(Protocol):
    """Queue a message for the other end, without waiting.

    What is sent in one iteration of the loop leaves together. A message that ``may_wait`` leaves with the next one that
    may not, or after ``LINGER``: each departure costs a system call and wakes the other end.
    """

    def __call__(self, message: Any, may_wait: bool = False) -> None: ...


class Channel(Protocol):
    """One end of a channel."""

    send: Send

    async def receive(self) -> list[Any]:
        """Return the messages that have arrived, at least one.

        ChannelClosedError once the other end is gone.
        """
        ...


class MessageQueue:
    """A channel whose messages arrive by other means.

    ``put`` them in, and ``close`` it when no more will come.
    """

    def __init__(self, send: Send) -> None:
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
    """Collect messages, and ``send`` them pickled in one piece; ``add`` is a ``Send``."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._waiting: list[Any] = []
        self._urgent = False
        self._timer: asyncio.Handle | None = None

    def add(self, message: Any, may_wait: bool = False) -> None:
        """Send ``message`` at the end of this iteration of the loop, or within ``LINGER``."""
        self._waiting.append(message)
        if not may_wait and not self._urgent:
            self._urgent = True
            self._schedule(asyncio.get_running_loop().call_soon(self.flush))
        elif self._timer is None:
            self._schedule(asyncio.get_running_loop().call_later(LINGER, self.flush))

    def flush(self) -> None:
        """Send what was collected now."""
        self._schedule(None)
        self._urgent = False
        if self._waiting:
            messages, self._waiting = self._waiting, []
            self._send(packed(messages))

    def _schedule(self, timer: asyncio.Handle | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = timer


class SocketChannel(asyncio.Protocol):
    """A channel over a socket pair of this program.

    Messages are pickled, and no other program can write to it. A protocol instead of streams: those wake a task twice
    for what arrives together.
    """

    def __init__(self) -> None:
        self._batcher = MessageBatcher(self._write)
        self.send: Send = self._batcher.add
        self._queue = MessageQueue(self.send)
        self.receive = self._queue.receive
        self._frames = Frames()
        self._closed = asyncio.Event()
        self._transport: asyncio.Transport

    @classmethod
    async def over(cls, end: socket.socket) -> SocketChannel:
        """Make a channel of one end of a socket pair."""
        _, channel = await asyncio.get_running_loop().create_connection(cls, sock=end)
        return channel

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, as the event loop demands."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take in bytes, and the messages that they complete."""
        for body in self._frames.feed(data):
            for message in pickle.loads(body):  # noqa: S301 - our socket pair
                self._queue.put(message)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the other end is gone, or this one closed."""
        self._queue.close()
        self._closed.set()

    def _write(self, body: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(framed(body))

    async def close(self) -> None:
        """Send what is still waiting, and close the connection."""
        self._batcher.flush()
        self._transport.close()
        await self._closed.wait()


async def receive_messages(channel: Channel, handle: Callable[[Any], bool | None]) -> None:
    """Pass on messages until ``handle`` returns False or the other end is gone."""
    with contextlib.suppress(ChannelClosedError):
        while True:
            for message in await channel.receive():
                if handle(message) is False:
                    return

"""Faults that pass: what one spectrum in eighteen gets in place of its file, when it is asked for the first time."""

from __future__ import annotations

import socket
import struct
from asyncio import Transport
from collections.abc import Callable, Iterable
from random import Random
from typing import cast

Fault = Callable[[Transport, bytes], None]
"""Answers on a connection, given the body that would be right."""


def reply(status: str, body: bytes, *, kind: str = "application/fits", size: int | None = None) -> bytes:
    """A whole answer; ``size`` is a Content-Length that differs from the truth."""
    length = len(body) if size is None else size
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n".encode() + body


def _says(answer: bytes) -> Fault:
    return lambda transport, body: transport.write(answer)


def _cut_off(transport: Transport, body: bytes) -> None:
    """Half the body, and then the end of the connection."""
    transport.write(reply("200 OK", body[: len(body) // 2], size=len(body)))
    transport.close()


def _cut_off_unannounced(transport: Transport, body: bytes) -> None:
    """The same without a Content-Length: only the file itself can tell."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/fits\r\nConnection: close\r\n\r\n"
    transport.write(head + body[: len(body) // 2])
    transport.close()


def _reset(transport: Transport, body: bytes) -> None:
    """Half the body, and then a RST in place of a FIN."""
    transport.write(reply("200 OK", body[: len(body) // 2], size=len(body)))
    raw = cast("socket.socket", transport.get_extra_info("socket"))
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


_PAGE = b"<html><head><title>Maintenance</title></head><body>We are back soon.</body></html>"

SHARES: tuple[tuple[float, Fault], ...] = (
    (0.010, _says(reply("500 Internal Server Error", b"Traceback", kind="text/plain"))),
    (0.010, _says(reply("503 Service Unavailable", _PAGE, kind="text/html"))),
    (0.010, _reset),
    (0.010, _cut_off),
    (0.005, _cut_off_unannounced),
    (0.005, _says(reply("200 OK", b""))),
    (0.005, _says(reply("200 OK", _PAGE, kind="text/html"))),
)
"""5.5 % in all: the share of the spectra that each fault gets."""


def deal(names: Iterable[str]) -> dict[str, Fault]:
    """Which names get which fault: exactly its share of them and at least one, the same whenever it is asked."""
    shuffled = sorted(names)
    Random(18).shuffle(shuffled)
    deck = iter(shuffled)
    return {
        name: fault
        for share, fault in SHARES
        for name, _ in zip(deck, range(max(1, round(share * len(shuffled)))), strict=False)
    }

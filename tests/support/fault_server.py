"""A raw asyncio server that answers well, or in whatever way a test wants: no HTTP library tidies up what it says.

Faults go by the spectrum that is asked for; every other one is answered with its whole file, on a connection that stays
open. ``archive`` is what ``harvest_from`` takes.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import struct
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from harvester.demo import DemoArchive, RequestLog, RunningArchive
from harvester.demo.fits import spectrum_fits
from harvester.demo.observations import observe
from harvester.demo.synthesis import Calibration, SyntheticSpectrum, synthesize
from harvester.model.target import SpectrumId

TODAY = date(2024, 5, 17)


def whole(did: str) -> bytes:
    """The file that the archive has for ``did``."""
    return spectrum_fits(observe(SpectrumId(did)), Calibration.NORMALIZED, today=TODAY)


def respun(did: str, change: Callable[[SyntheticSpectrum], SyntheticSpectrum]) -> bytes:
    """The file of ``did`` with other numbers in it."""
    observation = observe(SpectrumId(did))
    spectrum = change(synthesize(observation, Calibration.NORMALIZED))
    return spectrum_fits(observation, Calibration.NORMALIZED, spectrum, today=TODAY)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request that is being answered: ``body`` is what a good answer would bring, ``head`` what was asked."""

    writer: asyncio.StreamWriter
    head: str
    did: str
    body: bytes

    async def say(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    async def reset(self) -> None:
        """A RST in place of a FIN, once the other end has read what was said (it runs in this very loop)."""
        await asyncio.sleep(0.05)
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def hush(self) -> None:
        """Say nothing more, until the other end has had enough."""
        while not self.writer.is_closing():  # noqa: ASYNC110 - a transport has no event for this
            await asyncio.sleep(0.02)

    async def later(self, piece: bytes) -> None:
        await asyncio.sleep(0.05)
        await self.say(piece)

    async def pour(self, piece: bytes) -> None:
        """Say the same without end, as fast as it is read."""
        while not self.writer.is_closing():
            await self.say(piece * (1 + 65_536 // len(piece)))

    async def drip(self, piece: bytes) -> None:
        while not self.writer.is_closing():
            await self.say(piece)
            await asyncio.sleep(0.02)


Fault = Callable[[Exchange], Awaitable[None]]


def says(reply: bytes | Callable[[bytes], bytes]) -> Fault:
    """The fault that consists in these bytes (made of a good answer's body), and then the end of the connection."""

    async def fault(exchange: Exchange) -> None:
        await exchange.say(reply if isinstance(reply, bytes) else reply(exchange.body))

    return fault


def first(times: int, fault: Fault) -> Fault:
    """``fault`` for the first ``times`` requests, then what the archive has."""
    left = times

    async def passing(exchange: Exchange) -> None:
        nonlocal left
        left -= 1
        await (fault(exchange) if left >= 0 else exchange.say(ok(exchange.body)))

    return passing


def head(*lines: str, status: str = "200 OK", version: str = "1.1") -> bytes:
    return "\r\n".join([f"HTTP/{version} {status}", *lines, "", ""]).encode("latin-1")


def ok(body: bytes, *lines: str, length: int | None = None) -> bytes:
    """A 200 with a Content-Length: the true one, or ``length``."""
    return head(*lines, f"Content-Length: {len(body) if length is None else length}") + body


def endless(body: bytes, *lines: str) -> bytes:
    """A 200 that ends with its connection."""
    return head("Connection: close", *lines) + body


def chunks(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)


@dataclass(slots=True)
class FaultServer:
    """What it was asked: ``heads`` of all requests in order, ``asked`` by DID, ``connections`` that were made."""

    faults: Mapping[str, Fault]
    pages: Mapping[str, bytes] = field(default_factory=dict)
    idle: float | None = None
    heads: list[str] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    connections: int = 0
    port: int = 0
    scheme: str = "http"
    host: str = "127.0.0.1"

    @property
    def archive(self) -> RunningArchive:
        return RunningArchive(DemoArchive(), f"{self.scheme}://{self.host}:{self.port}", RequestLog())

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        more = True
        while more:
            async with asyncio.timeout(self.idle):
                asked = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            more = await self._answer(asked, writer)

    async def _answer(self, asked: str, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether the connection stays."""
        self.heads.append(asked)
        target = urlsplit(asked.split()[1])
        if target.path in self.pages:
            writer.write(self.pages[target.path])
            await writer.drain()
            return False
        did = parse_qs(target.query)["ID"][0]
        self.asked[did] += 1
        exchange = Exchange(writer, asked, did, whole(did))
        fault = self.faults.get(did)
        await (fault(exchange) if fault else exchange.say(ok(exchange.body)))
        return fault is None


@asynccontextmanager
async def serving_faults(
    faults: Mapping[str, Fault], *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", **rest: object
) -> AsyncIterator[FaultServer]:
    """The server on loopback; its connections are closed, and its tasks ended, when it goes."""
    served = FaultServer(faults, scheme="https" if tls else "http", host=host, **rest)  # type: ignore[arg-type]
    tasks: set[asyncio.Task[None] | None] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            try:
                await served.converse(reader, writer)
            finally:
                writer.close()
                await writer.wait_closed()

    server = await asyncio.start_server(converse, "127.0.0.1", 0, ssl=tls)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()
        for task in tasks:
            assert task is not None
            task.cancel()
        await asyncio.gather(*(task for task in tasks if task), return_exceptions=True)


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS context with a certificate that it signed itself, and that certificate's file."""
    if shutil.which("openssl") is None:
        pytest.skip("a certificate needs openssl")
    key, chain = folder / "key.pem", folder / "chain.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", key, "-out", chain],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    return context, chain

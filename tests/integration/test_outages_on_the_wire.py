"""Outages over real sockets: what a server counts before the run pauses, and how many requests it gets in a second.

aiohttp silently repeats a request whose connection was lost, so requests are counted where they arrive.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import struct
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from harvester import events as ev
from harvester.demo import DemoArchive, RequestLog, RunningArchive, listed_dids
from tests.integration.test_processes import children_of
from tests.support.fault_server import head, ok, whole
from tests.support.harvests import harvest_from, write_catalog

COUNT = 160
GOOD = 80  # spectra that are served before the outage begins
NOTICED = 10  # requests that it may take until the pause
SO_TIMESTAMPNS = 35  # of Linux: the time at which the kernel took in the bytes

PAGE = b"<html>We are moving; a VOTable has the list</html>"  # no word of the page decides what it is
ANSWERS: dict[str, bytes] = {
    "500": head("Content-Length: 4", status="500 Oops") + b"oops",
    "503": head("Content-Length: 4", status="503 Busy") + b"busy",
    "HTML": ok(PAGE, "Content-Type: text/html"),
    "404": head("Content-Length: 4", status="404 Not Found") + b"none",
    "403": head("Content-Length: 4", status="403 Forbidden") + b"none",
}


@dataclass(slots=True)
class CountingServer:
    """Serve spectra until ``how`` says otherwise; ``arrivals`` are the kernel's times of requests since then."""

    bodies: dict[str, bytes]
    how: str = ""
    served: int = 0
    begins_at: int = 10**9
    kind: str = ""
    redirects: bool = False
    """Each spectrum takes two requests, of which only the second meets what happens."""
    arrivals: list[float] = field(default_factory=list)
    all_arrivals: list[float] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    listener: socket.socket = field(default_factory=socket.socket)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(self.listener)
            connection.setblocking(False)
            task = asyncio.create_task(self.converse(connection))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def converse(self, connection: socket.socket) -> None:
        with connection:
            while (request := await self.read(connection)) is not None:
                text, arrived = request
                self.all_arrivals.append(arrived)
                if self.redirects and "&moved" not in text:
                    place = f"Location: {text.split()[1]}&moved=1"
                    reply = head(place, "Content-Length: 0", status="302 Found")
                    await asyncio.get_running_loop().sock_sendall(connection, reply)
                    continue
                if self.how:
                    self.arrivals.append(arrived)
                if not await self.respond(connection, text):
                    return

    async def read(self, connection: socket.socket) -> tuple[str, float] | None:
        """Return a request and the time at which the kernel had it; None at the end of the connection."""
        received, loop = b"", asyncio.get_running_loop()
        while b"\r\n\r\n" not in received:
            readable = asyncio.Event()
            loop.add_reader(connection, readable.set)
            try:
                await readable.wait()
            finally:
                loop.remove_reader(connection)
            try:
                data, ancillary, _, _ = connection.recvmsg(65536, 1024)
            except OSError:
                return None
            if not data:
                return None
            received += data
            seconds, nanoseconds = struct.unpack("qq", ancillary[0][2][:16])
            arrived = seconds + nanoseconds / 1e9
        return received.decode("latin-1"), arrived

    async def respond(self, connection: socket.socket, text: str) -> bool:
        """Answer one request; return whether the connection stays open."""
        loop = asyncio.get_running_loop()
        if self.how == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        if self.how == "hanging":
            await asyncio.sleep(60.0)
        elif self.how:
            await loop.sock_sendall(connection, ANSWERS[self.how])
        else:
            did = parse_qs(urlsplit(text.split()[1]).query)["ID"][0]
            self.asked[did] += 1
            await asyncio.sleep(0.005)
            await loop.sock_sendall(connection, ok(self.bodies[did]))
            self.served += 1
            if self.served == self.begins_at:
                self.how = self.kind
                if self.how == "refused":
                    self.listener.close()
        return self.how != "refused"


@asynccontextmanager
async def counting(
    count: int, kind: str = "", begins_at: int = 10**9, redirects: bool = False
) -> AsyncIterator[CountingServer]:
    """Run the server on loopback."""
    bodies = {str(did): whole(did) for did in listed_dids(count)}
    server = CountingServer(bodies, begins_at=begins_at, kind=kind, redirects=redirects)
    if not begins_at:
        server.how = kind
    server.listener.setsockopt(
        socket.SOL_SOCKET, SO_TIMESTAMPNS, 1
    )  # inherited: a request may come with the connection
    server.listener.bind(("127.0.0.1", 0))
    server.listener.listen(100)
    server.listener.setblocking(False)
    accepting = asyncio.create_task(server.accept())
    try:
        yield server
    finally:
        tasks = [accepting, *server.tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        server.listener.close()


def archive(server: CountingServer) -> RunningArchive:
    return RunningArchive(DemoArchive(), f"http://127.0.0.1:{server.listener.getsockname()[1]}", RequestLog())


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's times of arrival are Linux's own")


@pytest.mark.parametrize(
    ("kind", "redirects"),
    [
        *((kind, False) for kind in ("refused", "reset", "hanging", "503", "500", "HTML")),
        *((kind, True) for kind in ("reset", "hanging", "500", "HTML")),
    ],
)
async def test_a_server_counts_at_most_ten_requests_before_the_pause(
    kind: str, redirects: bool, tmp_path: Path
) -> None:
    attempts, seen = [0], list[int]()
    async with counting(COUNT, kind, GOOD, redirects) as server:

        def watch(event: ev.Event) -> None:
            if server.how and isinstance(event, ev.PhaseEntered) and event.phase is ev.Phase.RESPONSE:
                attempts[0] += 1
            if server.how and isinstance(event, ev.HarvestPaused) and not seen:
                seen.append(max(len(server.arrivals), attempts[0] if kind == "refused" else 0))

        limits = {"concurrency": 8, "max_outage": 0.2, "read_timeout": 0.3}
        result = await harvest_from(
            archive(server), tmp_path / "out", listed_dids(COUNT), limits=limits, watchers=[watch]
        )
    assert seen[0] <= NOTICED
    assert result.report.stats.failed == 0, "no healthy spectrum is given up"
    assert result.report.stats.exit_code == 5


@pytest.mark.parametrize("kind", ["404", "403", "HTML"])
@pytest.mark.parametrize("begin", [0, GOOD])
async def test_a_server_that_rejects_everything_gets_at_most_twenty_requests(
    kind: str, begin: int, tmp_path: Path
) -> None:
    async with counting(COUNT, kind, begin) as server:
        limits = {"concurrency": 8, "max_outage": 0.2}
        result = await harvest_from(archive(server), tmp_path / "out", listed_dids(COUNT), limits=limits)
    assert len(server.arrivals) <= 20
    assert result.report.stats.failed == 0
    assert result.report.stats.exit_code == (5 if begin or kind == "HTML" else 7)
    assert ("check the address" in result.report.stats.reason) is (not begin), "no file ever came from there"


@pytest.mark.parametrize("workers", ["one process", "two processes", "two Dask workers"])
async def test_no_second_on_the_wire_has_more_than_rate_plus_one_requests(workers: str, tmp_path: Path) -> None:
    rate, count = 60, 240
    how: dict[str, Any] = {"processes": 1 if workers == "one process" else 2}
    if "Dask" in workers:
        pytest.importorskip("distributed", reason="needs the extra dask")
        how["engine"] = "dask"
    async with counting(count) as server:
        limits = {"rate": rate, "concurrency": 8}
        await harvest_from(archive(server), tmp_path / "out", listed_dids(count), limits=limits, **how)
    assert len(server.all_arrivals) == count
    assert busiest_second(server) <= rate + 1


def busiest_second(server: CountingServer) -> int:
    times = sorted(server.all_arrivals)
    return max(sum(0.0 <= other - time < 1.0 for other in times) for time in times)


@pytest.mark.slow
@pytest.mark.parametrize("frozen", ["the run", "the coordinator", "a worker"])
async def test_what_was_frozen_does_not_make_up_for_it(frozen: str, tmp_path: Path) -> None:
    """Neither with slots that were granted before, nor with those that nothing used meanwhile."""
    rate, count = 60, 200
    async with counting(count) as server:
        catalog = write_catalog(tmp_path / "wanted.csv", listed_dids(count))
        asked = ["--archive", archive(server).dlget, "--catalog", str(catalog), "--out", str(tmp_path / "out")]
        how = ["--rate", str(rate), "--processes", "1" if frozen == "the run" else "3", "--progress", "none"]
        run = await asyncio.create_subprocess_exec(sys.executable, "-m", "harvester", *asked, *how, cwd=tmp_path)
        for served in (40, 120):
            async with asyncio.timeout(30):
                while server.served < served:  # noqa: ASYNC110 - the server counts, it has no event to wait for
                    await asyncio.sleep(0.005)
            victim = children_of(run.pid)[0] if frozen == "a worker" else run.pid
            os.kill(victim, signal.SIGSTOP)
            await asyncio.sleep(1.1)
            os.kill(victim, signal.SIGCONT)
        assert await run.wait() == 0
    assert set(server.asked.values()) == {1}
    assert busiest_second(server) <= rate + 1

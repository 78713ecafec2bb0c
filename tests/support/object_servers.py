"""S3 servers that no one here wrote, started on loopback, and a proxy of ours that makes their answers go wrong."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

BUCKET = "spectra"
KEYS = {"AWS_ACCESS_KEY_ID": "accesskey123", "AWS_SECRET_ACCESS_KEY": "secretkey123"}
HOP_BY_HOP = ("transfer-encoding", "content-length", "connection", "date", "server")
PATIENCE = 60.0  # seconds for a server to start, on a machine that does much else


@dataclass(slots=True)
class S3Server:
    """A server process that can be killed and started again on its port."""

    command: list[str]
    port: int
    log: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What obstore needs to know of it."""
        return {**KEYS, "AWS_ENDPOINT_URL": self.endpoint, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1"}

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.command}: {self.log.read_text()}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@contextmanager
def running(command: list[str], port: int, log: Path) -> Iterator[S3Server]:
    server = S3Server(command, port, log)
    server.start()
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def moto(folder: Path) -> Iterator[S3Server]:
    """It keeps everything in memory, and knows PUT-if-absent."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with running(command, port, folder / "moto.log") as server:
        request = urllib.request.Request(f"{server.endpoint}/{BUCKET}", method="PUT")
        urllib.request.urlopen(request, timeout=PATIENCE).close()
        yield server


@contextmanager
def rclone(folder: Path) -> Iterator[S3Server]:
    """It keeps files, checks signatures, and has never heard of If-None-Match."""
    (folder / "buckets" / BUCKET).mkdir(parents=True)
    port = free_port()
    program = Path(sys.executable).parent / "rclone"
    keys = ",".join(KEYS.values())
    command = [str(program), "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", keys, "--config", os.devnull]
    with running([*command, str(folder / "buckets")], port, folder / "rclone.log") as server:
        yield server


SERVERS = {"moto": moto, "rclone": rclone}


def free_port() -> int:
    with socket.socket() as ear:
        ear.bind(("127.0.0.1", 0))
        return int(ear.getsockname()[1])


@dataclass(slots=True)
class FaultyProxy:
    """Passes requests on to ``target``; each PUT of a spectrum meets the next of ``faults``, over and over.

    ``500`` and ``503`` answer so and pass nothing on; ``slow`` waits; ``cut`` hangs up without passing on, and ``lost``
    after it: the object is there, and no one was said.
    """

    target: str
    faults: list[str]
    met: list[str] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        fault = self._next() if request.method == "PUT" and request.path.endswith(".fits") else ""
        if fault == "slow":
            await asyncio.sleep(0.3)
        if fault in ("500", "503"):
            body = "<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"
            return web.Response(status=int(fault), text=body, content_type="application/xml")
        answer = await self._pass_on(request) if fault != "cut" else web.Response()
        if fault in ("cut", "lost"):
            assert request.transport is not None
            request.transport.abort()
        return answer

    def _next(self) -> str:
        self.met.append(self.faults[len(self.met) % len(self.faults)])
        return self.met[-1]

    async def _pass_on(self, request: web.Request) -> web.Response:
        url = URL(self.target + request.raw_path, encoded=True)
        body = await request.read()
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(request.method, url, headers=request.headers, data=body) as answer,
        ):
            kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP]
            headers = CIMultiDict(kept)
            if request.method == "HEAD":
                headers["Content-Length"] = answer.headers.get("Content-Length", "0")
            return web.Response(status=answer.status, headers=headers, body=await answer.read())


@contextmanager
def between(server: S3Server, *faults: str) -> Iterator[tuple[FaultyProxy, dict[str, str]]]:
    """A faulty proxy before ``server``, in a thread and loop of its own, and the environment that leads to it."""
    proxy, loop = FaultyProxy(server.endpoint, list(faults)), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    app = web.Application(client_max_size=2**26)
    app.router.add_route("*", "/{path:.*}", proxy.handle)
    runner = web.AppRunner(app, access_log=None)
    try:
        port = asyncio.run_coroutine_threadsafe(_listen(runner), loop).result(PATIENCE)
        yield proxy, {**server.environment, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(PATIENCE)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _listen(runner: web.AppRunner) -> int:
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return int(runner.addresses[0][1])

"""All requests go through the proxy that is named; its password is sent to it alone, and written nowhere."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from harvester.cli import commands
from tests.integration.test_discover_command import command, in_a_thread, server
from tests.integration.test_real_services import FITS, answer, serving
from tests.support.harvests import fits_names


class ForwardProxy:
    """A forward proxy for http (absolute URLs) and CONNECT; it notes what it is sent."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.heads: list[bytes] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        listening = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with listening:
            yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        self.lines.append(f"{method} {target}")
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 403 no tunnels here\r\nContent-Length: 0\r\n\r\n")
        else:
            parts = urlsplit(target)
            there, out = await asyncio.open_connection(parts.hostname, parts.port)
            path = f"{parts.path}?{parts.query}" if parts.query else parts.path
            plain = head.replace(target.encode(), path.encode(), 1)
            out.write(plain.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            writer.write(await there.read())
            out.close()
        await writer.drain()
        writer.close()


ROWS = [[f"ivo://a/{number}", f"BASE/files/{number}.fits", FITS] for number in range(3)]


@pytest.mark.parametrize("by_environment", [False, True])
def test_discovery_and_run_go_through_the_proxy_alone(by_environment: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = ForwardProxy()
    with in_a_thread(lambda: server(serving(answer(ROWS)))) as url, in_a_thread(proxy.running) as there:
        secret = there.replace("//", "//user:s3cret@")
        monkeypatch.setenv("no_proxy", "")
        if by_environment:
            monkeypatch.setenv("http_proxy", secret)
        named = "env" if by_environment else there
        found = command(url, "-o", "p.toml", "--catalog", "all.csv", "--proxy", named)
        assert found.exit_code == 0, (found.output, found.exception)
        arguments = ["--archive", "p.toml", "--catalog", "all.csv", "--out", "out", "--proxy", named]
        done = CliRunner().invoke(commands, ["run", *arguments, "--progress", "none"], standalone_mode=False)
    assert done.return_value == 0, (done.output, done.exception)
    assert len(fits_names(Path("out"))) == 3
    assert len([line for line in proxy.lines if line.startswith(f"GET {url.removesuffix('/ssap')}/files/")]) == 6
    assert any(line.startswith(f"GET {url}?") for line in proxy.lines)
    word = base64.b64encode(b"user:s3cret")
    assert all((word in head) is by_environment for head in proxy.heads)
    written = b"".join(path.read_bytes() for path in Path().rglob("*") if path.is_file())
    assert b"s3cret" not in written
    assert word not in written


def test_https_is_tunnelled_and_a_refusal_says_so() -> None:
    proxy = ForwardProxy()
    with in_a_thread(proxy.running) as there:
        found = command("https://archive.example/ssap", "--proxy", there)
    assert proxy.lines[0] == "CONNECT archive.example:443"
    assert b"Authorization" not in proxy.heads[0]
    assert found.exit_code == 1
    assert "403" in str(found.exception)

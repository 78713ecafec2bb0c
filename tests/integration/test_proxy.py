"""All requests go through the proxy that is named; its password is sent to it alone, and written nowhere."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web
from click.testing import CliRunner

from harvester.cli import commands
from tests.integration.test_discover_command import command, in_a_thread, server
from tests.integration.test_real_services import FITS, SPECTRUM, answer, serving
from tests.support.fault_server import certificate
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
        if method == "CONNECT" and target.partition(":")[0] in ("localhost", "127.0.0.1"):
            await _tunnel(reader, writer, target)
        elif method == "CONNECT":
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


async def _tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: str) -> None:
    host, _, port = target.partition(":")
    there, out = await asyncio.open_connection(host, int(port))
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

    async def passed_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await source.read(1 << 16):
                sink.write(piece)
                await sink.drain()
            sink.write_eof()

    await asyncio.gather(passed_on(reader, out), passed_on(there, writer))
    out.close()


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


class ProtectedFiles:
    """Files for who names the token; number 2 is on another host, and number 3 behind a redirect to http."""

    def __init__(self) -> None:
        self.heads: dict[str, dict[str, str]] = {}

    def __call__(self, request: web.Request) -> web.Response:
        self.heads[f"{request.host.partition(':')[0]}{request.path}"] = dict(request.headers)
        port = request.url.port
        if request.path == "/files/2" and request.host.startswith("localhost"):
            return web.Response(status=302, headers={"Location": f"https://127.0.0.1:{port}/files/2"})
        if request.path == "/files/3":
            return web.Response(status=302, headers={"Location": f"http://localhost:{port}/files/3"})
        is_known = request.headers.get("Authorization") == "Bearer t0k3n" or request.host.startswith("127.0.0.1")
        return web.Response(body=SPECTRUM) if is_known else web.Response(status=401, text="who are you?")


def test_credentials_go_through_a_tunnel_to_the_archive_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tls, chain = certificate(tmp_path)
    trusting = aiohttp.connector._make_ssl_context(True)
    trusting.load_verify_locations(chain)
    monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", trusting)
    monkeypatch.setenv("ARCHIVE_TOKEN", "t0k3n")
    monkeypatch.setenv("no_proxy", "")
    files, proxy = ProtectedFiles(), ForwardProxy()
    with in_a_thread(lambda: server(files, tls)) as url, in_a_thread(proxy.running) as there:
        monkeypatch.setenv("https_proxy", there.replace("//", "//user:s3cret@"))
        place = url.replace("127.0.0.1", "localhost").removesuffix("/ssap")
        Path("p.toml").write_text(
            f'name = "p"\ntitle = "p"\nmode = "direct"\nendpoint = "{place}/files/{{name}}"\nidentity_card = ""\n'
            'hosts = ["127.0.0.1"]\nstep_tolerance = 0.0\n'
            '[auth]\ntoken = "ARCHIVE_TOKEN"\n[settings.limits]\nrate = 0\n',
            encoding="utf-8",
        )
        Path("all.csv").write_text("id\nivo://a/1\nivo://a/2\nivo://a/3\n", encoding="utf-8")
        arguments = ["--archive", "p.toml", "--catalog", "all.csv", "--out", "out", "--proxy", "env"]
        done = CliRunner().invoke(commands, ["run", *arguments, "--progress", "none"], standalone_mode=False)
    assert done.return_value == 3, (done.output, done.exception)
    assert fits_names(Path("out")) == {"1.fits", "2.fits"}, "http is not followed from https"
    assert all(line.startswith("CONNECT ") for line in proxy.lines)
    assert all(b"Proxy-Authorization: Basic" in head and b"t0k3n" not in head for head in proxy.heads)
    assert files.heads["localhost/files/1"]["Authorization"] == "Bearer t0k3n"
    assert "Authorization" not in files.heads["127.0.0.1/files/2"]
    assert not any("Proxy-Authorization" in head for head in files.heads.values())
    written = b"".join(path.read_bytes() for path in Path("out").rglob("*") if path.is_file())
    assert b"t0k3n" not in written
    assert b"s3cret" not in written


def test_an_untrusted_certificate_is_said_to_be_one(tmp_path: Path) -> None:
    tls, _ = certificate(tmp_path)
    with in_a_thread(lambda: server(serving(answer(ROWS)), tls)) as url:
        found = command(url)
    assert "certificate" in str(found.exception)
    assert len(str(found.exception).splitlines()) == 1

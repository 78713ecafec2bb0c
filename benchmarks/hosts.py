"""Servers in processes of their own, a fresh one for each run: nginx if it is installed, and the one in server.py."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HOME = Path(__file__).resolve().parents[1]

# The user counts only for root, whose temporary folders no other may read.
_NGINX = """
user root root; daemon off; pid {home}/nginx.pid; error_log {home}/error.log; worker_processes auto;
events {{ worker_connections 4096; }}
http {{
    access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; open_file_cache max=20000;
    client_body_temp_path {home}/t; proxy_temp_path {home}/t; fastcgi_temp_path {home}/t; uwsgi_temp_path {home}/t;
    scgi_temp_path {home}/t;
    types {{ application/fits fits; }}
    server {{
        listen 127.0.0.1:{port} backlog=1024; root {folder};
        location = /dlget {{ if ($arg_ID ~* "(?:/|%2F)([^%/]+)$") {{ set $name $1; }} rewrite ^ /$name.fits? last; }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Scenario:
    """How the server behaves: ``delay`` in seconds before each answer; ``faulty`` for 5.5 % of passing faults."""

    name: str
    delay: float = 0.0
    faulty: bool = False

    @property
    def by_nginx(self) -> bool:
        """nginx can neither wait nor fail at will."""
        return not self.delay and not self.faulty and _nginx() is not None

    @property
    def title(self) -> str:
        server = "nginx" if self.by_nginx else "benchmarks.server"
        manner = f"{self.delay * 1000:.0f} ms before each answer" if self.delay else "no delay"
        return f"{self.name}: {server}, {manner}{', 5.5 % passing faults' if self.faulty else ''}"


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("static"),
        Scenario("delayed", 0.05),
        Scenario("far", 0.2),
        Scenario("faulty", 0.05, faulty=True),
    )
}


@contextmanager
def hosted(scenario: Scenario, folder: Path, home: Path) -> Iterator[str]:
    """The address of a server of the files in ``folder``, which ends with the block; ``home`` is for its own files."""
    command, url = _by_nginx(folder, home) if scenario.by_nginx else (_by_ours(scenario, folder), None)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=HOME) as server:
        try:
            assert server.stdout is not None
            if url is None:
                url = server.stdout.readline().strip()
            _await_connection(url)
            yield url
        finally:
            server.terminate()


def _by_ours(scenario: Scenario, folder: Path) -> list[str]:
    faults = ["--faults"] if scenario.faulty else []
    return [sys.executable, "-m", "benchmarks.server", str(folder), "--delay", str(scenario.delay), *faults]


def _by_nginx(folder: Path, home: Path) -> tuple[list[str], str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    configuration = home / "nginx.conf"
    configuration.write_text(_NGINX.format(home=home, folder=folder, port=port))
    command = [_nginx() or "nginx", "-e", str(home / "error.log"), "-c", str(configuration)]
    return command, f"http://127.0.0.1:{port}"


def _nginx() -> str | None:
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


def _await_connection(url: str, patience: float = 10.0) -> None:
    """Return once someone listens at ``url``. ConnectionRefusedError after ``patience`` seconds."""
    host, port = url.removeprefix("http://").split(":")
    deadline = time.monotonic() + patience
    while not _listens(host, int(port)):
        if time.monotonic() > deadline:
            raise ConnectionRefusedError(f"no one listens at {url}")
        time.sleep(0.02)


def _listens(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0

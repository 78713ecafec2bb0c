"""A static server from memory, bare asyncio: python -m benchmarks.server FOLDER [--delay SECONDS] [--faults] [--times].

``/NAME.fits`` and ``/dlget?ID=...NAME&...`` are answered with the same bytes. Prints its address, serves until SIGTERM.
It knows no Range, as an archive that computes its answers does not, and answers HEAD without a fault.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import signal
import time
from pathlib import Path
from typing import cast

from benchmarks.faults import Fault, deal, reply

_WANTED = re.compile(rb"(GET|HEAD) /(?:dlget\?ID=[^ &]*(?:/|%2F))?(\w+)(?:\.fits)?[ &?]", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nConnection: *close", re.IGNORECASE)


class Connection(asyncio.Protocol):
    """Answers one request after the other, each ``delay`` seconds after its last byte."""

    def __init__(self, files: dict[bytes, bytes], faults: dict[bytes, Fault], delay: float, times: list[float]) -> None:
        self._files, self._faults, self._delay, self._times = files, faults, delay, times
        self._heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        *requests, self._heard = (self._heard + data).split(b"\r\n\r\n")
        self._times[1:] = [time.monotonic()]
        for request in requests:
            if self._delay:
                asyncio.get_running_loop().call_later(self._delay, self._answer, request)
            else:
                self._answer(request)

    def _answer(self, request: bytes) -> None:
        if self._transport.is_closing():
            return
        wanted = _WANTED.match(request)
        name = wanted[2] if wanted else b""
        body = self._files.get(name)
        if wanted is None or body is None:
            self._transport.write(reply("404 Not Found", b"no such spectrum", kind="text/plain"))
        elif wanted[1] == b"HEAD":
            self._transport.write(reply("200 OK", b"", size=len(body)))
        elif fault := self._faults.pop(name, None):
            fault(self._transport, body)
        else:
            self._transport.write(reply("200 OK", body))
        if _CLOSES.search(request):
            self._transport.close()


async def serve(folder: Path, delay: float, faulty: bool, timed: bool) -> None:
    """Serve the files in ``folder`` on a port of its own choice until SIGTERM.

    ``timed``: then print when the first and the last request came, by the machine's monotonic clock.
    """
    files = {path.stem.encode(): path.read_bytes() for path in folder.iterdir()}
    faults = {name.encode(): fault for name, fault in deal(name.decode() for name in files).items()} if faulty else {}
    loop, shown = asyncio.get_running_loop(), asyncio.Event()
    times: list[float] = []
    loop.add_signal_handler(signal.SIGTERM, shown.set)
    server = await loop.create_server(lambda: Connection(files, faults, delay, times), "127.0.0.1", 0, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await shown.wait()
    if timed:
        print(times[0], times[-1], flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve the files of a folder on loopback.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds between a request and its answer")
    parser.add_argument("--faults", action="store_true", help="5.5 %% of the files fail when first asked for")
    parser.add_argument("--times", action="store_true", help="say at the end when the first and last request came")
    chosen = parser.parse_args()
    asyncio.run(serve(chosen.folder, chosen.delay, chosen.faults, chosen.times))


if __name__ == "__main__":
    main()

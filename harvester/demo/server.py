"""Run the demo archive on localhost, for as long as a context lasts or until a signal."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from .app import DemoApp
from .config import DemoArchive, RunningArchive
from .request_log import RequestLog

_LONGEST_REQUEST_LINE = 16384


@asynccontextmanager
async def serve(config: DemoArchive | None = None, port: int = 0) -> AsyncIterator[RunningArchive]:
    """Serve the archive on 127.0.0.1 (port 0: any free one) as long as the context lasts."""
    log = RequestLog()
    service = DemoApp(config or DemoArchive(), log)
    runner = web.AppRunner(
        service.application(), access_log=None, shutdown_timeout=0.5, max_line_size=_LONGEST_REQUEST_LINE
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port, backlog=1024)
        await site.start()
        yield RunningArchive(service.config, site.name, log)
    finally:
        service.close()
        await runner.cleanup()


def serve_forever(config: DemoArchive, port: int = 0, announce: Callable[[str], None] = print) -> None:
    """Serve until SIGINT or SIGTERM.

    ``announce`` is called with the URL of dlget once it responds.
    """
    asyncio.run(_serve_until_signalled(config, port, announce))


async def _serve_until_signalled(config: DemoArchive, port: int, announce: Callable[[str], None]) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with serve(config, port) as archive:
        announce(archive.dlget)
        await stopped.wait()

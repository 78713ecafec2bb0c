"""Send one small JSON POST when a run ends or is paused for long."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Self

from .. import events as ev
from .._version import __version__
from ..events.serialize import moment
from ..events.stats import HarvestStats
from ..formatting import masked

LONG_PAUSE = 600.0  # seconds
POST_TIMEOUT = 10.0  # seconds

Post = Callable[[str, bytes], Awaitable[None]]


class Webhook:
    """Send a POST when a pause has become long, and one when the run has ended.

    Add it to the bus behind the statistics and enter it around the run; ``end`` reports how the run ended. Only the
    host of its URL is ever printed or logged: the rest is as good as a password.
    """

    def __init__(self, url: str, numbers: Callable[[], HarvestStats], post: Post | None = None) -> None:
        self.faults: list[str] = []
        self._url, self._numbers, self._post = url, numbers, post or _post
        self._archive = ""
        self._alarm: asyncio.TimerHandle | None = None
        self._paused: tuple[float, ev.HarvestPaused] | None = None
        self._posting = set[asyncio.Task[None]]()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clear_pause()
        for task in self._posting:
            task.cancel()
        if self._posting:
            await asyncio.wait(self._posting)

    def __call__(self, event: ev.Event) -> None:
        """Take in one event."""
        match event:
            case ev.HarvestStarted(archive=archive):
                self._archive = archive
            case ev.HarvestPaused(time=time, kind=kind) if kind not in ev.PLANNED:
                since = self._paused[0] if self._paused else time
                self._paused = (since, event)
                if self._alarm is None:
                    self._alarm = asyncio.get_running_loop().call_later(LONG_PAUSE, self._report_pause)
            case ev.HarvestResumed() | ev.HarvestDraining() | ev.HarvestEnded():
                self._clear_pause()

    def _clear_pause(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._paused = None

    def _report_pause(self) -> None:
        assert self._paused is not None
        since, paused = self._paused
        times = {"paused_since": moment(since), "paused_until": moment(paused.until), "pause": paused.kind.value}
        text = f"harvest of {self._archive} paused since {moment(since)}: {paused.reason}"
        numbers = self._numbers().summary(since + LONG_PAUSE) | {"reason": paused.reason}
        task = asyncio.create_task(self._send("harvest_paused", text, numbers | times), name="webhook")
        self._posting.add(task)
        task.add_done_callback(self._posting.discard)

    async def end(self, summary: Mapping[str, object], hurry: asyncio.Event) -> None:
        """Report how the run ended; once ``hurry`` is set, give up at once."""
        text = (
            f"harvest of {self._archive}: {summary['reason']}; {summary['saved']} new, {summary['failed']} failed,"
            f" {summary['remaining']} to go (exit code {summary['exit_code']})"
        )
        posting = asyncio.create_task(self._send("harvest_ended", text, summary), name="webhook")
        leaving = asyncio.create_task(hurry.wait())
        await asyncio.wait((posting, leaving), return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        if not posting.done():
            posting.cancel()
            self.faults.append("not sent: there was no time")
        await asyncio.wait((posting, leaving))

    async def _send(self, event: str, text: str, fields: Mapping[str, object]) -> None:
        """Send a POST; keep what goes wrong in ``faults``, without the URL."""
        body = {"event": event, "text": text, "host": socket.gethostname(), "archive": self._archive, **fields}
        try:
            async with asyncio.timeout(POST_TIMEOUT):
                await self._post(self._url, json.dumps(body, default=str).encode())
        except TimeoutError:
            self.faults.append(f"{masked(self._url)} did not respond within {POST_TIMEOUT:g} s")
        except Exception as error:  # noqa: BLE001 - a webhook may fail in any way, and never costs a harvest
            self.faults.append(f"{masked(self._url)}: {_reason(error)}")


def _reason(error: Exception) -> str:
    """Return what went wrong.

    The text of a foreign exception may contain the URL: its name has to do.
    """
    if isinstance(error, _RefusedError):
        return str(error)
    text = error.strerror if isinstance(error, OSError) else None
    return text or type(error).__name__


class _RefusedError(Exception):
    """The response has no status 2xx; the message says which."""


async def _post(url: str, body: bytes) -> None:
    import aiohttp

    headers = {"Content-Type": "application/json", "User-Agent": f"harvester/{__version__}"}
    jar = aiohttp.DummyCookieJar()
    async with (
        aiohttp.ClientSession(headers=headers, cookie_jar=jar) as session,
        session.post(url, data=body, allow_redirects=False) as response,
    ):
        if not 200 <= response.status < 300:
            raise _RefusedError(f"HTTP {response.status}")

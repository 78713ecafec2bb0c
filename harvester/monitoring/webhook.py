"""One small JSON POST when a harvest ends, or is held up for long: for whoever sleeps meanwhile."""

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

LONG = 600.0  # seconds of a pause that are worth waking somebody
PATIENCE = 10.0  # seconds that a POST may take

Post = Callable[[str, bytes], Awaitable[None]]


class Webhook:
    """Add it to the bus, behind the tally; enter it around the harvest; ``end`` says the last word.

    Nothing of its address but the host is ever told: the rest of it is as good as a password.
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
        self._go_on()
        for task in self._posting:
            task.cancel()
        if self._posting:
            await asyncio.wait(self._posting)

    def __call__(self, event: ev.Event) -> None:
        match event:
            case ev.HarvestStarted(archive=archive):
                self._archive = archive
            case ev.HarvestPaused(time=time, kind=kind) if kind is not ev.Pause.WINDOW:  # that one was planned
                since = self._paused[0] if self._paused else time
                self._paused = (since, event)
                if self._alarm is None:
                    self._alarm = asyncio.get_running_loop().call_later(LONG, self._tell_of_the_pause)
            case ev.HarvestResumed() | ev.HarvestDraining() | ev.HarvestEnded():
                self._go_on()

    def _go_on(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._paused = None

    def _tell_of_the_pause(self) -> None:
        assert self._paused is not None
        since, paused = self._paused
        told = {"paused_since": moment(since), "paused_until": moment(paused.until), "pause": paused.kind.value}
        text = f"harvest of {self._archive} paused since {moment(since)}: {paused.reason}"
        numbers = self._numbers().summary(since + LONG) | {"reason": paused.reason}
        task = asyncio.create_task(self._say("harvest_paused", text, numbers | told), name="webhook")
        self._posting.add(task)
        task.add_done_callback(self._posting.discard)

    async def end(self, summary: Mapping[str, object], hurry: asyncio.Event) -> None:
        """Tell how it ended; ``hurry`` is set when somebody wants to leave at once."""
        text = (
            f"harvest of {self._archive}: {summary['reason']}; {summary['saved']} new, {summary['failed']} failed,"
            f" {summary['remaining']} to go (exit code {summary['exit_code']})"
        )
        saying = asyncio.create_task(self._say("harvest_ended", text, summary), name="webhook")
        leaving = asyncio.create_task(hurry.wait())
        await asyncio.wait((saying, leaving), return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        if not saying.done():
            saying.cancel()
            self.faults.append("not told: there was no time")
        await asyncio.wait((saying, leaving))

    async def _say(self, event: str, text: str, fields: Mapping[str, object]) -> None:
        """POST. Whatever goes wrong is told in words without the address."""
        body = {"event": event, "text": text, "host": socket.gethostname(), "archive": self._archive, **fields}
        try:
            async with asyncio.timeout(PATIENCE):
                await self._post(self._url, json.dumps(body, default=str).encode())
        except TimeoutError:
            self.faults.append(f"{masked(self._url)} did not answer in {PATIENCE:g} s")
        except Exception as error:  # noqa: BLE001 - a webhook may fail in any way, and never costs a harvest
            self.faults.append(f"{masked(self._url)}: {_why(error)}")


def _why(error: Exception) -> str:
    """What went wrong. A stranger's exception may well have the address in its words: its name has to do."""
    if isinstance(error, _RefusedError):
        return str(error)
    words = error.strerror if isinstance(error, OSError) else None
    return words or type(error).__name__


class _RefusedError(Exception):
    """It was answered, but not with a 2xx; the message says how."""


async def _post(url: str, body: bytes) -> None:
    import aiohttp

    headers = {"Content-Type": "application/json", "User-Agent": f"harvester/{__version__}"}
    jar = aiohttp.DummyCookieJar()
    async with (
        aiohttp.ClientSession(headers=headers, cookie_jar=jar) as session,
        session.post(url, data=body, allow_redirects=False) as answer,
    ):
        if not 200 <= answer.status < 300:
            raise _RefusedError(f"HTTP {answer.status}")

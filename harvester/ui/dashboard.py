"""The live dashboard: it redraws itself twice a second and never disturbs the run."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import IO

from rich.console import Console
from rich.live import Live

from ..events import Event, HarvestEnded, ObserverFailed
from ..events.stats import HarvestStats
from ..formatting import count
from .keyboard import Keyboard
from .keys import Keys
from .notification import notification
from .page_layout import Page
from .terminal import SHOW_CURSOR, Encodable, Terminal
from .view import DashboardView

FRAMES_PER_SECOND = 2
LOOKS_PER_FRAME = 5  # at the keyboard: a key that does nothing for half a second feels broken
DISK_INTERVAL = 5.0  # seconds between two looks at the free space
RELEASE_TIMEOUT = 0.2  # seconds
WORTH_A_NOTIFICATION = 60.0  # seconds of a run: the user still looks at a shorter one


def can_redraw(stream: IO[str]) -> bool:
    """Return whether ``stream`` is a terminal whose cursor can be moved."""
    console = Console(file=stream)
    return console.is_terminal and not console.is_dumb_terminal


class Dashboard:
    """Show the run on a terminal, and do what keys ask for.

    Add it to the bus, behind the statistics that ``numbers`` reads, and enter it around the run. If it breaks it goes
    dark and reports that through ``failed``. ``grace`` is how long a drain may take in seconds.
    """

    def __init__(
        self,
        console: Terminal,
        failed: Callable[[ObserverFailed], None],
        numbers: Callable[[], HarvestStats],
        *,
        grace: float | None = None,
        free_bytes: Callable[[], int] | None = None,
        now: Callable[[], float] = time.time,
        keyboard: Keyboard | None = None,
        keys: Keys | None = None,
    ) -> None:
        self._console, self._failed, self._now = console, failed, now
        self._view = DashboardView(numbers, grace)
        self._free_bytes = free_bytes
        self._free: int | None = None
        self._next_disk_check = float("-inf")
        self._live = Live(self, console=console, auto_refresh=False)
        self._keyboard, self._keys = keyboard or Keyboard(), keys
        self._drawing: asyncio.Task[None] | None = None
        self._dark = False

    def __call__(self, event: Event) -> None:
        """Take in one event."""
        self._guard(partial(self._view, event))
        if isinstance(event, HarvestEnded):
            self._guard(self._notify)

    def __rich__(self) -> Encodable:
        """Return the present snapshot, drawn for the console's present size."""
        if self._dark:
            return Encodable("")
        state = self._view.snapshot(self._now())
        width, rows = self._console.size
        hints = self._keys.hints(state) if self._keys and self._keyboard.is_open else ()
        return Encodable(Page(state, width, rows - 1, self._free_space(state.now), hints))

    async def run(self) -> None:
        """Redraw until cancelled; return quietly when drawing is no longer possible.

        A frame is skipped while the terminal has not taken the last one.
        """
        looks = 0
        while not self._dark:
            self._guard(self._press_keys)
            if looks % LOOKS_PER_FRAME == 0 and not self._console.output.pending:
                self._guard(self._refresh)
            looks += 1
            await asyncio.sleep(1 / (FRAMES_PER_SECOND * LOOKS_PER_FRAME))

    def release_terminal(self) -> None:
        """Give the terminal back at once, before the process ends by ``os._exit``."""
        self._keyboard.restore()
        self._console.output.write_final(SHOW_CURSOR)
        self._console.output.drain(RELEASE_TIMEOUT)

    async def __aenter__(self) -> Dashboard:
        self._keyboard.open()
        self._guard(self._live.start)
        self._drawing = asyncio.create_task(self.run(), name="dashboard")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._drawing is not None:
                self._drawing.cancel()
                await asyncio.wait((self._drawing,))
        finally:
            self._guard(self._live.stop)
            self._keyboard.restore()

    def _press_keys(self) -> None:
        if self._keys is not None and (typed := self._keyboard.read()):
            self._keys.press(typed)
            self._refresh()

    def _refresh(self) -> None:
        if self._keys is not None:
            self._keys.follow(self._view.snapshot(self._now()))
        self._live.refresh()

    def _free_space(self, now: float) -> int | None:
        if self._free_bytes is not None and now >= self._next_disk_check:
            self._free = self._free_bytes()
            self._next_disk_check = now + DISK_INTERVAL
        return self._free

    def _notify(self) -> None:
        """Send a desktop notification that the run has ended, if the terminal has them."""
        state = self._view.snapshot(self._now())
        if state.elapsed >= WORTH_A_NOTIFICATION:
            text = f"{state.reason}: {count(state.stats.saved)} new, {count(state.stats.failed)} failed"
            self._console.output.write(notification(text, os.environ))

    def _guard(self, draw: Callable[[], None]) -> None:
        if self._dark:
            return
        try:
            draw()
        except Exception as error:  # noqa: BLE001 - whatever breaks while drawing must not break the run
            self._go_dark(error)

    def _go_dark(self, error: Exception) -> None:
        self._dark = True
        self._keyboard.restore()
        with contextlib.suppress(Exception):  # a second error, while cleaning up, adds nothing to the first
            self._live.stop()
        self._forget_unwritten()
        self._failed(ObserverFailed(self._now(), "Dashboard", f"{type(error).__name__}: {error}"))

    def _forget_unwritten(self) -> None:
        """Drop what rich could not write: it would put that before the next thing that is printed."""
        self._console.quiet = True
        self._console.print()
        self._console.quiet = False

"""The live dashboard: a watcher that redraws itself a few times a second from the event loop, and never hurts it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import IO

from rich.console import Console
from rich.live import Live

from ..events import Event, ObserverFailed
from ..events.stats import HarvestStats
from .canvas import Drawing, glyphs_for
from .page_layout import lay_out
from .state import DashboardView
from .terminal import SHOW_CURSOR, Echo, Terminal

FRAMES_A_SECOND = 4
SECONDS_BETWEEN_DISK_LOOKS = 5.0
SECONDS_TO_LET_GO = 0.2


def can_redraw(stream: IO[str]) -> bool:
    """Whether ``stream`` is a terminal whose cursor can be moved: all others are better served with plain lines."""
    console = Console(file=stream)
    return console.is_terminal and not console.is_dumb_terminal


class Dashboard:
    """Add it to the bus, behind the tally that ``numbers`` reads; enter it around the harvest.

    If it breaks it goes dark and says so through ``lost``. ``grace`` is how long a drain may take.
    """

    def __init__(
        self,
        console: Terminal,
        lost: Callable[[ObserverFailed], None],
        numbers: Callable[[], HarvestStats],
        *,
        grace: float | None = None,
        free_bytes: Callable[[], int] | None = None,
        now: Callable[[], float] = time.time,
        echo: Echo | None = None,
    ) -> None:
        self._console, self._lost, self._now = console, lost, now
        self._view = DashboardView(numbers, grace)
        self._free_bytes = free_bytes
        self._free: int | None = None
        self._look_again = float("-inf")
        self._live = Live(self, console=console, auto_refresh=False)
        self._echo = echo or Echo()
        self._ticking: asyncio.Task[None] | None = None
        self._dark = False

    def __call__(self, event: Event) -> None:
        self._guarded(partial(self._view, event))

    def __rich__(self) -> Drawing:
        """The scene of this moment, drawn for the console's present size."""
        if self._dark:
            return Drawing(())
        now, options = self._now(), self._console.options
        width, rows = options.size
        lines = lay_out(self._view.scene(now), width, rows - 1, glyphs_for(options.encoding), self._free_space(now))
        return Drawing(lines)

    async def run(self) -> None:
        """Redraw until cancelled; return quietly when drawing is no longer possible.

        A frame is skipped whole while the terminal has not taken the last one.
        """
        while not self._dark:
            if not self._console.outlet.pending:
                self._guarded(self._live.refresh)
            await asyncio.sleep(1 / FRAMES_A_SECOND)

    def let_go(self) -> None:
        """Give the terminal back at once, for those who leave without unwinding (``os._exit``)."""
        self._echo.restore()
        self._console.outlet.write_final(SHOW_CURSOR)
        self._console.outlet.drain(SECONDS_TO_LET_GO)

    async def __aenter__(self) -> Dashboard:
        self._echo.off()
        self._guarded(self._live.start)
        self._ticking = asyncio.create_task(self.run(), name="dashboard")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._ticking is not None:
                self._ticking.cancel()
                await asyncio.wait((self._ticking,))
        finally:
            self._guarded(self._live.stop)
            self._echo.restore()

    def _free_space(self, now: float) -> int | None:
        if self._free_bytes is not None and now >= self._look_again:
            self._free = self._free_bytes()
            self._look_again = now + SECONDS_BETWEEN_DISK_LOOKS
        return self._free

    def _guarded(self, draw: Callable[[], None]) -> None:
        if self._dark:
            return
        try:
            draw()
        except Exception as error:  # noqa: BLE001 - whatever breaks while drawing must not break the harvest
            self._go_dark(error)

    def _go_dark(self, error: Exception) -> None:
        self._dark = True
        self._echo.restore()
        with contextlib.suppress(Exception):  # a second error, while tidying up, says nothing that the first did not
            self._live.stop()
        self._forget_unwritten()
        self._lost(ObserverFailed(self._now(), "Dashboard", f"{type(error).__name__}: {error}"))

    def _forget_unwritten(self) -> None:
        """rich keeps what it could not write and would put it before the next thing that is said."""
        self._console.quiet = True
        self._console.print()
        self._console.quiet = False

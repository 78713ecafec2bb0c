"""A progress bar in a notebook: one output of the cell, which is updated in place."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from html import escape
from types import TracebackType
from typing import Any, Self

from .. import events as ev
from ..events.stats import HarvestStats
from ..formatting import clock, count, percent, plain_line, plural, size, wall
from .state import DashboardState, RunState
from .view import DashboardView

INTERVAL = 0.5  # seconds between two pictures
Show = Callable[[str, str], None]
"""Shows HTML, and the same as text for a reader that has no HTML, in place of what it showed before."""


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook."""
    return getattr(_shell(), "kernel", None) is not None


def _shell() -> Any:
    """Return IPython's shell; None where IPython was not imported, as in any other program."""
    module = sys.modules.get("IPython")
    return None if module is None else module.get_ipython()


def notebook_output() -> Show:
    """Return what shows a picture in the output of the running cell."""
    from IPython.display import display

    handle: Any = None

    def show(html: str, text: str) -> None:
        nonlocal handle
        bundle = {"text/html": html, "text/plain": text}
        if handle is None:
            handle = display(bundle, raw=True, display_id=True)  # type: ignore[no-untyped-call]  # IPython has no types
        else:
            handle.update(bundle, raw=True)

    return show


class NotebookBar:
    """Show how far the run is, twice a second while something changes.

    Add it to the bus, behind the statistics that ``numbers`` reads, and enter it around the run.
    """

    def __init__(
        self,
        show: Show,
        numbers: Callable[[], HarvestStats],
        *,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._show, self._now, self._sleep = show, now, sleep
        self._view = DashboardView(numbers)
        self._shown = ""
        self._fault: Exception | None = None
        self._drawing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._draw()
        self._drawing = asyncio.create_task(self._redraw(), name="notebook-bar")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._drawing is not None:
            self._drawing.cancel()
            await asyncio.wait((self._drawing,))
        if self._fault is None:
            self._draw()

    def __call__(self, event: ev.Event) -> None:
        """Take in one event."""
        if self._fault is not None:
            raise self._fault
        self._view(event)

    async def _redraw(self) -> None:
        try:
            while True:
                await self._sleep(INTERVAL)
                self._draw()
        except Exception as error:  # noqa: BLE001 - the next event raises it, and the bus drops and names us
            self._fault = error

    def _draw(self) -> None:
        state = self._view.snapshot(self._now())
        lines = describe(state)
        if "\n".join(lines) != self._shown:
            self._shown = "\n".join(lines)
            self._show(picture(state, lines), self._shown)


def describe(state: DashboardState) -> list[str]:
    """Return the state of the run as one line, and a second one where there is more to say."""
    if state.start is None:
        return ["harvester is preparing the run"]
    stats, goal = state.stats, state.done + state.left
    parts = [f"{count(state.done)} of {count(goal)} ({percent(state.done, goal)})"]
    parts += [f"{count(stats.saved)} saved ({size(stats.bytes)})"]
    parts += [f"{count(stats.failed)} failed"] if stats.failed else []
    parts += [f"{plural(state.due, 'retry', 'retries')} due"] if state.due else []
    if state.run_state is RunState.ENDED:
        return [" · ".join([*parts, clock(state.elapsed)]), state.reason]
    parts += [f"{state.rate:.1f} requests/s"]
    if state.eta is not None:
        parts.append(f"ETA {clock(state.eta)} ({wall(state.now + state.eta, state.now)})")
    lines = [" · ".join(parts)]
    if state.run_state is RunState.PAUSED:
        lines.append(f"paused {state.pause_text}: {state.reason}")
    elif state.run_state is RunState.DRAINING:
        lines.append(f"draining, {state.in_flight} in flight: {state.reason}")
    elif state.failures:
        latest = state.failures[0]
        lines.append(f"last failure: {latest.name}: {latest.detail}")
    return lines


def picture(state: DashboardState, lines: list[str]) -> str:
    """Return the bar and its lines as HTML, in the colours of the notebook."""
    goal = state.done + state.left
    value = f' value="{state.done}"' if state.start is not None else ""  # without one the bar moves to and fro
    title = f"{state.start.archive} → {state.start.out}" if state.start else ""
    words = "<br>".join(escape(plain_line(line)) for line in [*([title] if title else []), *lines])
    return f'<div><progress max="{max(1, goal)}"{value} style="width: 100%"></progress><br>{words}</div>'

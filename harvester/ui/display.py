"""Show a run while it lasts: on a dashboard, in a notebook, in plain or JSON lines."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..events.bus import EventBus
from ..events.stats import HarvestStats, StatsCollector
from ..model.limits import Limits
from .json_lines import JsonLines
from .output_thread import OutputThread

if TYPE_CHECKING:
    from .keys import Keys
from .notebook import NotebookBar, in_notebook, notebook_output

FORCED = ("FORCE_COLOR", "TTY_COMPATIBLE")  # variables by which rich takes for a terminal what is none


@dataclass(frozen=True, slots=True)
class Display:
    """How the run is shown (``style``), on what, and how to give back the terminal in a hurry."""

    style: str
    output: OutputThread
    json_lines: JsonLines
    release_terminal: Callable[[], None] = lambda: None


def style_for(setting: str) -> str:
    """Return what ``auto`` means here; any other setting is returned as it is."""
    if setting != "auto":
        return setting
    if in_notebook():
        return "notebook"
    if not sys.stdout.isatty() and not any(name in os.environ for name in FORCED):
        return "plain"  # without loading rich, which a run in the background needs for its last lines only
    from .dashboard import can_redraw

    return "rich" if can_redraw(sys.stdout) else "plain"


@asynccontextmanager
async def displaying(
    style: str,
    output: OutputThread,
    bus: EventBus,
    collector: StatsCollector,
    folder: Path | None,
    limits: Limits,
    keys: Keys | None = None,
) -> AsyncIterator[Display]:
    """Show what happens on ``bus`` while the run lasts.

    ``folder`` is that of the spectra, if they are stored on this machine: its free space is shown. ``limits``
    say how long a drain and an outage may take. ``keys`` do something on the dashboard, if there is a keyboard.
    """

    def numbers() -> HarvestStats:
        return collector.stats

    display = Display(style, output, JsonLines(output))
    async with AsyncExitStack() as stack:
        if style == "rich":
            from .dashboard import Dashboard
            from .terminal import Terminal

            free = None if folder is None else lambda: shutil.disk_usage(folder).free
            dashboard = Dashboard(Terminal(output), bus.emit, numbers, grace=limits.grace, free_bytes=free, keys=keys)
            bus.add(await stack.enter_async_context(dashboard))
            display = replace(display, release_terminal=dashboard.release_terminal)
        elif style == "notebook":
            bus.add(await stack.enter_async_context(NotebookBar(notebook_output(), numbers)))
        elif style == "plain":
            from .plain_lines import PlainLines

            bus.add(await stack.enter_async_context(PlainLines(output, numbers, max_outage=limits.max_outage)))
        elif style == "json":
            bus.add(display.json_lines, logged_only=True)
        yield display

"""Where a run is shown while it lasts: the dashboard (loaded if it is wanted), plain or JSON lines, on one outlet."""

from __future__ import annotations

import shutil
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ..events.bus import EventBus
from ..events.stats import HarvestStats, StatsCollector
from .json_lines import JsonLines
from .output_thread import OutputThread
from .plain_lines import PlainLines


@dataclass(frozen=True, slots=True)
class Display:
    """How the run is shown, on what, and how to let go of the terminal in a hurry."""

    how: str
    outlet: OutputThread
    json_lines: JsonLines
    let_go: Callable[[], None] = lambda: None


def chosen(asked: str) -> str:
    """What ``auto`` means on this terminal; anything else means itself."""
    if asked != "auto":
        return asked
    from .dashboard import can_redraw

    return "rich" if can_redraw(sys.stdout) else "plain"


@asynccontextmanager
async def displaying(
    how: str, outlet: OutputThread, bus: EventBus, tally: StatsCollector, out: Path | None, grace: float
) -> AsyncIterator[Display]:
    """Show what ``bus`` tells while the harvest lasts, and how much room there is in the folder ``out``, if it is one.

    ``grace`` is how long a drain may take.
    """

    def numbers() -> HarvestStats:
        return tally.stats

    stage = Display(how, outlet, JsonLines(outlet))
    async with AsyncExitStack() as stack:
        if how == "rich":
            from .dashboard import Dashboard
            from .terminal import Terminal

            free = None if out is None else lambda: shutil.disk_usage(out).free
            dashboard = Dashboard(Terminal(outlet), bus.emit, numbers, grace=grace, free_bytes=free)
            bus.add(await stack.enter_async_context(dashboard))
            stage = replace(stage, let_go=dashboard.let_go)
        elif how == "plain":
            bus.add(await stack.enter_async_context(PlainLines(outlet, numbers)))
        elif how == "json":
            bus.add(stage.json_lines, logged_only=True)
        yield stage

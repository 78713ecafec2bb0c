"""Arrange the panels that a terminal has room for.

Where there is less room they go in a fixed order: workers, failures, politeness, spectra, heading.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.layout import Layout

from . import panels, status_lines
from .state import DashboardState, RunState

SPARE = 2  # cells at the end of the last line: were it full, some terminals would wrap and scroll the picture up
BORDERS = 2  # lines of a panel
TALL = 30  # lines from which on panels get more rows
USUAL_CONCURRENCY = 8  # requests in flight that the usual rows are enough for


@dataclass(frozen=True, slots=True)
class Page:
    """A snapshot drawn into at most ``rows`` lines of ``width`` cells.

    ``free`` are the bytes left on the disk, ``keys`` what the keys do at the moment.
    """

    state: DashboardState
    width: int
    rows: int
    free: int | None = None
    keys: Sequence[str] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        line = options.update(width=self.width, height=1, no_wrap=True)
        last = options.update(width=max(1, self.width - SPARE), height=1, no_wrap=True)
        if self.width < 24 or self.rows < 3:
            yield from console.render(status_lines.progress(self.state, last.max_width), last)
            return
        yield from console.render(status_lines.heading(self.state, self.width), line)
        yield from console.render(status_lines.progress(self.state, self.width), line)
        rows = self._panels()
        if rows:
            body = Layout()
            body.split_column(*rows)
            yield from console.render(body, options.update_dimensions(self.width, sum(row.size or 0 for row in rows)))
        yield from console.render(status_lines.footer(self.state, last.max_width, self.free, self.keys), last)

    def _panels(self) -> list[Layout]:
        """Return the richest arrangement of panels that there is room for, from top to bottom."""
        if self.state.run_state is RunState.ENDED:
            return []  # the picture stays on the terminal, above the summary
        for width, rows, arrange in ARRANGEMENTS:
            if self.width >= width and self.rows >= rows:
                return arrange(self.state, self.width, self.rows)
        return []


def wide(state: DashboardState, width: int, rows: int) -> list[Layout]:
    """Arrange three panels in a row, and the failures below."""
    upper, lower = _heights(state, rows)
    right = width // 5
    middle = (width - right) // 2
    return [
        _row(
            upper,
            (panels.workers(state, upper), width - right - middle),
            (panels.politeness(state, middle, upper), middle),
            (panels.outcomes(state, right, upper), right),
        ),
        _row(lower, (panels.failures(state, width, lower), width)),
    ]


def whole(state: DashboardState, width: int, rows: int) -> list[Layout]:
    """Arrange all panels in two rows of two."""
    upper, lower = _heights(state, rows)
    left, narrow = width // 2 - 1, max(31, width // 4)
    right, broad = width - left, width - narrow
    return [
        _row(upper, (panels.workers(state, upper), left), (panels.politeness(state, right, upper), right)),
        _row(lower, (panels.outcomes(state, narrow, lower), narrow), (panels.failures(state, broad, lower), broad)),
    ]


def medium_and_high(state: DashboardState, width: int, rows: int) -> list[Layout]:
    """Arrange the workers above the spectra and the politeness, and the failures below."""
    first = min(9, rows - 24)
    return [_row(first, (panels.workers(state, first), width)), *without_workers(state, width, rows)]


def without_workers(state: DashboardState, width: int, rows: int) -> list[Layout]:
    """Arrange the spectra beside the politeness, and the failures below."""
    upper, lower = (9, 6) if rows >= 22 else (7, 5)
    return [_pair(state, width, upper), _row(lower, (panels.failures(state, width, lower), width))]


def without_failures(state: DashboardState, width: int, rows: int) -> list[Layout]:
    """Arrange the spectra beside the politeness."""
    return [_pair(state, width, 7)]


def narrow_and_high(state: DashboardState, width: int, rows: int) -> list[Layout]:
    """Arrange all panels below each other."""
    first = min(9, rows - 32)
    return [
        _row(first, (panels.workers(state, first), width)),
        _row(9, (panels.politeness(state, width, 9), width)),
        _row(6, (panels.outcomes(state, width, 6), width)),
        _row(6, (panels.failures(state, width, 6), width)),
    ]


def narrow(state: DashboardState, width: int, rows: int) -> list[Layout]:
    """Arrange the spectra above the politeness."""
    return [
        _row(6, (panels.outcomes(state, width, 6), width)),
        _row(7, (panels.politeness(state, width, 7), width)),
    ]


def outcomes_alone(state: DashboardState, width: int, rows: int) -> list[Layout]:
    """Show the spectra alone."""
    return [_row(5, (panels.outcomes(state, width, 5), width))]


Arrangement = Callable[[DashboardState, int, int], list[Layout]]
# The least width and lines of each, the richest first.
ARRANGEMENTS: tuple[tuple[int, int, Arrangement], ...] = (
    (150, 19, wide),
    (90, 19, whole),
    (70, 33, medium_and_high),
    (70, 19, without_workers),
    (70, 12, without_failures),
    (46, 36, narrow_and_high),
    (46, 20, narrow),
    (36, 10, outcomes_alone),
)


def _heights(state: DashboardState, rows: int) -> tuple[int, int]:
    """Return the rows inside the upper and inside the lower panels."""
    if rows < 22:
        return 7, 5
    spare = max(0, rows - TALL)
    more = min(spare, max(0, state.configured.concurrency - USUAL_CONCURRENCY))
    return 9 + more, 6 + min(spare - more, 4)


def _pair(state: DashboardState, width: int, rows: int) -> Layout:
    left = width * 2 // 5
    right = width - left
    return _row(rows, (panels.outcomes(state, left, rows), left), (panels.politeness(state, right, rows), right))


def _row(rows: int, *cells: tuple[RenderableType, int]) -> Layout:
    row = Layout(size=rows + BORDERS)
    row.split_row(*(Layout(cell, size=width) for cell, width in cells))
    return row

"""Which panels a terminal has room for. They go in a fixed order: workers, failures, politeness, spectra, heading."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import panels
from .canvas import Glyphs, Line, beside, box
from .panels import footer, heading, progress
from .state import DashboardState, RunState

# The cursor stays behind the last line: were it full, some terminals would wrap and scroll the picture up.
SPARE = 2


@dataclass(frozen=True, slots=True)
class Page:
    """What a layout draws on: ``rows`` lines of ``width`` cells."""

    scene: DashboardState
    width: int
    rows: int
    glyphs: Glyphs
    free: int | None

    def workers(self, width: int, height: int) -> list[Line]:
        title, lines = panels.workers(self.scene, width - 4, height, self.glyphs)
        return box(title, lines, width, height, self.glyphs)

    def politeness(self, width: int, height: int) -> list[Line]:
        title, lines = panels.politeness(self.scene, width - 4, self.glyphs)
        return box(title, lines, width, height, self.glyphs)

    def outcomes(self, width: int, height: int) -> list[Line]:
        title, lines = panels.outcomes(self.scene, width - 4, height, self.glyphs)
        return box(title, lines, width, height, self.glyphs)

    def troubles(self, width: int, height: int) -> list[Line]:
        title, lines = panels.troubles(self.scene, width - 4, self.glyphs)
        return box(title, lines, width, height, self.glyphs)

    def framed(self, middle: list[Line]) -> list[Line]:
        head = heading(self.scene, self.width, self.glyphs)
        progress_line = progress(self.scene, self.width, self.glyphs)
        foot = footer(self.scene, self.free, max(1, self.width - SPARE), self.glyphs)
        return [head, progress_line, *middle, foot]


def whole(page: Page) -> list[Line]:
    """Everything."""
    upper, lower = (9, 6) if page.rows >= 22 else (7, 5)
    left, narrow = page.width // 2 - 1, max(28, page.width // 4)
    top = beside(page.workers(left, upper), page.politeness(page.width - left, upper))
    return page.framed([*top, *beside(page.outcomes(narrow, lower), page.troubles(page.width - narrow, lower))])


def without_workers(page: Page) -> list[Line]:
    upper, lower = (9, 6) if page.rows >= 22 else (7, 5)
    narrow = page.width * 2 // 5
    top = beside(page.outcomes(narrow, upper), page.politeness(page.width - narrow, upper))
    return page.framed([*top, *page.troubles(page.width, lower)])


def without_troubles(page: Page) -> list[Line]:
    if page.width >= 70:
        narrow = page.width * 2 // 5
        return page.framed(beside(page.outcomes(narrow, 7), page.politeness(page.width - narrow, 7)))
    return page.framed([*page.outcomes(page.width, 6), *page.politeness(page.width, 7)])


def without_politeness(page: Page) -> list[Line]:
    return page.framed(page.outcomes(page.width, 5))


def without_panels(page: Page) -> list[Line]:
    return page.framed([])


def progress_alone(page: Page) -> list[Line]:
    return [progress(page.scene, max(1, page.width - SPARE), page.glyphs)]


# The least width and rows of each, the richest first.
LAYOUTS: tuple[tuple[int, int, Callable[[Page], list[Line]]], ...] = (
    (90, 19, whole),
    (70, 19, without_workers),
    (70, 12, without_troubles),
    (46, 20, without_troubles),
    (36, 10, without_politeness),
    (24, 3, without_panels),
    (0, 0, progress_alone),
)


def lay_out(scene: DashboardState, width: int, rows: int, glyphs: Glyphs, free: int | None = None) -> list[Line]:
    """The richest picture that ``width`` cells and ``rows`` lines have room for; none is wider or higher than that."""
    page = Page(scene, width, rows, glyphs, free)
    if scene.state is RunState.ENDED and rows >= 3:
        return without_panels(page)  # it stays on the terminal, above the farewell
    return next(draw(page) for least, high, draw in LAYOUTS if width >= least and rows >= high)

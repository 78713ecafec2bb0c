"""Draw the dashboard and the summary as text."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.console import RenderableType

from harvester.ui.output_thread import OutputThread
from harvester.ui.page_layout import Page
from harvester.ui.state import DashboardState
from harvester.ui.terminal import Encodable, Terminal

FREE = 41_200_000_000


def printed(content: RenderableType, width: int, rows: int = 100, encoding: str = "utf-8") -> list[str]:
    """The lines that a terminal of that size and encoding gets, without colours."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    output = OutputThread(stream)
    console = Terminal(output, width=width, height=rows, force_terminal=True, color_system=None)
    console.print(Encodable(content), crop=False, end="")
    assert output.close()
    stream.seek(0)
    return stream.read().splitlines()


def drawn(state: DashboardState, width: int, rows: int, encoding: str = "utf-8", keys: Sequence[str] = ()) -> list[str]:
    """The lines of the dashboard, on a terminal with one line more: the cursor's."""
    return printed(Page(state, width, rows, FREE, keys), width, rows + 1, encoding)

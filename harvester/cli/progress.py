"""Signs of life of a command that takes seconds, on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[int, int], None]
"""Called with how many are done and how many there are."""


@contextmanager
def signs_of_life(doing: str, done: str) -> Iterator[Progress]:
    """A bar on a terminal, else a line for each tenth: ``verifying``, or ``verified 10 %``."""
    from ..ui.dashboard import can_redraw

    if not can_redraw(sys.stderr):
        yield _tenths(done)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(doing), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda count, total: bar.update(task, completed=count, total=total)


def _tenths(done: str) -> Progress:
    told = 0

    def tell(count: int, total: int) -> None:
        nonlocal told
        tenth = 10 * count // total if total else 10
        if told < tenth < 10:
            print(f"{done} {10 * tenth} % ({count} of {total})", file=sys.stderr, flush=True)
        told = tenth

    return tell

"""Show on standard error that a command which takes seconds is working."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[int, int], None]
"""Called with the number that are done and the total."""

FEW = 500  # files that are read in so short a time that a log needs no line about it


@contextmanager
def show_progress(doing: str, done: str) -> Iterator[Progress]:
    """Show a bar on a terminal, else a line for each tenth of many files.

    The bar begins with ``doing``, such as ``verifying``; a line is like ``verified 10 %``.
    """
    from ..ui.dashboard import can_redraw

    if not can_redraw(sys.stderr):
        yield _print_tenths(done)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(doing), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda count, total: bar.update(task, completed=count, total=total)


def _print_tenths(done: str) -> Progress:
    printed = 0

    def update(number: int, total: int) -> None:
        nonlocal printed
        tenth = 10 * number // total if total else 10
        if printed < tenth < 10 and total >= FEW:
            print(f"{done} {10 * tenth} % ({number} of {total})", file=sys.stderr, flush=True)
        printed = tenth

    return update

"""The dashboard's lines above and below the panels: the run, its progress, the keys."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from rich.text import Text

from ..formatting import clock, count, duration, percent, size, wall
from .panels import ends
from .state import DashboardState, RunState

STYLES = {
    RunState.STARTING: "dim",
    RunState.RUNNING: "good.strong",
    RunState.PAUSED: "care.strong",
    RunState.DRAINING: "care.strong",
    RunState.ENDED: "ink.strong",
}
LITTLE_SPACE = 1e9  # bytes
KEYLESS = ("Ctrl-C to stop gently", "twice to stop now")


def heading(state: DashboardState, width: int) -> Text:
    """Show which run this is, and its state."""
    right = Text.assemble((state.run_state.upper(), STYLES[state.run_state]), (f" {clock(state.elapsed)}", "bold"))
    if state.run_state is RunState.DRAINING:
        right = Text.assemble((f"{_finishing(state, width)}  ", "care"), right)
    left = Text.assemble(("harvester", "ink.strong"))
    if state.start:
        if width >= 90:
            left.append(f" · {state.start.run}", "dim")
        left.append(f" · {state.start.archive} → ", "dim").append(state.start.out)
    return ends(left, right, width)


def _finishing(state: DashboardState, width: int) -> str:
    grace = f", up to {duration(round(state.grace_left))}" if state.grace_left and width >= 56 else ""
    return f"finishing {state.in_flight} in flight{grace}"


def progress(state: DashboardState, width: int) -> Text:
    """Show how far the run is: the line that stays to the last."""
    stats = state.stats
    goal = state.done + state.left
    whole = count(goal)
    tail = Text.assemble(
        (f"{count(state.done):>{len(whole)}} / {whole} ", "bold"), (f"{percent(state.done, goal):>5}", "ink.strong")
    )
    if width >= 56:
        tail.append(f"  {_time_left(state):>20}")
    room = width - tail.cell_len - 2
    if room < 8:
        return tail
    return bar((state.done_before, stats.saved, stats.failed), goal, room).append("  ").append_text(tail)


def bar(parts: tuple[int, int, int], whole: int, width: int) -> Text:
    """Return a bar of what was present, was saved and has failed.

    Done and left differ in shape as well as in colour.
    """
    stops = [min(width, width * so_far // whole) if whole else 0 for so_far in accumulate(parts)]
    done = Text()
    for begin, end, style in zip((0, *stops), stops, ("present", "good", "bad"), strict=False):
        done.append("━" * (end - begin), style)
    if stops[-1] < width:
        done.append("╾", "good").append("─" * (width - stops[-1] - 1), "dim")
    return done


def _time_left(state: DashboardState) -> str:
    if state.run_state is RunState.ENDED:
        return ""
    if state.only_retries:
        return f"retries until {wall(state.last_due or 0.0, state.now)}"
    if state.eta is None:
        return "ETA —"
    return f"ETA {clock(state.eta)} ({wall(state.now + state.eta, state.now)})"


def footer(state: DashboardState, width: int, free: int | None, keys: Sequence[str]) -> Text:
    """Show what a person can do, and the free space of the disk."""
    right = Text(f"{size(free)} free", "care" if free < LITTLE_SPACE else "dim") if free is not None else Text()
    left = _message(state)
    hints: Sequence[str] = () if state.run_state in (RunState.DRAINING, RunState.ENDED) else keys or KEYLESS
    if hints and not (left and hints is KEYLESS):
        before = " · " if left else ""
        shown = _fitting(hints, width - right.cell_len - left.cell_len - len(before) - 1)
        left.append(before + shown if shown else "", "dim")
    return ends(left, right, width)


def _message(state: DashboardState) -> Text:
    """Return why the run is paused, is drained or has ended; empty while it is running."""
    match state.run_state:
        case RunState.PAUSED:
            return Text.assemble(("paused: ", "care.strong"), state.reason)
        case RunState.DRAINING:
            return Text.assemble(("Ctrl-C again to stop now", "care.strong"), f" · {state.reason}")
        case RunState.ENDED:
            return Text.assemble((state.reason, "bold"))
    return Text()


def _fitting(hints: Sequence[str], width: int) -> str:
    """Return as many of ``hints`` as there is room for; half of one would be of no use."""
    while hints and len(" · ".join(hints)) > width:
        hints = hints[:-1]
    return " · ".join(hints)

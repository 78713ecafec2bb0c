"""The lines above and below the panels: which harvest this is, how far it is, and what a person can do."""

from __future__ import annotations

from itertools import accumulate

from .canvas import Glyphs, Line, fit, justify, width_of
from .figures import clock, count, duration, percent, size, wall
from .scene import Scene, State

STATES = {
    State.STARTING: "dim",
    State.RUNNING: "bold green",
    State.PAUSED: "bold yellow",
    State.DRAINING: "bold yellow",
    State.ENDED: "bold cyan",
}


def heading(scene: Scene, width: int, glyphs: Glyphs) -> Line:
    """Which harvest this is, and how it is."""
    right: Line = ((scene.state.upper(), STATES[scene.state]), (f" {clock(scene.elapsed)}", "bold"))
    if scene.state is State.DRAINING:
        right = ((_finishing(scene, width) + "  ", "yellow"), *right)
    left: Line = (("harvester", "bold cyan"),)
    if scene.start:
        dot = f" {glyphs.dot} "
        where = (f"{scene.start.archive} {glyphs.arrow} ", "dim"), (scene.start.out, "")
        run = ((f"{dot}{scene.start.run}", "dim"),) if width >= 90 else ()
        left = (*left, *run, (dot, "dim"), *where)
    return justify(left, right, width, glyphs)


def _finishing(scene: Scene, width: int) -> str:
    patience = f", up to {duration(round(scene.patience))}" if scene.patience and width >= 56 else ""
    return f"finishing {scene.in_flight} in flight{patience}"


def progress(scene: Scene, width: int, glyphs: Glyphs) -> Line:
    """The one line that is there to the last: what was here before, and this run's progress."""
    stats = scene.stats
    goal = scene.done + scene.left
    whole = count(goal)
    tail: Line = ((f"{count(scene.done):>{len(whole)}} / {whole} ", "bold"),)
    tail = (*tail, (f"{percent(scene.done, goal):>5}", "bold cyan"))
    if width >= 56:
        tail = (*tail, (f"  {_time_to_go(scene, glyphs):>20}", ""))
    room = width - width_of(tail) - 2
    if room < 8:
        return fit(tail, width, glyphs)
    return (*bar((stats.present, stats.saved, stats.failed), goal, room, glyphs), ("  ", ""), *tail)


def bar(parts: tuple[int, int, int], whole: int, width: int, glyphs: Glyphs) -> Line:
    """Present, saved and failed as one bar; the glyphs alone tell done from left."""
    ends = glyphs.bar_ends
    width -= len(ends)
    stops = [min(width, width * so_far // whole) if whole else 0 for so_far in accumulate(parts)]
    lengths = (stops[0], stops[1] - stops[0], stops[2] - stops[1])
    styles = ("blue", "green", "red")
    filled = [(glyphs.done * length, style) for length, style in zip(lengths, styles, strict=True) if length]
    if stops[2] < width:
        filled += [(glyphs.edge, "green"), (glyphs.left * (width - stops[2] - 1), "dim")]
    return ((ends[:1], "dim"), *filled, (ends[1:], "dim")) if ends else tuple(filled)


def _time_to_go(scene: Scene, glyphs: Glyphs) -> str:
    if scene.state is State.ENDED:
        return ""
    if scene.eta is None:
        return f"ETA {glyphs.dash}"
    return f"ETA {clock(scene.eta)} ({wall(scene.now + scene.eta, scene.now)})"


def footer(scene: Scene, free: int | None, width: int, glyphs: Glyphs) -> Line:
    """What a person can do, and how much room the disk has left."""
    right: Line = ((f"{size(free)} free", "yellow" if free < 1e9 else "dim"),) if free is not None else ()
    if scene.state is State.PAUSED:
        left: Line = (("paused: ", "bold yellow"), (scene.why, ""))
    elif scene.state is State.DRAINING:
        left = (("Ctrl-C again to stop now", "bold yellow"), (f" {glyphs.dot} {scene.why}", ""))
    elif scene.state is State.ENDED:
        left = ((scene.why, "bold"),)
    else:
        left = ((f"Ctrl-C to stop gently {glyphs.dot} twice to stop now", "dim"),)
    return justify(left, right, width, glyphs)

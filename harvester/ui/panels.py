"""The dashboard's panels: what each says of a scene, as lines. Where they go is the layout's business."""

from __future__ import annotations

from itertools import accumulate

from rich.cells import cell_len

from ..events import Phase
from ..events.stats import HarvestStats
from ..formatting import clock, count, duration, percent, size, time_of_day, wall
from ..model.failures import FailureKind
from .canvas import Glyphs, Line, clip, fit, justify, pad, width_of
from .rates import HISTORY
from .state import Allowance, DashboardState, InFlight, RecentFailure, RunState

PHASES = {
    Phase.WAITING: ("waiting", "dim"),
    Phase.RESPONSE: ("asking", "cyan"),
    Phase.BODY: ("receiving", "cyan"),
    Phase.VERIFY: ("verifying", "magenta"),
    Phase.WRITE: ("writing", "green"),
}
SLOW = 10.0
MINUTE = 60.0
WORDS = 44  # cells that the server's words get before the kind of failure has a column
GIVEN_UP, AGAIN = "x", "~"  # a word costs the server's words too much room, and colour alone tells nothing


def in_words(kind: FailureKind) -> str:
    """``not_found`` is ``not found``."""
    return kind.value.replace("_", " ")


def workers(scene: DashboardState, width: int, height: int, glyphs: Glyphs) -> tuple[Line, list[Line]]:
    """What is in flight, each in a row of its own until it is settled; who waits for a turn is dim, and gives way."""
    title: Line = (("in flight ", "bold"), (f"{scene.in_flight} / {scene.ceiling.concurrency}", "bold cyan"))
    name_width = max(8, width - 24)
    head: Line = ((f"{pad('spectrum', name_width, glyphs)}  {'phase':<9}{'for':>8}{'try':>5}", "dim"),)
    room = height - 1
    shown = _places(scene, room)
    rows = [_worker(slot, scene.now, name_width, glyphs) for slot in shown]
    more = scene.in_flight - sum(slot is not None and slot.phase is not Phase.WAITING for slot in shown)
    if more > 0:  # who only waits for a turn is not missed
        rows[-1] = ((f"and {more + 1} more", "dim"),)
    return title, [head, *rows]


def _places(scene: DashboardState, room: int) -> tuple[InFlight | None, ...]:
    """Every slot in its place; where they are too many, those that are in flight longest."""
    shown = scene.slots + (None,) * (min(scene.ceiling.concurrency, room) - len(scene.slots))
    if len(shown) <= room:
        return shown
    return tuple(sorted(scene.held, key=lambda slot: (slot.phase is Phase.WAITING, slot.since)))[:room]


def _worker(slot: InFlight | None, now: float, name_width: int, glyphs: Glyphs) -> Line:
    if slot is None:
        return ((glyphs.dot, "dim"),)
    word, style = PHASES[slot.phase]
    waiting = slot.phase is Phase.WAITING
    seconds = max(0.0, now - slot.since)
    spent = f"{seconds:.1f} s" if seconds < 100 else duration(seconds).replace(" ", "", 1)
    late = "yellow" if seconds >= SLOW else ""
    return (
        (pad(slot.name, name_width, glyphs) + "  ", "dim" if waiting else ""),
        (f"{word:<9}", style),
        (f"{clip(spent, 8, glyphs):>8}", "dim" if waiting else late),
        (f"{slot.attempt:>5}", "yellow" if slot.attempt > 1 and not waiting else "dim"),
    )


def politeness(scene: DashboardState, width: int, glyphs: Glyphs) -> tuple[Line, list[Line]]:
    """How the archive is treated and how it is doing; the rows that matter least come last."""
    title: Line = (("politeness", "bold"),)
    if scene.start:
        title = (*title, (f" {glyphs.dot} {scene.start.host}", "dim"))
    at_once, most = f"{scene.allowed.concurrency}", f"{scene.ceiling.concurrency}"
    rows = [
        ("req/s now/allowed/most", _ladder(f"{scene.rate:.2f}", _pace(scene.allowed), _pace(scene.ceiling))),
        ("last 10 min" if scene.elapsed >= HISTORY else "so far", ((_sparkline(scene, glyphs), "cyan"),)),
        ("at once now/allowed/most", _ladder(f"{scene.in_flight}", at_once, most)),
        ("latency now/unloaded", _latency(scene, glyphs)),
        _patience(scene, glyphs),
        _speed(scene, width, glyphs),
        ("due for another try", _due(scene)),
        ("traffic", ((f"{size(scene.traffic)}/s", ""), (f", {size(scene.stats.bytes)} in all", "dim"))),
        ("requests sent / retries", ((f"{count(scene.stats.requests)} / {count(scene.stats.retries)}", ""),)),
    ]
    return title, [justify(((label, "dim"),), value, width, glyphs) for label, value in rows]


def _ladder(now: str, allowed: str, most: str) -> Line:
    """What is, what is allowed just now, and the ceiling; yellow where less is allowed than that."""
    return (now, "bold"), (" / ", "dim"), (allowed, "yellow" if allowed != most else ""), (f" / {most}", "dim")


def _pace(allowed: Allowance) -> str:
    return f"{allowed.rate:.2f}".rstrip("0").rstrip(".") if allowed.rate else "any"


def _speed(scene: DashboardState, width: int, glyphs: Glyphs) -> tuple[str, Line]:
    """Why less is allowed than could be."""
    words = clip(scene.slowed, max(8, width - 14), glyphs)
    return ("slowed down", ((words, "yellow"),)) if words else ("slowed down", (("no", ""),))


def _sparkline(scene: DashboardState, glyphs: Glyphs) -> str:
    top = scene.ceiling.rate or max(scene.history, default=0.0) or 1.0
    highest = len(glyphs.levels) - 1
    return "".join(glyphs.levels[min(highest, round(highest * level / top))] for level in scene.history)


def _latency(scene: DashboardState, glyphs: Glyphs) -> Line:
    if not scene.latency:
        return ((glyphs.dash, ""),)
    return ((f"{scene.latency.median:.2f}", "bold"), (" / ", "dim"), (f"{scene.latency.unloaded:.2f} s", ""))


def _patience(scene: DashboardState, glyphs: Glyphs) -> tuple[str, Line]:
    if scene.state is RunState.PAUSED:
        return "paused", ((scene.waiting_words, "bold yellow"),)
    if scene.asked_to_wait is None:
        return "asked us to wait", (("never", ""),)
    moment, seconds = scene.asked_to_wait
    return "asked us to wait", ((f"{duration(seconds)} at {time_of_day(moment)}", ""),)


def _due(scene: DashboardState) -> Line:
    if not scene.due or scene.next_due is None:
        return ((count(scene.due), ""),)
    return ((count(scene.due), "yellow"), (f", next at {time_of_day(scene.next_due)}", ""))


def outcomes(scene: DashboardState, width: int, height: int, glyphs: Glyphs) -> tuple[Line, list[Line]]:
    """What became of the spectra so far, the commonest failures first, the rest of them together."""
    stats = scene.stats
    rows = [("saved and verified", stats.saved, "green"), ("already on disk", stats.present, "blue")]
    rows.append(("to go", scene.left, ""))
    if scene.left_out:
        rows.append(("left for another run", scene.left_out, "dim"))
    rows += _failed(stats, max(1, height - len(rows)))
    lines = [justify(((name, ""),), ((count(number), style),), width, glyphs) for name, number, style in rows]
    return (("spectra", "bold"),), lines


def _failed(stats: HarvestStats, room: int) -> list[tuple[str, int, str]]:
    kinds = sorted(stats.failures.items(), key=lambda item: (-item[1], item[0]))
    if not kinds:
        return [("failed", 0, "dim")]
    told = [(in_words(kind), number, "red") for kind, number in kinds]
    if len(told) > room:
        rest = sum(number for _, number in kinds[room - 1 :])
        told[room - 1 :] = [("failed otherwise" if room > 1 else "failed", rest, "red")]
    return told


def troubles(scene: DashboardState, width: int, glyphs: Glyphs) -> tuple[Line, list[Line]]:
    """The last failures in the server's words, the newest on top. The words are the point: all else gives way."""
    title: Line = (("last failures", "bold"), (f" {glyphs.dot} ", "dim"), (GIVEN_UP, "red"), (" given up  ", "dim"))
    title = (*title, (AGAIN, "yellow"), (" asked again", "dim"))
    if not scene.troubles:
        return title, [(("none so far", "dim"),)]
    shown = scene.troubles[:8]
    names = min(16, max(cell_len(trouble.name) for trouble in shown))
    kinds = max(len(trouble.kind) for trouble in shown)
    if width - names - kinds - 11 < WORDS:
        kinds = 0
    return title, [_trouble(trouble, names, kinds, scene.now, width, glyphs) for trouble in shown]


def _trouble(trouble: RecentFailure, names: int, kinds: int, now: float, width: int, glyphs: Glyphs) -> Line:
    mark, colour = (GIVEN_UP, "red") if trouble.again is None else (AGAIN, "yellow")
    words: Line = (
        (f"{time_of_day(trouble.time)[:5]} ", "dim"),
        (f"{mark} ", colour),
        (pad(trouble.name, names, glyphs) + "  ", ""),
        (f"{in_words(trouble.kind):<{kinds}}  " if kinds else "", colour),
        (trouble.words, "dim"),
    )
    if trouble.again is None or trouble.again - now < MINUTE or width < 60:
        return words
    return justify(words, ((f"again {time_of_day(trouble.again)[:5]}", colour),), width, glyphs)


STATES = {
    RunState.STARTING: "dim",
    RunState.RUNNING: "bold green",
    RunState.PAUSED: "bold yellow",
    RunState.DRAINING: "bold yellow",
    RunState.ENDED: "bold cyan",
}


def heading(scene: DashboardState, width: int, glyphs: Glyphs) -> Line:
    """Which harvest this is, and how it is."""
    right: Line = ((scene.state.upper(), STATES[scene.state]), (f" {clock(scene.elapsed)}", "bold"))
    if scene.state is RunState.DRAINING:
        right = ((_finishing(scene, width) + "  ", "yellow"), *right)
    left: Line = (("harvester", "bold cyan"),)
    if scene.start:
        dot = f" {glyphs.dot} "
        where = (f"{scene.start.archive} {glyphs.arrow} ", "dim"), (scene.start.out, "")
        run = ((f"{dot}{scene.start.run}", "dim"),) if width >= 90 else ()
        left = (*left, *run, (dot, "dim"), *where)
    return justify(left, right, width, glyphs)


def _finishing(scene: DashboardState, width: int) -> str:
    patience = f", up to {duration(round(scene.patience))}" if scene.patience and width >= 56 else ""
    return f"finishing {scene.in_flight} in flight{patience}"


def progress(scene: DashboardState, width: int, glyphs: Glyphs) -> Line:
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


def _time_to_go(scene: DashboardState, glyphs: Glyphs) -> str:
    if scene.state is RunState.ENDED:
        return ""
    if scene.eta is None:
        return f"ETA {glyphs.dash}"
    return f"ETA {clock(scene.eta)} ({wall(scene.now + scene.eta, scene.now)})"


def footer(scene: DashboardState, free: int | None, width: int, glyphs: Glyphs) -> Line:
    """What a person can do, and how much room the disk has left."""
    right: Line = ((f"{size(free)} free", "yellow" if free < 1e9 else "dim"),) if free is not None else ()
    if scene.state is RunState.PAUSED:
        left: Line = (("paused: ", "bold yellow"), (scene.why, ""))
    elif scene.state is RunState.DRAINING:
        left = (("Ctrl-C again to stop now", "bold yellow"), (f" {glyphs.dot} {scene.why}", ""))
    elif scene.state is RunState.ENDED:
        left = ((scene.why, "bold"),)
    else:
        left = ((f"Ctrl-C to stop gently {glyphs.dot} twice to stop now", "dim"),)
    return justify(left, right, width, glyphs)

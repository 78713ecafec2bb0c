"""The dashboard's panels: what each says of a scene, as lines. Where they go is the layout's business."""

from __future__ import annotations

from rich.cells import cell_len

from ..events import Phase
from ..failures import FailureKind
from .canvas import Glyphs, Line, clip, justify, pad
from .figures import count, duration, size, time_of_day
from .meters import HISTORY
from .scene import InFlight, Scene, State, Trouble

PHASES = {
    Phase.TURN: ("waiting", "dim"),
    Phase.ANSWER: ("asking", "cyan"),
    Phase.BODY: ("receiving", "cyan"),
    Phase.VERIFY: ("verifying", "magenta"),
    Phase.WRITE: ("writing", "green"),
}
SLOW = 10.0


def in_words(kind: FailureKind) -> str:
    """``not_found`` is ``not found``."""
    return kind.value.replace("_", " ")


def workers(scene: Scene, width: int, height: int, glyphs: Glyphs) -> tuple[Line, list[Line]]:
    """What is in flight, each in a row of its own until it is settled."""
    held = scene.held
    title: Line = (("in flight ", "bold"), (f"{len(held)} / {scene.ceiling}", "bold cyan"))
    name_width = max(8, width - 24)
    head: Line = ((f"{pad('spectrum', name_width, glyphs)}  {'phase':<9}{'for':>8}{'try':>5}", "dim"),)
    room = height - 1
    shown: tuple[InFlight | None, ...] = scene.slots + (None,) * (min(scene.ceiling, room) - len(scene.slots))
    if len(shown) > room:
        shown = tuple(sorted(held, key=lambda slot: slot.since))[:room]
    rows = [_worker(slot, scene.now, name_width, glyphs) for slot in shown]
    more = len(held) - sum(slot is not None for slot in shown)
    if more > 0:
        rows[-1] = ((f"and {more + 1} more", "dim"),)
    return title, [head, *rows]


def _worker(slot: InFlight | None, now: float, name_width: int, glyphs: Glyphs) -> Line:
    if slot is None:
        return ((glyphs.dot, "dim"),)
    word, style = PHASES[slot.phase]
    seconds = max(0.0, now - slot.since)
    spent = f"{seconds:.1f} s" if seconds < 100 else duration(seconds).replace(" ", "", 1)
    late = "yellow" if seconds >= SLOW and slot.phase is not Phase.TURN else ""
    again = "yellow" if slot.attempt > 1 else "dim"
    return (
        (pad(slot.name, name_width, glyphs) + "  ", ""),
        (f"{word:<9}", style),
        (f"{clip(spent, 8, glyphs):>8}", late),
        (f"{slot.attempt:>5}", again),
    )


def politeness(scene: Scene, width: int, glyphs: Glyphs) -> tuple[Line, list[Line]]:
    """How the archive is treated and how it is doing; the rows that matter least come last."""
    title: Line = (("politeness", "bold"),)
    if scene.start:
        title = (*title, (f" {glyphs.dot} {scene.start.host}", "dim"))
    rows = [
        _rate(scene),
        ("last 10 min" if scene.elapsed >= HISTORY else "so far", ((_sparkline(scene, glyphs), "cyan"),)),
        ("on the wire / at most", ((f"{scene.on_the_wire}", "bold"), (f" / {scene.ceiling}", ""))),
        ("latency median / 95 %", _latency(scene, glyphs)),
        ("unloaded latency", ((duration(scene.latency.unloaded) if scene.latency else glyphs.dash, ""),)),
        _patience(scene, glyphs),
        ("due for another try", _due(scene)),
        ("traffic", ((f"{size(scene.traffic)}/s", ""), (f", {size(scene.stats.bytes)} in all", "dim"))),
        ("requests sent / retries", ((f"{count(scene.stats.requests)} / {count(scene.stats.retries)}", ""),)),
    ]
    return title, [justify(((label, "dim"),), value, width, glyphs) for label, value in rows]


def _rate(scene: Scene) -> tuple[str, Line]:
    allowed = f"{scene.allowed:.2f} req/s" if scene.allowed else "no limit"
    return "rate now / allowed", ((f"{scene.rate:.2f}", "bold"), (f" / {allowed}", ""))


def _sparkline(scene: Scene, glyphs: Glyphs) -> str:
    top = scene.allowed or max(scene.history, default=0.0) or 1.0
    highest = len(glyphs.levels) - 1
    return "".join(glyphs.levels[min(highest, round(highest * level / top))] for level in scene.history)


def _latency(scene: Scene, glyphs: Glyphs) -> Line:
    if not scene.latency:
        return ((glyphs.dash, ""),)
    return ((f"{scene.latency.median:.2f}", "bold"), (f" / {scene.latency.p95:.2f} s", ""))


def _patience(scene: Scene, glyphs: Glyphs) -> tuple[str, Line]:
    if scene.state is State.PAUSED:
        return "paused", ((scene.waiting_words, "bold yellow"),)
    if scene.asked_to_wait is None:
        return "asked us to wait", (("never", ""),)
    moment, seconds = scene.asked_to_wait
    return "asked us to wait", ((f"{duration(seconds)} at {time_of_day(moment)}", ""),)


def _due(scene: Scene) -> Line:
    if not scene.due or scene.next_due is None:
        return ((count(scene.due), ""),)
    return ((count(scene.due), "yellow"), (f", next at {time_of_day(scene.next_due)}", ""))


def outcomes(scene: Scene, width: int, height: int, glyphs: Glyphs) -> tuple[Line, list[Line]]:
    """What became of the spectra so far, the commonest failures last."""
    stats = scene.stats
    rows: list[tuple[str, int, str]] = [
        ("saved and verified", stats.saved, "green"),
        ("already on disk", stats.present, "blue"),
        ("to go", stats.remaining, ""),
    ]
    kinds = sorted(stats.failures.items(), key=lambda item: (-item[1], item[0]))
    room = height - len(rows)
    if len(kinds) > room:
        rest = sum(number for _, number in kinds[room - 1 :])
        rows += [(in_words(kind), number, "red") for kind, number in kinds[: room - 1]]
        rows.append(("failed otherwise", rest, "red"))
    else:
        rows += [(in_words(kind), number, "red") for kind, number in kinds]
    if not kinds:
        rows.append(("failed", 0, "dim"))
    lines = [justify(((name, ""),), ((count(number), style),), width, glyphs) for name, number, style in rows]
    return (("spectra", "bold"),), lines


def troubles(scene: Scene, width: int, glyphs: Glyphs) -> tuple[Line, list[Line]]:
    """The last failures in the server's words, the newest on top."""
    title: Line = (("last failures", "bold"), (" in the server's words", "dim"))
    if not scene.troubles:
        return title, [(("none so far", "dim"),)]
    shown = scene.troubles[:8]
    names = min(16, max(cell_len(trouble.name) for trouble in shown))
    kinds = max(len(trouble.kind) for trouble in shown)
    return title, [_trouble(trouble, names, kinds, width, glyphs) for trouble in shown]


def _trouble(trouble: Trouble, names: int, kinds: int, width: int, glyphs: Glyphs) -> Line:
    colour, fate = "red", "given up"
    precision = 8 if width >= 90 else 5  # seconds give way to the server's words
    if trouble.again is not None:
        colour, fate = "yellow", f"again {time_of_day(trouble.again)[:precision]}"
    words: Line = (
        (f"{time_of_day(trouble.time)[:precision]}  ", "dim"),
        (pad(trouble.name, names, glyphs) + "  ", ""),
        (f"{in_words(trouble.kind):<{kinds}}  ", colour),
        (trouble.words, "dim"),
    )
    return justify(words, ((f" {fate}", colour),), width, glyphs) if width >= 60 else words

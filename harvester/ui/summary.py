"""What is said last, always: what is there, what is not and why, and what to type next.

It is read at seven in the morning by somebody who slept while it happened.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..events import Pause
from ..events.politeness import Politeness
from ..events.stats import HarvestStats
from ..formatting import clock, count, duration, plain_line, plural, size
from .canvas import Drawing, Glyphs, Line, glyphs_for
from .terminal import Terminal

HEADLINES: Mapping[int | None, tuple[str, str]] = {
    0: ("complete", "bold green"),
    1: ("stopped by a bug of ours", "bold red"),
    3: ("all was tried", "bold yellow"),
    4: ("stopped with work left", "bold yellow"),
    5: ("the archive was unavailable", "bold red"),
    6: ("local storage failed", "bold red"),
    7: ("the archive refuses our requests", "bold red"),
    129: ("hung up", "bold yellow"),
    130: ("interrupted", "bold yellow"),
    143: ("terminated", "bold yellow"),
}
AGAIN = {
    1: "to go on; what is on disk stays",
    5: "to go on when the archive is back",
    6: "to go on when the disk is well and has room",
    7: "once the request suits the archive (--fluxcalib, --band, --format)",
}
PAUSES = {
    Pause.RETRY_AFTER: "as it asked for",
    Pause.OUTAGE: "as it was away",
    Pause.DISK: "for want of room on our disk",
    Pause.WINDOW: "outside the window",
}
QUARANTINE = ".harvester/quarantine"
_DOUBLED = re.compile("(?<!:)//")  # slashes, but for those of a URL
LONGEST_COMMAND = 2000  # what is to be copied is never cut short for looks


@dataclass(frozen=True, slots=True)
class Commands:
    """Whole command lines for this very harvest, ready to be typed; the farewell only chooses among them."""

    again: str
    only_failed: str
    failures: str
    status: str


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What only the caller knows. ``lost`` are the watchers that broke, ``quarantined`` the bodies set aside, ``page``
    is the file about the run, ``books`` the local folder of all these where ``out`` is not one."""

    stats: HarvestStats
    out: str
    now: float
    commands: Commands
    warnings: Sequence[str] = ()
    quarantined: int = 0
    politeness: Politeness | None = None
    nights_left: int | None = None
    page: str = ""
    state_folder: str = ""

    @property
    def nothing_to_do(self) -> bool:
        stats = self.stats
        return stats.exit_code == 0 and not (stats.saved or stats.failed or stats.remaining)


def say(console: Terminal, what: RunSummary) -> None:
    """The whole of it. Nothing is cropped: a path that is too long for the terminal is still whole to copy."""
    drawing = Drawing(lines(what, console.width, glyphs_for(console.encoding)))
    with contextlib.suppress(OSError):  # whoever read us is gone: nobody is left to be told
        console.print(drawing, crop=False, end="")


def lines(what: RunSummary, width: int, glyphs: Glyphs) -> list[Line]:
    story = [*_headline(what, glyphs), *_failures(what.stats, width, glyphs)]
    if what.stats.requests:
        story += [((f"  {line}", "dim"),) for line in _traffic(what, glyphs)]
    return [*story, *_lost(what.warnings), (), *_hints(_next_steps(what) + _places(what), width)]


def _headline(what: RunSummary, glyphs: Glyphs) -> list[Line]:
    stats = what.stats
    if what.nothing_to_do:
        words = f": all {count(stats.present)} spectra are on disk" if stats.listed else ": the catalog is empty"
        return [(("nothing to do", "bold green"), (words, ""))]
    title, style = HEADLINES.get(stats.exit_code, ("stopped", "bold yellow"))
    seconds = max(0.0, (stats.ended or what.now) - stats.started)
    numbers = [f"{count(stats.present)} already here", f"{count(stats.saved)} new ({size(stats.bytes)} received)"]
    numbers += [f"{count(stats.failed)} failed"] if stats.failed else []
    numbers += [f"{count(stats.remaining)} to go"] if stats.remaining else []
    if what.nights_left:
        numbers[-1] += f" ({plural(what.nights_left, 'more night')} at the rate reached)"
    told = stats.reason.startswith(title)
    heading = plain_line(stats.reason) if told else title
    dot = glyphs.dot
    head: Line = ((heading, style), (f" {dot} {clock(seconds)} {dot} {count(stats.listed)} listed", ""))
    body: Line = (("  " + ", ".join(numbers), ""),)
    untold = stats.exit_code != 0 and not told and stats.reason != "running"
    why: list[Line] = [(("  ", ""), (plain_line(stats.reason), style.removeprefix("bold ")))] if untold else []
    return [head, *why, body]


def _failures(stats: HarvestStats, width: int, glyphs: Glyphs) -> list[Line]:
    """For each kind how many, what it means, what to do; the advice has its own line where the terminal is narrow."""
    kinds = sorted(stats.failures.items(), key=lambda item: (-item[1], item[0]))
    digits = max((len(count(number)) for _, number in kinds), default=0)
    names = max((len(kind) for kind, _ in kinds), default=0)
    meanings = max((len(kind.meaning) for kind, _ in kinds), default=0)
    indent = digits + names + 6
    beside = all(indent + meanings + len(kind.advice) + 4 <= width for kind, _ in kinds)
    told: list[Line] = []
    for kind, number in kinds:
        start: Line = ((f"  {count(number):>{digits}}", "bold"), (f"  {kind.value:<{names}}  ", "yellow"))
        advice = (f"{glyphs.arrow} {kind.advice}", "cyan")
        if beside:
            told.append((*start, (f"{kind.meaning:<{meanings}}  ", ""), advice))
        else:
            told += [(*start, (kind.meaning, "")), ((" " * indent, ""), advice)]
    return told


def _traffic(what: RunSummary, glyphs: Glyphs) -> list[str]:
    """The politeness receipt; without one, the little that the numbers alone tell."""
    stats, seen = what.stats, what.politeness
    retries = plural(stats.retries if seen is None else seen.retries, "retry", "retries")
    asked = f"the archive was asked {plural(stats.requests, 'time')}"
    if seen is None or not seen.requests:
        seconds = max(1.0, (stats.ended or what.now) - stats.started)
        return [f"{asked}, {stats.requests / seconds:.1f} a second {glyphs.dot} {retries}"]
    busiest = f"{seen.average:.1f} a second, {count(seen.busiest_second)} in the busiest one"
    told = [f"{asked} for {plural(seen.spectra, 'spectrum', 'spectra')}, {busiest} {glyphs.dot} {retries}"]
    held = [
        f"{plural(pauses.times, 'pause')} of {duration(pauses.seconds)} {PAUSES[kind]}"
        for kind, pauses in sorted(seen.unplanned.items(), key=lambda item: list(PAUSES).index(item[0]))
    ]
    held += [f"slowed down {plural(seen.slow_downs, 'time')}"] if seen.slow_downs else []
    told += [", ".join(held)] if held else []
    return [*told, f"by {plain_line(seen.user_agent)}"]


def _lost(names: Sequence[str]) -> list[Line]:
    if not names:
        return []
    head: Line = ((f"  {plural(len(names), 'watcher')} lost", "yellow"), ("; the harvest went on without:", ""))
    return [head, *((("    " + plain_line(name), ""),) for name in names)]


def _next_steps(what: RunSummary) -> list[tuple[str, str, str]]:
    """What to read, and the one command to run, if any."""
    steps: list[tuple[str, str]] = []
    if what.stats.failures:
        steps.append((what.commands.failures, "which, and why, in the server's words"))
    steps += _run_again(what)
    if what.stats.exit_code is None:
        steps.append((what.commands.status, "how it stands, from any terminal"))
    return [("next", plain_line(command, LONGEST_COMMAND), why) for command, why in steps]


def _run_again(what: RunSummary) -> list[tuple[str, str]]:
    stats = what.stats
    if stats.exit_code in (0, 3):
        return []
    worth = any(kind.transient for kind in stats.failures) and not stats.remaining
    if worth and stats.exit_code not in AGAIN:
        return [(what.commands.only_failed, "to ask for those once more")]
    return [(what.commands.again, AGAIN.get(stats.exit_code or 0, "to go on where it stopped"))]


def _places(what: RunSummary) -> list[tuple[str, str, str]]:
    places = [("spectra", what.out, "")]
    if what.quarantined:
        bodies = plural(what.quarantined, "body", "bodies")
        places.append(("quarantine", f"{what.state_folder or what.out}/{QUARANTINE}", f"{bodies} that failed a gate"))
    if what.page:
        places.append(("report", what.page, "all of it, to look at in a browser"))
    if what.stats.run and not what.nothing_to_do:
        places.append(("log", f"{what.state_folder or what.out}/.harvester/runs/{what.stats.run}/events.jsonl", ""))
    return [(label, plain_line(_DOUBLED.sub("/", path), LONGEST_COMMAND), why) for label, path, why in places]


def _hints(rows: list[tuple[str, str, str]], width: int) -> list[Line]:
    """A label once for each group, the text to copy, and what it is for if there is room."""
    labels = max(len(label) for label, _, _ in rows) + 2
    texts = max((len(text) for _, text, why in rows if why), default=0)
    hints: list[Line] = []
    before = ""
    for label, text, why in rows:
        shown = "" if label == before else label
        before = label
        reason = f"  {why}" if why and labels + texts + 2 + len(why) <= width else ""
        hints.append(
            ((f"{shown:<{labels}}", "bold"), (f"{text:<{texts}}" if reason else text, "cyan"), (reason, "dim"))
        )
    return hints

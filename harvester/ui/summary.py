"""The run summary, printed last and always.

It says what is stored, what is missing and why, and what to type next. It is read in the morning by a person who slept
while the run went on.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import TextWrapper

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..events import Pause
from ..events.politeness import Politeness
from ..events.stats import HarvestStats
from ..formatting import clock, count, duration, plain_line, plural, size
from .terminal import Encodable, Terminal

HEADLINES: Mapping[int | None, tuple[str, str]] = {
    0: ("complete", "good"),
    1: ("stopped by an internal error", "bad"),
    3: ("finished; some spectra are unavailable", "care"),
    4: ("stopped with work left", "care"),
    5: ("the archive was unavailable", "bad"),
    6: ("local storage failed", "bad"),
    7: ("the archive rejects every request, or no file is as expected", "bad"),
    129: ("hung up", "care"),
    130: ("interrupted", "care"),
    143: ("terminated", "care"),
}
LONGEST_REASON = 400  # characters: at its end the reason says what to set
AGAIN = {
    1: "to resume; stored spectra are kept",
    5: "to resume when the archive is available again",
    6: "to resume when the disk works and has free space",
    7: "once profile and request (--fluxcalib, --band, --format) suit it",
}
PAUSES = {
    Pause.RETRY_AFTER: "requested by the server",
    Pause.OUTAGE: "with the archive unavailable",
    Pause.DISK: "with the disk full",
    Pause.WINDOW: "outside the window",
    Pause.USER: "requested by the user",
}
_AFTER_A_DIGIT = re.compile(r"(?<=\d) (?=\w)")
_DOUBLED = re.compile("(?<!:)//")  # slashes, but for those of a URL
MOST_REMARKS = 5
MAX_COMMAND = 2000  # characters; what is to be copied is never cut for looks


@dataclass(frozen=True, slots=True)
class Commands:
    """Command lines for this very harvest, ready to be typed."""

    again: str
    only_failed: str
    failures: str
    status: str


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What only the caller knows of a run.

    ``catalog_note`` is what a user should know of the catalog, ``warnings`` name what failed on the way,
    ``quarantined`` is the number of rejected bodies in the folder ``quarantine``; ``page``, ``events`` and ``log`` are
    the paths of the report, the event log and the program's log, empty if there is no such file.
    """

    stats: HarvestStats
    out: str
    now: float
    commands: Commands
    warnings: Sequence[str] = ()
    quarantined: int = 0
    politeness: Politeness | None = None
    nights_left: int | None = None
    refresh_left: int | None = None
    quarantine: str = ""
    page: str = ""
    events: str = ""
    log: str = ""
    catalog_note: str = ""

    @property
    def nothing_to_do(self) -> bool:
        """Whether all was stored before the run."""
        stats = self.stats
        return stats.exit_code == 0 and not (stats.saved or stats.failed or stats.remaining)


def print_summary(console: Terminal, summary: RunSummary) -> None:
    """Print the summary.

    Prose is wrapped between words; a path or a command is never cut or broken.
    """
    with contextlib.suppress(OSError):  # the reader is gone
        console.print(Encodable(Group(*content(summary, console.width))), crop=False, end="")


def content(summary: RunSummary, width: int) -> list[RenderableType]:
    """Return the lines and tables of the summary for a terminal of ``width`` cells."""
    parts = [*_headline(summary, width), *_failures(summary.stats, width), *_remarks(summary.stats, width)]
    if summary.stats.requests:
        parts += [_prose(line, width, "dim") for line in _traffic(summary)]
    return [
        *parts,
        *([_prose(plain_line(summary.catalog_note), width, "care")] if summary.catalog_note else []),
        *_warnings(summary.warnings),
        Text(),
        *_hints(_next_steps(summary) + _paths(summary), width),
    ]


def _indented(content: RenderableType, cells: int = 2) -> Padding:
    return Padding(content, (0, 0, 0, cells))


def _prose(text: str, width: int, style: str = "", indent: int = 2) -> Text:
    """Return ``text`` in lines of at most ``width`` cells.

    It is broken between words, and never after a digit or a dot: a number stays with its unit, a dot with what it is
    before.
    """
    bound = _AFTER_A_DIGIT.sub("\u00a0", text).replace("· ", "·\u00a0")
    wrapper = TextWrapper(max(20, width - indent), break_long_words=False, break_on_hyphens=False)
    lines = [" " * indent + line.replace("\u00a0", " ") for line in wrapper.wrap(bound)]
    return Text("\n".join(lines), style, no_wrap=True, overflow="ignore")


def _headline(summary: RunSummary, width: int) -> list[RenderableType]:
    stats = summary.stats
    if summary.nothing_to_do:
        stored = plural(stats.on_disk, "spectrum is", "spectra are")
        rest = f": {'' if stats.on_disk == 1 else 'all '}{stored} on disk" if stats.listed else ": the catalog is empty"
        return [Text.assemble(("nothing to do", "good.strong"), rest)]
    title, style = HEADLINES.get(stats.exit_code, ("stopped", "care"))
    explained = stats.reason.startswith(title.partition(";")[0])
    heading = plain_line(stats.reason) if explained else title
    seconds = max(0.0, (stats.ended or summary.now) - stats.started)
    head = [Text(heading, f"{style}.strong")]
    numbers = f"{clock(seconds)} · {count(stats.listed)} in the catalog"
    if head[0].cell_len + len(numbers) + 3 <= width:
        head = [Text.assemble(head[0], f" · {numbers}")]
    else:
        head.append(_prose(numbers, width))
    unexplained = stats.exit_code != 0 and not explained and stats.reason != "running"
    reason = [_prose(plain_line(stats.reason, LONGEST_REASON), width, style)] if unexplained else []
    return [*head, *reason, _prose(_numbers(summary), width)]


def _numbers(summary: RunSummary) -> str:
    stats = summary.stats
    if summary.refresh_left is not None and stats.is_refresh:
        numbers = _refresh_numbers(stats, summary.refresh_left)
    else:
        received = f"{count(stats.saved)} new ({size(stats.bytes)} received)"
        numbers = [f"{count(stats.present)} already stored", received]
        numbers += [f"{count(stats.failed)} failed"] if stats.failed else []
        numbers += [f"{count(stats.remaining)} to go"] if stats.remaining else []
    if summary.nights_left:
        numbers[-1] += f" ({plural(summary.nights_left, 'more night')} at the rate reached)"
    return ", ".join(numbers)


def _refresh_numbers(stats: HarvestStats, left: int) -> list[str]:
    """Return what is on disk, and apart from it how far the refresh is."""
    new, missing = stats.saved - stats.refreshed, stats.failed - stats.kept
    numbers = [f"{count(stats.on_disk)} on disk", f"{count(stats.refreshed)} refreshed"]
    numbers += [f"{count(new)} new"] if new else []
    numbers[-1] += f" ({size(stats.bytes)} received)"
    numbers += [f"{count(stats.refreshed_before)} refreshed before"] if stats.refreshed_before else []
    numbers += [f"{count(stats.kept)} not refreshed and kept as they were"] if stats.kept else []
    numbers += [f"{count(missing)} failed"] if missing else []
    return [*numbers, f"{count(left)} left of the refresh"] if left else numbers


def _failures(stats: HarvestStats, width: int) -> list[RenderableType]:
    """Show for each kind of failure how many there are, what it means and what to do.

    The advice goes below where there is no room beside.
    """
    kinds = sorted(stats.failures.items(), key=lambda item: (-item[1], item[0]))
    if not kinds:
        return []
    names = max(len(kind) for kind, _ in kinds) + max(len(count(number)) for _, number in kinds) + len("      ")
    beside = all(names + len(kind.meaning) + len(kind.advice) + 4 <= width for kind, _ in kinds)
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(justify="right", style="bold", no_wrap=True)
    table.add_column(style="care", no_wrap=True)
    for kind, number in kinds:
        advice = Text(f"→ {kind.advice}", "ink")
        if beside:
            table.add_row(count(number), kind.value, kind.meaning, advice)
        else:
            table.add_row(count(number), kind.value, kind.meaning)
            table.add_row("", "", advice)
    return [_indented(table)]


def _remarks(stats: HarvestStats, width: int) -> list[RenderableType]:
    """Show what is unusual in the files that were stored, the most frequent first."""
    lines = []
    if stats.structure_only:
        files = plural(stats.structure_only, "file")
        lines.append(f"{files} stored at the level structure: whole, but no reader finds a spectrum in them")
    often = sorted(stats.remarks.values(), key=lambda known: (-known[0], known[1]))
    lines += [f"{plural(number, 'file')}: {plain_line(example)}" for number, example in often[:MOST_REMARKS]]
    if len(often) > MOST_REMARKS:
        lines.append(f"{plural(len(often) - MOST_REMARKS, 'further remark')} in summary.json")
    return [_prose(line, width, "dim") for line in lines]


def _traffic(summary: RunSummary) -> Iterable[str]:
    """Return the politeness report in short; without one, the little that the statistics know."""
    stats, seen = summary.stats, summary.politeness
    retries = plural(stats.retries if seen is None else seen.retries, "retry", "retries")
    if seen is None or not seen.requests:
        seconds = max(1.0, (stats.ended or summary.now) - stats.started)
        yield f"{plural(stats.requests, 'request')}, {stats.requests / seconds:.1f} a second · {retries}"
        return
    spectra = plural(seen.spectra, "spectrum", "spectra")
    busiest = f"{seen.average:.1f} a second, at most {count(seen.busiest_second)} in one second"
    yield f"{plural(stats.requests, 'request')} for {spectra}, {busiest} · {retries}"
    order = list(PAUSES)
    held = [
        f"{plural(pauses.times, 'pause')} of {duration(pauses.seconds)} {PAUSES[kind]}"
        for kind, pauses in sorted(seen.unplanned.items(), key=lambda item: order.index(item[0]))
    ]
    held += [f"slowed down {plural(seen.slow_downs, 'time')}"] if seen.slow_downs else []
    if held:
        yield ", ".join(held)
    yield f"as {plain_line(seen.user_agent)}"


def _warnings(warnings: Sequence[str]) -> list[RenderableType]:
    if not warnings:
        return []
    head = Text.assemble((plural(len(warnings), "warning"), "care"), "; the run went on without:")
    return [_indented(head), *(_indented(Text(plain_line(warning)), 4) for warning in warnings)]


def _next_steps(summary: RunSummary) -> list[tuple[str, str, str]]:
    """Return what to read, and the one command to run, if any."""
    steps: list[tuple[str, str]] = []
    if summary.stats.failed > summary.stats.kept:
        steps.append((summary.commands.failures, "which and why, in the server's words"))
    steps += _run_again(summary)
    if summary.stats.exit_code is None:
        steps.append((summary.commands.status, "progress, from any terminal"))
    return [("next", plain_line(command, MAX_COMMAND), purpose) for command, purpose in steps]


def _run_again(summary: RunSummary) -> list[tuple[str, str]]:
    stats = summary.stats
    if stats.exit_code in (0, 3):
        return []
    only_transient = any(kind.transient for kind in stats.failures) and not (stats.remaining or stats.kept)
    if only_transient and stats.exit_code not in AGAIN:
        return [(summary.commands.only_failed, "to retry those")]
    return [(summary.commands.again, AGAIN.get(stats.exit_code or 0, "to resume where it stopped"))]


def _paths(summary: RunSummary) -> list[tuple[str, str, str]]:
    paths = [("spectra", summary.out, "")]
    if summary.quarantined:
        bodies = plural(summary.quarantined, "body", "bodies")
        paths.append(("quarantine", summary.quarantine, f"{bodies} that failed a check"))
    if summary.page:
        paths.append(("report", summary.page, "the whole run, for a browser"))
    if summary.events and not summary.nothing_to_do:
        paths.append(("events", summary.events, "all events, one JSON object per line"))
    if summary.log:
        paths.append(("log", summary.log, "warnings and internal errors"))
    return [(label, plain_line(_DOUBLED.sub("/", path), MAX_COMMAND), purpose) for label, path, purpose in paths]


def _hints(rows: list[tuple[str, str, str]], width: int) -> list[Text]:
    """Return a label once for each group, the text to copy, and its purpose if there is room."""
    labels = max(len(label) for label, _, _ in rows) + 2
    texts = max((len(text) for _, text, purpose in rows if purpose), default=0)
    hints: list[Text] = []
    before = ""
    for label, text, purpose in rows:
        shown = "" if label == before else label
        before = label
        fits = purpose and labels + texts + 2 + len(purpose) <= width
        parts = (f"{shown:<{labels}}", "bold"), (f"{text:<{texts}}" if fits else text, "ink")
        last = (f"  {purpose}" if fits else "", "dim")
        hints.append(Text.assemble(*parts, last, no_wrap=True, overflow="ignore"))
    return hints

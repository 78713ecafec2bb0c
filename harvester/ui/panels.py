"""The dashboard's panels: what each shows of a snapshot."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import JustifyMethod, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ..events import Phase
from ..formatting import count, duration, plural, size, time_of_day
from ..model.failures import FailureKind
from .rates import HISTORY
from .state import DashboardState, InFlight, RecentFailure, RequestLimits, RunState

PHASES = {
    Phase.WAITING: ("waiting", "dim"),
    Phase.RESPONSE: ("requesting", "ink"),
    Phase.BODY: ("receiving", "ink"),
    Phase.VERIFY: ("verifying", "busy"),
    Phase.WRITE: ("writing", "good"),
    Phase.HELD: ("held", "dim"),
}
BORDER = 4  # cells of a panel's border and padding
SLOW = 10.0  # seconds in one phase after which its duration is highlighted
MINUTE = 60.0
DETAIL = 44  # cells that the server's message gets before the kind of failure has a column
GIVEN_UP, RETRIED = "x", "~"  # words would cost the message too much room, and colour alone is not enough
LEVELS = "▁▂▃▄▅▆▇"

Cell = str | Text
Column = tuple[JustifyMethod, int | None]


def panel(title: Text, content: RenderableType) -> Panel:
    """Return ``content`` in a frame with a title."""
    title.stylize_before("not dim")  # as the border is, whose style rich applies to the title too
    return Panel(content, title=title, title_align="left", border_style="dim")


def grid(*columns: Column, header: bool = False) -> Table:
    """Return a table without lines, whose cells are cut rather than wrapped.

    A column is its justification and its width: a number of cells, 0 for what its content needs, None for the rest.
    """
    table = Table(
        box=None, expand=True, padding=(0, 1, 0, 0), pad_edge=False, show_header=header, header_style="dim"
    )  # fmt: skip
    for justify, width in columns:
        table.add_column(justify=justify, width=width or None, ratio=1 if width is None else None, no_wrap=True)
    return table


def ends(left: Text, right: Text, width: int) -> Text:
    """Return one line of ``width`` cells with ``left`` and ``right`` at its ends.

    ``left`` is cut where there is no room for both.
    """
    room = width - right.cell_len - 1
    if room < 4:
        left.truncate(width, overflow="ellipsis")
        return left
    left.truncate(room, overflow="ellipsis", pad=True)
    return Text.assemble(left, " ", right)


def _lines(rows: Iterable[tuple[Text, Text]], width: int) -> Text:
    """Return labels and values at the two ends of a panel that is ``width`` cells wide."""
    return Text("\n", no_wrap=True).join(ends(label, value, width - BORDER) for label, value in rows)


def workers(state: DashboardState, rows: int) -> Panel:
    """Show what is in flight, in a row each until it is settled.

    What waits for a request slot is dim, and gives way where there are too many.
    """
    title = Text.assemble(
        ("in flight ", "bold"), (f"{state.in_flight} / {state.configured.concurrency}", "ink.strong")
    )  # fmt: skip
    if state.waiting:
        title.append(f" · {count(state.waiting)} waiting", "dim")
    if state.only_retries:
        left = f"{plural(state.due, 'retry', 'retries')} left, the last at {time_of_day(state.last_due or 0.0)}"
        return panel(title, Text(left, "care", no_wrap=True))
    table = grid(("left", None), ("left", 10), ("right", 8), ("right", 3), header=True)
    for column, name in zip(table.columns, ("spectrum", "phase", "for", "try"), strict=True):
        column.header = name
    room = rows - 1
    shown = _rows(state, room)
    hidden = state.in_flight - sum(slot is not None and slot.is_active for slot in shown)
    for slot in shown[: room - 1] if hidden > 0 else shown:
        table.add_row(*_worker(slot, state.now))
    if hidden > 0:
        table.add_row(Text(f"and {hidden + 1} more", "dim"))
    return panel(title, table)


def _rows(state: DashboardState, room: int) -> tuple[InFlight | None, ...]:
    """Return every slot in its place, or the ones in flight longest where there are too many."""
    shown = state.slots + (None,) * (min(state.configured.concurrency, room) - len(state.slots))
    if len(shown) <= room:
        return shown
    return tuple(sorted(state.held, key=lambda slot: (not slot.is_active, slot.since)))[:room]


def _worker(slot: InFlight | None, now: float) -> tuple[Cell, ...]:
    if slot is None:
        return (Text("·", "dim"),)
    phase, style = PHASES[slot.phase]
    seconds = max(0.0, now - slot.since)
    spent = f"{seconds:.1f} s" if seconds < 100 else duration(seconds).replace(" ", "", 1)
    return (
        Text(slot.name, "" if slot.is_active else "dim"),
        Text(phase, style),
        Text(spent, "dim" if not slot.is_active else "care" if seconds >= SLOW else ""),
        Text(f"{slot.attempt}", "care" if slot.attempt > 1 and slot.is_active else "dim"),
    )


def politeness(state: DashboardState, width: int, rows: int) -> Panel:
    """Show how the archive is treated and how it responds; the least important rows come last."""
    host = f" · {state.start.host}" if state.start else ""
    title = Text.assemble(("politeness", "bold"), (host, "dim"))
    limits, most = state.limits, state.configured
    lines: list[tuple[str, Text]] = [
        ("requests/s now/limit/max", _ladder(f"{state.rate:.2f}", _rate(limits), _rate(most))),
        ("last 10 min" if state.elapsed >= HISTORY else "so far", Text(_sparkline(state), "ink")),
        ("concurrency now/limit/max", _ladder(f"{state.in_flight}", f"{limits.concurrency}", f"{most.concurrency}")),
        ("latency now/unloaded", _latency(state)),
        _wait(state),
        ("slowed down", _slowed(state, width)),
        ("retries waiting", _retries(state)),
        ("traffic", Text.assemble(f"{size(state.traffic)}/s", (f", {size(state.stats.bytes)} in all", "dim"))),
        ("requests / retries", Text(f"{count(state.stats.requests)} / {count(state.stats.retries)}")),
    ]
    return panel(title, _lines(((Text(label, "dim"), value) for label, value in lines[:rows]), width))


def _ladder(now: str, limit: str, most: str) -> Text:
    """Return a value, its limit at the moment and the configured one.

    The limit is highlighted where it is lower than configured.
    """
    return Text.assemble((now, "bold"), (" / ", "dim"), (limit, "care" if limit != most else ""), (f" / {most}", "dim"))


def _rate(limits: RequestLimits) -> str:
    return f"{limits.rate:.2f}".rstrip("0").rstrip(".") if limits.rate else "any"


def _slowed(state: DashboardState, width: int) -> Text:
    text = Text(state.slowed, "care") if state.slowed else Text("no")
    text.truncate(max(8, width - BORDER - len("slowed down ")), overflow="ellipsis")
    return text


def _sparkline(state: DashboardState) -> str:
    top = state.configured.rate or max(state.history, default=0.0) or 1.0
    highest = len(LEVELS) - 1
    return "".join(LEVELS[min(highest, round(highest * level / top))] for level in state.history)


def _latency(state: DashboardState) -> Text:
    if not state.latency:
        return Text("—")
    return Text.assemble((f"{state.latency.median:.2f}", "bold"), (" / ", "dim"), f"{state.latency.unloaded:.2f} s")


def _wait(state: DashboardState) -> tuple[str, Text]:
    if state.run_state is RunState.PAUSED:
        return "paused", Text(state.pause_text, "care.strong")
    if state.retry_after is None:
        return "last Retry-After", Text("never")
    moment, seconds = state.retry_after
    return "last Retry-After", Text(f"{duration(seconds)} at {time_of_day(moment)}")


def _retries(state: DashboardState) -> Text:
    if not state.due or state.next_due is None:
        return Text(count(state.due))
    return Text.assemble((count(state.due), "care"), f", next at {time_of_day(state.next_due)}")


def outcomes(state: DashboardState, width: int, rows: int) -> Panel:
    """Show the outcomes so far: the most frequent failures first, the others together."""
    stats = state.stats
    before = ("refreshed before", stats.refreshed_before) if stats.is_refresh else ("already on disk", stats.present)
    lines: list[tuple[str, int, str]] = [
        ("replaced or new" if stats.is_refresh else "saved and verified", stats.saved, "good"),
        (*before, "present"),
        ("to go", state.left, ""),
    ]
    if stats.is_refresh:
        lines.append(("on disk", stats.on_disk, "present"))
    if state.left_out:
        lines.append(("left for another run", state.left_out, "dim"))
    lines += _failed(state, max(1, rows - len(lines)))
    title = Text("spectra", "bold")
    return panel(title, _lines(((Text(name), Text(count(number), style)) for name, number, style in lines), width))


def _failed(state: DashboardState, room: int) -> list[tuple[str, int, str]]:
    failures = state.stats.failures
    if not failures:
        return [("failed", 0, "")]
    kinds = sorted(failures, key=lambda kind: -failures[kind])
    whole = kinds if len(kinds) <= room else kinds[: room - 1]
    rows = [(format_kind(kind), failures[kind], "bad") for kind in whole]
    if len(whole) < len(kinds):
        rest = sum(failures[kind] for kind in kinds[len(whole) :])
        rows.append(("failed otherwise" if whole else "failed", rest, "bad"))
    return rows


def format_kind(kind: FailureKind) -> str:
    """Return ``not_found`` as ``not found``."""
    return kind.value.replace("_", " ")


def failures(state: DashboardState, width: int, rows: int) -> Panel:
    """Show the latest failures in the server's words, the newest first."""
    title = Text.assemble(
        ("last failures", "bold"),
        (" · ", "dim"), (GIVEN_UP, "bad"), (" given up  ", "dim"), (RETRIED, "care"), (" to be retried", "dim"),
    )  # fmt: skip
    shown = state.failures[:rows]
    names = min(20, max((Text(failure.name).cell_len for failure in shown), default=0))
    kinds = max((len(format_kind(failure.kind)) for failure in shown), default=0)
    room = width - BORDER - names - len("00:00 x  ")
    with_kinds = room - kinds - 1 >= DETAIL
    with_due = width >= 60 and any(_is_later(failure, state.now) for failure in shown)
    kind: tuple[Column, ...] = (("left", kinds),) if with_kinds else ()
    due: tuple[Column, ...] = (("right", 0),) if with_due else ()
    table = grid(("left", 5), ("left", 1), ("left", names), *kind, ("left", None), *due)
    for failure in shown:
        table.add_row(*_failure(failure, state.now, with_kinds, with_due))
    return panel(title, table)


def _is_later(failure: RecentFailure, now: float) -> bool:
    return failure.due is not None and failure.due - now >= MINUTE


def _failure(failure: RecentFailure, now: float, with_kind: bool, with_due: bool) -> tuple[Cell, ...]:
    mark, style = (GIVEN_UP, "bad") if failure.due is None else (RETRIED, "care")
    kind = (Text(format_kind(failure.kind), style),) if with_kind else ()
    due = f"again {time_of_day(failure.due or 0)[:5]}" if _is_later(failure, now) else ""
    last = (Text(due, style),) if with_due else ()
    start = Text(time_of_day(failure.time)[:5], "dim"), Text(mark, style), Text(failure.name)
    return (*start, *kind, Text(failure.detail, "dim"), *last)

"""What the dashboard shows at every size and encoding, and that it breaks alone."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester import events as ev
from harvester.failures import Failure, FailureKind
from harvester.watchers.canvas import ASCII, UNICODE, Drawing, Glyphs, clip, fit, glyphs_for, pad, plain, width_of
from harvester.watchers.dashboard import Dashboard, Terminal, can_redraw
from harvester.watchers.layout import lay_out
from harvester.watchers.view import DashboardView
from harvester.words import plain_line, speakable

from .test_watchers_view import NOON, failed, seen, started, steady, target

HOSTILE = "\x1b]0;owned\x07\x1b[31mred\x1b[2J \x9b5A\u202eback [bold]no markup[/bold] \r\n:smile: ž"


def midway() -> DashboardView:
    return seen(
        started(listed=13_334, present=4113),
        *steady(700),
        ev.PhaseEntered(NOON + 699.6, target(9001), 1, ev.Phase.BODY),
        ev.PhaseEntered(NOON + 680, target(9002), 2, ev.Phase.ANSWER),
        ev.SpectrumFailed(NOON + 690, failed(9003, FailureKind.NOT_FITS, HOSTILE)),
        ev.RetryScheduled(NOON + 691, target(9004), 1, Failure(FailureKind.BUSY, "busy", 503, 120.0), NOON + 811),
    )


def text(view: DashboardView, width: int, rows: int, glyphs: Glyphs = UNICODE) -> str:
    return "\n".join(plain(line) for line in lay_out(view.scene(NOON + 700), width, rows, glyphs, 41_200_000_000))


PANELS = ("in flight", "last failures", "politeness", "spectra", "harvester")


def panels(width: int, rows: int) -> set[str]:
    picture = text(midway(), width, rows)
    return {name for name in PANELS if name in picture}


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_the_essentials_are_there_at_every_usual_width(width: int) -> None:
    picture = text(midway(), width, 29)
    for words in ("5 514 / 13 334", "41 %", "ETA 01:", "RUNNING 00:11:40", "saved and verified", "2.00 / 5.00 req/s"):
        assert words in picture
    assert max(len(line) for line in picture.splitlines()) <= width


def test_the_whole_picture_names_what_is_in_flight_and_what_failed() -> None:
    lines = text(midway(), 120, 29).splitlines()
    assert any("spectrum9001" in line and "receiving" in line and "0.4 s" in line for line in lines)
    assert any("spectrum9002" in line and "asking" in line and "20.0 s" in line for line in lines)
    assert any("spectrum9003" in line and "not fits" in line and "given up" in line for line in lines)
    assert "41 GB free" in lines[-1]


def test_panels_drop_in_a_fixed_order() -> None:
    by_width = [panels(width, 29) for width in (120, 89, 69, 45, 30, 20)]
    by_height = [panels(80, rows) for rows in (29, 18, 11, 5, 2)]
    for shown in (by_width, by_height):
        for more, fewer in pairwise(shown):
            assert fewer <= more
        for one in shown:
            assert one == set(PANELS[len(PANELS) - len(one) :])
    assert [len(one) for one in by_width] == [5, 4, 3, 2, 1, 0]


def test_the_last_line_to_go_is_the_progress() -> None:
    assert text(midway(), 20, 1).startswith(" 5 514 / 13 334")


def test_ascii_terminals_get_ascii() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    console = Terminal(file=stream, width=100, force_terminal=True, color_system=None)
    for width in (60, 80, 100):
        console.print(Drawing(lay_out(midway().scene(NOON + 700), width, 29, glyphs_for(console.encoding))))
    stream.seek(0)
    picture = stream.read()
    assert picture.isascii()
    assert "+- in flight" in picture


@pytest.mark.parametrize(
    ("encoding", "glyphs"), [("utf-8", UNICODE), ("UTF8", UNICODE), ("latin-1", ASCII), (None, ASCII)]
)
def test_glyphs_follow_the_encoding(encoding: str | None, glyphs: Glyphs) -> None:
    assert glyphs_for(encoding) is glyphs


def test_what_a_server_says_cannot_command_the_terminal() -> None:
    picture = text(midway(), 120, 29)
    assert "red back [bold]no markup[/bold] :smile: ž" in picture
    assert "owned" not in picture
    assert all(character.isprintable() or character == "\n" for character in picture)


@given(st.text())
def test_tamed_text_is_one_printable_line(words: str) -> None:
    tamed = plain_line(words)
    assert tamed.isprintable()
    assert len(tamed) <= 300
    assert plain_line(tamed) == tamed
    assert speakable(tamed, "ascii").isascii()


@given(st.text(), st.integers(0, 30), st.sampled_from([ASCII, UNICODE]))
def test_cutting_and_padding_is_exact(words: str, width: int, glyphs: Glyphs) -> None:
    tamed = plain_line(words)
    assert width_of(((clip(tamed, width, glyphs), ""),)) <= width
    assert width_of(((pad(tamed, width, glyphs), ""),)) == width
    assert width_of(fit(((tamed, ""), (tamed, "")), width, glyphs)) == width


def test_a_pause_and_a_drain_say_why() -> None:
    view = midway()
    view(ev.HarvestPaused(NOON + 699, "HTTP 503: maintenance", NOON + 760))
    picture = text(view, 100, 29)
    assert "PAUSED" in picture
    assert "paused: HTTP 503: maintenance" in picture
    assert "60 s to go" in picture
    view(ev.HarvestDraining(NOON + 699, "SIGINT"))
    assert "draining: SIGINT; 2 spectra still in flight" in text(view, 100, 29)


def test_more_in_flight_than_rows_shows_the_longest_waiting() -> None:
    view = seen(started())
    for number in range(30):
        view(ev.PhaseEntered(NOON + number, target(number), 1, ev.Phase.ANSWER))
    picture = text(view, 100, 29)
    assert "in flight 30 / 8" in picture
    assert "spectrum0000" in picture
    assert "and 23 more" in picture


def test_the_final_picture_is_short_and_says_how_it_ended() -> None:
    view = midway()
    view(ev.HarvestEnded(NOON + 700, "interrupted", 130))
    lines = text(view, 100, 29).splitlines()
    assert len(lines) == 3
    assert lines[2].startswith("interrupted")


class FakeTerminal(io.StringIO):
    """A terminal that goes away after some writes."""

    def __init__(self, breaks: Callable[[], Exception] | None = None, after: int = 0) -> None:
        super().__init__()
        self.breaks, self.after = breaks, after

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    def write(self, words: str) -> int:
        self.after -= 1
        if self.breaks is not None and self.after < 0:
            raise self.breaks()
        return super().write(words)


def terminal(stream: io.StringIO) -> Terminal:
    return Terminal(file=stream, force_terminal=True, width=100, height=30, color_system="truecolor")


async def test_the_dashboard_draws_from_the_event_loop_and_restores_the_cursor() -> None:
    stream, lost = FakeTerminal(), list[ev.WatcherLost]()
    async with Dashboard(terminal(stream), lost.append, free_bytes=lambda: 5 * 10**9, now=lambda: NOON) as dashboard:
        dashboard(started())
        await asyncio.sleep(0.3)
    assert not lost
    assert "5.0 GB free" in stream.getvalue()
    assert stream.getvalue().endswith("\x1b[?25h")


@pytest.mark.parametrize(
    "error", [BrokenPipeError, lambda: OSError(5, "Input/output error"), lambda: ValueError("closed")]
)
@pytest.mark.parametrize("after", [0, 2])
async def test_a_terminal_that_goes_away_costs_the_dashboard_only(error: Callable[[], Exception], after: int) -> None:
    lost: list[ev.WatcherLost] = []
    async with asyncio.TaskGroup() as group:
        sibling = group.create_task(asyncio.sleep(0.7, "done"))
        async with Dashboard(terminal(FakeTerminal(error, after)), lost.append, now=lambda: NOON) as dashboard:
            dashboard(started())
            await sibling
    assert sibling.result() == "done"
    assert [one.watcher for one in lost] == ["Dashboard"]


async def test_a_fault_in_drawing_is_told_once_and_the_farewell_can_still_be_said() -> None:
    def unreadable_disk() -> int:
        raise PermissionError("statvfs")

    stream, lost = FakeTerminal(), list[ev.WatcherLost]()
    console = terminal(stream)
    async with Dashboard(console, lost.append, free_bytes=unreadable_disk, now=lambda: NOON) as dashboard:
        dashboard(started())
        await asyncio.sleep(0)
    assert [one.error for one in lost] == ["PermissionError: statvfs"]
    console.print("farewell")
    assert stream.getvalue().endswith("farewell\n")
    assert "\x1b[?25h" in stream.getvalue()


async def test_an_event_that_cannot_be_counted_turns_the_dashboard_off() -> None:
    lost: list[ev.WatcherLost] = []
    bus = ev.EventBus()
    async with Dashboard(terminal(FakeTerminal()), lost.append, now=lambda: NOON) as dashboard:
        bus.add(dashboard)
        bus.emit(ev.SpectrumSaved(NOON, None))  # type: ignore[arg-type]  # the point: something is wrong with it
        bus.emit(started())
    assert [one.watcher for one in lost] == ["Dashboard"]
    assert not bus.lost


def test_only_a_terminal_that_moves_its_cursor_gets_a_dashboard(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert can_redraw(FakeTerminal())
    assert not can_redraw(io.StringIO())
    monkeypatch.setenv("TERM", "dumb")
    assert not can_redraw(FakeTerminal())

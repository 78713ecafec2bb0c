"""The dashboard breaks alone, and gives the terminal back as it was."""

from __future__ import annotations

import asyncio
import io
import os
import pty
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

import pytest

from harvester import events as ev
from harvester.events.bus import EventBus
from harvester.events.stats import StatsCollector
from harvester.ui.dashboard import Dashboard, can_redraw
from harvester.ui.keyboard import Keyboard
from harvester.ui.output_thread import OutputThread
from harvester.ui.terminal import Terminal
from tests.unit.ui.test_state import NOON, saved, started


class FakeTerminal(io.StringIO):
    """A terminal that goes away after some writes, or that takes nothing while ``open`` is clear."""

    def __init__(self, breaks: Callable[[], Exception] | None = None, after: int = 0) -> None:
        super().__init__()
        self.breaks, self.after = breaks, after
        self.open, self.stuck = threading.Event(), threading.Event()
        self.open.set()

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    def write(self, words: str) -> int:
        self.stuck.set()
        self.open.wait()
        self.after -= 1
        if self.breaks is not None and self.after < 0:
            raise self.breaks()
        return super().write(words)


def terminal(stream: IO[str]) -> Terminal:
    return Terminal(OutputThread(stream), force_terminal=True, width=100, height=30, color_system="truecolor")


def dashboard(console: Terminal, lost: list[ev.ObserverFailed], free: Callable[[], int] | None = None) -> Dashboard:
    tally = StatsCollector()
    return Dashboard(console, lost.append, lambda: tally.stats, free_bytes=free, now=lambda: NOON)


async def test_the_dashboard_draws_from_the_event_loop_and_restores_the_cursor() -> None:
    stream, lost = FakeTerminal(), list[ev.ObserverFailed]()
    console = terminal(stream)
    async with dashboard(console, lost, lambda: 5 * 10**9) as watcher:
        watcher(started())
        await asyncio.sleep(0.3)
    assert console.output.close()
    assert not lost
    assert "5.0 GB free" in stream.getvalue()
    assert stream.getvalue().endswith("\x1b[?25h")


async def test_a_terminal_that_takes_nothing_holds_no_one_up_and_still_gets_the_last_frame() -> None:
    stream, lost = FakeTerminal(), list[ev.ObserverFailed]()
    console = terminal(stream)
    async with dashboard(console, lost) as watcher:
        stream.open.clear()
        watcher(started())
        await asyncio.to_thread(stream.stuck.wait)
        for number in range(50):
            watcher(ev.SpectrumSaved(NOON, saved(number)))
            await asyncio.sleep(0.02)
        assert len(console.output._waiting) <= 2, "frames are skipped, not stored up"
        watcher(ev.HarvestEnded(NOON, "the very end", 0))
    stream.open.set()
    assert console.output.close()
    assert not lost
    assert "the very end" in stream.getvalue()
    assert stream.getvalue().endswith("\x1b[?25h")


@pytest.mark.slow
@pytest.mark.parametrize(
    "error", [BrokenPipeError, lambda: OSError(5, "Input/output error"), lambda: ValueError("closed")]
)
@pytest.mark.parametrize("after", [0, 2])
async def test_a_terminal_that_goes_away_costs_the_dashboard_only(error: Callable[[], Exception], after: int) -> None:
    lost, dark, tally = list[ev.ObserverFailed](), asyncio.Event(), StatsCollector()

    def tell(gone: ev.ObserverFailed) -> None:
        lost.append(gone)
        dark.set()

    async with asyncio.TaskGroup() as group:
        sibling = group.create_task(asyncio.sleep(0.1, "done"))
        async with Dashboard(terminal(FakeTerminal(error, after)), tell, lambda: tally.stats) as watcher:
            watcher(started())
            await sibling
            await dark.wait()
    assert sibling.result() == "done"
    assert [one.observer for one in lost] == ["Dashboard"]


async def test_a_fault_in_drawing_is_reported_once_and_the_summary_can_still_be_said() -> None:
    def unreadable_disk() -> int:
        raise PermissionError("statvfs")

    stream, lost = FakeTerminal(), list[ev.ObserverFailed]()
    console = terminal(stream)
    async with dashboard(console, lost, unreadable_disk) as watcher:
        watcher(started())
        await asyncio.sleep(0)
    assert [one.error for one in lost] == ["PermissionError: statvfs"]
    console.print("the summary")
    assert console.output.close()
    assert stream.getvalue().endswith("the summary\n")
    assert "\x1b[?25h" in stream.getvalue()


async def test_an_event_that_cannot_be_counted_turns_the_dashboard_off() -> None:
    lost: list[ev.ObserverFailed] = []
    bus = EventBus()
    async with dashboard(terminal(FakeTerminal()), lost) as watcher:
        bus.add(watcher)
        bus.emit(ev.SpectrumSaved(NOON, None))  # type: ignore[arg-type]  # the point: something is wrong with it
        bus.emit(started())
    assert [one.observer for one in lost] == ["Dashboard"]
    assert not bus.failed_observers


async def test_who_leaves_without_unwinding_gets_the_cursor_back() -> None:
    stream = FakeTerminal()
    console = terminal(stream)
    async with dashboard(console, []) as watcher:
        watcher.release_terminal()
        assert console.output.drain()
        assert stream.getvalue().endswith("\x1b[?25h")


def test_only_a_terminal_that_moves_its_cursor_gets_a_dashboard(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert can_redraw(FakeTerminal())
    assert not can_redraw(io.StringIO())
    monkeypatch.setenv("TERM", "dumb")
    assert not can_redraw(FakeTerminal())


@contextmanager
def keyboard() -> Iterator[IO[str]]:
    master, slave = pty.openpty()
    try:
        with os.fdopen(slave) as keys:
            yield keys
    finally:
        os.close(master)


def echoes(keys: IO[str]) -> bool:
    return bool(termios.tcgetattr(keys)[3] & termios.ECHO)


def in_foreground(monkeypatch: pytest.MonkeyPatch, ours: bool = True) -> None:
    """Under pytest no terminal is ours; ask as if this one were."""
    monkeypatch.setattr(os, "tcgetpgrp", lambda _: os.getpgrp() if ours else -1)


async def test_what_is_typed_is_not_echoed_while_the_dashboard_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    in_foreground(monkeypatch)
    tally = StatsCollector()
    with keyboard() as keys:
        watcher = Dashboard(terminal(FakeTerminal()), lambda _: None, lambda: tally.stats, keyboard=Keyboard(keys))

        async def live() -> None:
            async with watcher:
                assert not echoes(keys)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await live()
        assert echoes(keys)


async def test_a_dashboard_gone_dark_gives_the_echo_back(monkeypatch: pytest.MonkeyPatch) -> None:
    in_foreground(monkeypatch)
    tally = StatsCollector()
    with keyboard() as keys:
        watcher = Dashboard(terminal(FakeTerminal()), lambda _: None, lambda: tally.stats, keyboard=Keyboard(keys))
        async with watcher:
            watcher(ev.SpectrumSaved(NOON, None))  # type: ignore[arg-type]  # the point: something is wrong with it
            assert echoes(keys)


def test_who_is_in_the_background_leaves_the_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    in_foreground(monkeypatch, ours=False)
    with keyboard() as keys:
        Keyboard(keys).open()
        assert echoes(keys)


def test_without_a_keyboard_there_is_nothing_to_silence() -> None:
    for keys in (io.StringIO(), None):
        board = Keyboard(keys)
        board.open()
        assert not board.is_open
        board.restore()

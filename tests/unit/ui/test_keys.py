"""The dashboard's keys: what each does, how they are read, and that they do nothing where there is no keyboard."""

from __future__ import annotations

import asyncio
import os
import pty
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import pytest

from harvester import events as ev
from harvester.engine.controls import LOWEST_SHARE, Controls
from harvester.engine.shutdown import Shutdown
from harvester.events.stats import StatsCollector
from harvester.model.failures import Failure, FailureKind
from harvester.ui.dashboard import Dashboard
from harvester.ui.keyboard import Keyboard
from harvester.ui.keys import Keys
from harvester.ui.notification import notification
from tests.unit.ui.drawing import drawn
from tests.unit.ui.test_dashboard_lifetime import FakeTerminal, terminal
from tests.unit.ui.test_state import NOON, seen, started, steady, target


def controlled() -> tuple[Keys, Controls, Shutdown]:
    """Keys of a run that follows them."""
    controls, shutdown = Controls(), Shutdown()
    controls.on_change(lambda: None)
    return Keys(controls, shutdown), controls, shutdown


def test_p_pauses_and_resumes() -> None:
    keys, controls, _ = controlled()
    assert keys.hints(seen(started()).snapshot(NOON))[0] == "p pause"
    keys.press("p")
    assert controls.paused
    assert keys.hints(seen(started()).snapshot(NOON))[0] == "p resume"
    keys.press("p")
    assert not controls.paused


def test_minus_halves_the_limits_and_plus_never_exceeds_what_is_configured() -> None:
    keys, controls, _ = controlled()
    keys.press("--")
    assert controls.share == 0.25
    assert keys.hints(seen(started()).snapshot(NOON))[0] == "rate at 25%"
    keys.press("+=+++")
    assert controls.share == 1.0
    keys.press("-" * 20)
    assert controls.share == LOWEST_SHARE


def test_q_drains_and_can_be_pressed_again() -> None:
    keys, _, shutdown = controlled()
    keys.press("qq")
    assert shutdown.draining.is_set()
    assert not shutdown.aborting.is_set()
    assert shutdown.cause is not None
    assert (shutdown.cause.reason, shutdown.cause.exit_code) == ("stopped by key q", 4)


def test_s_ends_the_run_once_only_retries_are_left() -> None:
    keys, _, shutdown = controlled()
    view = seen(started(listed=102, present=100), ev.PhaseEntered(NOON, target(1), 1, ev.Phase.RESPONSE))
    view(ev.PhaseEntered(NOON, target(2), 1, ev.Phase.RESPONSE))
    assert "s skip retries" not in keys.hints(view.snapshot(NOON)), "there are none"
    view(ev.RetryScheduled(NOON, target(1), 1, Failure(FailureKind.BUSY, "busy", 503), NOON + 900))
    assert "s skip retries" in keys.hints(view.snapshot(NOON))
    keys.press("s")
    keys.follow(view.snapshot(NOON))
    assert not shutdown.draining.is_set(), "the other one is in flight"
    view(ev.RetryScheduled(NOON, target(2), 1, Failure(FailureKind.BUSY, "busy", 503), NOON + 90))
    keys.press("s")
    keys.follow(view.snapshot(NOON))
    assert not shutdown.draining.is_set(), "pressed twice, it waits again"
    keys.press("s")
    keys.follow(view.snapshot(NOON))
    assert shutdown.cause is not None
    assert (shutdown.cause.reason, shutdown.cause.exit_code) == ("the waiting retries were skipped", 4)


def test_a_run_out_of_reach_can_be_drained_only() -> None:
    shutdown, controls = Shutdown(), Controls()
    keys = Keys(controls, shutdown)
    assert keys.hints(seen(started()).snapshot(NOON)) == ("q drain", "Ctrl-C twice to stop now")
    keys.press("p-x\x1b[A")
    assert (controls.paused, controls.share, shutdown.draining.is_set()) == (False, 1.0, False)


def test_a_pause_says_which_key_ends_it() -> None:
    keys, _, _ = controlled()
    keys.press("p")
    view = seen(started(), *steady(10), ev.HarvestPaused(NOON + 10, "by the user", float("inf"), ev.Pause.USER))
    state = view.snapshot(NOON + 10)
    for width in (60, 80, 100):
        foot = drawn(state, width, 29, keys=keys.hints(state))[-1]
        assert foot.startswith("paused: by the user · p resume")
    assert drawn(state, 30, 29, keys=keys.hints(state))[-1].rstrip() == "paused: by the u… 41 GB free"
    assert "until further notice" in "\n".join(drawn(state, 80, 29))


@contextmanager
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, IO[str]]]:
    """A terminal that is ours: what is written to the descriptor is typed."""
    monkeypatch.setattr(os, "tcgetpgrp", lambda _: os.getpgrp())
    master, slave = pty.openpty()
    try:
        with os.fdopen(slave) as keys:
            yield master, keys
    finally:
        os.close(master)


def test_keys_are_read_one_by_one_without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    with keyboard(monkeypatch) as (typed, stream):
        board = Keyboard(stream)
        assert board.read() == "", "it is not open"
        board.open()
        assert board.read() == ""
        os.write(typed, b"p\xff-")
        assert board.read() == "p-"
        board.restore()
        assert termios.tcgetattr(stream)[3] & termios.ICANON


def test_a_process_in_the_background_leaves_what_is_typed_to_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    with keyboard(monkeypatch) as (typed, stream):
        board = Keyboard(stream)
        board.open()
        os.write(typed, b"q")
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(os, "tcgetpgrp", lambda _: -1)
            assert board.read() == ""
        assert board.read() == "q"


def test_a_shell_that_changed_the_modes_meanwhile_does_not_bring_back_the_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    with keyboard(monkeypatch) as (_, stream):
        before = termios.tcgetattr(stream)
        board = Keyboard(stream)
        board.open()
        termios.tcsetattr(stream, termios.TCSANOW, before)
        board.read()
        assert not termios.tcgetattr(stream)[3] & termios.ECHO


def test_a_keyboard_that_is_gone_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    with keyboard(monkeypatch) as (_, stream):
        board = Keyboard(stream)
        board.open()
    assert board.read() == ""
    board.restore()


async def test_a_key_typed_on_the_dashboard_acts_and_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    screen, collector = FakeTerminal(), StatsCollector()
    keys, controls, _ = controlled()
    with keyboard(monkeypatch) as (typed, stream):
        console = terminal(screen)
        dashboard = Dashboard(
            console, lambda _: None, lambda: collector.stats, keyboard=Keyboard(stream), keys=keys, now=lambda: NOON
        )
        paused = asyncio.Event()
        controls.on_change(paused.set)
        async with dashboard as observer:
            observer(started())
            os.write(typed, b"p")
            await asyncio.wait_for(paused.wait(), 30)
        assert console.output.close()
    assert controls.paused
    assert "p resume" in screen.getvalue()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TERM": "xterm-kitty"}, "\x1b]99;i=harvester:d=0;harvester\x1b\\\x1b]99;i=harvester:p=body;done\x1b\\"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "\x1b]9;harvester: done\x1b\\"),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}, "\x1b]9;harvester: done\x1b\\"),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/tmux,1,0"}, ""),
        ({"TERM": "xterm-256color"}, ""),
        ({}, ""),
    ],
)
def test_a_notification_is_sent_where_the_terminal_has_them(environment: dict[str, str], expected: str) -> None:
    assert notification("done", environment) == expected


def test_a_notification_cannot_be_ended_by_what_a_server_says() -> None:
    sent = notification("\x1b\\\x1b]0;owned\x07 done \x9c", {"TERM": "foot"})
    assert sent.count("\x1b") == 4
    assert "owned" not in sent


@pytest.mark.parametrize(("seconds", "sent"), [(3600.0, True), (5.0, False)])
async def test_the_end_of_a_long_run_is_notified(seconds: float, sent: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TMUX", "STY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-kitty")
    screen, collector = FakeTerminal(), StatsCollector()
    console = terminal(screen)
    async with Dashboard(console, lambda _: None, lambda: collector.stats, now=lambda: NOON + seconds) as observer:
        for event in (started(), ev.HarvestEnded(NOON + seconds, "complete", 0)):
            collector(event)
            observer(event)
    assert console.output.close()
    assert ("\x1b]99;i=harvester:p=body;complete: 0 new, 0 failed\x1b\\" in screen.getvalue()) is sent

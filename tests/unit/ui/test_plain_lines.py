"""Plain lines: what a log has of a run."""

from __future__ import annotations

import asyncio
import io
import re

import pytest

from harvester import events as ev
from harvester.events.stats import StatsCollector
from harvester.model.failures import Failure, FailureKind
from harvester.ui.output_thread import OutputThread
from harvester.ui.plain_lines import PlainLines
from tests.unit.ui.test_state import NOON, failed, started, steady, target


class Script:
    """Plain lines behind their tally, as on the bus, and what they said."""

    def __init__(self, *, timestamps: bool | None = False, max_outage: float | None = None) -> None:
        self.stream, self.now = io.StringIO(), NOON
        self.outlet, self.tally = OutputThread(self.stream), StatsCollector()
        self.naps = asyncio.Semaphore(0)
        self.lines = PlainLines(
            self.outlet,
            lambda: self.tally.stats,
            max_outage=max_outage,
            timestamps=timestamps,
            now=lambda: self.now,
            sleep=self.sleep,
        )

    def __call__(self, event: ev.Event) -> None:
        self.now = event.time
        self.tally(event)
        self.lines(event)

    async def sleep(self, seconds: float) -> None:
        await self.naps.acquire()
        self.now += seconds

    async def pass_silently(self, seconds: int) -> None:
        for _ in range(seconds // 5):
            self.naps.release()
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    @property
    def shown(self) -> list[str]:
        assert self.outlet.drain()
        return self.stream.getvalue().splitlines()


def shown(*events: ev.Event, timestamps: bool | None = False) -> list[str]:
    script = Script(timestamps=timestamps)
    for event in events:
        script(event)
    return script.shown


def test_the_first_pause_of_an_outage_says_how_long_the_run_waits_and_how_to_end_it() -> None:
    script = Script(max_outage=12 * 3600.0)
    for event in (started(), *[ev.HarvestPaused(NOON, "unreachable", NOON + 60, ev.Pause.OUTAGE)] * 2):
        script(event)
    _, first, patience, second = script.shown
    assert first == second
    assert "ends after an outage of 12 h (--max-outage); Ctrl-C ends it now" in patience


def test_of_a_page_in_place_of_every_file_it_is_said_that_the_address_may_be_wrong() -> None:
    page = Failure(FailureKind.NOT_FITS, 'the response is not a FITS file but an HTML page: "Welcome"')
    pause = ev.HarvestPaused(NOON, page.detail, NOON + 60, ev.Pause.OUTAGE)
    for before, advised in (([], True), (list(steady(1)), False)):
        script = Script(max_outage=12 * 3600.0)
        for event in (started(present=0), *before, ev.RetryScheduled(NOON, target(1), 1, page, NOON), pause):
            script(event)
        assert any("check the address" in line for line in script.shown) is advised


def test_a_concurrency_limit_that_is_tuned_all_night_gets_a_line_a_minute() -> None:
    tuned = [ev.LimitsChanged(NOON + second, 200.0, 1 + second % 4, "tuned", True) for second in range(600)]
    slowed = ev.LimitsChanged(NOON + 600, 20.0, 1, "HTTP 503", True)
    lines = [line for line in shown(started(rate=200.0), *tuned, slowed) if line.startswith("limits")]
    assert len(lines) == 61 + 8 + 1
    assert lines[-1] == "limits: 20 requests/s, at most 1 in flight: HTTP 503"


def test_a_long_harvest_gets_a_line_a_minute() -> None:
    lines = shown(started(listed=10**6), *steady(600))
    assert len(lines) == 1 + 9
    assert lines[0] == (
        "run run-1: 1 000 000 in the catalog, 100 already stored, 999 900 to download from 127.0.0.1 to data/demo,"
        " at most 8 in flight, 5 requests/s"
    )
    assert re.fullmatch(
        r"221 of 1 000 000 \(0 %\): 121 saved \(121 kB\), 0 failed, 0 retries due, 2\.\d\d requests/s, ETA .*", lines[1]
    )


def test_a_short_harvest_gets_a_line_for_each_twentieth_but_never_two_within_two_seconds() -> None:
    assert len(shown(started(listed=140, present=100), *steady(20))) == 1 + 9
    assert len(shown(started(listed=300, present=100), *steady(4, rate=50))) == 1 + 1


def test_state_changes_and_first_failures_are_reported_once() -> None:
    busy = Failure(FailureKind.BUSY, "HTTP 503: \x1b[31mbusy", 503)
    lines = shown(
        started(),
        ev.RetryScheduled(NOON, target(1), 1, busy, NOON + 5),
        ev.RetryScheduled(NOON, target(2), 1, busy, NOON + 5),
        ev.HarvestPaused(NOON, "HTTP 503: busy", NOON + 120),
        ev.HarvestResumed(NOON + 120, "the wait is over"),
        ev.LimitsChanged(NOON, 1.5, 4, "the archive slows down"),
        ev.HarvestDraining(NOON, "SIGINT"),
        ev.SpectrumFailed(NOON, failed(3)),
        ev.SpectrumFailed(NOON, failed(4)),
        ev.ClockJumped(NOON, 10_800.0),
        ev.ObserverFailed(NOON, "Dashboard", "OSError"),
    )
    assert [line.split(":")[0].split(" until")[0] for line in lines[1:]] == [
        "first busy", "paused", "resumed", "limits", "draining", "first not_found",
        "the clock jumped by 3 h", "Dashboard is off",
    ]  # fmt: skip
    assert lines[1].startswith("first busy: spectrum0001: HTTP 503: busy; retry at ")
    assert "(120 s)" not in lines[2] or lines[2].endswith(": HTTP 503: busy")


async def test_a_silent_hour_gets_its_line_a_minute() -> None:
    script = Script()
    async with script.lines:
        await script.pass_silently(600)
        assert script.shown == [], "nothing has begun"
        script(started())
        script(ev.HarvestPaused(NOON, "HTTP 503: busy", NOON + 1800))
        await script.pass_silently(3600)
        assert len(script.shown) == 2 + 60
        assert re.search(
            r"100 of 1 000 \(10 %\): .*, 0.00 requests/s, paused until \S+, 29 min to go$", script.shown[2]
        )
        script(ev.HarvestEnded(script.now, "complete", 0))
        await script.pass_silently(600)
    assert len(script.shown) == 2 + 60


async def test_a_heartbeat_that_reaches_no_one_is_reported_by_the_next_event() -> None:
    script = Script()
    async with script.lines:
        script(started())
        script.outlet.fault = BrokenPipeError("the reader is gone")
        await script.pass_silently(120)
        with pytest.raises(BrokenPipeError):
            script(ev.RequestSent(NOON + 120, "u"))


def test_a_clock_that_was_set_back_silences_no_line() -> None:
    assert len(shown(started(listed=10**6), *steady(130, since=NOON - 3600))) == 1 + 2


def test_a_run_that_leaves_some_out_says_so_and_counts_its_own() -> None:
    lines = shown(started(limit=200), *steady(90))
    assert "200 to download from 127.0.0.1 to data/demo, 700 left for another run," in lines[0]
    assert lines[-1].startswith("280 of 300 (93 %): 180 saved")


def test_the_journal_brings_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert re.match(r"\d\d:\d\d:\d\d run", shown(started(), timestamps=True)[0])
    monkeypatch.setenv("JOURNAL_STREAM", "8:1234")
    assert shown(started(), timestamps=None)[0].startswith("run run-1")


def test_a_line_of_another_day_has_its_date() -> None:
    script = Script(timestamps=True)
    for number in range(3):
        script(started() if not number else ev.HarvestResumed(NOON + number * 43_200, "it is back"))
    today, *_, tomorrow = script.shown
    assert re.match(r"\d\d:\d\d:\d\d run", today)
    assert re.match(r"2026-11-2\d \d\d:\d\d:\d\d resumed", tomorrow)
    pause = shown(started(), ev.HarvestPaused(NOON, "HTTP 503", NOON + 86_400))[1]
    assert re.match(r"paused until 2026-11-2\d \d\d:\d\d:\d\d \(1 d\)|paused until 2026-11-2\d .* \(24 h\)", pause)


def test_a_pause_without_an_end_does_not_invent_one() -> None:
    assert shown(started(), ev.HarvestPaused(NOON, "by key p", float("inf"), ev.Pause.USER))[1] == (
        "paused until it is resumed: by key p"
    )


async def test_while_only_retries_wait_the_line_says_when_the_last_is_due() -> None:
    busy = Failure(FailureKind.BUSY, "HTTP 503: busy", 503)
    script = Script()
    async with script.lines:
        script(started(listed=102, present=100))
        for number, due in ((1, NOON + 900), (2, NOON + 300)):
            script(ev.PhaseEntered(NOON, target(number), 1, ev.Phase.RESPONSE))
            script(ev.RetryScheduled(NOON, target(number), 1, busy, due))
        await script.pass_silently(120)
        assert re.search(
            r"2 retries due, 0.00 requests/s, only retries are left, the last at \d\d:45:00$", script.shown[-1]
        )

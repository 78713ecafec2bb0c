"""The hours of a night on a virtual clock, through the real engine; and what a machine that slept wakes up to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import time
from pathlib import Path
from typing import Any

import pytest

from harvester import events as ev
from harvester.archive.access import SodaAccess
from harvester.archive.client import ArchiveClient
from harvester.config.loading import load
from harvester.demo import DemoArchive, listed_dids, serve
from harvester.engine.engine import Engine
from harvester.engine.shutdown import Shutdown
from harvester.engine.throttle import LocalThrottle
from harvester.events.stats import StatsCollector, ended_how
from harvester.model.exit_codes import StopReason
from harvester.model.limits import Limits
from harvester.model.schedule import Deadline, Window
from harvester.model.target import SpectrumId, Target
from harvester.run.clock import ClockWatch, run_window
from tests.support.catalogs import assign_names
from tests.support.harvests import harvest_demo
from tests.support.simulated_run import HOUR, SimulatedArchive, SimulatedStore, prove
from tests.support.virtual_time import run_virtually

NOON = 1_800_014_400.0  # 2027-01-15 12:00 UTC
EVENING_TO_MORNING = Window(time(20), time(6), "UTC")


@dataclass(slots=True)
class Sleeper:
    """A machine whose wall clock went on by ``asleep`` seconds while its loop's clock stood still."""

    asleep: float = 0.0

    def wall(self) -> float:
        return NOON + asyncio.get_running_loop().time() + self.asleep


@dataclass(slots=True)
class Night:
    """What a run within its hours left behind."""

    tally: StatsCollector = field(default_factory=StatsCollector)
    stop: Shutdown = field(default_factory=Shutdown)
    machine: Sleeper = field(default_factory=Sleeper)
    events: list[ev.Event] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)
    renewed: int = 0

    def emit(self, event: ev.Event) -> None:
        self.tally(event)
        self.events.append(event)

    async def renew(self) -> None:
        self.renewed += 1

    def of(self, kind: type[ev.Event]) -> list[ev.Event]:
        return [event for event in self.events if isinstance(event, kind)]

    async def spend(
        self, count: int, window: Window | None = None, deadline: Deadline | None = None, rate: float = 1.0
    ) -> Night:
        limits, wall = Limits(rate=rate, concurrency=4), self.machine.wall
        targets = [Target(SpectrumId(f"ivo://a/b/n{number}"), f"n{number}") for number in range(count)]
        archive = SimulatedArchive(emit=self.emit)
        throttle = LocalThrottle(limits, self.emit, clock=wall)
        archive.sent = throttle.sent
        engine = Engine(
            targets, archive, SimulatedStore(), prove, limits, throttle, self.emit, self.stop, clock=wall
        )  # fmt: skip
        self.emit(ev.HarvestStarted(wall(), "n", "a", "h", "out", count, 0, count, 1.0, 4))
        watch = ClockWatch(run_window(wall(), window, deadline), self.emit, self.stop, self.renew, wall)
        async with watch.watching():
            if await watch.wait_for_opening():
                await engine.run()
        self.asked = archive.asked
        self.emit(ev.HarvestEnded(wall(), *ended_how(self.tally.stats, self.stop.cause, left_out=False)))
        return self


def later(seconds: float, what: Callable[[], object]) -> None:
    asyncio.get_running_loop().call_later(seconds, what)


@pytest.mark.slow
def test_a_run_begun_at_noon_waits_for_the_evening_and_ends_with_the_morning() -> None:
    night = run_virtually(Night().spend(100_000, EVENING_TO_MORNING, rate=0.25))
    assert 8 * HOUR <= night.asked[0] <= 8 * HOUR + 1
    assert 18 * HOUR - 5 <= night.asked[-1] <= 18 * HOUR
    (paused,) = night.of(ev.HarvestPaused)
    assert paused == ev.HarvestPaused(NOON, "outside the window 20:00-06:00 UTC", NOON + 8 * HOUR, ev.Pause.WINDOW)
    stats = night.tally.stats
    assert (stats.reason, stats.exit_code) == ("the window 20:00-06:00 UTC has closed", 4)
    assert stats.saved == len(night.asked), "what was in flight when it closed was finished"
    assert stats.failed == 0


def test_a_run_that_is_done_before_its_hours_end_is_complete() -> None:
    night = run_virtually(Night().spend(50, None, Deadline(seconds=3600)))
    assert (night.tally.stats.reason, night.tally.stats.exit_code) == ("complete", 0)
    assert run_virtually(Night().spend(0)).tally.stats.exit_code == 0


def test_a_deadline_ends_a_run_to_the_second() -> None:
    night = run_virtually(Night().spend(1000, None, Deadline(seconds=61)))
    assert 58 <= len(night.asked) <= 63
    assert night.tally.stats.reason == "the deadline 61s has come"


def test_a_deadline_that_comes_before_the_window_opens_leaves_all_for_another_run() -> None:
    night = run_virtually(Night().spend(10, EVENING_TO_MORNING, Deadline(seconds=600)))
    assert night.asked == []
    assert (night.tally.stats.remaining, night.tally.stats.exit_code) == (10, 4)


def test_ctrl_c_works_while_the_window_is_waited_for() -> None:
    async def story() -> Night:
        night = Night()
        later(100.0, lambda: night.stop.interrupt(StopReason("stopped by Ctrl-C", 130)))
        return await night.spend(10, EVENING_TO_MORNING)

    night = run_virtually(story())
    assert night.asked == []
    assert night.events[-1] == ev.HarvestEnded(NOON + 100.0, "stopped by Ctrl-C", 130)
    assert len(night.of(ev.HarvestDraining)) == 1


def test_a_laptop_that_slept_is_noticed_and_gets_new_connections() -> None:
    async def story() -> Night:
        night = Night()
        later(20.0, lambda: setattr(night.machine, "asleep", 3 * HOUR))
        return await night.spend(60)

    night = run_virtually(story())
    (jumped,) = night.of(ev.ClockJumped)
    assert isinstance(jumped, ev.ClockJumped)
    assert jumped.seconds == pytest.approx(3 * HOUR)
    assert night.renewed == 1
    assert night.tally.stats.exit_code == 0


def test_hours_that_end_while_the_machine_sleeps_have_ended_when_it_wakes() -> None:
    async def story() -> Night:
        night = Night()
        later(20.0, lambda: setattr(night.machine, "asleep", 12 * HOUR))
        return await night.spend(1000, None, Deadline(seconds=HOUR))

    night = run_virtually(story())
    assert len(night.asked) <= 27, "within one look at the clocks"
    assert night.tally.stats.exit_code == 4


def test_a_window_that_opens_while_the_machine_sleeps_is_open_when_it_wakes() -> None:
    async def story() -> Night:
        night = Night()
        later(20.0, lambda: setattr(night.machine, "asleep", 9 * HOUR))
        return await night.spend(10, EVENING_TO_MORNING)

    night = run_virtually(story())
    assert 20 <= night.asked[0] <= 26
    assert night.tally.stats.exit_code == 0


def test_a_clock_that_is_trimmed_by_a_second_is_no_event() -> None:
    async def story() -> Night:
        night = Night()
        later(20.0, lambda: setattr(night.machine, "asleep", -1.5))
        return await night.spend(60)

    night = run_virtually(story())
    assert night.of(ev.ClockJumped) == []
    assert night.renewed == 0


def test_connections_that_cannot_be_renewed_cost_nothing_but_a_line_in_the_log() -> None:
    class Stubborn(Night):
        async def renew(self) -> None:
            raise OSError("no")

    async def story() -> Night:
        night = Stubborn()
        later(20.0, lambda: setattr(night.machine, "asleep", 100.0))
        return await night.spend(1000, None, Deadline(seconds=600))

    assert run_virtually(story()).tally.stats.exit_code == 4


async def test_who_asks_after_a_renewal_gets_a_new_connection_and_what_is_in_flight_ends() -> None:
    async with serve(DemoArchive(count=4, latency=0.2)) as archive:
        dids = list(listed_dids(4))
        names = assign_names(dids, {})
        targets = [names.target(did) for did in dids]
        request = load({"archive": archive.dlget}).request

        async def turn() -> bool:
            return True

        client = ArchiveClient(SodaAccess(request), Limits(total_timeout=0.5), None, lambda event: None, turn)
        async with client:
            flying = asyncio.create_task(client.fetch(targets[0], lambda phase: None))
            await asyncio.sleep(0.05)
            await client.renew()
            after = await client.fetch(targets[1], lambda phase: None)
            assert (await flying).body
            assert after.body
            await asyncio.sleep(0.5)
            await client.renew()
            assert len(client._retired) == 1, "those that can have nothing in flight any more are closed"
            assert (await client.fetch(targets[2], lambda phase: None)).body


@pytest.mark.slow
async def test_a_whole_run_with_a_deadline_says_what_is_left_and_how_many_nights_that_takes(tmp_path: Path) -> None:
    shown = await harvest_demo(tmp_path / "out", 60, limits={"rate": 10}, deadline="2s")
    stats, summary = shown.report.stats, shown.report.summary
    assert (stats.reason, stats.exit_code) == ("the deadline 2s has come", 4)
    assert 10 <= stats.saved <= 25
    assert summary["nights_left"] == shown.report.nights_left
    assert shown.report.nights_left in (2, 3, 4)
    politeness = summary["politeness"]
    assert isinstance(politeness, dict)
    assert politeness["requests"] == stats.requests
    assert politeness["spectra"] >= stats.saved
    assert "IVOA-copy" in politeness["user_agent"]


def set_clock(seconds: float, after: float, count: int = 60, **hours: Any) -> Night:
    """A run whose wall clock is set by ``seconds``, ``after`` so many seconds."""

    async def story() -> Night:
        night = Night()
        later(after, lambda: setattr(night.machine, "asleep", seconds))
        return await night.spend(count, **hours)

    return run_virtually(story())


@pytest.mark.parametrize("seconds", [-10 * 365 * 24 * HOUR, -2 * HOUR, 10 * 365 * 24 * HOUR])
@pytest.mark.parametrize("after", [0.0, 20.0])
def test_a_clock_that_is_set_costs_a_run_without_hours_nothing(seconds: float, after: float) -> None:
    night = set_clock(seconds, after)
    assert (night.tally.stats.saved, night.tally.stats.exit_code) == (60, 0)
    assert max(night.asked) < 70


@pytest.mark.slow
def test_a_clock_that_is_set_back_out_of_the_window_ends_the_run() -> None:
    night = set_clock(-12 * HOUR, 8 * HOUR + 60, 100_000, window=EVENING_TO_MORNING)
    assert max(night.asked) <= 8 * HOUR + 66
    assert night.tally.stats.exit_code == 4


def test_a_clock_that_is_set_back_puts_off_no_deadline() -> None:
    night = set_clock(-24 * HOUR, 20.0, 1000, deadline=Deadline(seconds=61))
    assert 58 <= len(night.asked) <= 63
    assert night.tally.stats.reason == "the deadline 61s has come"


def test_while_a_window_is_waited_for_the_clock_as_it_is_counts() -> None:
    night = set_clock(-3 * HOUR, 4 * HOUR, 10, window=EVENING_TO_MORNING)
    assert 11 * HOUR - 5 <= night.asked[0] <= 11 * HOUR + 5

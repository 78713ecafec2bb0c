"""What a person may change while a run goes on, and that the throttle follows at once."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from harvester import events as ev
from harvester.engine.circuit_breaker import Signal
from harvester.engine.controls import LOWEST_SHARE, Controls
from harvester.engine.throttle import PROBING, LocalThrottle
from harvester.model.failures import Failure, FailureKind
from harvester.model.limits import Limits
from tests.support.virtual_time import run_virtually

MAINTENANCE = Failure(FailureKind.BUSY, "HTTP 503: maintenance", 503, 100.0)


class Bench:
    """A throttle on a virtual clock, and the times at which requests were sent."""

    def __init__(self, rate: float = 10.0, concurrency: int = 8) -> None:
        self.controls, self.events = Controls(), list[ev.Event]()
        limits = Limits(rate=rate, concurrency=concurrency)
        self.throttle = LocalThrottle(limits, self.events.append, Random(1), self.now, self.controls)
        self.sent: list[float] = []

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def work(self, seconds: float) -> None:
        """Send requests one after the other for so many seconds."""
        shutdown = asyncio.Event()
        asyncio.get_running_loop().call_later(seconds, shutdown.set)
        asyncio.get_running_loop().call_later(seconds, self.throttle.notify)
        while await self.throttle.acquire(shutdown):
            self.throttle.sent()
            self.sent.append(self.now())
            self.throttle.release(None)

    def run(self, seconds: float, **later: Callable[[], None]) -> None:
        """Work for so many seconds; ``at5=action`` is called after five of them."""

        async def go() -> None:
            for when, action in later.items():
                asyncio.get_running_loop().call_later(float(when.removeprefix("at")), action)
            await self.work(seconds)

        run_virtually(go())

    def between(self, begin: float, end: float) -> int:
        return sum(begin < time <= end for time in self.sent)

    def of(self, *kinds: type[ev.Event]) -> list[ev.Event]:
        return [event for event in self.events if isinstance(event, kinds)]


def test_nothing_is_sent_during_a_pause_and_everything_goes_on_after_it() -> None:
    bench = Bench()
    bench.run(30.0, at10=bench.controls.pause, at20=bench.controls.resume)
    assert bench.between(10.1, 19.9) == 0
    assert bench.between(0.0, 10.0) == pytest.approx(100, abs=2)
    assert bench.between(20.0, 30.0) == pytest.approx(100, abs=2)
    paused, resumed = bench.of(ev.HarvestPaused, ev.HarvestResumed)
    assert replace(paused, time=round(paused.time)) == ev.HarvestPaused(10.0, "by the user", math.inf, ev.Pause.USER)
    assert replace(resumed, time=round(resumed.time)) == ev.HarvestResumed(20.0, "by the user")


def test_a_pause_ends_with_the_run() -> None:
    bench = Bench()
    bench.run(30.0, at10=bench.controls.pause)
    assert bench.between(10.1, 30.0) == 0


def test_half_of_the_limits_are_half_of_the_rate_and_of_what_is_in_flight() -> None:
    bench = Bench()
    bench.throttle.concurrency = bench.throttle.concurrency.__class__(8, 8)
    bench.run(20.0, at10=bench.controls.slow_down)
    assert bench.between(0.0, 10.0) == pytest.approx(100, abs=2)
    assert bench.between(10.0, 20.0) == pytest.approx(50, abs=2)
    (changed,) = bench.of(ev.LimitsChanged)
    half = ev.LimitsChanged(10.0, 5.0, 4, "50% of the configured limits, as the user wants", False)
    assert replace(changed, time=round(changed.time, 3)) == half


def test_without_a_rate_limit_the_number_in_flight_is_lowered() -> None:
    bench = Bench(rate=0.0)
    bench.throttle.concurrency = bench.throttle.concurrency.__class__(8, 8)

    async def story() -> None:
        bench.controls.slow_down()
        assert (bench.throttle.max_in_flight, bench.throttle.rate_limiter.rate) == (4, 0.0)
        for _ in range(10):
            bench.controls.slow_down()
        assert (bench.throttle.max_in_flight, bench.controls.share) == (1, LOWEST_SHARE)

    run_virtually(story())


def test_the_limits_never_exceed_the_configured_ones() -> None:
    bench = Bench()
    bench.controls.speed_up()
    assert bench.throttle.rate_limiter.rate == 10.0
    assert bench.of(ev.LimitsChanged) == []


def test_a_pause_of_the_user_hides_what_the_breaker_does_until_it_ends() -> None:
    bench = Bench()

    async def story() -> None:
        bench.controls.pause()
        bench.throttle.record(Signal.OUTAGE_LIKE, MAINTENANCE)
        assert bench.throttle.breaker.is_open
        assert [type(event) for event in bench.events] == [ev.HarvestPaused]
        bench.controls.resume()
        last = bench.events[-1]
        assert isinstance(last, ev.HarvestPaused)
        assert (last.kind, last.reason) == (ev.Pause.RETRY_AFTER, "HTTP 503: maintenance")
        assert last.until >= 100.0

    run_virtually(story())


def test_no_probe_is_sent_during_a_pause() -> None:
    bench = Bench()

    async def story() -> float:
        PROBING.set(True)
        bench.controls.pause()
        asyncio.get_running_loop().call_later(50.0, bench.controls.resume)
        assert await bench.throttle.acquire_probe(asyncio.Event())
        return bench.now()

    assert run_virtually(story()) == pytest.approx(50.0)


def test_only_a_throttle_that_follows_makes_them_available() -> None:
    controls = Controls()
    assert not controls.available
    LocalThrottle(Limits(), lambda event: None, controls=controls)
    assert controls.available

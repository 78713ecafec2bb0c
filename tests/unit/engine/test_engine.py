"""The engine alone, on a virtual clock: how it stops, and what it owes to the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from harvester import events as ev
from harvester.engine.circuit_breaker import Signal
from harvester.engine.engine import WORKERS_PER_REQUEST_SLOT, Engine
from harvester.engine.shutdown import Shutdown
from harvester.engine.throttle import LocalThrottle
from harvester.engine.work_queue import PendingRetry
from harvester.errors import StoreError, StoreFullError
from harvester.events.bus import Observer
from harvester.events.stats import StatsCollector
from harvester.model.exit_codes import StopReason
from harvester.model.failures import Failure, FailureKind, FetchError
from harvester.model.limits import Limits
from harvester.model.outcomes import FailedCheck, Fetched, VerifiedSpectrum
from harvester.model.target import SpectrumId, Target
from harvester.ui.view import DashboardView
from tests.support.simulated_run import Outage, SimulatedArchive, SimulatedStore, prove
from tests.support.virtual_time import run_virtually

INTERRUPT = StopReason("stopped by Ctrl-C", 130)


def targets(count: int) -> list[Target]:
    return [Target(SpectrumId(f"ivo://a/b/n{number}"), f"n{number}") for number in range(count)]


class Bench:
    """An engine with all that it needs, in memory."""

    def __init__(self, count: int, archive: SimulatedArchive, store: SimulatedStore, **limits: float) -> None:
        self.tally, self.stop, self.shown = StatsCollector(), Shutdown(), list[ev.Event]()
        self.also: list[Observer] = []
        self.limits = Limits(**{"rate": 0.0, "concurrency": 4, **limits})  # type: ignore[arg-type]
        archive.emit = self.emit
        self.emit(ev.HarvestStarted(0.0, "run", "a", "h", "out", count, 0, count, 0.0, 4))
        throttle = LocalThrottle(self.limits, self.emit, Random(1), lambda: 0.0)
        archive.sent = throttle.sent
        self.engine = Engine(
            targets(count), archive, store, prove, self.limits, throttle, self.emit, self.stop,
            rng=Random(1), clock=lambda: 0.0,
        )  # fmt: skip

    def emit(self, event: ev.Event) -> None:
        self.tally(event)
        self.shown.append(event)
        for observer in self.also:
            observer(event)

    def run(self, meanwhile: Callable[[], None] | None = None, after: float = 0.0) -> float:
        async def go() -> float:
            loop = asyncio.get_running_loop()
            if meanwhile is not None:
                loop.call_later(after, meanwhile)
            await self.engine.run()
            return loop.time()

        return run_virtually(go())


class SlowStore(SimulatedStore):
    """Takes its time, and may fail at the end of it."""

    def __init__(self, seconds: float, fault: Exception | None = None) -> None:
        super().__init__()
        self.seconds, self.fault = seconds, fault

    async def put(self, target: Target, body: bytes) -> None:
        await asyncio.sleep(self.seconds)
        if self.fault is not None:
            raise self.fault
        await super().put(target, body)


@pytest.mark.parametrize("fault", [StoreError("the disk is ill"), RuntimeError("a bug")])
def test_an_abort_while_a_write_fails_ends_when_the_write_does(fault: Exception) -> None:
    bench = Bench(50, SimulatedArchive(), SlowStore(3.0, fault))

    def twice() -> None:
        bench.stop.interrupt(INTERRUPT)
        bench.stop.interrupt(INTERRUPT)

    assert bench.run(twice, after=1.0) <= 4.0
    assert bench.tally.stats.saved == 0


def test_a_write_that_has_begun_is_finished_and_booked_though_the_run_is_aborted() -> None:
    store = SlowStore(3.0)
    bench = Bench(50, SimulatedArchive(), store)
    bench.run(lambda: bench.stop.abort(INTERRUPT), after=1.0)
    assert bench.tally.stats.saved == len(store.names) > 0


def test_a_drain_lets_what_is_in_flight_end_and_asks_nothing_more() -> None:
    archive = SimulatedArchive(latency=5.0)
    bench = Bench(50, archive, SimulatedStore())
    assert bench.run(lambda: bench.stop.interrupt(INTERRUPT), after=1.0) == pytest.approx(5.0)
    assert bench.tally.stats.saved == len(archive.asked) == 1
    assert [type(event).__name__ for event in bench.shown].count("HarvestDraining") == 1


def test_events_that_nothing_reads_are_not_made() -> None:
    bench = Bench(20, ArchiveWithPhases(), SimulatedStore())
    bench.engine.is_read = {ev.Phase.RESPONSE}.__contains__
    bench.run()
    phases = {event.phase for event in bench.shown if isinstance(event, ev.PhaseEntered)}
    assert phases == {ev.Phase.RESPONSE}
    assert not [event for event in bench.shown if isinstance(event, ev.SpectrumVerified)]
    assert bench.tally.stats.saved == 20


def test_a_drain_waits_no_longer_than_its_grace() -> None:
    bench = Bench(50, SimulatedArchive(latency=500.0), SimulatedStore(), grace=30.0)
    assert bench.run(lambda: bench.stop.interrupt(INTERRUPT), after=1.0) == pytest.approx(31.0)


class FullStore(SimulatedStore):
    """Has no room until ``room_at``, in loop seconds."""

    def __init__(self, room_at: float) -> None:
        super().__init__()
        self.room_at = room_at

    async def put(self, target: Target, body: bytes) -> None:
        if not await self.has_room(0):
            raise StoreFullError("the disk is full")
        await super().put(target, body)

    async def has_room(self, size: int) -> bool:
        return asyncio.get_running_loop().time() >= self.room_at


def test_a_full_disk_is_waited_for_and_nothing_is_requested_twice() -> None:
    archive, store = SimulatedArchive(), FullStore(room_at=40.0)
    bench = Bench(20, archive, store, disk_wait=60.0)
    bench.run()
    assert bench.tally.stats.saved == len(store.names) == len(archive.asked) == 20
    shown = [type(event).__name__ for event in bench.shown]
    assert (shown.count("HarvestPaused"), shown.count("HarvestResumed")) == (1, 1)


class FullForEvidence(FullStore):
    """Has no room for rejected bodies either."""

    async def quarantine(self, target: Target, fetched: Fetched, rejected: FailedCheck) -> str:
        if not await self.has_room(0):
            raise StoreFullError("the disk is full")
        return await super().quarantine(target, fetched, rejected)


def test_a_full_disk_is_waited_for_also_with_a_body_that_failed_a_check() -> None:
    async def of_another(target: Target) -> Fetched:
        return Fetched(b"another", "url")

    archive = SimulatedArchive(faults={f"ivo://a/b/n{number}": of_another for number in (0, 3)})
    bench = Bench(20, archive, FullForEvidence(room_at=40.0), disk_wait=60.0, attempts=1)
    bench.run()
    assert bench.stop.cause is None
    assert (bench.tally.stats.saved, bench.tally.stats.failed) == (18, 2)


def test_a_disk_that_stays_full_ends_the_run_and_charges_no_spectrum() -> None:
    archive = SimulatedArchive()
    bench = Bench(20, archive, FullStore(room_at=1e9), disk_wait=60.0)
    assert bench.run() <= 65.0
    assert bench.stop.cause == StopReason("the disk is full", 6)
    assert (bench.tally.stats.saved, bench.tally.stats.failed, bench.tally.stats.remaining) == (0, 0, 20)
    assert len(archive.asked) <= WORKERS_PER_REQUEST_SLOT * bench.limits.concurrency


def test_a_full_disk_is_reported_once_and_nothing_is_requested_meanwhile() -> None:
    archive = SimulatedArchive(latency=3.0)
    bench = Bench(40, archive, FullStore(room_at=1e9), disk_wait=60.0, rate=10.0)
    bench.run()
    assert max(archive.asked) - min(archive.asked) <= 3.0, "until the first file found no room"
    shown = [type(event).__name__ for event in bench.shown]
    assert (shown.count("HarvestPaused"), shown.count("HarvestDraining")) == (1, 1)


class Linked(SimulatedArchive):
    """Each spectrum takes two requests; once, while others are between theirs, it asks for a pause of 20 seconds."""

    def __init__(self, turn: Callable[[], Awaitable[bool]]) -> None:
        super().__init__()
        self.turn, self.halfway, self.paused_at = turn, 0, -1.0

    async def fetch(self, target: Target, reached: Callable[[ev.Phase], None]) -> Fetched:
        now = asyncio.get_running_loop().time
        self.asked.append(now())
        if self.halfway and self.paused_at < 0.0:
            self.paused_at = now()
            raise FetchError(Failure(FailureKind.BUSY, "HTTP 429: slow down", 429, retry_after=20.0))
        self.halfway += 1
        await asyncio.sleep(1.0)
        assert await self.turn()
        self.halfway -= 1
        self.asked.append(now())
        return Fetched(target.did.encode(), "url")


def test_during_a_pause_no_second_request_goes_out_but_the_probers() -> None:
    archive = Linked(lambda: bench.engine.throttle.acquire_followup(bench.stop.draining))
    bench = Bench(30, archive, SimulatedStore())
    bench.run()
    assert archive.paused_at >= 0.0
    assert not [moment for moment in archive.asked if 0.0 < moment - archive.paused_at < 20.0]
    assert bench.tally.stats.saved == 30


def test_a_pause_that_is_requested_while_a_probe_waits_for_its_slot_holds_it_back() -> None:
    bench = Bench(0, SimulatedArchive(), SimulatedStore(), rate=1.0)
    throttle, busy = bench.engine.throttle, Failure(FailureKind.BUSY, "HTTP 503: later", 503, retry_after=600.0)

    async def probe() -> tuple[bool, bool]:
        assert await throttle.acquire(bench.stop.draining)
        throttle.sent()
        throttle.request_probe("something else")
        waiting = asyncio.create_task(throttle.acquire_probe(bench.stop.draining))
        await asyncio.sleep(0.1)
        throttle.record(Signal.OUTAGE_LIKE, busy)
        early = await waiting
        await asyncio.sleep(650.0)
        return early, await throttle.acquire_probe(bench.stop.draining)

    assert run_virtually(probe()) == (False, True)


def test_a_retry_that_an_earlier_run_left_behind_keeps_its_due_time_and_its_count() -> None:
    class Refusing(SimulatedArchive):
        async def fetch(self, target: Target, reached: Callable[[ev.Phase], None]) -> Fetched:
            self.asked.append(asyncio.get_running_loop().time())
            raise FetchError(Failure(FailureKind.TRUNCATED, "short", 200))

    archive = Refusing()
    bench = Bench(0, archive, SimulatedStore(), attempts=6)
    bench.engine.leftovers = [PendingRetry(targets(1)[0], attempt=6, due=100.0)]
    bench.run()
    assert archive.asked == [100.0]
    (failed,) = [event for event in bench.shown if isinstance(event, ev.SpectrumFailed)]
    assert failed.outcome.attempts == 6


def test_three_bugs_in_a_row_end_the_run_like_any_other_cause() -> None:
    class Buggy(SimulatedArchive):
        async def fetch(self, target: Target, reached: Callable[[ev.Phase], None]) -> Fetched:
            raise ZeroDivisionError("oops")

    bench = Bench(20, Buggy(), SimulatedStore())
    bench.run()
    assert bench.stop.cause is not None
    assert bench.stop.cause.exit_code == 1
    assert bench.tally.stats.failed < 10


def test_a_bug_in_a_probe_is_that_of_one_spectrum() -> None:
    def buggy(target: Target, body: bytes) -> VerifiedSpectrum | FailedCheck:
        if target.name == "odd":
            raise ZeroDivisionError("oops")
        return prove(target, body)

    bench = Bench(300, SimulatedArchive([Outage(10.0, 100.0)]), SimulatedStore())
    bench.engine.verify = buggy
    bench.engine._outage._remember(Target(SpectrumId("ivo://a/b/odd"), "odd"))
    bench.run()
    assert bench.stop.cause is None
    assert bench.tally.stats.saved == 300


@pytest.mark.parametrize("fault", [MemoryError(), ExceptionGroup("", [RuntimeError("can't start new thread")])])
def test_a_machine_without_memory_or_threads_ends_the_run_and_charges_no_spectrum(fault: Exception) -> None:
    class Short(SimulatedArchive):
        async def fetch(self, target: Target, reached: Callable[[ev.Phase], None]) -> Fetched:
            raise fault

    bench = Bench(20, Short(), SimulatedStore())
    bench.run()
    assert bench.stop.cause is not None
    assert bench.stop.cause.exit_code == 6
    assert "allow more (ulimit" in bench.stop.cause.reason
    assert (bench.tally.stats.failed, bench.tally.stats.remaining) == (0, 20)


def test_refusals_of_all_requests_stop_the_run_but_not_when_a_known_good_spectrum_still_comes() -> None:
    class Strict(SimulatedArchive):
        async def fetch(self, target: Target, reached: Callable[[ev.Phase], None]) -> Fetched:
            if target.name == "canary":
                return await super().fetch(target, reached)
            self.asked.append(0.0)
            raise FetchError(Failure(FailureKind.FORBIDDEN, "HTTP 403: embargoed", 403))

    alone = Bench(100, archive := Strict(), SimulatedStore())
    alone.run()
    assert alone.stop.cause is not None
    assert alone.stop.cause.exit_code == 7
    assert len(archive.asked) <= 12
    known = Bench(100, Strict(), SimulatedStore())
    known.engine._outage._remember(Target(SpectrumId("ivo://a/b/canary"), "canary"))
    known.run()
    assert known.stop.cause is None
    assert known.tally.stats.failures == {FailureKind.FORBIDDEN: 100}


def test_one_spectrum_that_always_asks_for_patience_is_given_up_like_any_other() -> None:
    class Impatient(SimulatedArchive):
        async def fetch(self, target: Target, reached: Callable[[ev.Phase], None]) -> Fetched:
            if target.name == "n7":
                self.asked.append(0.0)
                raise FetchError(Failure(FailureKind.BUSY, "HTTP 503: busy", 503, retry_after=1.0))
            return await super().fetch(target, reached)

    bench = Bench(30, Impatient(), SimulatedStore(), attempts=3, first_wait=1.0)
    bench.run()
    assert bench.tally.stats.saved == 29
    assert bench.tally.stats.failures == {FailureKind.BUSY: 1}


def test_a_block_of_spectra_that_are_not_public_does_not_end_the_run() -> None:
    class Private(SimulatedArchive):
        async def fetch(self, target: Target, reached: Callable[[ev.Phase], None]) -> Fetched:
            if int(target.name[1:]) < 9:
                raise FetchError(Failure(FailureKind.FORBIDDEN, "HTTP 403: embargoed", 403))
            return await super().fetch(target, reached)

    bench = Bench(60, Private(), SimulatedStore())
    bench.run()
    assert bench.stop.cause is None
    assert bench.tally.stats.saved == 51
    assert bench.tally.stats.failures == {FailureKind.FORBIDDEN: 9}


class ArchiveWithPhases(SimulatedArchive):
    """Reports that a request is sent, as the genuine client does."""

    async def fetch(self, target: Target, reached: Callable[[ev.Phase], None]) -> Fetched:
        reached(ev.Phase.RESPONSE)
        return await super().fetch(target, reached)


@pytest.mark.parametrize("attempts", [1, 4])
def test_no_more_is_shown_in_flight_than_the_throttle_has_let_go(attempts: int) -> None:
    """Above all during an outage, when attempts are given back, or held until a probe decides."""
    archive = ArchiveWithPhases(latency=1.0, outages=[Outage(5.0, 60.0)])
    bench = Bench(200, archive, SimulatedStore(), rate=20.0, attempts=attempts)
    view, surplus = DashboardView(lambda: bench.tally.stats), list[int]()
    bench.also.append(view)

    def look() -> None:
        surplus.append(view.snapshot(0.0).in_flight - bench.engine.throttle.in_flight)  # type: ignore[attr-defined]
        if not bench.tally.stats.remaining:
            return
        asyncio.get_running_loop().call_later(0.05, look)

    bench.run(look)
    assert max(surplus) <= 0
    assert len(surplus) > 1000
    assert bench.tally.stats.saved == 200

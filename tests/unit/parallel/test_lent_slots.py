"""Slots that a worker uses again without asking: fewer messages, the same limits, and an end when no report arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from harvester import events as ev
from harvester.engine.circuit_breaker import Signal
from harvester.engine.controls import Controls
from harvester.engine.shutdown import Shutdown
from harvester.model.exit_codes import StopReason
from harvester.model.failures import Failure, FailureKind
from harvester.model.limits import Limits
from harvester.parallel.coordinator import Coordinator
from harvester.parallel.messages import RequestDone, ResponseReport, ShardStarted, SlotGranted, SlotRequest, SlotsLent
from harvester.parallel.remote_throttle import RemoteThrottle
from harvester.parallel.shared_throttle import SharedThrottle
from harvester.parallel.worker_connection import USES, WorkerConnection
from tests.support.simulated_run import Outage, SimulatedArchive
from tests.support.virtual_time import run_virtually
from tests.support.worker_pools import Bench

LEVEL = 4
ENOUGH = StopReason("the test has seen enough", 0)


class Pair:
    """A coordinator, and the throttles of two workers; what each sends arrives after a moment, in order."""

    def __init__(self, rate: float = 0.0) -> None:
        self.controls, self.stop, self.granted, self.lent = Controls(), Shutdown(), 0, [SlotsLent(0, 0)]
        limits = Limits(rate=rate, concurrency=LEVEL)
        self.throttle = SharedThrottle(limits, lambda event: None, controls=self.controls)
        self.coordinator = Coordinator(self.throttle, lambda event: None, self.stop, lambda: 0.0)
        self.mute = False

    def worker(self, shard: int) -> RemoteThrottle:
        """Return the throttle of a worker that has begun with ``shard``."""

        def to_coordinator(message: Any, may_wait: bool = False) -> None:
            if not self.mute:
                _soon(self.coordinator.handle, connection, message)

        def to_worker(message: Any, may_wait: bool = False) -> None:
            self.granted += isinstance(message, SlotGranted)
            if isinstance(message, SlotsLent):
                self.lent.append(message)
            _soon(remote.handle, message)

        remote = RemoteThrottle(to_coordinator, asyncio.Event())
        connection: WorkerConnection = self.coordinator.connect(to_worker)
        self.coordinator.handle(connection, ShardStarted(shard))
        return remote

    async def download(self, worker: RemoteThrottle, count: int, tasks: int = 2 * LEVEL) -> int:
        """Return the number of requests, ``count`` at most, that many tasks of a worker could send within an hour."""
        left, sent, never = count, 0, asyncio.Event()

        async def work() -> None:
            nonlocal left, sent
            while left > 0:
                left -= 1
                await worker.acquire(never)
                sent += 1
                worker.sent()
                worker._send(ev.RequestSent(0.0, "url"))
                await asyncio.sleep(1.0)
                worker.release(1.0)
                worker.record(Signal.OK)

        tasks_of = [asyncio.create_task(work()) for _ in range(tasks)]
        await asyncio.wait(tasks_of, timeout=3600)
        for task in tasks_of:
            task.cancel()
        return sent


def _soon(handle: Callable[..., None], *message: Any) -> None:
    asyncio.get_running_loop().call_later(0.001, handle, *message)


def test_slots_are_granted_once_and_used_again_and_again() -> None:
    async def story() -> None:
        pair = Pair()
        async with pair.coordinator:
            assert await pair.download(pair.worker(1), 1000) == 1000
        assert pair.granted < 100, "at the way up of the level, and at the end"
        assert pair.throttle.in_flight == 0

    run_virtually(story())


def test_with_a_rate_limit_each_request_is_asked_for() -> None:
    async def story() -> None:
        pair = Pair(rate=50)
        async with pair.coordinator:
            assert await pair.download(pair.worker(1), 200) == 200
        assert pair.granted >= 200
        assert not any(lent.most for lent in pair.lent)

    run_virtually(story())


def test_two_workers_share_what_is_lent_and_never_exceed_the_limit() -> None:
    async def story() -> None:
        pair, most = Pair(), 0

        async def watch() -> None:
            nonlocal most
            while True:
                most = max(most, pair.throttle.in_flight)
                await asyncio.sleep(0.25)

        async with pair.coordinator:
            watching = asyncio.create_task(watch())
            first, second = pair.worker(1), pair.worker(2)
            of_first, of_second = await asyncio.gather(pair.download(first, 300), pair.download(second, 300))
            watching.cancel()
        assert (of_first, of_second) == (300, 300)
        assert most == LEVEL
        assert pair.granted < 120

    run_virtually(story())


def test_a_worker_whose_reports_do_not_arrive_soon_sends_nothing_more() -> None:
    async def story() -> None:
        pair = Pair()
        async with pair.coordinator:
            worker = pair.worker(1)
            await pair.download(worker, 200)  # so that all slots are lent to it
            downloading = asyncio.create_task(pair.download(worker, 1000))
            await asyncio.sleep(5.5)
            pair.mute = True
            assert await downloading <= 6 * LEVEL + USES * LEVEL + LEVEL

    run_virtually(story())


@pytest.mark.parametrize("why", ["pause", "breaker", "disk"])
def test_nothing_is_lent_where_each_request_must_be_decided_on(why: str) -> None:
    async def story() -> None:
        pair = Pair()
        async with pair.coordinator:
            worker = pair.worker(1)
            await pair.download(worker, 200)
            assert pair.lent[-1].most == LEVEL
            match why:
                case "pause":
                    pair.controls.pause()
                case "breaker":
                    failure = Failure(FailureKind.UNREACHABLE, "connection refused")
                    for _ in range(2):
                        worker.record(Signal.OUTAGE_LIKE, failure)
                case "disk":
                    worker.disk_full = True
            await asyncio.sleep(0.1)
            assert pair.lent[-1] == SlotsLent(0, 0)
            assert await pair.download(worker, 50) == 0
            pair.stop.drain(ENOUGH)
            worker._draining.set()
            worker.notify()

    run_virtually(story())


def test_an_outage_meets_no_more_requests_than_slots_and_alarms() -> None:
    archive = SimulatedArchive([Outage(50, 400, "503")], latency=0.5)
    bench = Bench(3000, archive, Limits(rate=0.0, concurrency=8))
    run_virtually(bench.run())
    assert (bench.tally.stats.saved, bench.tally.stats.failed) == (3000, 0)
    assert sum(50 <= moment < 55 for moment in archive.asked) <= 20


def test_a_request_that_failed_gives_its_slot_back() -> None:
    async def story() -> None:
        sent: list[Any] = []
        worker = RemoteThrottle(lambda message, may_wait=False: sent.append(message), asyncio.Event())
        waiting = [asyncio.create_task(worker.acquire(asyncio.Event())) for _ in range(2)]
        await asyncio.sleep(0)
        worker.handle(SlotsLent(1, 8))
        worker.handle(SlotGranted())
        await asyncio.sleep(0)
        worker.release(None)
        assert sent == [SlotRequest(), SlotRequest(), RequestDone(None, unsent=False)]
        assert not waiting[1].done()
        waiting[1].cancel()

    run_virtually(story())


def test_reports_of_success_wait_for_others_only_where_slots_are_lent() -> None:
    async def story() -> None:
        sent: list[tuple[Any, bool]] = []
        worker = RemoteThrottle(lambda message, may_wait=False: sent.append((message, may_wait)), asyncio.Event())
        worker.record(Signal.OK)
        worker.handle(SlotsLent(1, 8))
        worker.record(Signal.OK)
        worker.record(Signal.OUTAGE_LIKE, Failure(FailureKind.BUSY, "HTTP 503", 503))
        assert [may_wait for _, may_wait in sent] == [False, True, False]
        assert all(isinstance(message, ResponseReport) for message, _ in sent)

    run_virtually(story())

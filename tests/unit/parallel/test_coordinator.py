"""One harvest by many workers, on a virtual clock: one pace, one gate, one memory, whichever worker is lost."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from harvester import events as ev
from harvester.engine.throttle import UNSENT
from harvester.errors import StoreError
from harvester.model.exit_codes import StopReason
from harvester.model.failures import FailureKind, FetchError
from harvester.model.limits import Limits
from harvester.model.target import Target
from harvester.parallel.coordinator import CHECK_INTERVAL, SILENCE
from harvester.parallel.messages import RequestDone, SlotGranted, SlotRequest
from harvester.parallel.remote_throttle import LEASE, RemoteThrottle
from tests.support.simulated_run import HOUR, Outage, SimulatedArchive
from tests.support.virtual_time import run_virtually, virtual_loop
from tests.support.worker_pools import WORKERS, Bench, SharedStore, targets

INTERRUPT = StopReason("stopped by Ctrl-C", 130)


def bench(
    count: int, archive: SimulatedArchive | None = None, store: SharedStore | None = None, **limits: float
) -> Bench:
    shown = {"rate": 0.0, "concurrency": 6, **limits}
    return Bench(count, archive or SimulatedArchive(), Limits(**shown), store or SharedStore())  # type: ignore[arg-type]


def asked(bench: Bench) -> Counter[str]:
    return Counter(event.url for event in bench.events if isinstance(event, ev.RequestSent))


def test_all_workers_together_request_each_spectrum_once() -> None:
    it = bench(200)
    run_virtually(it.run())
    assert it.store.names == {target.name for target in targets(200)}
    assert set(asked(it).values()) == {1}
    assert len(it.pool.shards) == 12, "four for each worker"


def test_all_workers_together_keep_one_rate_limit_and_one_concurrency_limit() -> None:
    archive = SimulatedArchive(latency=3.0)
    it = bench(300, archive, rate=5.0, concurrency=4)
    run_virtually(it.run())
    times = archive.asked
    busiest = max(sum(moment <= other < moment + 1.0 for other in times) for moment in times)
    in_flight = max(sum(moment - 2.99 < other <= moment for other in times) for moment in times)
    assert busiest <= 6
    assert in_flight <= 4


@pytest.mark.slow
def test_a_night_with_an_outage_loses_no_healthy_spectrum_and_asks_little_meanwhile() -> None:
    def night(*outages: Outage) -> tuple[Bench, float]:
        archive = SimulatedArchive(outages, frozenset({"ivo://a/b/n10", "ivo://a/b/n2000"}))
        it = bench(6000, archive, rate=1.0)
        return it, run_virtually(it.run())

    quiet, usual = night()
    it, took = night(Outage(HOUR, 3 * HOUR))
    for stats in (quiet.tally.stats, it.tally.stats):
        assert (stats.saved, stats.failures) == (5998, {FailureKind.SERVER_ERROR: 2})
    assert took - usual <= 2 * HOUR + 600, "as the README promises"
    during = sum(HOUR + 60 <= moment < 3 * HOUR for moment in it.archive.asked)
    assert during <= 60, "one worker asks for all, at growing intervals"


@pytest.mark.parametrize("how", ["503", "503, Retry-After 600", "500", "html", "hang"])
def test_every_kind_of_outage_pauses_all_workers(how: str) -> None:
    archive = SimulatedArchive([Outage(300, 2000, how)])
    it = bench(1500, archive, rate=2.0)
    run_virtually(it.run())
    assert (it.tally.stats.saved, it.tally.stats.failed) == (1500, 0)


def test_an_archive_that_stays_unavailable_ends_the_run_of_all_workers() -> None:
    it = bench(500, SimulatedArchive([Outage(100, 1e9)]), rate=2.0, max_outage=1800.0)
    took = run_virtually(it.run())
    assert it.shutdown.cause is not None
    assert it.shutdown.cause.exit_code == 5
    assert took <= 100 + 1800 + 300


def test_bad_spectra_in_a_row_are_reported_from_an_outage_by_who_probes() -> None:
    bad = frozenset(f"ivo://a/b/n{number}" for number in range(100, 200))
    it = bench(400, SimulatedArchive(poisoned=bad), rate=10.0, attempts=2, first_wait=1.0)
    it.known_good = Target(targets(1)[0].did, "n0")
    run_virtually(it.run())
    assert (it.tally.stats.saved, it.tally.stats.failed) == (300, 100)


def test_a_lost_worker_loses_only_its_requests_in_flight() -> None:
    it = bench(300, SimulatedArchive(latency=2.0), concurrency=6)

    def kill(it: Bench) -> None:
        it.pool.kill(0)
        it.pool.kill(1)

    run_virtually(it.run(kill, after=31.0))
    assert it.store.names == {target.name for target in targets(300)}
    assert it.tally.stats.saved == 300
    twice = sum(times - 1 for times in asked(it).values())
    assert 0 < twice <= 6


def test_a_spectrum_whose_worker_was_lost_before_its_report_is_not_requested_again() -> None:
    class Mute(SharedStore):
        """Loses the worker that stores the tenth, when it is stored."""

        async def put(self, target: Target, body: bytes) -> None:
            await asyncio.sleep(0.001)
            await super().put(target, body)
            if len(self.names) == 10:
                it.pool.kill()

    it = bench(60, SimulatedArchive(latency=1.0), Mute(), concurrency=1)
    it.workers = 1
    run_virtually(it.run())
    assert it.tally.stats.saved == 60
    assert asked(it)["ivo://a/b/n9"] == 1, "it was found in the store, and proved"
    shown = [event.outcome.url for event in it.events if isinstance(event, ev.SpectrumSaved)]
    assert all(shown), "with what was shown of it before it got its name"


def test_the_request_slots_of_a_lost_worker_are_free_again() -> None:
    it = bench(200, SimulatedArchive(latency=5.0), concurrency=2)
    took = run_virtually(it.run(lambda it: it.pool.kill(0), after=41.0))
    assert it.tally.stats.saved == 200
    assert took <= 200 / 2 * 5 * 1.5


def test_who_probed_and_is_lost_leaves_that_to_another() -> None:
    it = bench(600, SimulatedArchive([Outage(100, 800, "hang")]), rate=2.0)

    def kill_all(it: Bench) -> None:
        for _ in range(len(it.pool.at_work)):
            it.pool.kill(0)

    run_virtually(it.run(kill_all, after=400.0))
    assert (it.tally.stats.saved, it.tally.stats.failed) == (600, 0)


def test_a_drain_lets_what_is_in_flight_end_and_asks_nothing_more() -> None:
    archive = SimulatedArchive(latency=5.0)
    it = bench(300, archive)
    took = run_virtually(it.run(lambda it: it.shutdown.interrupt(INTERRUPT), after=61.0))
    assert took <= 66.1
    assert it.tally.stats.saved == len(archive.asked) == len(it.store.names)
    assert max(archive.asked) <= min(archive.asked) + 61.0
    assert len(it.of(ev.HarvestDraining)) == 1


def test_an_abort_waits_for_nothing() -> None:
    it = bench(300, SimulatedArchive(latency=500.0))

    def twice(it: Bench) -> None:
        it.shutdown.interrupt(INTERRUPT)
        it.shutdown.interrupt(INTERRUPT)

    assert run_virtually(it.run(twice, after=61.0)) <= 62.0


def test_a_retry_that_is_far_off_keeps_no_worker_from_fresh_spectra() -> None:
    bad = frozenset({"ivo://a/b/n0"})
    archive = SimulatedArchive(poisoned=bad, latency=1.0)
    it = bench(200, archive, concurrency=3, attempts=3, first_wait=5000.0, max_wait=5000.0)
    run_virtually(it.run())
    assert (it.tally.stats.saved, it.tally.stats.failed) == (199, 1)
    failed = next(event for event in it.events if isinstance(event, ev.SpectrumFailed))
    assert failed.outcome.attempts == 3, "counted on, for every caller"
    saved = [event.time for event in it.events if isinstance(event, ev.SpectrumSaved)]
    assert max(saved) - min(saved) < 200, "no one waited for it"


def test_a_retry_is_requested_when_it_is_due_and_not_when_all_else_is_done() -> None:
    archive = SimulatedArchive(poisoned=frozenset({"ivo://a/b/n0"}), latency=0.5)
    it = bench(3000, archive, rate=2.0, attempts=2, first_wait=200.0)
    run_virtually(it.run())
    (retry,) = it.of(ev.RetryScheduled)
    (failed,) = it.of(ev.SpectrumFailed)
    assert isinstance(retry, ev.RetryScheduled)
    assert failed.time - retry.due < 60, "as soon as a worker is free"
    assert max(event.time for event in it.of(ev.SpectrumSaved)) > failed.time + 600


def test_refusals_of_all_requests_end_the_run_as_soon_however_many_workers_meet_them() -> None:
    requests = {}
    for workers in (1, 3, 16):
        it = bench(500, SimulatedArchive([Outage(0, 1e9, "422")]))
        it.workers = workers
        run_virtually(it.run())
        assert it.shutdown.cause is not None
        assert it.shutdown.cause.exit_code == 7
        requests[workers] = len(it.archive.asked)
    assert requests[16] <= requests[1] + 16


def test_a_worker_without_a_heartbeat_counts_as_lost() -> None:
    it = bench(200, SimulatedArchive(latency=1.0), concurrency=2)
    took = run_virtually(it.run(lambda it: it.pool.freeze(), after=21.0))
    assert it.tally.stats.saved == 200
    assert took <= 200 / 2 * 1.5 + SILENCE + CHECK_INTERVAL


def test_workers_are_not_taken_for_lost_because_the_coordinator_was_frozen() -> None:
    it = bench(200, SimulatedArchive(latency=1.0), concurrency=2)
    run_virtually(it.run(lambda it: virtual_loop().stall(10 * SILENCE), after=21.0))
    assert it.tally.stats.saved == 200
    assert set(asked(it).values()) == {1}
    assert len(it.pool.shards) == len({shard.number for shard in it.pool.shards}), "none was begun again"


def test_a_worker_that_was_frozen_for_long_sends_nothing_with_the_slots_that_it_had() -> None:
    async def freeze(seconds: float) -> list[object]:
        sent: list[object] = []
        throttle = RemoteThrottle(lambda message, may_wait=False: sent.append(message), asyncio.Event())
        slot = asyncio.create_task(throttle.acquire(asyncio.Event()))
        await asyncio.sleep(0)
        throttle.handle(SlotGranted())
        assert await slot
        UNSENT.set(True)  # as in the task that has the slot
        virtual_loop().stall(seconds)
        if seconds > LEASE:
            with pytest.raises(FetchError) as refused:
                throttle.confirm()
            assert "was frozen" in refused.value.failure.detail
        else:
            throttle.confirm()
            throttle.sent()
        throttle.release(None)
        return sent

    assert LEASE < SILENCE
    assert run_virtually(freeze(LEASE - 1.0)) == [SlotRequest(), RequestDone(None, unsent=False)]
    assert run_virtually(freeze(SILENCE)) == [SlotRequest(), RequestDone(None, unsent=True)]


def test_a_pause_that_the_archive_asks_for_charges_no_spectrum() -> None:
    archive = SimulatedArchive([Outage(10, 300, "503, Retry-After 600")], latency=0.5)
    it = bench(400, archive, rate=5.0, attempts=1)
    run_virtually(it.run())
    assert (it.tally.stats.saved, it.tally.stats.failed) == (400, 0)


def test_a_disk_fault_of_one_worker_stops_all() -> None:
    class Ill(SharedStore):
        async def put(self, target: Target, body: bytes) -> None:
            if len(self.names) == 30:
                raise StoreError("the disk is ill")
            await super().put(target, body)

    it = bench(200, SimulatedArchive(latency=1.0), Ill())
    run_virtually(it.run())
    assert it.shutdown.cause == StopReason("the disk is ill", 6)
    assert it.tally.stats.saved <= 30 + WORKERS
    assert it.tally.stats.failed == 0


def test_a_worker_that_is_lost_again_and_again_ends_the_run_with_a_reason() -> None:
    class Deadly(SharedStore):
        async def put(self, target: Target, body: bytes) -> None:
            it.pool.kill(0)
            await asyncio.sleep(0)

    it = bench(20, store=Deadly())
    it.workers = 1
    run_virtually(it.run())
    assert it.shutdown.cause is not None
    assert it.shutdown.cause.exit_code == 4

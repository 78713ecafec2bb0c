"""An outage, or an archive that answers wrongly, is noticed within a few requests, and costs no healthy spectrum.

On a virtual clock and through the real engine, each kind of outage begins after many good responses, with eight
requests in flight and no rate limit, which is the worst case.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from harvester import events as ev
from harvester.model.limits import Limits
from tests.support.simulated_run import Night, Outage, simulate_night
from tests.support.virtual_time import run_virtually
from tests.support.worker_pools import Bench
from tests.unit.parallel.test_coordinator import bench

BEGIN = 6.0  # seconds: some 180 spectra have been served
NOTICED = 10  # requests that an outage may take until the pause; the documentation says the number
STOPPED = 20  # requests to an archive that rejects everything
COUNT = 400
FAST = Limits(rate=0.0, concurrency=8)
FLAPPING = [Outage(BEGIN + 4 * number, BEGIN + 4 * number + 2) for number in range(30)]

OUTAGES: dict[str, Sequence[Outage]] = {
    "refused": [Outage(BEGIN, BEGIN + 600, "refuse")],
    "reset after accept": [Outage(BEGIN, BEGIN + 600, "reset")],
    "hanging": [Outage(BEGIN, BEGIN + 600, "hang")],
    "503": [Outage(BEGIN, BEGIN + 600, "503")],
    "500": [Outage(BEGIN, BEGIN + 600, "500")],
    "HTML": [Outage(BEGIN, BEGIN + 600, "html")],
    "mixed": [Outage(BEGIN, BEGIN + 600, "mixed")],
    "mixed with 404": [Outage(BEGIN, BEGIN + 600, "mixed with 404")],
    "429": [Outage(BEGIN, BEGIN + 600, "429")],
    "one kind after the other": [
        Outage(BEGIN + 60 * number, BEGIN + 60 * number + 60, how)
        for number, how in enumerate(["500", "404", "refuse", "html", "503, Retry-After 5", "hang"])
    ],
    "DNS failing": [Outage(BEGIN, BEGIN + 600, "dns")],
    "flapping every 2 s": FLAPPING,
}
FINAL = ("404", "410", "403", "422", "204", "too large", "no spectrum", "another spectrum")


def sent_before_pause(run: Night, begin: float) -> int:
    """Return the requests from ``begin`` on until the breaker opened."""
    start = run.events[0].time
    paused = next(
        event.time - start
        for event in run.events
        if isinstance(event, ev.HarvestPaused) and event.time - start >= begin - 1e-3
    )
    return sum(begin <= moment <= paused + 1e-6 for moment in run.asked)


@pytest.mark.parametrize("limits", [FAST, Limits(rate=60.0), Limits(rate=5.0)], ids=["no limit", "60/s", "5/s"])
@pytest.mark.parametrize("kind", OUTAGES)
def test_an_outage_is_noticed_within_ten_requests_and_costs_no_spectrum(kind: str, limits: Limits) -> None:
    run = run_virtually(simulate_night(COUNT, OUTAGES[kind], limits=limits))
    assert sent_before_pause(run, BEGIN) <= NOTICED
    assert (run.stats.saved, run.stats.failed, run.stats.exit_code) == (COUNT, 0, 0)


@pytest.mark.parametrize("bad", [range(200, 400, 2), range(200, 700)], ids=["500 on half", "a block of 500"])
def test_bad_spectra_are_noticed_as_soon_and_cost_no_healthy_one(bad: range) -> None:
    count = max(bad) + 100
    run = run_virtually(simulate_night(count, poisoned=bad, limits=Limits(rate=0.0, attempts=2)))
    assert sent_before_pause(run, 0.0) - 200 <= NOTICED
    assert (run.stats.saved, run.stats.failed) == (count - len(bad), len(bad))


def test_an_archive_that_flaps_at_a_low_rate_costs_no_spectrum() -> None:
    for seed in range(5):
        run = run_virtually(simulate_night(200, FLAPPING, limits=Limits(rate=1.0), seed=seed))
        assert (run.stats.saved, run.stats.failed) == (200, 0)


@pytest.mark.parametrize("how", FINAL)
@pytest.mark.parametrize(("begin", "exit_code"), [(0.0, 7), (BEGIN, 5)], ids=["from the first request", "later"])
def test_an_archive_that_rejects_everything_ends_the_run_and_no_spectrum_is_blamed(
    how: str, begin: float, exit_code: int
) -> None:
    run = run_virtually(simulate_night(COUNT, [Outage(begin, 1e9, how)], limits=FAST))
    assert sum(moment >= begin for moment in run.asked) <= STOPPED
    assert (run.stats.exit_code, run.stats.failed) == (exit_code, 0)
    assert run.stats.remaining == COUNT - run.stats.saved


@pytest.mark.parametrize("how", ["404", "403", "no spectrum"])
def test_a_block_that_is_rejected_is_the_fault_of_its_spectra(how: str) -> None:
    run = run_virtually(simulate_night(600, rejected=dict.fromkeys(range(100, 400), how), limits=FAST))
    assert (run.stats.saved, run.stats.failed, run.stats.exit_code) == (300, 300, 3)


@pytest.mark.parametrize("how", ["500", "404", "html", "another spectrum", "hang", "503, Retry-After 5"])
def test_a_known_good_spectrum_that_has_gone_bad_is_no_outage(how: str) -> None:
    """All that was served before fails now; the other spectra are fine."""
    run = run_virtually(simulate_night(300, gone_bad_at=2.0, gone_bad=how, poisoned=range(20, 26), limits=FAST))
    assert (run.stats.saved, run.stats.failed, run.stats.exit_code) == (294, 6, 4)


@pytest.mark.parametrize("wait", [1.0, 20.0])
def test_spectra_that_always_answer_with_retry_after_do_not_hold_the_others(wait: float) -> None:
    bad = range(5, 1000, 100)
    limits = Limits(rate=60.0, attempts=3)
    run = run_virtually(simulate_night(1000, retry_after=dict.fromkeys(bad, wait), limits=limits))
    assert (run.stats.saved, run.stats.failed) == (1000 - len(bad), len(bad))
    saved = [event.time - run.events[0].time for event in run.events if isinstance(event, ev.SpectrumSaved)]
    pauses = [event for event in run.events if isinstance(event, ev.HarvestPaused)]
    assert len(pauses) <= 4, "the first ones are obeyed, until it is seen whom they concern"
    assert max(saved) <= 1000 / 60.0 + 4 * (1.1 * wait + 30)


def test_a_server_that_is_overloaded_is_obeyed_by_all_each_time() -> None:
    busy = [Outage(10.0 * number, 10.0 * number + 1.0, "503, Retry-After 5") for number in range(1, 10)]
    run = run_virtually(simulate_night(300, busy, limits=Limits(rate=5.0)))
    start = run.events[0].time
    pauses = [
        event for event in run.events if isinstance(event, ev.HarvestPaused) and event.kind is ev.Pause.RETRY_AFTER
    ]
    for pause in pauses:
        begin, end = pause.time - start, pause.until - start
        assert sum(begin + 0.2 < moment < end - 1e-3 for moment in run.asked) == 0
    assert len(pauses) >= 2
    assert (run.stats.saved, run.stats.failed) == (300, 0)


@pytest.mark.parametrize("how", ["503, Retry-After 0", "503, Retry-After 5"])
def test_a_server_that_names_a_time_again_and_again_is_probed_at_growing_intervals(how: str) -> None:
    hour = 3600.0
    run = run_virtually(simulate_night(COUNT, [Outage(BEGIN, BEGIN + hour, how)], limits=FAST))
    assert run.asked_between(BEGIN, BEGIN + hour) <= NOTICED + 30
    assert run.finished <= BEGIN + hour + 600.0
    assert (run.stats.saved, run.stats.failed, run.stats.exit_code) == (COUNT, 0, 0)


@pytest.mark.parametrize("kind", OUTAGES)
def test_several_workers_notice_an_outage_as_soon(kind: str) -> None:
    it = pool(OUTAGES[kind])
    run_virtually(it.run())
    start = it.events[0].time
    paused = min(event.time - start for event in it.of(ev.HarvestPaused) if event.time - start >= BEGIN - 1e-3)
    sent = sum(BEGIN <= moment <= paused + 1e-6 for moment in it.archive.asked)
    assert sent <= NOTICED
    assert (it.tally.stats.saved, it.tally.stats.failed) == (COUNT, 0)


@pytest.mark.parametrize("begin", [0.0, BEGIN])
def test_several_workers_stop_as_soon_at_an_archive_that_rejects_everything(begin: float) -> None:
    it = pool([Outage(begin, 1e9, "404")])
    run_virtually(it.run())
    assert it.shutdown.cause is not None
    assert it.shutdown.cause.exit_code == (5 if begin else 7)
    assert sum(moment >= begin for moment in it.archive.asked) <= STOPPED
    assert it.tally.stats.failed == 0


def pool(outages: Sequence[Outage]) -> Bench:
    """A harvest by three workers; eight requests in flight."""
    it = bench(COUNT, concurrency=8)
    it.archive.outages = outages
    return it

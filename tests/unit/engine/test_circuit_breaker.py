"""The circuit breaker as a fold: an archive that is down is distinguished from spectra that are bad."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.engine.circuit_breaker import (
    FIRST_ALARM,
    FIRST_PROBE,
    FIRST_REJECTIONS,
    FIRST_UNREACHABLE,
    GOOD_PROBES,
    HABIT,
    LAST_ALARM,
    LONGEST_PROBE,
    PROBE_ROUND,
    REJECTED_PROBES,
    BreakerState,
    CircuitBreaker,
    Signal,
    classify,
)
from harvester.model.failures import Failure, FailureKind

REFUSED = Failure(FailureKind.UNREACHABLE, "connection refused")
BROKEN = Failure(FailureKind.SERVER_ERROR, "HTTP 500: oops", 500)
UNKNOWN = Failure(FailureKind.NOT_FOUND, "HTTP 404", 404)
BUSY = Failure(FailureKind.BUSY, "HTTP 503: maintenance until nine", 503, retry_after=120.0)
RNG = Random(1)


def failing(
    breaker: CircuitBreaker, times: int, failure: Failure = BROKEN, now: float = 0.0, waited: bool = False
) -> CircuitBreaker:
    for _ in range(times):
        breaker = breaker.record(classify(failure), failure, now, RNG, waited)
    return breaker


def good(breaker: CircuitBreaker, times: int, now: float = 0.0, waited: bool = False) -> CircuitBreaker:
    for _ in range(times):
        breaker = breaker.record(Signal.OK, None, now, RNG, waited)
    return breaker


def test_a_success_after_many_changes_nothing_until_something_else_comes() -> None:
    steady = good(CircuitBreaker(), 30)
    assert good(steady, 1) is steady
    assert good(failing(steady, 1), 1).recent[-2:] == (Signal.OUTAGE_LIKE, Signal.OK)
    assert good(failing(steady, 1, UNKNOWN), 1).unserved == 0


def down(now: float = 0.0) -> CircuitBreaker:
    """A breaker that knows of an outage: a whole round of probes has failed."""
    breaker = failing(CircuitBreaker(), FIRST_ALARM)
    for _ in range(PROBE_ROUND):
        breaker = breaker.record_probe(REFUSED, True, now, RNG)
    return breaker


def test_a_few_failures_among_many_responses_are_no_outage() -> None:
    breaker = CircuitBreaker()
    for _ in range(50):
        breaker = failing(good(breaker, 2), 1)
    assert breaker.state is BreakerState.CLOSED


@pytest.mark.parametrize("before", [0, 1, 80])
def test_four_failures_in_a_row_open_it_whatever_came_before(before: int) -> None:
    breaker = good(CircuitBreaker(), before)
    assert not failing(breaker, FIRST_ALARM - 1).is_open
    breaker = failing(breaker, FIRST_ALARM)
    assert breaker.is_open
    assert not breaker.outage
    assert "HTTP 500" in breaker.reason


def test_two_refused_connections_in_a_row_are_enough() -> None:
    breaker = good(CircuitBreaker(), 80)
    assert not failing(breaker, FIRST_UNREACHABLE - 1, REFUSED).is_open
    breaker = failing(breaker, FIRST_UNREACHABLE, REFUSED)
    assert breaker.is_open
    assert "connection refused" in breaker.reason


def test_an_archive_that_fails_on_every_other_spectrum_is_noticed_within_ten_results() -> None:
    breaker, results = good(CircuitBreaker(), 80), 0
    while not breaker.is_open:
        breaker = failing(breaker, 1) if results % 2 == 0 else good(breaker, 1)
        results += 1
    assert results <= 10


def test_few_requests_are_in_flight_while_an_outage_may_be_beginning() -> None:
    assert not good(CircuitBreaker(), 5).cautious
    suspicious = failing(good(CircuitBreaker(), 5), 1)
    assert suspicious.cautious
    assert good(suspicious, 1).cautious
    assert not good(suspicious, 2).cautious
    assert not failing(CircuitBreaker(), 2, UNKNOWN).cautious
    assert failing(CircuitBreaker(), 3, UNKNOWN).cautious


@pytest.mark.parametrize("kind", [FailureKind.UNREACHABLE, FailureKind.TIMEOUT, FailureKind.NOT_FITS, FailureKind.BUSY])
def test_refusal_silence_maintenance_pages_and_503_are_outages_alike(kind: FailureKind) -> None:
    assert failing(CircuitBreaker(), FIRST_ALARM, Failure(kind, "away")).is_open


def test_responses_about_single_spectra_among_served_ones_are_no_trouble() -> None:
    breaker = CircuitBreaker()
    for _ in range(50):
        breaker = good(failing(breaker, FIRST_REJECTIONS - 1, UNKNOWN), 1)
    assert breaker.state is BreakerState.CLOSED


def test_nothing_but_final_responses_open_it_and_five_others_that_are_rejected_too_end_it() -> None:
    breaker = good(CircuitBreaker(), 80)
    assert not failing(breaker, FIRST_REJECTIONS - 1, UNKNOWN).is_open
    breaker = failing(breaker, FIRST_REJECTIONS, UNKNOWN)
    assert breaker.is_open
    for _ in range(REJECTED_PROBES):
        assert not breaker.refused
        breaker = breaker.record_probe(UNKNOWN, True, 1.0, RNG)
    assert breaker.refused
    assert breaker.served
    assert not breaker.outage


def test_one_served_probe_shows_that_rejections_concern_their_spectra() -> None:
    breaker = failing(CircuitBreaker(), FIRST_REJECTIONS, UNKNOWN)
    for _ in range(REJECTED_PROBES - 1):
        breaker = breaker.record_probe(UNKNOWN, True, 1.0, RNG)
    breaker = breaker.record_probe(None, True, 1.0, RNG)
    assert breaker.state is BreakerState.CLOSED
    assert not failing(breaker, 2 * FIRST_REJECTIONS - 1, UNKNOWN).is_open
    assert failing(breaker, 2 * FIRST_REJECTIONS, UNKNOWN).is_open


def test_a_served_probe_acquits_the_archive_and_the_next_alarm_comes_later() -> None:
    breaker = failing(CircuitBreaker(), FIRST_ALARM).record_probe(None, True, 1.0, RNG)
    assert breaker.state is BreakerState.CLOSED
    assert not failing(breaker, 2 * FIRST_ALARM - 1).is_open
    assert failing(breaker, 2 * FIRST_ALARM).is_open
    assert good(breaker, 1).failure_threshold == FIRST_ALARM
    assert breaker.failure_threshold == LAST_ALARM <= 10, "never later than ten failures"


def test_soon_after_a_false_alarm_the_next_one_is_probed_at_once() -> None:
    breaker = failing(CircuitBreaker(), FIRST_ALARM, now=10.0)
    assert breaker.until > 10.0
    breaker = good(breaker.record_probe(None, True, 11.0, RNG), 1, now=11.0)
    assert failing(breaker, FIRST_ALARM, now=12.0).until == 12.0
    assert failing(breaker, FIRST_ALARM, now=500.0).until > 500.0


def test_a_probe_that_fails_is_followed_by_others_before_it_is_an_outage() -> None:
    breaker = failing(CircuitBreaker(), FIRST_ALARM)
    for _ in range(PROBE_ROUND - 1):
        breaker = breaker.record_probe(BROKEN, True, 1.0, RNG)
        assert not breaker.outage
        assert breaker.until == 1.0, "at once"
        assert breaker.record_probe(None, True, 1.0, RNG).state is BreakerState.CLOSED, "one success ends it"
    assert breaker.record_probe(BROKEN, True, 1.0, RNG).outage
    alone = failing(CircuitBreaker(), FIRST_ALARM).record_probe(BROKEN, False, 1.0, RNG)
    assert alone.outage, "there is no other spectrum to ask for"


def test_probes_that_fail_too_show_the_outage_and_grow_rarer() -> None:
    breaker, now, gaps = failing(CircuitBreaker(), FIRST_ALARM), 0.0, []
    for _ in range(12 + PROBE_ROUND - 1):
        breaker = breaker.record_probe(REFUSED, True, now, RNG)
        gaps.append(breaker.until - now)
        now = breaker.until
    gaps = gaps[PROBE_ROUND - 1 :]
    assert breaker.outage
    assert 12.0 <= gaps[0] <= 18.0
    assert all(240.0 <= gap <= 360.0 for gap in gaps[-3:])


def test_it_takes_three_served_probes_and_then_the_rate_grows() -> None:
    breaker = down()
    for _ in range(GOOD_PROBES - 1):
        breaker = breaker.record_probe(None, True, 0.0, RNG)
        assert breaker.is_open
    breaker = breaker.record_probe(None, True, 0.0, RNG)
    assert (breaker.state, breaker.rate_share) == (BreakerState.RECOVERING, 0.1)
    assert 0.2 < good(breaker, 10).rate_share < 0.4
    assert good(breaker, 45) == CircuitBreaker(served=True)


def test_trouble_while_the_rate_grows_opens_it_at_once() -> None:
    breaker = CircuitBreaker(BreakerState.RECOVERING, rate_share=0.5)
    assert failing(breaker, 1).is_open


def test_an_alarm_that_a_probe_disproves_does_not_end_a_recovery_at_the_full_rate() -> None:
    breaker = good(CircuitBreaker(BreakerState.RECOVERING, served=True, rate_share=0.1), 5)
    share = breaker.rate_share
    breaker = failing(breaker, 1)
    assert breaker.is_open, "the archive may be down again"
    breaker = breaker.record_probe(None, True, 1.0, RNG)
    assert (breaker.state, breaker.rate_share) == (BreakerState.RECOVERING, share)
    assert not failing(breaker, 1).is_open, "another bad spectrum is no alarm now"
    assert good(breaker, 50).state is BreakerState.CLOSED


def test_a_retry_after_is_obeyed_by_all_workers_and_never_shortened() -> None:
    breaker = CircuitBreaker().record(Signal.OUTAGE_LIKE, BUSY, 100.0, RNG)
    assert breaker.outage
    assert 220.0 <= breaker.until <= 232.0
    assert "maintenance until nine" in breaker.reason
    sooner = breaker.record(Signal.OUTAGE_LIKE, Failure(FailureKind.BUSY, "soon", 503, retry_after=1.0), 101.0, RNG)
    assert sooner.until == breaker.until
    later = breaker.record_probe(Failure(FailureKind.BUSY, "later", 503, retry_after=600.0), True, 230.0, RNG)
    assert later.until >= 830.0


@pytest.mark.parametrize("wait", [0.0, 1.0, 100.0])
def test_a_wait_that_proves_too_short_again_and_again_grows(wait: float) -> None:
    impatient = Failure(FailureKind.BUSY, "HTTP 503", 503, retry_after=wait)
    breaker, now = CircuitBreaker().record(Signal.OUTAGE_LIKE, impatient, 0.0, RNG), 0.0
    intervals = []
    for _ in range(20):
        now = breaker.until
        breaker = breaker.record_probe(impatient, True, now, RNG)
        intervals.append(breaker.until - now)
    assert min(intervals) >= max(wait, FIRST_PROBE)
    assert LONGEST_PROBE <= intervals[-1] <= LONGEST_PROBE * 1.1


def test_a_spectrum_that_is_answered_with_retry_after_again_while_others_are_served_holds_only_itself() -> None:
    breaker = good(CircuitBreaker(), 20)
    assert not failing(breaker, 1, BUSY, waited=True).is_open
    learned = failing(breaker, HABIT, BUSY, waited=True)
    learned = good(learned, 2 * LAST_ALARM)
    assert not failing(learned, 1, BUSY).is_open, "nor does the next such spectrum hold the others"
    assert failing(learned, FIRST_ALARM, BUSY).server_requested, "many in a row are the server's own request"


def test_a_spectrum_that_is_served_after_its_retry_after_shows_that_the_server_was_busy() -> None:
    learned = good(failing(CircuitBreaker(), HABIT, BUSY, waited=True), 1, waited=True)
    assert learned.habits == 0
    assert failing(learned, 1, BUSY).server_requested


def test_what_was_still_in_flight_when_it_opened_changes_nothing() -> None:
    breaker = failing(CircuitBreaker(), FIRST_ALARM)
    assert good(breaker, 5) == failing(breaker, 5) == breaker


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["good", "probe good", "probe bad", REFUSED, BROKEN, UNKNOWN, BUSY]), st.floats(0.0, 1000.0)
    ),
    max_size=80,
)


@given(STEPS)
@settings(max_examples=80)
def test_whatever_happens_the_next_probe_is_never_far(steps: list[tuple[str | Failure, float]]) -> None:
    breaker, now, rng = CircuitBreaker(), 0.0, Random(2)
    for what, wait in steps:
        now += wait
        if isinstance(what, Failure):
            breaker = breaker.record(classify(what), what, now, rng)
        elif what == "good":
            breaker = breaker.record(Signal.OK, None, now, rng)
        elif breaker.is_open:
            breaker = breaker.record_probe(None if what == "probe good" else REFUSED, True, now, rng)
        assert 0.0 < breaker.rate_share <= 1.0
        assert not breaker.is_open or breaker.until <= now + 360.0


@given(st.lists(st.sampled_from([None, REFUSED, BROKEN, UNKNOWN]), max_size=60), st.sampled_from([REFUSED, BROKEN]))
@settings(max_examples=80)
def test_an_outage_opens_it_within_eight_results_whatever_came_before(
    before: list[Failure | None], outage: Failure
) -> None:
    breaker, rng = CircuitBreaker(), Random(3)
    for failure in before:
        breaker = breaker.record(Signal.OK if failure is None else classify(failure), failure, 0.0, rng)
        breaker = breaker.record_probe(None, True, 0.0, rng) if breaker.is_open else breaker
    assert failing(breaker, LAST_ALARM, outage).is_open

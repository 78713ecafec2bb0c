"""One judgement for all: an archive that is away is told apart from spectra that are bad."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.engine.circuit_breaker import FIRST_ALARM, GOOD_PROBES, BreakerState, CircuitBreaker, Signal, classify
from harvester.model.failures import Failure, FailureKind

REFUSED = Failure(FailureKind.UNREACHABLE, "connection refused")
BROKEN = Failure(FailureKind.SERVER_ERROR, "HTTP 500: oops", 500)
UNKNOWN = Failure(FailureKind.NOT_FOUND, "HTTP 404", 404)
BUSY = Failure(FailureKind.BUSY, "HTTP 503: maintenance until nine", 503, retry_after=120.0)
DICE = Random(1)


def troubled(gate: CircuitBreaker, times: int, failure: Failure = REFUSED, now: float = 0.0) -> CircuitBreaker:
    for _ in range(times):
        gate = gate.record(classify(failure), failure, now, DICE)
    return gate


def good(gate: CircuitBreaker, times: int, now: float = 0.0) -> CircuitBreaker:
    for _ in range(times):
        gate = gate.record(Signal.OK, None, now, DICE)
    return gate


def test_a_few_failures_among_many_answers_are_no_outage() -> None:
    gate = CircuitBreaker()
    for _ in range(50):
        gate = troubled(good(gate, 2), 1)
    assert gate.state is BreakerState.CLOSED


def test_failures_and_nothing_else_are_reason_to_hold_and_ask() -> None:
    assert not troubled(CircuitBreaker(), FIRST_ALARM - 1).is_open
    gate = troubled(CircuitBreaker(), FIRST_ALARM)
    assert gate.is_open
    assert not gate.outage
    assert "connection refused" in gate.reason


@pytest.mark.parametrize("kind", [FailureKind.UNREACHABLE, FailureKind.TIMEOUT, FailureKind.NOT_FITS, FailureKind.BUSY])
def test_refusal_silence_maintenance_pages_and_503_are_outages_alike(kind: FailureKind) -> None:
    assert troubled(CircuitBreaker(), FIRST_ALARM, Failure(kind, "away")).is_open


def test_answers_about_single_spectra_are_no_trouble() -> None:
    assert troubled(CircuitBreaker(), 100, UNKNOWN).state is BreakerState.CLOSED


def test_a_good_canary_acquits_the_archive_and_the_next_alarm_comes_later() -> None:
    gate = troubled(CircuitBreaker(), FIRST_ALARM, BROKEN).record_probe(None, True, 1.0, DICE)
    assert gate.state is BreakerState.CLOSED
    assert not troubled(gate, 2 * FIRST_ALARM - 1, BROKEN).is_open
    assert troubled(gate, 2 * FIRST_ALARM, BROKEN).is_open
    assert good(gate, 1).failure_threshold == FIRST_ALARM


def test_a_canary_that_fails_too_proves_the_outage_and_the_probes_grow_rarer() -> None:
    gate, now, gaps = troubled(CircuitBreaker(), FIRST_ALARM), 0.0, []
    for _ in range(12):
        gate = gate.record_probe(REFUSED, True, now, DICE)
        gaps.append(gate.until - now)
        now = gate.until
    assert gate.outage
    assert 12.0 <= gaps[0] <= 18.0
    assert all(240.0 <= gap <= 360.0 for gap in gaps[-3:])


def test_it_takes_three_good_answers_and_then_the_pace_grows() -> None:
    gate = troubled(CircuitBreaker(), FIRST_ALARM).record_probe(REFUSED, True, 0.0, DICE)
    for _ in range(GOOD_PROBES - 1):
        gate = gate.record_probe(None, True, 0.0, DICE)
        assert gate.is_open
    gate = gate.record_probe(None, True, 0.0, DICE)
    assert (gate.state, gate.rate_share) == (BreakerState.RECOVERING, 0.1)
    assert 0.2 < good(gate, 10).rate_share < 0.4
    assert good(gate, 45) == CircuitBreaker()


def test_trouble_while_the_pace_grows_holds_at_once() -> None:
    gate = CircuitBreaker(BreakerState.RECOVERING, rate_share=0.5)
    assert troubled(gate, 1).is_open


def test_a_retry_after_is_obeyed_by_everybody_and_never_shortened() -> None:
    gate = CircuitBreaker().record(Signal.OUTAGE_LIKE, BUSY, 100.0, DICE)
    assert gate.outage
    assert 220.0 <= gate.until <= 232.0
    assert "maintenance until nine" in gate.reason
    sooner = gate.record(Signal.OUTAGE_LIKE, Failure(FailureKind.BUSY, "soon", 503, retry_after=1.0), 101.0, DICE)
    assert sooner.until == gate.until
    later = gate.record_probe(Failure(FailureKind.BUSY, "later", 503, retry_after=600.0), True, 230.0, DICE)
    assert later.until >= 830.0


def test_what_was_still_in_flight_when_it_closed_changes_nothing() -> None:
    gate = troubled(CircuitBreaker(), FIRST_ALARM)
    assert good(gate, 5) == troubled(gate, 5) == gate


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["good", "probe good", "probe bad", REFUSED, BROKEN, UNKNOWN, BUSY]), st.floats(0.0, 1000.0)
    ),
    max_size=80,
)


@given(STEPS)
@settings(deadline=None, max_examples=80)
def test_whatever_happens_the_next_probe_is_never_far(steps: list[tuple[str | Failure, float]]) -> None:
    gate, now, dice = CircuitBreaker(), 0.0, Random(2)
    for what, wait in steps:
        now += wait
        if isinstance(what, Failure):
            gate = gate.record(classify(what), what, now, dice)
        elif what == "good":
            gate = gate.record(Signal.OK, None, now, dice)
        elif gate.is_open:
            gate = gate.record_probe(None if what == "probe good" else REFUSED, True, now, dice)
        assert 0.0 < gate.rate_share <= 1.0
        assert not gate.is_open or gate.until <= now + 360.0

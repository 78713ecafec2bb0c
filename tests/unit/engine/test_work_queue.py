"""When a spectrum is asked for again, and in which order."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.engine.backoff import GROWTH, wait_before_retry
from harvester.engine.work_queue import Attempt, WorkQueue
from harvester.model.failures import Failure, FailureKind
from harvester.model.limits import Limits
from harvester.model.target import SpectrumId, Target

LIMITS = Limits(attempts=6, first_wait=5.0, max_wait=1800.0)


class Highest(Random):
    """Chance that always gives the most."""

    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


def target(name: str) -> Target:
    return Target(SpectrumId(f"ivo://org/{name}"), name)


def waits(kind: FailureKind, limits: Limits = LIMITS, retry_after: float | None = None) -> list[float]:
    """The longest waits between attempts, until it is given up."""
    failure, found = Failure(kind, "", None, retry_after), list[float]()
    while (wait := wait_before_retry(failure, len(found) + 1, limits, Highest())) is not None:
        found.append(wait)
    return found


def test_each_wait_is_four_times_the_one_before_up_to_the_longest() -> None:
    assert GROWTH == 4
    assert waits(FailureKind.TIMEOUT) == [5.0, 20.0, 80.0, 320.0, 1280.0]
    assert waits(FailureKind.TIMEOUT, Limits(attempts=6, max_wait=100.0)) == [5.0, 20.0, 80.0, 100.0, 100.0]


@pytest.mark.parametrize("kind", FailureKind)
def test_a_spectrum_is_requested_as_often_as_its_kind_of_failure_is_worth_and_never_more_than_allowed(
    kind: FailureKind,
) -> None:
    assert len(waits(kind)) + 1 == (kind.max_attempts or 6)
    assert len(waits(kind, Limits(attempts=1))) == 0
    assert len(waits(kind, Limits(attempts=2))) + 1 == min(kind.max_attempts or 2, 2)


def test_what_the_archive_says_for_good_is_requested_once() -> None:
    final = (FailureKind.NOT_FOUND, FailureKind.GONE, FailureKind.NO_DATA)
    assert [waits(kind) for kind in final] == [[], [], []]


def test_it_is_never_requested_sooner_than_the_archive_said() -> None:
    assert waits(FailureKind.BUSY, retry_after=60.0) == [60.0, 60.0, 80.0, 320.0, 1280.0]
    assert waits(FailureKind.BUSY, retry_after=21_600.0) == [21_600.0] * 5


@settings(max_examples=60)
@given(st.sampled_from(FailureKind), st.integers(1, 100), st.none() | st.floats(0, 21_600), st.integers())
def test_no_wait_is_negative_or_beyond_what_was_allowed(
    kind: FailureKind, attempt: int, retry_after: float | None, seed: int
) -> None:
    limits = Limits(attempts=100)
    wait = wait_before_retry(Failure(kind, "", None, retry_after), attempt, limits, Random(seed))
    if wait is not None:
        assert (retry_after or 0.0) <= wait <= max(limits.max_wait, retry_after or 0.0)


def test_spectra_that_failed_together_do_not_come_back_together() -> None:
    chance, failure = Random(1), Failure(FailureKind.SERVER_ERROR, "")
    drawn = [wait_before_retry(failure, 3, LIMITS, chance) or 0.0 for _ in range(400)]
    for quarter in range(4):
        assert 60 <= sum(20 * quarter <= wait < 20 * (quarter + 1) for wait in drawn) <= 140


def test_fresh_spectra_come_in_the_order_of_the_plan_and_only_once() -> None:
    agenda = WorkQueue(map(target, "abc"))
    assert [agenda.take(0.0) for _ in range(4)] == [*(Attempt(target(name), 1) for name in "abc"), None]


def test_a_retry_goes_first_once_it_is_due_and_not_before() -> None:
    agenda = WorkQueue(map(target, "abc"))
    first = agenda.take(0.0)
    assert first is not None
    agenda.retry(first, due=10.0)
    assert agenda.next_due == 10.0
    assert agenda.take(9.99) == Attempt(target("b"))
    assert agenda.take(10.0) == Attempt(target("a"), attempt=2)
    assert agenda.next_due is None
    assert agenda.take(10.0) == Attempt(target("c"))


def test_retries_come_by_their_due_time_and_those_due_together_in_the_order_they_failed() -> None:
    agenda = WorkQueue(map(target, "abcd"))
    for due in (30.0, 10.0, 20.0, 10.0):
        assignment = agenda.take(0.0)
        assert assignment is not None
        agenda.retry(assignment, due)
    taken = [agenda.take(30.0) for _ in range(5)]
    assert [one and one.target.name for one in taken] == ["b", "d", "c", "a", None]


def test_it_is_finished_only_when_everything_that_was_handed_out_is_settled() -> None:
    agenda = WorkQueue([target("a")])
    assert not agenda.finished
    assignment = agenda.take(0.0)
    assert assignment is not None
    assert agenda.take(0.0) is None
    assert not agenda.finished, "one is still in flight"
    agenda.retry(assignment, due=5.0)
    assert not agenda.finished, "one is to be retried"
    assert agenda.take(4.0) is None
    assert agenda.take(5.0) == Attempt(target("a"), 2)
    assert not agenda.finished, "its retry is in flight"
    agenda.done()
    assert agenda.finished


def test_an_empty_plan_is_finished_as_soon_as_someone_looks() -> None:
    agenda = WorkQueue([])
    assert agenda.take(0.0) is None
    assert agenda.finished


def test_fresh_spectra_are_drawn_one_by_one_from_however_long_a_list() -> None:
    drawn: list[str] = []
    agenda = WorkQueue(drawn.append(name) or target(name) for name in "abc")  # type: ignore[func-returns-value]  # to see when
    agenda.take(0.0)
    assert drawn == ["a"]


@settings(max_examples=60)
@given(st.lists(st.floats(0, 100) | st.none(), max_size=40), st.integers(0, 10))
def test_no_spectrum_is_lost_or_handed_out_twice_at_once(fates: list[float | None], count: int) -> None:
    agenda, now, open_, done = WorkQueue(target(str(number)) for number in range(count)), 0.0, set[str](), set[str]()
    pending = iter(fates)
    while not agenda.finished:
        assignment = agenda.take(now)
        if assignment is None:
            if agenda.next_due is not None:
                assert agenda.next_due > now
                now = agenda.next_due
            continue
        name = assignment.target.name
        assert name not in open_ | done
        wait = next(pending, None)
        if wait is None:
            agenda.done()
            done.add(name)
        else:
            agenda.retry(assignment, now + wait)
    assert done == {str(number) for number in range(count)}

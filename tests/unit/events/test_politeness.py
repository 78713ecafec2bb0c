"""What an operator may want to know of a guest, counted from what happened."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from harvester import events as ev
from harvester.events.politeness import Pauses, Politeness, PolitenessRecorder
from harvester.model.failures import Failure, FailureKind
from harvester.model.target import SpectrumId, Target

STAR = Target(SpectrumId("ivo://a/b/n1"), "n1")
STARTED = ev.HarvestStarted(1000.0, "run", "a", "a.example", "out", 9, 0, 9, 5.0, 8)


def shown(*events: ev.Event) -> Politeness:
    book = PolitenessRecorder("harvester/1")
    for event in (STARTED, *events):
        book(event)
    return book.politeness


def sent(*times: float) -> list[ev.Event]:
    return [ev.RequestSent(time, "url") for time in times]


def test_a_run_that_asked_nothing_has_an_empty_receipt() -> None:
    receipt = shown().as_json()
    assert (receipt["requests"], receipt["first_request"], receipt["pauses"]) == (0, None, {})


def test_a_retry_is_on_it_once_it_was_asked() -> None:
    retry = ev.RetryScheduled(1001.0, STAR, 1, Failure(FailureKind.BUSY, "busy"), 1002.0)
    assert shown(ev.PhaseEntered(1000.0, STAR, 1, ev.Phase.RESPONSE), *sent(1000.0), retry).as_json()["retries"] == 0


def test_who_asked_whom_when_and_how_much_is_on_it() -> None:
    answered = ev.ResponseReceived(1001.0, STAR, 200, 0.5, 2880)
    retry = ev.RetryScheduled(1001.0, STAR, 1, Failure(FailureKind.BUSY, "busy"), 1002.0)
    asked, again = (ev.PhaseEntered(1000.0, STAR, attempt, ev.Phase.RESPONSE) for attempt in (1, 2))
    redirected = asked
    receipt = shown(asked, *sent(1000.0, 1002.0, 1004.0), redirected, answered, retry, again).as_json()
    assert receipt["user_agent"] == "harvester/1"
    assert receipt["host"] == "a.example"
    assert (receipt["first_request"], receipt["last_request"]) == ("1970-01-01T00:16:40Z", "1970-01-01T00:16:44Z")
    assert (receipt["requests"], receipt["spectra"], receipt["retries"], receipt["bytes"]) == (3, 1, 1, 2880)
    assert receipt["average_per_second"] == 0.75
    assert (receipt["rate_ceiling"], receipt["concurrency_ceiling"]) == (5.0, 8)


@given(st.lists(st.floats(0, 30), min_size=1, max_size=60).map(sorted))
def test_the_busiest_second_is_any_second_not_those_of_a_clock(times: list[float]) -> None:
    most = max(sum(begin <= time < begin + 1.0 for time in times) for begin in times)
    assert abs(shown(*sent(*times)).busiest_second - most) <= sum(
        abs(abs(one - other) - 1.0) < 1e-9 for one in times for other in times
    ), "but for what rounding does to moments exactly a second apart"


def test_a_clock_that_is_set_back_makes_no_busy_second_of_two_quiet_ones() -> None:
    assert shown(*sent(1000.0, 1000.5, 900.0, 900.5, 901.2)).busiest_second == 2


def test_workers_that_report_in_another_order_than_they_sent_leave_the_busiest_second_as_it_was() -> None:
    assert shown(*sent(1000.0, 1000.4, 1000.2, 1000.6, 1000.5)).busiest_second == 5
    assert shown(*sent(1000.4, 1000.0, 1001.2, 1001.1)).busiest_second == 3


def test_pauses_are_reported_apart_by_their_reason() -> None:
    receipt = shown(
        ev.HarvestPaused(1000.0, "503", 1060.0, ev.Pause.RETRY_AFTER),
        ev.HarvestPaused(1060.0, "503", 1120.0, ev.Pause.RETRY_AFTER),
        ev.HarvestResumed(1120.0, "back"),
        ev.HarvestPaused(1200.0, "refused", 1215.0),
        ev.HarvestPaused(1215.0, "disk", 1275.0, ev.Pause.DISK),
        ev.HarvestDraining(1235.0, "Ctrl-C"),
        ev.HarvestEnded(1300.0, "Ctrl-C", 130),
    )
    assert receipt.pauses == {
        ev.Pause.RETRY_AFTER: Pauses(1, 120.0),
        ev.Pause.OUTAGE: Pauses(1, 15.0),
        ev.Pause.DISK: Pauses(1, 20.0),
    }


def test_waiting_for_the_window_counts_as_requested_by_no_server() -> None:
    receipt = shown(
        ev.HarvestPaused(1000.0, "outside", 1060.0, ev.Pause.WINDOW), ev.HarvestResumed(1060.0, "open"), *sent(1060.0)
    )
    assert receipt.unplanned == {}
    assert receipt.as_json()["pauses"] == {"window": {"times": 1, "seconds": 60.0}}
    assert receipt.average == 1.0, "and the average is that of the hours in which anything was asked"


def test_only_a_step_down_is_a_slow_down() -> None:
    steps = [(5.0, 1), (5.0, 4), (5.0, 2), (2.5, 2), (5.0, 8), (0.5, 1)]
    assert shown(*(ev.LimitsChanged(1000.0, rate, most, "why") for rate, most in steps)).slow_downs == 3


def test_a_trial_that_is_taken_back_is_no_slow_down() -> None:
    steps = [(4, False), (3, False), (1, True)]
    assert shown(*(ev.LimitsChanged(1000.0, 5.0, most, "why", imposed) for most, imposed in steps)).slow_downs == 1


def test_a_hundred_thousand_requests_cost_no_more_memory_than_a_second_of_them() -> None:
    book, dice, now = PolitenessRecorder("me"), Random(1), 0.0
    for _ in range(100_000):
        now += dice.expovariate(50.0)
        book(ev.RequestSent(now, "url"))
    assert len(book._second) < 200
    assert book.politeness.requests == 100_000

"""The promise, on a virtual clock and through the real engine: the night is finished, whatever the archive does.

If the archive is away for D, the pull ends at most D + 10 minutes later than it would have, asks at most once per probe
interval meanwhile, and gives up no healthy spectrum.
"""

from __future__ import annotations

from functools import cache

import pytest

from harvester import events as ev
from harvester.events.stats import HarvestStats
from harvester.model.failures import FailureKind
from harvester.model.limits import Limits
from tests.support.simulated_run import HOUR, Night, Outage, simulate_night
from tests.support.virtual_time import run_virtually

LISTED = 13_334
POISON = (10, 2000, 5000, 9000, 13_000)
TAIL = 45 * 60.0  # what five hopeless spectra take until their last attempt, long after the others
LATER = 600.0


@cache
def quiet_night() -> Night:
    return run_virtually(simulate_night(LISTED))


def balanced(stats: HarvestStats) -> bool:
    return stats.listed == stats.present + stats.saved + stats.failed + stats.remaining


def test_a_quiet_night_takes_what_the_pace_takes_and_no_more_requests_than_spectra() -> None:
    night = quiet_night()
    assert (night.stats.saved, night.stats.requests, night.stats.exit_code) == (LISTED, LISTED, 0)
    assert LISTED - 1 <= night.finished <= LISTED + 60
    assert night.busiest_second() <= 2


@pytest.mark.parametrize("how", ["refuse", "503", "500", "html", "hang"])
def test_two_hours_away_cost_two_hours_and_no_healthy_spectrum(how: str) -> None:
    night = run_virtually(simulate_night(LISTED, [Outage(HOUR, 3 * HOUR, how)]))
    assert (night.stats.saved, night.stats.failed, night.stats.exit_code) == (LISTED, 0, 0)
    assert night.finished <= quiet_night().finished + 2 * HOUR + LATER
    assert night.asked_between(HOUR, 3 * HOUR) <= 60
    assert night.busiest_second() <= 2
    assert balanced(night.stats)


def test_a_retry_after_is_obeyed_to_the_letter() -> None:
    night = run_virtually(simulate_night(LISTED, [Outage(HOUR, 3 * HOUR, "503, Retry-After 600")]))
    assert (night.stats.saved, night.stats.failed) == (LISTED, 0)
    assert night.asked_between(HOUR, 3 * HOUR) <= 2 * HOUR / 600 + 8  # and what was in flight when it began
    assert night.finished <= quiet_night().finished + 2 * HOUR + 600 + LATER


@pytest.mark.parametrize("how", ["refuse", "hang", "html"])
@pytest.mark.parametrize("begin", [0.0, LISTED - 30.0], ids=["at the start", "at the end"])
def test_an_outage_at_either_end_loses_nothing(how: str, begin: float) -> None:
    night = run_virtually(simulate_night(LISTED, [Outage(begin, begin + 2 * HOUR, how)]))
    assert (night.stats.saved, night.stats.failed, night.stats.exit_code) == (LISTED, 0, 0)
    assert night.finished <= quiet_night().finished + 2 * HOUR + LATER


def test_an_archive_that_comes_and_goes_all_night_loses_nothing() -> None:
    flaps = [Outage(600.0 * number, 600.0 * number + 200) for number in range(1, 25)]
    night = run_virtually(simulate_night(LISTED, flaps, POISON))
    assert night.stats.saved == LISTED - len(POISON)
    assert night.stats.failures == {FailureKind.SERVER_ERROR: len(POISON)}
    assert night.busiest_second() <= 2


@pytest.mark.parametrize("outages", [[], [Outage(HOUR, 3 * HOUR)]], ids=["no outage", "two hours away"])
def test_five_poisoned_spectra_are_given_up_and_nothing_else(outages: list[Outage]) -> None:
    night = run_virtually(simulate_night(LISTED, outages, POISON))
    assert night.stats.saved == LISTED - len(POISON)
    assert night.stats.failures == {FailureKind.SERVER_ERROR: len(POISON)}
    assert night.stats.exit_code == 4
    assert night.finished <= quiet_night().finished + 2 * HOUR * len(outages) + LATER + TAIL


def test_two_hundred_poisoned_spectra_in_a_row_are_no_outage() -> None:
    night = run_virtually(simulate_night(LISTED, poisoned=range(3000, 3200)))
    assert night.stats.saved == LISTED - 200
    assert night.stats.failures == {FailureKind.SERVER_ERROR: 200}
    assert night.finished <= 1.2 * quiet_night().finished


def test_an_outage_in_the_midst_of_poisoned_spectra_is_still_an_outage() -> None:
    night = run_virtually(simulate_night(LISTED, [Outage(3050, 3050 + 2 * HOUR)], range(3000, 3200)))
    assert night.stats.saved == LISTED - 200
    assert night.asked_between(3050, 3050 + 2 * HOUR) <= 80


def test_an_archive_that_stays_away_ends_the_run_in_time_and_says_so() -> None:
    limits = Limits(rate=1.0, max_outage=HOUR)
    night = run_virtually(simulate_night(500, [Outage(100, 100 * HOUR)], limits=limits))
    assert night.stats.exit_code == 5
    assert "the archive was unavailable for" in night.stats.reason
    assert night.stats.failed == 0
    assert balanced(night.stats)
    assert night.finished <= 100 + HOUR + LATER


def test_an_archive_that_never_was_there_ends_the_run_too() -> None:
    night = run_virtually(simulate_night(500, [Outage(0, 100 * HOUR)], limits=Limits(rate=1.0, max_outage=600.0)))
    assert (night.stats.exit_code, night.stats.saved, night.stats.failed) == (5, 0, 0)
    assert len(night.asked) <= 20


@pytest.mark.parametrize("count", [1, 3, 8, 20])
def test_a_short_list_is_not_given_up_either_while_the_archive_is_away(count: int) -> None:
    night = run_virtually(simulate_night(count, [Outage(0, 2 * HOUR, "503")], limits=Limits()))
    assert (night.stats.saved, night.stats.failed) == (count, 0)
    assert len(night.asked) <= 100
    assert night.finished <= 2 * HOUR + LATER


@pytest.mark.parametrize("bad", [5, 30, 60])
def test_bad_spectra_at_the_top_of_the_list_do_not_stall_it(bad: int) -> None:
    night = run_virtually(simulate_night(500, poisoned=range(bad), limits=Limits()))
    assert (night.stats.saved, night.stats.failed) == (500 - bad, bad)
    first = next(event.time for event in night.events if isinstance(event, ev.SpectrumSaved))
    assert first - night.events[0].time <= LATER


def test_all_of_it_is_reported_once() -> None:
    night = run_virtually(simulate_night(2000, [Outage(600, 1200)]))
    shown = [type(event).__name__ for event in night.events]
    assert shown.count("HarvestResumed") == 1
    pauses = [event for event in night.events if isinstance(event, ev.HarvestPaused)]
    assert all("connection refused" in pause.reason for pause in pauses)
    assert len(pauses) <= 8


def test_the_same_night_is_the_same_night() -> None:
    outages = [Outage(300, 900, "hang")]
    first, second = (run_virtually(simulate_night(1500, outages, POISON[:1])) for _ in range(2))
    assert first.asked == second.asked
    assert first.finished == second.finished

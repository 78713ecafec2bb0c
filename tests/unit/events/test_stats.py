"""The statistics of a run, by the events that they are folded from."""

from __future__ import annotations

from harvester import events as ev
from harvester.events.stats import StatsCollector
from harvester.model.failures import Failure, FailureKind
from harvester.model.target import SpectrumId, Target

STAR = Target(SpectrumId("ivo://a/star"), "star")


def test_a_retry_counts_once_it_is_requested_as_in_the_politeness_report() -> None:
    tally = StatsCollector()
    first, again = (ev.PhaseEntered(1000.0, STAR, attempt, ev.Phase.RESPONSE) for attempt in (1, 2))
    tally(first)
    tally(first)  # a redirect: the same attempt
    tally(ev.RetryScheduled(1001.0, STAR, 1, Failure(FailureKind.BUSY, "busy"), 1002.0))
    assert tally.stats.retries == 0
    tally(again)
    assert tally.stats.retries == 1

"""The time in which a program computes, or waits for a core, is known."""

from __future__ import annotations

import time

from harvester.engine.own_time import own_time


def compute(seconds: float) -> None:
    """Compute for so many seconds of CPU."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_computing_counts_and_sleeping_does_not() -> None:
    with own_time() as clock:
        before = clock()
        time.sleep(0.2)
        slept = clock() - before
        compute(0.05)
        computed = clock() - before - slept
    assert slept < 0.2
    assert computed >= 0.049


def test_without_the_system_s_account_computing_alone_is_known() -> None:
    with own_time("/nonexistent/schedstat") as clock:
        assert clock is time.thread_time

"""Runs have names that say when they began."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from harvester.run.context import new_run_name

times = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(times, st.integers(16, 10_000_000))
def test_of_two_runs_the_later_one_sorts_last_also_within_a_second(first: datetime, microseconds: int) -> None:
    """A page that follows the newest run would otherwise follow the old one."""
    assert new_run_name(first) < new_run_name(first + timedelta(microseconds=microseconds))

"""How many processes download where the settings leave it open: never so many that they wait for each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.parallel.worker_count import LEAST_SPECTRA, LEAST_WORKERS, MOST_WORKERS, PER_PROCESS, worker_count

MANY = 10_000_000


@pytest.mark.parametrize(
    ("spectra", "rate", "cores"),
    [
        (MANY, 0, 1),
        (MANY, 0, 2),
        (MANY, 0, LEAST_WORKERS),
        (MANY, 5, 64),
        (MANY, PER_PROCESS, 64),
        (1000, 0, 64),
        (0, 0, 64),
    ],
    ids=["one core", "two cores", "a core for each", "a usual rate", "what one can do", "few spectra", "nothing to do"],
)
def test_one_process_downloads_where_more_are_no_faster(spectra: int, rate: float, cores: int) -> None:
    assert worker_count(spectra, rate, cores) == 1


def test_many_cores_without_a_limit_are_used_up_to_what_the_coordinator_keeps_up_with() -> None:
    assert [worker_count(MANY, 0, cores) for cores in (4, 6, 64)] == [3, 5, MOST_WORKERS]
    assert worker_count(MANY, 4.5 * PER_PROCESS, 64) == 5


@given(st.integers(0, MANY), st.floats(0, 1e5), st.integers(1, 256))
def test_each_worker_has_a_core_and_enough_to_do(spectra: int, rate: float, cores: int) -> None:
    count = worker_count(spectra, rate, cores)
    assert count == 1 or (count < cores and count * LEAST_SPECTRA <= spectra and count >= LEAST_WORKERS)

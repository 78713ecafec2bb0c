"""How many processes download where the settings leave it open: never so many that they wait for each other."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.parallel.worker_count import (
    LEAST_SPECTRA,
    MOST_WORKERS,
    PER_PROCESS,
    PER_WORKER,
    usable_cores,
    worker_count,
)

MANY = 10_000_000


@pytest.mark.parametrize(
    ("spectra", "rate", "concurrency", "cores"),
    [
        (MANY, 0, 8, 1),
        (MANY, 0, 8, 2),
        (MANY, 0, 1, 64),
        (MANY, 5, 8, 64),
        (MANY, PER_PROCESS, 8, 64),
        (1000, 0, 8, 64),
        (0, 0, 8, 64),
    ],
    ids=["one core", "two cores", "one at a time", "a usual rate", "what one can do", "few spectra", "nothing to do"],
)
def test_one_process_downloads_where_more_are_no_faster(
    spectra: int, rate: float, concurrency: int, cores: int
) -> None:
    assert worker_count(spectra, rate, concurrency, cores) == 1


def test_many_cores_without_a_limit_are_used_up_to_what_the_coordinator_keeps_up_with() -> None:
    assert [worker_count(MANY, 0, 8, cores) for cores in (3, 4, 64)] == [2, 3, MOST_WORKERS]
    assert worker_count(MANY, 1.5 * PER_WORKER, 8, 64) == 2


@given(st.integers(0, MANY), st.floats(0, 1e5), st.integers(1, 64), st.integers(1, 256))
def test_each_worker_has_a_core_a_slot_and_enough_to_do(
    spectra: int, rate: float, concurrency: int, cores: int
) -> None:
    count = worker_count(spectra, rate, concurrency, cores)
    assert count == 1 or (count < cores and count <= concurrency and count * LEAST_SPECTRA <= spectra)
    assert count == 1 or count * PER_WORKER > PER_PROCESS, "they are faster than one process"


@pytest.mark.parametrize(
    ("quotas", "cores"),
    [
        ({}, 1000),
        ({"": "max 100000"}, 1000),
        ({"a/b": "150000 100000"}, 1),
        ({"a": "250000 100000", "a/b": "max 100000"}, 2),
        ({"a": "50000 100000"}, 1),
        ({"a/b": "nonsense"}, 1000),
        ({"": "300000 100000", "a/b": "900000 100000"}, 3),
    ],
    ids=["none", "no limit", "one and a half", "of the one above", "half a core", "nonsense", "the lowest counts"],
)
def test_a_quota_of_the_cgroup_counts_as_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quotas: dict[str, str], cores: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(1000)), raising=False)
    (tmp_path / "a/b").mkdir(parents=True)
    for group, quota in quotas.items():
        (tmp_path / group / "cpu.max").write_text(f"{quota}\n")
    assert usable_cores("/a/b", tmp_path) == cores


def test_this_process_may_use_a_core_at_least() -> None:
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)

"""What a worker knows of the harvest, and what keeps it from storing where no one looks."""

from __future__ import annotations

import pickle
import re
from dataclasses import replace
from pathlib import Path

import pytest

from harvester import events as ev
from harvester._version import __version__
from harvester.config.loading import load
from harvester.errors import ClusterError, StoreError
from harvester.parallel.job_spec import JobSpec
from harvester.storage.directory import DirectoryStore


def commissioned(out: Path) -> JobSpec:
    """As a run in ``out`` commissions its workers."""
    run = out / ".harvester/runs/r"
    run.mkdir(parents=True)
    return JobSpec.of(load({"out": str(out), "band": "6500 6600 AA", "contact": "me@observatory.example"}), run)


def test_a_commission_is_the_same_on_another_machine(tmp_path: Path) -> None:
    shown = commissioned(tmp_path / "out")
    there = pickle.loads(pickle.dumps(shown))
    assert there == shown
    assert there.location.is_absolute()
    assert isinstance(there.open_store(), DirectoryStore)


def test_a_worker_that_sees_another_folder_than_the_run_stores_nothing(tmp_path: Path) -> None:
    shown = commissioned(tmp_path / "out")
    with pytest.raises(ClusterError, match="sees another folder there than the run does, or none"):
        replace(shown, run=tmp_path / "out/.harvester/runs/another").open_store()


def test_a_worker_makes_no_event_of_a_phase_that_nothing_reads(tmp_path: Path) -> None:
    read = {ev.Phase.BODY, ev.SpectrumSaved}
    job = JobSpec.of(load({"out": str(tmp_path)}), tmp_path, read.__contains__)
    there = pickle.loads(pickle.dumps(job))
    assert [phase for phase in ev.Phase if there.is_read(phase)] == [ev.Phase.BODY]
    assert there.is_read(ev.SpectrumVerified), "it keeps track of the shard"


def test_a_worker_of_another_version_says_which(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=f"the run has harvester 0.0.1, its worker .* has {re.escape(__version__)}"):
        replace(commissioned(tmp_path / "out"), version="0.0.1").open_store()


def test_those_who_cannot_work_are_no_fault_of_the_disk() -> None:
    assert not issubclass(ClusterError, StoreError)
    assert ClusterError.exit_code == 4

"""Work on stored spectra gives the same in this process and in a pool, and small work stays here."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harvester.dataset.stored_files import DamagedError, StoredFile, stored_files
from harvester.dataset.work import CHUNK, StoreWorkers, work_on
from harvester.model.batching import Pool
from harvester.report.data.sampling import extract
from harvester.storage.directory import DirectoryStore
from tests.support.harvests import harvest_demo

COUNT = 7


class Counting(ThreadPoolExecutor):
    """Threads in place of processes, that count what they are given."""

    submitted = 0

    def submit(self, *work: Any, **named: Any) -> Future[Any]:
        self.submitted += 1
        return super().submit(*work, **named)


@pytest.fixture
async def files(tmp_path: Path) -> list[StoredFile]:
    """The stored spectra of a harvest, one of them damaged."""
    await harvest_demo(tmp_path / "out", COUNT)
    found = list(stored_files(DirectoryStore(tmp_path / "out")))
    Path(found[2].path).write_bytes(b"damaged")
    return found


@pytest.mark.parametrize("least", [0, COUNT - 1, COUNT])
def test_a_pool_gives_the_same_in_the_same_order_and_is_left_alone_for_little(
    least: int, files: list[StoredFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harvester.dataset.work.CHUNK", 3)
    here = list(work_on(files, extract))
    with Counting(2) as executor:
        workers = StoreWorkers(Pool(executor, 2, least), tmp_path / "out", tmp_path / "out")
        there = list(work_on(files, extract, workers))
    assert [stored for stored, _ in there] == [stored for stored, _ in here] == files
    for number, ((_, one), (_, other)) in enumerate(zip(here, there, strict=True)):
        if isinstance(one, DamagedError) or isinstance(other, DamagedError):
            assert number == 2
            assert str(one) == str(other) == "the file is not the one that was stored: its SHA-256 differs"
        else:
            assert (one.observation, one.flux_digest) == (other.observation, other.flux_digest)
            assert np.array_equal(np.asarray(one.row), np.asarray(other.row))
    assert executor.submitted == (0 if least == COUNT else 3), "seven spectra, three in a task"
    assert CHUNK > 3

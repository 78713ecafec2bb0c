"""When a batch of files is forced out together, and when file by file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harvester.storage.fsync import (
    BATCHES_AFTER_SLOW_SYNC,
    SLOW_SYNC,
    SyncfsPolicy,
    reports_write_errors,
    sync_file_system,
)


def test_dense_arrivals_are_synced_together_and_sparse_ones_each() -> None:
    assert SyncfsPolicy(True).suits(8)
    assert not SyncfsPolicy(True).suits(1)
    assert not SyncfsPolicy(False).suits(8)


def test_a_disk_that_others_write_to_is_synced_file_by_file_for_a_while() -> None:
    policy = SyncfsPolicy(True).after(8, 2 * SLOW_SYNC)
    for _ in range(BATCHES_AFTER_SLOW_SYNC):
        assert not policy.suits(8)
        policy = policy.after(8, 2 * SLOW_SYNC)
    assert policy.suits(8)


@pytest.mark.parametrize(
    ("system", "release", "safe"),
    [("Linux", "6.1.0-18-amd64", True), ("Linux", "5.8", True), ("Linux", "5.4.0", False), ("Darwin", "23.1", False)],
)
def test_only_a_system_that_reports_write_errors_is_trusted_with_it(system: str, release: str, safe: bool) -> None:
    assert reports_write_errors(system, release) is safe


@pytest.mark.skipif(not reports_write_errors(), reason="this system has no syncfs that reports errors")
def test_it_syncs_and_says_why_it_could_not(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    sync_file_system(descriptor)
    os.close(descriptor)
    with pytest.raises(OSError, match="Bad file descriptor"):
        sync_file_system(descriptor)

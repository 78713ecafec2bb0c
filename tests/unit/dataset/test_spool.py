"""Samples between the passes of an export: all of them come back, or the files are read again."""

from __future__ import annotations

import tempfile
from dataclasses import fields
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest

from harvester.dataset.samples import Sample
from harvester.dataset.spool import Spool, not_packed, packed
from harvester.fits.observation import Observation
from harvester.model.target import SpectrumId


def sample(name: str, points: int = 5) -> Sample:
    wave = np.linspace(6500.0, 6600, points)
    return Sample(
        SpectrumId(f"ivo://a/{name}"), name, {"label": "1"}, Observation("HD 1", 10.0, 20.0), wave, np.sin(wave), "",
        "ab" * 32, None, uncertainty=np.full(points, 0.1), mask=wave > 6550,
    )  # fmt: skip


def values(one: Sample) -> list[Any]:
    found = [getattr(one, field.name) for field in fields(one)]
    return [value.tolist() if isinstance(value, np.ndarray) else value for value in found]


def test_samples_come_back_as_they_were(tmp_path: Path) -> None:
    samples = [sample("a"), sample("b", 3000), sample("c", 1)]
    with Spool(tmp_path, 1000) as spool:
        for one in samples:
            summary, kept = packed(one)
            assert summary.sizes == not_packed(one)[0].sizes
            spool.add(kept)
        assert spool.is_open
        assert [values(one) for one in spool] == [values(one) for one in samples]
    assert not spool.is_open
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_kept_where_there_is_no_room(tmp_path: Path) -> None:
    with Spool(tmp_path, 10**18) as spool:
        assert not spool.is_open
        spool.add(packed(sample("a"))[1])


def test_nothing_is_kept_where_no_file_can_be_made(tmp_path: Path) -> None:
    with Spool(tmp_path / "gone", 0) as spool:
        assert not spool.is_open


def full(**where: Path) -> IO[bytes]:
    return Path("/dev/full").open("wb")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
def test_a_disk_that_becomes_full_ends_the_keeping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with Spool(tmp_path, 0) as spool:
        assert spool.is_open
        for _ in range(3):
            spool.add(packed(sample("a", 10_000))[1])
        assert not spool.is_open

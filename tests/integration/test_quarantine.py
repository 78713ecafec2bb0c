"""The quarantine: evidence with its reason, private, bounded, and never at the cost of what a user had on disk."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from harvester.errors import StoreError
from harvester.model.failures import FailureKind
from harvester.model.outcomes import Check, FailedCheck, Fetched
from harvester.model.target import SpectrumId, Target
from harvester.storage.atomic import HOST
from harvester.storage.quarantine import Quarantine

PAGE = FailedCheck(Check.STRUCTURE, FailureKind.NOT_FITS, "a page")
ROOM = 12_000  # bytes: three bodies of 3000 with their reasons


def target(name: str) -> Target:
    return Target(SpectrumId(f"ivo://a/b/{name}"), name)


def fetched(size: int = 3000) -> Fetched:
    return Fetched(b"x" * size, "http://archive/dlget", (("Server", "DaCHS"), ("Via", "a"), ("Via", "b")))


def made(folder: Path, max_bytes: int = ROOM) -> Quarantine:
    quarantine = Quarantine(folder, max_bytes)
    quarantine.prepare()
    return quarantine


def kept_size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def bodies(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.body"))


async def test_a_body_lies_beside_its_reason_and_both_are_private(tmp_path: Path) -> None:
    folder = tmp_path / "quarantine"
    assert await made(folder).keep(target("one"), fetched(), PAGE) == "one.not_fits.body"
    reason = json.loads((folder / "one.not_fits.json").read_text())
    assert reason["id"] == "ivo://a/b/one"
    assert (reason["gate"], reason["kind"], reason["detail"]) == ("structure", "not_fits", "a page")
    assert reason["headers"] == {"Server": "DaCHS", "Via": "a, b"}
    assert reason["url"] == "http://archive/dlget"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


async def test_the_oldest_go_when_there_is_no_room_body_and_reason_together(tmp_path: Path) -> None:
    quarantine = made(tmp_path)
    for number in range(10):
        await quarantine.keep(target(f"n{number}"), fetched(), PAGE)
        assert kept_size(tmp_path) <= ROOM
    assert bodies(tmp_path) == ["n7.not_fits.body", "n8.not_fits.body", "n9.not_fits.body"]
    assert len(list(tmp_path.glob("*.json"))) == 3


async def test_what_earlier_runs_left_counts_and_its_age_too(tmp_path: Path) -> None:
    first = made(tmp_path, 10 * ROOM)
    for number in range(6):
        await first.keep(target(f"n{number}"), fetched(), PAGE)
        for path in tmp_path.glob(f"n{number}.*"):
            os.utime(path, (1000 - number, 1000 - number))
    later = made(tmp_path)
    assert bodies(tmp_path) == ["n0.not_fits.body", "n1.not_fits.body", "n2.not_fits.body"]
    await later.keep(target("new"), fetched(), PAGE)
    assert bodies(tmp_path) == ["n0.not_fits.body", "n1.not_fits.body", "new.not_fits.body"]


async def test_the_same_failure_again_replaces_its_evidence_and_counts_once(tmp_path: Path) -> None:
    quarantine = made(tmp_path)
    for _ in range(20):
        await quarantine.keep(target("one"), fetched(), PAGE)
    await quarantine.keep(target("two"), fetched(), PAGE)
    assert bodies(tmp_path) == ["one.not_fits.body", "two.not_fits.body"]


async def test_a_body_larger_than_all_the_room_is_cut(tmp_path: Path) -> None:
    await made(tmp_path, 5000).keep(target("one"), fetched(1_000_000), PAGE)
    assert (tmp_path / "one.not_fits.body").stat().st_size == 5000
    assert json.loads((tmp_path / "one.not_fits.json").read_text())["bytes"] == 1_000_000


async def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    quarantine = made(tmp_path)
    monkeypatch.setattr(os, "open", full)
    with pytest.raises(StoreError, match="the disk is full"):
        await quarantine.keep(target("one"), fetched(), PAGE)
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []
    await quarantine.keep(target("one"), fetched(), PAGE)
    assert bodies(tmp_path) == ["one.not_fits.body"]


async def test_files_from_under_a_spectrums_name_are_never_thrown_away(tmp_path: Path) -> None:
    out, folder = tmp_path / "out", tmp_path / "quarantine"
    out.mkdir()
    quarantine = made(folder)
    for number in range(10):
        (out / f"s{number}.fits").write_bytes(b"y" * 3000)
        assert quarantine.move_in(out, target(f"s{number}"), "broken") == folder / f"s{number}.suspect.body"
    for number in range(10):
        await quarantine.keep(target(f"n{number}"), fetched(), PAGE)
    made(folder, 0)
    assert bodies(folder) == [f"s{number}.suspect.body" for number in range(10)]
    assert list(out.iterdir()) == []
    assert json.loads((folder / "s1.suspect.json").read_text())["detail"] == "broken"


def test_a_file_that_has_vanished_need_not_be_set_aside(tmp_path: Path) -> None:
    assert made(tmp_path / "quarantine").move_in(tmp_path, target("one"), "empty") is None
    assert not list((tmp_path / "quarantine").iterdir())


def test_a_quarantine_that_is_gone_is_reported_and_the_file_stays(tmp_path: Path) -> None:
    (tmp_path / "one.fits").write_bytes(b"")
    with pytest.raises(StoreError, match=r"one\.fits"):
        Quarantine(tmp_path / "quarantine").move_in(tmp_path, target("one"), "empty")
    assert (tmp_path / "one.fits").exists()


def test_folders_and_links_under_a_spectrums_name_are_set_aside_as_they_are(tmp_path: Path) -> None:
    quarantine = made(tmp_path / "quarantine")
    for _ in range(2):
        (tmp_path / "one.fits").mkdir()
        (tmp_path / "one.fits" / "within").write_text("kept")
        quarantine.move_in(tmp_path, target("one"), "a folder")
    (tmp_path / "one.fits").symlink_to("/etc/hostname")
    quarantine.move_in(tmp_path, target("one"), "a link")
    assert len(bodies(tmp_path / "quarantine")) == 3
    assert Path("/etc/hostname").exists()
    assert not (tmp_path / "one.fits").is_symlink()


def test_half_written_evidence_of_a_killed_run_is_swept(tmp_path: Path) -> None:
    child = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    (tmp_path / f".one.not_fits.body.{HOST}.{int(child.stdout)}.abcd1234.part").write_bytes(b"half")
    made(tmp_path)
    assert list(tmp_path.iterdir()) == []

"""The store: names only for whole files, nothing left behind, one harvest at a time."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harvester.errors import DirectoryHeldError, StoreError
from harvester.model.failures import FailureKind
from harvester.model.outcomes import Check, FailedCheck, Fetched
from harvester.model.target import SpectrumId, Target
from harvester.storage import atomic
from harvester.storage.atomic import HOST, commit, remove_stale_temp_files, temp_name
from harvester.storage.directory import DirectoryStore
from harvester.storage.lock import acquire_lock, is_held

BODY = b"x" * 2880
TARGET = Target(SpectrumId("ivo://a/b/one"), "one")


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    made = DirectoryStore(tmp_path)
    made.prepare()
    made.prepare_for_writing()
    return made


async def test_a_put_file_is_there_whole_and_alone(store: DirectoryStore) -> None:
    async with store:
        await store.put(TARGET, BODY)
        await store.put(TARGET, BODY * 2)
    assert store.sizes() == {"one": 5760}
    assert [path.name for path in store.folder.iterdir() if path.name != ".harvester"] == ["one.fits"]


async def test_many_at_once_are_committed_together_and_each_is_answered(store: DirectoryStore) -> None:
    targets = [Target(SpectrumId(f"ivo://a/b/n{number}"), f"n{number}") for number in range(200)]
    async with store:
        await asyncio.gather(*(store.put(target, BODY) for target in targets))
    assert len(store.sizes()) == 200


async def test_a_cancelled_put_is_whole_or_absent_and_leaves_nothing(store: DirectoryStore) -> None:
    async with store:
        tasks = [
            asyncio.create_task(store.put(Target(SpectrumId(f"ivo://a/b/n{number}"), f"n{number}"), BODY))
            for number in range(100)
        ]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert all(size == 2880 for size in store.sizes().values())
    assert not list(store.folder.rglob("*.part"))


async def test_one_file_that_cannot_be_written_does_not_fail_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "bad.fits").mkdir()
    results = commit(tmp_path, [("good.fits", BODY), ("bad.fits", BODY), ("fine.fits", BODY)])
    assert [result is None for result in results] == [True, False, True]
    assert not list(tmp_path.glob("*.part"))


def test_short_writes_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, bytes(data[:100])))
    assert commit(tmp_path, [("one.fits", BODY)]) == [None]
    assert (tmp_path / "one.fits").read_bytes() == BODY


async def test_a_full_disk_is_one_sentence(store: DirectoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, data: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    async with store:
        with pytest.raises(StoreError, match="the disk is full; make room and run again"):
            await store.put(TARGET, BODY)
    assert store.sizes() == {}
    assert not list(store.folder.glob(".*part"))


async def test_quarantine_keeps_body_and_reason_out_of_the_way(store: DirectoryStore) -> None:
    fetched = Fetched(b"<html>", "http://archive/dlget", (("Server", "DaCHS"),))
    where = await store.quarantine(TARGET, fetched, FailedCheck(Check.STRUCTURE, FailureKind.NOT_FITS, "a page"))
    assert where == ".harvester/quarantine/one.not_fits.body"
    assert (store.folder / where).read_bytes() == b"<html>"
    assert store.sizes() == {}


def test_only_fits_files_are_spectra(store: DirectoryStore) -> None:
    for name in ("one.fits", ".hidden.fits", "notes.txt", ".two.fits.host.1.ab.part"):
        (store.folder / name).write_bytes(BODY)
    (store.folder / "folder.fits").mkdir()
    (store.folder / "link.fits").symlink_to("one.fits")
    assert store.sizes() == {"one": 2880, "folder": 0, "link": 0}  # what is no file cannot be a spectrum


def test_the_sweep_takes_what_the_dead_left_and_spares_the_living(tmp_path: Path) -> None:
    child = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    dead = tmp_path / f".one.fits.{HOST}.{int(child.stdout)}.abcd1234.part"
    living = tmp_path / f".two.fits.{HOST}.{os.getppid()}.abcd1234.part"
    ours = tmp_path / temp_name("three.fits")
    far = tmp_path / ".four.fits.otherhost.1.abcd1234.part"
    old = tmp_path / ".five.fits.otherhost.1.abcd1234.part"
    foreign = tmp_path / ".something.part"
    for path in (dead, living, ours, far, old, foreign):
        path.write_bytes(b"")
    os.utime(old, (time.time() - 2 * 86400,) * 2)
    remove_stale_temp_files(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in (living, ours, far, foreign)}


def test_the_sweep_does_not_mind_a_file_that_gets_its_name_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = tmp_path / f".one.fits.{HOST}.{os.getppid()}.abcd1234.part"
    part.write_bytes(BODY)

    def renamed_by_its_writer(process: int) -> bool:
        part.rename(tmp_path / "one.fits")
        return True

    monkeypatch.setattr(atomic, "is_running", renamed_by_its_writer)
    remove_stale_temp_files(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["one.fits"]


def test_the_lock_names_its_holder_and_goes_with_it(tmp_path: Path) -> None:
    path = tmp_path / ".harvester" / "lock"
    path.parent.mkdir()
    assert not is_held(path)
    with acquire_lock(path, "first"):
        assert is_held(path)
        with (
            pytest.raises(DirectoryHeldError, match=f"process {os.getpid()} on .* run first"),
            acquire_lock(path, "second"),
        ):
            pass
    assert not is_held(path)
    with acquire_lock(path, "third"):
        pass


@pytest.mark.parametrize("replaced", [False, True], ids=["moved", "replaced"])
async def test_nothing_is_stored_in_a_folder_that_is_not_the_one_the_run_began_in(
    tmp_path: Path, replaced: bool
) -> None:
    out = tmp_path / "out"
    store = DirectoryStore(out)
    store.prepare()
    async with store:
        await store.put(TARGET, BODY)
        out.rename(tmp_path / "elsewhere")
        if replaced:
            out.mkdir()
        with pytest.raises(StoreError, match="moved, replaced or unmounted during the run"):
            await store.put(Target(SpectrumId("ivo://a/b/two"), "two"), BODY)
    assert sorted(path.name for path in tmp_path.rglob("*.fits")) == ["one.fits"]
    assert not list(tmp_path.rglob("*.part"))

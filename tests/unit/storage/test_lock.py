"""The lock of a harvest: held on the output folder itself, so that it survives its own folder."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from harvester.errors import DirectoryHeldError, StoreError
from harvester.model.target import SpectrumId, Target
from harvester.storage import lock
from harvester.storage.directory import DirectoryStore
from harvester.storage.lock import acquire_lock, is_held
from tests.support.paths import REPOSITORY

BODY = b"x" * 2880


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(lock, "LOCK_TIMEOUT", 0.0)
    path = tmp_path / "out" / ".harvester" / "lock"
    path.parent.mkdir(parents=True)
    return path


def test_a_second_harvest_is_refused_although_the_state_folder_was_removed(path: Path) -> None:
    with acquire_lock(path, "first"):
        shutil.rmtree(path.parent)
        assert is_held(path)
        path.parent.mkdir()
        assert is_held(path)
        refused = pytest.raises(
            DirectoryHeldError, match=r"another run is using this directory \(the lock file does not name"
        )
        with refused, acquire_lock(path, "second"):
            pass
    assert not is_held(path)
    with acquire_lock(path, "third"):
        assert is_held(path)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", b'{"pid": 1}', b"null", b'{"pid'])
def test_whatever_the_lock_file_says_it_can_be_held_and_its_holder_is_named_or_not(path: Path, content: bytes) -> None:
    with acquire_lock(path, "first"):
        path.write_bytes(content)
        with pytest.raises(DirectoryHeldError, match="does not name the process"), acquire_lock(path, "second"):
            pass
    path.write_bytes(content)
    with acquire_lock(path, "third"):
        assert b"third" in path.read_bytes()


@pytest.mark.parametrize("number", [errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP])
def test_where_folders_cannot_be_locked_the_lock_file_does(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    flock = fcntl.flock

    def without_folders(descriptor: int, operation: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):  # noqa: PTH112 - there is no Path of a descriptor
            raise OSError(number, os.strerror(number))
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", without_folders)
    with acquire_lock(path, "first"):
        assert is_held(path)
        with pytest.raises(DirectoryHeldError, match="run first"), acquire_lock(path, "second"):
            pass
    assert not is_held(path)


KILLED = """
import os, subprocess, sys
from pathlib import Path
from harvester.storage.lock import acquire_lock
with acquire_lock(Path(sys.argv[1]), "killed") as descriptors:
    subprocess.Popen(["cat"], pass_fds=descriptors)
    print("started", flush=True)
    os._exit(9)
"""


def test_the_lock_of_a_killed_run_stays_until_the_processes_that_store_for_it_have_ended(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = subprocess.Popen(
        [sys.executable, "-c", KILLED, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY
    )
    assert run.stdin is not None
    assert run.stdout is not None
    assert run.stdout.readline() == b"started\n"
    run.wait()
    assert is_held(path)
    monkeypatch.setattr(lock, "ORPHAN_TIMEOUT", 0.0)
    still = pytest.raises(DirectoryHeldError, match=r"run killed, .*; it has ended, a process that it started has not")
    with still, acquire_lock(path, "second"):
        pass
    monkeypatch.setattr(lock, "ORPHAN_TIMEOUT", 30.0)
    threading.Timer(0.2, run.stdin.close).start()  # which ends ``cat``
    with acquire_lock(path, "third"):
        assert b"third" in path.read_bytes()
    run.stdout.close()


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_one_sentence_with_a_way_on(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def without(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", without)
    assert not is_held(path)
    with pytest.raises(StoreError, match=r"has no locks, .*choose another --out"), acquire_lock(path, "first"):
        pass


def test_a_disk_that_fails_is_no_other_harvest(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(descriptor: int, operation: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", broken)
    with pytest.raises(StoreError, match="input/output error"), acquire_lock(path, "first"):
        pass


@pytest.mark.parametrize("replaced", [False, True])
async def test_nothing_is_stored_once_the_state_folder_is_gone(tmp_path: Path, replaced: bool) -> None:
    store = DirectoryStore(tmp_path)
    store.prepare()
    async with store:
        await store.put(Target(SpectrumId("ivo://a/b/one"), "one"), BODY)
        shutil.rmtree(store.state.path)
        if replaced:
            store.state.path.mkdir()
        with pytest.raises(StoreError, match=r"\.harvester: this folder was removed or replaced during the run"):
            await store.put(Target(SpectrumId("ivo://a/b/two"), "two"), BODY)
    assert [path.name for path in tmp_path.rglob("*.fits")] == ["one.fits"]

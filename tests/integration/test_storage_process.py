"""A second process verifies and stores: the same spectra, the same faults, and nothing is lost when it is killed."""

from __future__ import annotations

import asyncio
import errno
import itertools
import math
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from harvester import events as ev
from harvester.demo import COLLECTION, DemoArchive, listed_dids, serve
from harvester.demo.fits import spectrum_fits
from harvester.demo.observations import observe
from harvester.demo.synthesis import Calibration
from harvester.engine.engine import finished
from harvester.errors import ClusterError, StoreError, StoreFullError
from harvester.ledger import queries
from harvester.model.expectation import Expectation
from harvester.model.failures import FailureKind
from harvester.model.outcomes import FailedCheck, VerifiedSpectrum
from harvester.model.target import Target
from harvester.parallel import adaptive_storage, storage_process, storage_worker
from harvester.parallel.adaptive_storage import AdaptiveStorage, CoreUse, core_use, spare_cores
from harvester.parallel.channel import WorkerLostError
from harvester.parallel.child_process import start_child
from harvester.parallel.storage_messages import SentBody, StorageJob, Stored
from harvester.parallel.storage_process import StorageProcess
from harvester.storage.directory import DirectoryStore
from harvester.storage.group_commit import BatchCommitter
from tests.integration.test_processes import open_files
from tests.support.harvests import fits_names, harvest_from, leftovers
from tests.support.paths import REPOSITORY
from tests.support.spectral_files import image, written
from tests.support.votable_files import spectrum_votable

EXPECTED = Expectation(normalized=True)
TARGETS = [Target(did, did.removeprefix(COLLECTION)) for did in listed_dids(12)]
SKY_MAP = written(image(np.ones((9, 9))))
BODIES = [spectrum_fits(observe(target.did), Calibration.NORMALIZED) for target in TARGETS]


def opened(folder: Path) -> DirectoryStore:
    store = DirectoryStore(folder)
    store.prepare()
    store.prepare_for_writing()
    return store


def busy() -> Callable[[], CoreUse]:
    """A machine of which this process uses one core and nothing the other."""
    clock = itertools.count()
    return lambda: CoreUse(now := float(next(clock)), now, now)


@asynccontextmanager
async def with_process(folder: Path, expected: Expectation = EXPECTED) -> AsyncIterator[AdaptiveStorage]:
    """A storage whose process runs already."""
    store = opened(folder)
    start = partial(StorageProcess.start, output=folder / ".harvester/processes.log")
    async with (
        store,
        AdaptiveStorage(store, expected, start, 1, lambda: math.inf, busy()) as storage,
    ):
        storage._watch()
        assert storage._starting is not None
        await storage._starting
        yield storage


async def keep(storage: AdaptiveStorage, target: Target, body: bytes) -> VerifiedSpectrum | FailedCheck:
    verdict = await storage.prepare(target, body)
    if isinstance(verdict, VerifiedSpectrum):
        await storage.put(target, body)
    return verdict


def process_id(storage: AdaptiveStorage) -> int:
    assert storage._process is not None
    return storage._process._process.pid


async def test_it_finds_what_this_process_would_and_stores_the_same_bytes(tmp_path: Path) -> None:
    async with with_process(tmp_path) as storage:
        verdicts = await asyncio.gather(*map(partial(keep, storage), TARGETS, BODIES))
        assert verdicts == list(map(storage.verify, TARGETS, BODIES))
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.fits")} == {
        target.file_name: body for target, body in zip(TARGETS, BODIES, strict=True)
    }
    assert not leftovers(tmp_path)
    assert not (tmp_path / ".harvester/processes.log").exists(), "it had nothing to complain of"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", FailureKind.EMPTY),
        (b"<html>busy</html>", FailureKind.NOT_FITS),
        (BODIES[0][:-2880], FailureKind.TRUNCATED),
        (BODIES[1], FailureKind.WRONG_SPECTRUM),
    ],
    ids=["empty", "a page", "short", "another"],
)
async def test_what_fails_a_check_is_not_stored(tmp_path: Path, body: bytes, kind: FailureKind) -> None:
    async with with_process(tmp_path) as storage:
        verdict = await keep(storage, TARGETS[0], body)
        assert isinstance(verdict, FailedCheck)
        assert verdict.kind is kind
        assert isinstance(await keep(storage, TARGETS[0], BODIES[0]), VerifiedSpectrum), "its next attempt"
    assert fits_names(tmp_path) == {TARGETS[0].file_name}


async def test_it_stores_votables_by_their_ending_and_leaves_other_packages_readers_to_the_run(tmp_path: Path) -> None:
    tolerant = Expectation(identity_card=None, strict=False, step_tolerance=None)
    async with with_process(tmp_path, tolerant) as storage:
        assert isinstance(await keep(storage, TARGETS[0], spectrum_votable()), VerifiedSpectrum)
        assert isinstance(await keep(storage, TARGETS[1], SKY_MAP), FailedCheck)
        assert isinstance(await keep(storage, TARGETS[2], BODIES[2]), VerifiedSpectrum)
        assert {path.name for path in tmp_path.glob("[!.]*")} == {f"{TARGETS[0].name}.vot", TARGETS[2].file_name}
        assert isinstance(await keep(storage, TARGETS[0], BODIES[0]), VerifiedSpectrum)
    assert {path.name for path in tmp_path.glob("[!.]*")} == {TARGETS[0].file_name, TARGETS[2].file_name}


async def test_nothing_is_stored_beside_a_state_folder_that_was_removed(tmp_path: Path) -> None:
    async with with_process(tmp_path) as storage:
        shutil.rmtree(tmp_path / ".harvester")
        with pytest.raises(StoreError, match="removed or replaced during the run"):
            await keep(storage, TARGETS[0], BODIES[0])
    assert not fits_names(tmp_path)


async def test_a_process_does_not_start_in_a_folder_that_was_replaced(tmp_path: Path) -> None:
    store = opened(tmp_path / "out")
    async with AdaptiveStorage(store, EXPECTED, StorageProcess.start, 1) as storage:  # type: ignore[arg-type]
        job = storage._job
    (tmp_path / "out").rename(tmp_path / "aside")
    opened(tmp_path / "out")
    with pytest.raises(WorkerLostError):
        await StorageProcess.start(job, tmp_path / "printed")


async def test_when_it_is_killed_this_process_stores_what_it_had(tmp_path: Path) -> None:
    async with with_process(tmp_path) as storage:
        await keep(storage, TARGETS[0], BODIES[0])
        os.kill(process_id(storage), signal.SIGSTOP)  # so that it has taken bodies and answers none
        kept = [asyncio.ensure_future(keep(storage, *pair)) for pair in zip(TARGETS, BODIES, strict=True)]
        await asyncio.sleep(0.05)
        os.kill(process_id(storage), signal.SIGKILL)
        assert all(isinstance(verdict, VerifiedSpectrum) for verdict in await asyncio.gather(*kept))
        assert isinstance(await keep(storage, TARGETS[0], BODIES[0]), VerifiedSpectrum)
    assert fits_names(tmp_path) == {target.file_name for target in TARGETS}


async def test_when_it_is_stopped_for_good_this_process_stores_what_it_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_process, "LONGEST_SILENCE", 0.1)
    async with with_process(tmp_path) as storage:
        os.kill(process_id(storage), signal.SIGSTOP)
        kept = await asyncio.gather(*map(partial(keep, storage), TARGETS, BODIES))
    assert all(isinstance(verdict, VerifiedSpectrum) for verdict in kept)
    assert fits_names(tmp_path) == {target.file_name for target in TARGETS}


async def test_silence_is_no_fault_while_nothing_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_process, "LONGEST_SILENCE", 0.01)
    async with with_process(tmp_path) as storage:
        await asyncio.sleep(0.1)
        assert storage._process is not None
        assert not storage._process.lost


class _Interrupted:
    """A socket whose calls return early, as Linux has it for a process that was stopped meanwhile."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = list(pieces)

    def recv(self, size: int, flags: int) -> bytes:
        if not self._pieces:
            return b""
        piece = self._pieces.pop(0)
        if len(piece) > size:
            self._pieces.insert(0, piece[size:])
        return piece[:size]


def test_a_body_is_received_whole_by_a_process_that_was_stopped_meanwhile() -> None:
    sent = SentBody(TARGETS[0].did, "a.fits", BODIES[0][:500])
    whole = sent.to_bytes()
    for size in (1, 7, 300, len(whole)):
        pieces = [whole[start : start + size] for start in range(0, len(whole), size)]
        assert SentBody.receive(_Interrupted(pieces)) == sent  # type: ignore[arg-type]
        assert SentBody.receive(_Interrupted(pieces[:-1])) is None  # type: ignore[arg-type]


def test_what_was_received_whole_is_stored_though_the_run_is_gone(tmp_path: Path) -> None:
    """The process holds the run's lock until then, and the next run need not request it again."""
    store = opened(tmp_path)
    ours, theirs = socket.socketpair()
    sent = [
        SentBody(target.did, target.file_name, body).to_bytes() for target, body in zip(TARGETS, BODIES, strict=True)
    ]
    with theirs:
        for body in sent[:3]:
            theirs.sendall(body)
        theirs.sendall(sent[3][:-1])
    with ours, closing(BatchCommitter(store.folder, store.state.path)) as committer:
        storage_worker._work(ours, EXPECTED, committer)
    assert fits_names(tmp_path) == {target.file_name for target in TARGETS[:3]}
    assert not leftovers(tmp_path)


def test_a_process_imports_what_this_one_would_not_what_the_working_directory_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pickle.py").write_text("raise SystemExit('a file of the user')", "utf-8")
    process, ours = start_child("storage_worker", Path("printed"))
    ours.close()
    process.wait(20)
    assert "a file of the user" not in Path("printed").read_text("utf-8")


async def test_a_run_whose_storage_process_is_killed_stores_and_records_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the process stored before it was killed is not requested again either."""
    started: list[StorageProcess] = []
    start = StorageProcess.start

    async def recorded(job: StorageJob, output: Path, locks: tuple[int, ...]) -> StorageProcess:
        started.append(await start(job, output, locks))
        assert tmp_path / "out/.harvester/lock" in open_files(started[0]._process.pid), "no other run starts beside it"
        return started[0]

    since, count = 0, 200

    def kill(event: ev.Event) -> None:
        nonlocal since
        since += bool(started) and isinstance(event, ev.SpectrumSaved)
        if since == 20 and isinstance(event, ev.SpectrumSaved):
            started[0]._process.kill()

    monkeypatch.setattr(StorageProcess, "start", recorded)
    monkeypatch.setattr(adaptive_storage, "SATURATED", 0.0)
    monkeypatch.setattr(adaptive_storage, "SPARE", 0.0)
    monkeypatch.setattr(adaptive_storage, "spare_cores", lambda: 1)
    async with serve(DemoArchive(count=count, latency=0.05)) as archive:
        shown = await harvest_from(archive, tmp_path / "out", listed_dids(count), watchers=[kill])
        asked = archive.log.by_did
    assert since > 20, "it was killed in the course of the run"
    assert (shown.report.summary["saved"], shown.report.summary["exit_code"]) == (count, 0)
    assert set(asked.values()) == {1}
    assert len(fits_names(tmp_path / "out")) == count
    assert len(list(queries.stored(tmp_path / "out/.harvester/ledger.sqlite"))) == count
    assert not leftovers(tmp_path / "out")


async def test_it_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    store = opened(tmp_path)
    program = f"""
import asyncio, os, pickle, sys
from pathlib import Path
from harvester.parallel.storage_process import StorageProcess
async def main():
    process = await StorageProcess.start(pickle.loads(bytes.fromhex(sys.argv[1])), Path({str(tmp_path / "log")!r}))
    print(process._process.pid, flush=True)
    os.kill(os.getpid(), 9)
asyncio.run(main())
"""
    async with AdaptiveStorage(store, EXPECTED, StorageProcess.start, 1) as storage:  # type: ignore[arg-type]
        job = pickle.dumps(storage._job).hex()
    run = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program, job], capture_output=True, cwd=REPOSITORY, check=False
    )
    assert run.returncode == -signal.SIGKILL, run.stderr.decode()
    async with asyncio.timeout(20):
        while _lives(int(run.stdout)):  # noqa: ASYNC110 - it is no child of ours: there is nothing to wait for
            await asyncio.sleep(0.02)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class _Failing:
    """A storage process whose disk refuses."""

    lost = False

    def __init__(self, stored: Stored) -> None:
        self.stored = stored

    async def store(self, target: Target, path: str, body: bytes) -> Stored:
        return self.stored

    async def close(self) -> None: ...


async def test_a_full_disk_of_the_process_is_one_of_the_run_and_the_next_write_is_ours(tmp_path: Path) -> None:
    store = opened(tmp_path)
    async with store, AdaptiveStorage(store, EXPECTED, StorageProcess.start, 0) as storage:  # type: ignore[arg-type]
        verdict = await finished(storage.verify(TARGETS[0], BODIES[0]))
        storage._process = _Failing(Stored(verdict, OSError(errno.ENOSPC, "full")))  # type: ignore[assignment]
        assert await storage.prepare(TARGETS[0], BODIES[0]) == verdict
        with pytest.raises(StoreFullError, match="the disk is full; make room"):
            await storage.put(TARGETS[0], BODIES[0])
        await storage.put(TARGETS[0], BODIES[0])
    assert fits_names(tmp_path) == {TARGETS[0].file_name}


async def test_a_bug_in_the_process_is_raised_where_bugs_are_handled(tmp_path: Path) -> None:
    store = opened(tmp_path)
    async with store, AdaptiveStorage(store, EXPECTED, StorageProcess.start, 0) as storage:  # type: ignore[arg-type]
        storage._process = _Failing(Stored(None, RuntimeError("a bug")))  # type: ignore[assignment]
        with pytest.raises(RuntimeError, match="a bug"):
            await storage.prepare(TARGETS[0], BODIES[0])


async def test_without_a_descriptor_for_the_process_this_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left() -> None:
        raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr(socket, "socketpair", none_left)
    async with with_process(tmp_path) as storage:
        assert isinstance(await keep(storage, TARGETS[0], BODIES[0]), VerifiedSpectrum)
    assert fits_names(tmp_path) == {TARGETS[0].file_name}


@pytest.mark.parametrize("cores", [0, 1])
async def test_it_is_started_once_and_only_beside_a_spare_core(tmp_path: Path, cores: int) -> None:
    starts: list[StorageJob] = []

    async def refuse(job: StorageJob) -> StorageProcess:
        starts.append(job)
        raise ClusterError("no further process can be started")

    storage = AdaptiveStorage(opened(tmp_path), EXPECTED, refuse, cores, lambda: math.inf, busy())
    async with storage:
        for _ in range(5):
            assert isinstance(await storage.prepare(TARGETS[0], BODIES[0]), VerifiedSpectrum), "this process does it"
            await asyncio.sleep(0)
    assert len(starts) == cores


@pytest.mark.parametrize(
    ("cpu", "idle", "pays"),
    [(0.95, 0.9, True), (0.5, 0.9, False), (0.95, 0.1, False)],
    ids=["a core is busy and one idle", "it waits for the archive", "other programs need the cores"],
)
def test_a_second_process_pays_beside_an_idle_core_while_this_one_is_busy(cpu: float, idle: float, pays: bool) -> None:
    assert CoreUse(10.0 + 2.0, 5.0 + 2.0 * cpu, 70.0 + 2.0 * idle).pays_since(CoreUse(10.0, 5.0, 70.0)) is pays


def test_the_use_of_cores_only_grows() -> None:
    first, second = core_use(), core_use()
    assert (second.now, second.cpu, second.idle) >= (first.now, first.cpu, first.idle) >= (0.0, 0.0, 0.0)


def test_no_more_cores_are_spare_than_there_are() -> None:
    assert 0 <= spare_cores() < (os.cpu_count() or 1)

"""``--processes``: several processes, one harvest. Real ones, and some are killed."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from harvester import events as ev
from harvester.demo import DemoArchive, listed_dids, serve
from harvester.engine.shutdown import Shutdown
from harvester.ledger import queries
from harvester.model.exit_codes import StopReason
from harvester.parallel.channel import WorkerLostError
from harvester.parallel.messages import SlotsLent
from harvester.parallel.process_pool import _WorkerProcess
from harvester.parallel.worker_connection import Loan
from harvester.storage.lock import is_held
from tests.support.harvests import fits_names, harvest_demo, harvest_from, leftovers, plan_faults, write_catalog

COUNT = 300


def children_of(pid: int) -> list[int]:
    """The processes that any thread of ``pid`` started."""
    shown = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(child) for children in shown for child in children]


def all_end(pids: list[int], patience: float = 20.0) -> bool:
    """Whether all of them end in time; one that no one waits for has ended as well."""
    deadline = time.monotonic() + patience
    while any(_lives(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def open_files(pid: int) -> set[Path]:
    """The files and folders that ``pid`` has open."""
    return {path.readlink() for path in Path(f"/proc/{pid}/fd").iterdir()}


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_processes_fetch_together_what_one_would(tmp_path: Path) -> None:
    async with serve(DemoArchive(count=COUNT)) as archive:
        shown = await harvest_from(archive, tmp_path / "out", listed_dids(COUNT), processes=2)
        asked = archive.log.by_did
    summary = shown.report.summary
    assert (summary["saved"], summary["requests"], summary["exit_code"]) == (COUNT, COUNT, 0)
    assert len(fits_names(tmp_path / "out")) == COUNT
    assert set(asked.values()) == {1}
    assert not leftovers(tmp_path / "out")
    assert len({event.outcome.target.did for event in shown.of(ev.SpectrumSaved)}) == COUNT
    assert not (shown.report.folder / "processes.log").exists(), "no one complained"
    stored = list(queries.stored(tmp_path / "out/.harvester/ledger.sqlite"))
    assert len(stored) == COUNT
    assert all(row["url"] and row["run_name"] == summary["run"] for row in stored)


async def test_faults_come_to_the_same_in_several_processes(tmp_path: Path) -> None:
    faults = plan_faults(n3="http_404", n5=("http_500", 2), n7="empty", n11=("truncated", 1))
    async with serve(DemoArchive(count=60, faults=faults)) as archive:
        shown = await harvest_from(archive, tmp_path / "out", listed_dids(60), processes=2)
    assert shown.report.stats.failures == {"not_found": 1, "empty": 1}
    assert (shown.report.stats.saved, shown.report.stats.exit_code) == (58, 3)
    assert len(list((tmp_path / "out/.harvester/quarantine").glob("*.json"))) > 0


async def test_killed_processes_lose_nothing_and_the_pace_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work: list[int] = []
    worked, lost = set[int](), list[int]()
    work = _WorkerProcess.work

    async def watched(worker: _WorkerProcess, *how: Any) -> Any:
        pid = worker._process.pid
        at_work.append(pid)
        worked.add(pid)
        try:
            return await work(worker, *how)
        except WorkerLostError:
            lost.append(pid)
            raise
        finally:
            at_work.remove(pid)

    monkeypatch.setattr(_WorkerProcess, "work", watched)
    seen: list[ev.Event] = []

    def kill_two(event: ev.Event) -> None:
        if isinstance(event, ev.SpectrumSaved):
            seen.append(event)
            if len(seen) in (60, 120):
                os.kill(at_work[0], signal.SIGKILL)

    limits = {"rate": 100, "concurrency": 8}
    async with serve(DemoArchive(count=COUNT, latency=0.02)) as archive:
        shown = await harvest_from(
            archive, tmp_path / "out", listed_dids(COUNT), processes=4, limits=limits, watchers=[kill_two]
        )
        asked, busiest = archive.log.by_did, archive.log.busiest_second
    assert len(worked) >= 4, "each had its part, and the lost ones were replaced"
    assert len(lost) == 2
    assert (shown.report.stats.saved, shown.report.stats.exit_code) == (COUNT, 0)
    assert len(fits_names(tmp_path / "out")) == COUNT
    assert sum(asked.values()) - COUNT <= 2 * 8, "no more than was in flight"
    assert len(list(queries.stored_dids(tmp_path / "out/.harvester/ledger.sqlite"))) == COUNT
    assert not leftovers(tmp_path / "out"), "what the killed ones were writing is swept"
    assert busiest <= 105


async def test_a_process_that_is_killed_while_slots_are_lent_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work: list[int] = []
    lent: list[SlotsLent] = []
    work, handle = _WorkerProcess.work, Loan.change

    async def watched(worker: _WorkerProcess, *how: Any) -> Any:
        at_work.append(worker._process.pid)
        return await work(worker, *how)

    def noted(loan: Loan, slots: int) -> SlotsLent | None:
        news = handle(loan, slots)
        lent.extend([news] if news and slots else [])
        return news

    monkeypatch.setattr(_WorkerProcess, "work", watched)
    monkeypatch.setattr(Loan, "change", noted)
    saved: list[ev.Event] = []

    def kill_one(event: ev.Event) -> None:
        if isinstance(event, ev.SpectrumSaved):
            saved.append(event)
            if len(saved) == COUNT // 2:
                os.kill(at_work[-1], signal.SIGKILL)

    async with serve(DemoArchive(count=COUNT, latency=0.01)) as archive:
        shown = await harvest_from(
            archive, tmp_path / "out", listed_dids(COUNT), processes=2, limits={"rate": 0, "concurrency": 8},
            watchers=[kill_one],
        )  # fmt: skip
        asked = archive.log.by_did
    assert lent, "otherwise this shows nothing"
    assert (shown.report.stats.saved, shown.report.stats.exit_code) == (COUNT, 0)
    assert len(fits_names(tmp_path / "out")) == COUNT
    assert sum(asked.values()) - COUNT <= 2 * 8, "what one worker requested, verified and stored at the moment"
    stored = list(queries.stored(tmp_path / "out/.harvester/ledger.sqlite"))
    assert len(stored) == COUNT
    assert all(row["url"] for row in stored)
    assert not leftovers(tmp_path / "out")


@pytest.mark.skipif(sys.platform != "linux", reason="it looks for the processes in /proc")
async def test_a_process_that_is_frozen_keeps_no_one_from_stopping(tmp_path: Path) -> None:
    async with serve(DemoArchive(count=COUNT, latency=0.2)) as archive:
        catalog = write_catalog(tmp_path / "wanted.csv", listed_dids(COUNT))
        asked = ["--archive", archive.dlget, "--catalog", str(catalog), "--out", str(tmp_path / "out")]
        run = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "harvester", *asked, "--processes", "2", "--progress", "json",
            stdout=subprocess.PIPE, cwd=tmp_path, env={**os.environ, "HARVESTER_LIMITS__GRACE": "1"}, limit=1 << 22,
        )  # fmt: skip
        assert run.stdout is not None
        while json.loads(await run.stdout.readline())["event"] != "spectrum_saved":
            pass
        workers = children_of(run.pid)
        os.kill(workers[0], signal.SIGSTOP)
        run.send_signal(signal.SIGINT)
        async with asyncio.timeout(30):
            await run.communicate()
        assert run.returncode == 130
        assert await asyncio.to_thread(all_end, workers)


async def test_a_process_that_cannot_be_started_is_reported_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr("harvester.parallel.process_pool.subprocess.Popen", refuse)
    shown = await harvest_demo(tmp_path / "out", 10, processes=2)
    assert shown.report.stats.exit_code == 4
    assert "no further process can be started" in shown.report.stats.reason


async def test_processes_store_in_256_folders_as_well(tmp_path: Path) -> None:
    shown = await harvest_demo(tmp_path / "out", 60, processes=2, layout="hashed")
    assert shown.report.stats.exit_code == 0
    assert len(list((tmp_path / "out").glob("??/*.fits"))) == 60


async def test_a_drain_reaches_every_process(tmp_path: Path) -> None:
    stop = Shutdown()

    def interrupt(event: ev.Event) -> None:
        if isinstance(event, ev.SpectrumSaved) and not stop.draining.is_set():
            stop.interrupt(StopReason("stopped by Ctrl-C", 130))

    async with serve(DemoArchive(count=COUNT, latency=0.05)) as archive:
        first = await harvest_from(
            archive, tmp_path / "out", listed_dids(COUNT), processes=2, stop=stop, watchers=[interrupt]
        )
        second = await harvest_from(archive, tmp_path / "out", listed_dids(COUNT), processes=2)
        asked = archive.log.by_did
    assert first.report.stats.exit_code == 130
    assert 0 < first.report.stats.saved < COUNT
    assert second.report.stats.saved == COUNT - first.report.stats.saved
    assert set(asked.values()) == {1}


@pytest.mark.skipif(sys.platform != "linux", reason="it looks for the processes in /proc")
async def test_processes_do_not_outlive_the_one_that_was_killed(tmp_path: Path) -> None:
    async with serve(DemoArchive(count=COUNT, latency=0.05)) as archive:
        catalog = write_catalog(tmp_path / "wanted.csv", listed_dids(COUNT))
        asked = ["--archive", archive.dlget, "--catalog", str(catalog), "--out", str(tmp_path / "out")]
        how = ["--processes", "2", "--rate", "0", "--progress", "json"]
        run = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "harvester", *asked, *how, stdout=subprocess.PIPE, cwd=tmp_path
        )
        assert run.stdout is not None
        while json.loads(await run.stdout.readline())["event"] != "spectrum_saved":
            pass
        workers = children_of(run.pid)
        assert len(workers) == 2
        lock = tmp_path / "out/.harvester/lock"
        assert all(lock in open_files(worker) for worker in workers), "no other run starts while one may be storing"
        run.kill()
        await run.wait()
        assert await asyncio.to_thread(all_end, workers)
        assert not is_held(lock)
        again = await harvest_from(archive, tmp_path / "out", listed_dids(COUNT), processes=2)
    assert again.report.stats.remaining == 0
    assert again.report.stats.exit_code == 0
    assert not leftovers(tmp_path / "out")

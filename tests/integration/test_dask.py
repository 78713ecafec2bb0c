"""``--engine dask``: genuine schedulers and workers, some of which are killed, fetch from the embedded archive."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harvester.demo import DemoArchive, RunningArchive, listed_dids, serve
from harvester.ledger import queries
from tests.integration.test_processes import all_end, children_of
from tests.support.dask_clusters import cluster
from tests.support.harvests import fits_names, harvest_demo, leftovers, write_catalog

pytest.importorskip("distributed", reason="needs the extra dask")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it looks for the workers in /proc")

COUNT = 300


@dataclass(slots=True)
class Run:
    """A run in a process of its own, by what it tells as JSON."""

    process: asyncio.subprocess.Process
    shown: list[dict[str, Any]]

    async def until(self, event: str, times: int = 1) -> None:
        """Read on until ``event`` was shown ``times`` times more."""
        assert self.process.stdout is not None
        while times and (line := await self.process.stdout.readline()):
            self.shown.append(json.loads(line))
            times -= self.shown[-1]["event"] == event

    async def end(self) -> dict[str, Any]:
        """The summary; what it said on standard error is nothing but the plan."""
        await self.until("nothing", times=-1)
        await self.process.wait()
        summary: dict[str, Any] = self.shown[-1]["summary"]
        return summary


@asynccontextmanager
async def running(archive: RunningArchive, out: Path, *how: str, rate: float = 0) -> AsyncIterator[Run]:
    catalog = write_catalog(out.parent / "wanted.csv", listed_dids(COUNT))
    asked = ["--archive", archive.dlget, "--catalog", str(catalog), "--out", str(out)]
    limits = ["--rate", str(rate), "--concurrency", "8", "--progress", "json"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "harvester", *asked, *limits, *how,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=out.parent, limit=1 << 22,
    )  # fmt: skip
    try:
        yield Run(process, [])
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def workers_of(pid: int) -> list[int]:
    """The worker processes of a cluster that the run ``pid`` started."""
    return [child for child in children_of(pid) if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def written(pid: int) -> int:
    """Bytes that ``pid`` wrote to files and sockets."""
    return int(Path(f"/proc/{pid}/io").read_text().partition("wchar:")[2].split()[0])


async def test_two_of_four_workers_are_killed_and_nothing_is_lost(tmp_path: Path) -> None:
    out = tmp_path / "out"
    async with serve(DemoArchive(count=COUNT, latency=0.02)) as archive:
        async with running(archive, out, "--engine", "dask", "--processes", "4", rate=40) as run:
            await run.until("spectrum_saved", 40)
            workers = workers_of(run.process.pid)
            assert len(workers) == 4
            assert all(written(worker) > 100_000 for worker in workers), "each has stored some"
            for victim in workers[:2]:
                os.kill(victim, signal.SIGKILL)
            summary = await run.end()
        asked, busiest = archive.log.by_did, archive.log.busiest_second
    assert (summary["saved"], summary["remaining"], summary["exit_code"]) == (COUNT, 0, 0)
    assert fits_names(out) == {f"{did.rpartition('/')[2]}.fits" for did in listed_dids(COUNT)}
    assert len(list(queries.stored_dids(out / ".harvester/ledger.sqlite"))) == COUNT, "a complete ledger"
    assert sum(asked.values()) - COUNT <= 8, "no more than was in flight"
    assert busiest <= 42, "40 a second, and 5 % for the time that a message takes"
    assert not leftovers(out)
    assert all_end(workers)


async def test_a_cluster_of_someone_else_is_drained_and_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "out"
    async with serve(DemoArchive(count=COUNT, latency=0.05)) as archive, cluster(2) as around:
        async with running(archive, out, "--scheduler", around.address, rate=40) as run:
            await run.until("spectrum_saved", 40)
            run.process.send_signal(signal.SIGINT)
            first = await run.end()
            assert run.process.returncode == 130
        async with running(archive, out, "--scheduler", around.address) as run:
            second = await run.end()
        asked = archive.log.by_did
    assert 40 <= first["saved"] < COUNT
    assert (second["present"], second["saved"]) == (first["saved"], COUNT - first["saved"])
    assert set(asked.values()) == {1}
    assert len(fits_names(out)) == COUNT


async def test_workers_whose_run_was_killed_send_no_further_request(tmp_path: Path) -> None:
    out = tmp_path / "out"
    async with serve(DemoArchive(count=COUNT, latency=0.05)) as archive, cluster(2) as around:
        async with running(archive, out, "--scheduler", around.address, rate=20) as run:
            await run.until("spectrum_saved", 20)
            run.process.kill()
            await run.process.wait()
        await asyncio.sleep(3.0)
        before = archive.log.requests
        await asyncio.sleep(3.0)
        assert archive.log.requests == before < COUNT
        async with running(archive, out, "--scheduler", around.address) as run:
            summary = await run.end()
        asked = archive.log.by_did
    assert summary["exit_code"] == 0
    assert len(fits_names(out)) == COUNT
    assert sum(asked.values()) - COUNT <= 8


async def test_a_scheduler_that_goes_away_ends_the_run_with_a_sentence(tmp_path: Path) -> None:
    async with (
        serve(DemoArchive(count=COUNT, latency=0.05)) as archive,
        cluster(1) as around,
        running(archive, tmp_path / "out", "--scheduler", around.address, rate=20) as run,
    ):
        await run.until("spectrum_saved", 10)
        around.scheduler.kill()
        summary = await run.end()
    assert summary["exit_code"] == 4
    assert "scheduler is gone" in summary["reason"]
    assert summary["saved"] >= 10


async def test_a_scheduler_that_is_not_there_is_reported_before_anything_is_requested(tmp_path: Path) -> None:
    async with serve(DemoArchive(count=3)) as archive:
        async with running(archive, tmp_path / "out", "--scheduler", "tcp://127.0.0.1:9") as run:
            _, words = await run.process.communicate()
        assert archive.log.requests == 0
    assert run.process.returncode == 2
    assert words.decode().count("\n") <= 2
    assert "tcp://127.0.0.1:9: cannot connect" in words.decode()


async def _said(*arguments: str) -> tuple[int, str]:
    """Exit code and standard output of a command."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "harvester", *arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()


async def test_workers_prove_and_prepare_spectra_to_the_same_findings_and_bytes(tmp_path: Path) -> None:
    out = tmp_path / "out"
    await harvest_demo(out, 120)
    damaged = sorted(out.glob("*.fits"))[7]
    damaged.write_bytes(damaged.read_bytes()[:-2880])
    async with cluster(2) as around:
        by_dask = ["--out", str(out), "--scheduler", around.address]
        proved = [await _said("verify", "--json", *how) for how in (by_dask, by_dask[:2])]
        files = [tmp_path / "far.parquet", tmp_path / "near.parquet"]
        exported = [
            (await _said("export", str(file), *how, "--resample", "6519 6732 140"))[0]
            for file, how in zip(files, (by_dask, by_dask[:2]), strict=True)
        ]
    assert proved[0] == proved[1]
    assert [fault["path"] for fault in json.loads(proved[0][1])["damaged"]] == [str(damaged)]
    assert proved[0][0] == 3
    assert exported == [3, 3]
    assert files[0].read_bytes() == files[1].read_bytes()

"""Dask clusters that no run started: a scheduler and workers, each a process to kill, freeze and replace."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.paths import REPOSITORY

Process = asyncio.subprocess.Process


@dataclass(slots=True)
class Cluster:
    """The address of a scheduler, its process, and those of its workers."""

    address: str
    scheduler: Process
    workers: list[Process] = field(default_factory=list)

    @classmethod
    async def start(cls, workers: int) -> Cluster:
        """Start a scheduler with so many workers of one thread each."""
        with tempfile.TemporaryDirectory() as folder:
            about = Path(folder) / "scheduler.json"
            asked = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(about))
            scheduler = await _started("scheduler", *asked)
            async with asyncio.timeout(60.0):
                while not about.exists() or not about.read_text():  # noqa: ASYNC110 - a file has no event for this
                    await asyncio.sleep(0.02)
            running = cls(json.loads(about.read_text())["address"], scheduler)
        for _ in range(workers):
            await running.add_worker()
        return running

    async def add_worker(self, environment: Mapping[str, str] | None = None) -> None:
        """Start one more worker."""
        asked = ("worker", self.address, "--nthreads", "1", "--no-dashboard", "--no-nanny")
        self.workers.append(await _started(*asked, environment=environment))

    @property
    def processes(self) -> list[Process]:
        return [self.scheduler, *self.workers]

    def send(self, number: signal.Signals) -> None:
        """Send a signal to all of its processes that have not ended."""
        for process in self.processes:
            with suppress(ProcessLookupError):
                process.send_signal(number)

    async def end(self) -> None:
        """End all of its processes."""
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        await asyncio.gather(*map(_end, self.processes))


@asynccontextmanager
async def cluster(workers: int) -> AsyncIterator[Cluster]:
    """A cluster with so many workers, which is ended at last."""
    running = await Cluster.start(workers)
    try:
        yield running
    finally:
        await running.end()


async def _started(what: str, *how: str, environment: Mapping[str, str] | None = None) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"distributed.cli.dask_{what}", *how,
        stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **(environment or {})},
    )  # fmt: skip


async def _end(process: Process) -> None:
    try:
        async with asyncio.timeout(10.0):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()

"""A long harvest at full speed against a demo archive in another process: what grows, what lags?

python benchmarks/soak.py [COUNT [FOLDER]]: prints open files, asyncio tasks, memory and the loop's lag at the start, at
every tenth, and at the end. What it fetched stays in FOLDER, if there is one, laid out as HARVESTER_LAYOUT says.
"""

from __future__ import annotations

import asyncio
import csv
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harvester import events as ev
from harvester.config.loading import load
from harvester.demo import listed_dids
from harvester.run.context import RunContext, new_run_name
from harvester.run.execute import execute, locked_store
from harvester.run.prepare import catalog_of, prepare

LOOK = 0.005  # seconds between two looks at the loop's clock
HEADINGS = f"{'saved':>8} {'seconds':>8} {'files':>6} {'tasks':>6} {'MB':>7} {'p99 lag':>8} {'worst':>8}"


def megabytes() -> float:
    """Resident now, not at its peak."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


class Observer:
    """A watcher that prints a line at the start and each tenth, with the lags since the last one."""

    def __init__(self, count: int) -> None:
        self.count, self.saved, self.began = count, 0, time.perf_counter()
        self.lags: list[float] = []

    def __call__(self, event: ev.Event) -> None:
        if isinstance(event, ev.SpectrumSaved):
            self.saved += 1
        if isinstance(event, ev.HarvestStarted | ev.HarvestEnded) or (
            isinstance(event, ev.SpectrumSaved) and self.saved % max(1, self.count // 10) == 0
        ):
            self.tell()

    def tell(self) -> None:
        files = sum(1 for _ in Path("/proc/self/fd").iterdir()) - 1
        lags = sorted(self.lags) or [0.0]
        p99, worst = lags[int(0.99 * len(lags))] * 1000, lags[-1] * 1000
        seconds, tasks = time.perf_counter() - self.began, len(asyncio.all_tasks())
        print(
            f"{self.saved:>8} {seconds:>8.1f} {files:>6} {tasks:>6} {megabytes():>7.1f} {p99:>6.1f}ms {worst:>6.1f}ms",
            flush=True,
        )
        self.lags.clear()

    async def listen(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(LOOK)
            self.lags.append(loop.time() - before - LOOK)


async def soak(count: int, url: str, folder: Path) -> int:
    """Harvest ``count`` spectra from ``url``; the exit code."""
    catalog = folder / "labels.csv"
    with catalog.open("w", newline="") as file:
        csv.writer(file).writerows([["id"], *([did] for did in listed_dids(count))])
    limits = {"rate": 0, "concurrency": 16}
    config = load({"catalog": str(catalog), "out": str(folder / "out"), "archive": url, "limits": limits})
    name = new_run_name()
    with locked_store(config, name) as store:
        preparation = prepare(config, catalog_of(config), store)
        observer = Observer(count)
        listening = asyncio.create_task(observer.listen())
        report = await execute(RunContext.create(name, preparation, store, observer))
        listening.cancel()
    await asyncio.wait([listening])
    observer.tell()
    stats = report.stats
    print(
        f"{stats.saved} saved, {stats.requests} requests, {stats.bytes / 2**20:,.0f} MiB, exit code {stats.exit_code}"
    )
    return stats.exit_code or 0


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    demo = [sys.executable, "-m", "harvester", "demo", "--count", str(count)]
    archive = subprocess.Popen(demo, stdout=subprocess.PIPE, text=True)
    assert archive.stdout is not None
    try:
        url = archive.stdout.readline().strip()
        print(HEADINGS)
        if sys.argv[2:]:
            Path(sys.argv[2]).mkdir(parents=True)
            return asyncio.run(soak(count, url, Path(sys.argv[2])))
        with tempfile.TemporaryDirectory(prefix="soak-") as folder:
            return asyncio.run(soak(count, url, Path(folder)))
    finally:
        archive.send_signal(signal.SIGTERM)
        archive.wait()


if __name__ == "__main__":
    sys.exit(main())

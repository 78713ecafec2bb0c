"""One harvest by one process, by several, and by Dask workers: python -m benchmarks.workers [FILES] [RATE].

The same files from the same static server, by turns. Rates are of the harvest alone, without its start and its report.
Then at a rate of 100 a second, where two of four workers are killed in mid-run: the busiest second, what was asked for
twice, and what is missing. CPU is of all processes together.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.hosts import SCENARIOS, hosted
from benchmarks.wares import Wares, make_wares, score

ROUNDS = 3
WORKERS: dict[str, list[str]] = {
    "one process": [],
    "--processes 2": ["--processes", "2"],
    "dask, 2 workers": ["--engine", "dask", "--processes", "2"],
}
KILLED: dict[str, list[str]] = {
    "--processes 4": ["--processes", "4"],
    "dask, 4 workers": ["--engine", "dask", "--processes", "4"],
}
HEADINGS = f"{'':20} {'spectra/s':>9} {'CPU s/1,000':>11} {'asked':>7} {'busiest s':>9} {'missing':>7} {'exit':>4}"


@dataclass(frozen=True, slots=True)
class Outing:
    """What one run came to; ``missing`` of what the server has, by a look at the disk."""

    rate: float
    cpu: float
    asked: int
    busiest: int
    missing: int
    exit_code: int

    def line(self, name: str) -> str:
        cells = f"{self.rate:>9,.0f} {self.cpu:>11.2f} {self.asked:>7} {self.busiest:>9} {self.missing:>7}"
        return f"{name:20} {cells} {self.exit_code:>4}"


def outing(wares: Wares, how: Sequence[str], home: Path, rate: float, kill: int = 0) -> Outing:
    """One run into an empty folder; ``kill`` of its workers are killed, one when each further sixth is stored."""
    with tempfile.TemporaryDirectory(dir=home) as folder:
        work = Path(folder)
        with hosted(SCENARIOS["static"], wares.folder, work) as url:
            catalog, out = work / "wanted.csv", work / "out"
            wares.write_catalog(catalog)
            asked = ["--archive", f"{url}/dlget", "--catalog", str(catalog), "--out", str(out)]
            limits = ["--rate", str(rate), "--concurrency", "8", "--progress", "json"]
            before = _used()
            command = [sys.executable, "-m", "harvester", *asked, *limits, *how]
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=work) as run:
                summary = _summary(run, len(wares.digests), kill)
            politeness = summary["politeness"]
            return Outing(
                summary["saved"] / summary["seconds"], 1000 * (_used() - before) / max(1, summary["saved"]),
                summary["requests"], politeness["busiest_second"], score(wares, out).missing, summary["exit_code"],
            )  # fmt: skip


def _summary(run: subprocess.Popen[bytes], count: int, kill: int) -> Any:
    """What the run says last. Workers are killed meanwhile, the youngest first."""
    assert run.stdout is not None
    shown: dict[str, Any] = {}
    saved, victims = 0, kill
    for line in run.stdout:
        shown = json.loads(line)
        saved += shown["event"] == "spectrum_saved"
        if victims and saved >= count * (kill - victims + 1) // 6:
            victims -= 1
            os.kill(max(_worker_pids(run.pid)), signal.SIGKILL)
    return shown["summary"]


def _worker_pids(pid: int) -> Iterator[int]:
    """The processes that do the work of the run ``pid``."""
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            command = Path(f"/proc/{child}/cmdline").read_bytes()
            if b"spawn_main" in command or b"harvester.parallel.process_worker" in command:
                yield int(child)


def _used() -> float:
    """CPU seconds of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def median(outings: Sequence[Outing]) -> Outing:
    return sorted(outings, key=lambda outing: outing.rate)[len(outings) // 2]


def main() -> None:
    given = [int(argument) for argument in sys.argv[1:]]
    files, rate = (*given, *(3000, 100)[len(given) :])
    with tempfile.TemporaryDirectory(prefix="workers-") as folder:
        home = Path(folder)
        wares = make_wares(files, home / "wares")
        print(f"{files:,} spectra, no limit, medians of {ROUNDS}\n{HEADINGS}")
        done: dict[str, list[Outing]] = {name: [] for name in WORKERS}
        for _ in range(ROUNDS):
            for name, how in WORKERS.items():
                done[name].append(outing(wares, how, home, 0))
        for name, outings in done.items():
            print(median(outings).line(name))
        few = wares.first(min(files, 12 * rate))
        print(f"\n{len(few.digests):,} spectra at {rate} a second, two of four killed\n{HEADINGS}")
        for name, how in KILLED.items():
            print(outing(few, how, home, rate, kill=2).line(name), flush=True)


if __name__ == "__main__":
    main()

"""What does not depend on the network: start, end, and the commands over a whole harvest, for two trees by turns.

python -m benchmarks.fixed_costs --help. Each round harvests into an empty folder, then asks that folder everything
else; ``--against`` names another checkout of this repository, whose figures stand beside ours with the ratio of theirs
to ours. Byte code is kept outside the trees, as an installed program has it.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.hosts import HOME
from benchmarks.wares import Wares, make_wares

Figures = dict[str, float]
COMMANDS = {
    "plan": ["plan", "--catalog", "{catalog}", "--archive", "{url}/dlget"],
    "status": ["status"],
    "failures": ["failures"],
    "verify": ["verify"],
    "report": ["report", "--output", "{home}/report.html"],
    "export": ["export", "{home}/spectra.parquet"],
}


@dataclass(frozen=True, slots=True)
class Tree:
    """A checkout of this repository, and where the byte code of its modules is kept."""

    path: Path
    bytecode: Path

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "harvester", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("HARVESTER_", "PYTHON"))}
        return {**ours, "PYTHONPATH": str(self.path), "PYTHONPYCACHEPREFIX": str(self.bytecode)}


@dataclass(frozen=True, slots=True)
class Used:
    """One process: when it began and ended (the machine's monotonic clock), and its CPU seconds with its children's."""

    began: float
    ended: float
    cpu: float


def used(tree: Tree, arguments: Sequence[str], home: Path) -> Used:
    """Run one command to its end; its exit code is its own affair, an error is not."""
    began = time.monotonic()
    with (home / "said").open("wb") as said:
        process = subprocess.Popen(
            tree.command(*arguments), cwd=home, env=tree.environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
        _, status, usage = os.wait4(process.pid, 0)
    ended = time.monotonic()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode in (1, 2):
        raise RuntimeError((home / "said").read_text())
    return Used(began, ended, usage.ru_utime + usage.ru_stime)


@contextmanager
def server(folder: Path) -> Iterator[tuple[str, list[float]]]:
    """Yield an address, and a list that holds the times of the first and the last request once the block has ended."""
    command = [sys.executable, "-m", "benchmarks.server", str(folder), "--times"]
    times: list[float] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=HOME) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), times
        process.terminate()
        times += map(float, process.stdout.readline().split())


def measure(tree: Tree, wares: Wares, catalog: Path, home: Path) -> Figures:
    """One harvest and everything else, in seconds, and bytes for one spectrum."""
    out = home / "out"
    limits = ["--rate", "0", "--concurrency", "8", "--progress", "none"]
    with server(wares.folder) as (url, times):
        asked = ["run", "--archive", f"{url}/dlget", "--catalog", str(catalog), "--out", str(out), *limits]
        run = used(tree, asked, home)
    first, last = times
    figures = {"start to first request": first - run.began, "last response to end": run.ended - last}
    figures["whole run"] = run.ended - run.began
    state, count = out / ".harvester", len(wares.digests)
    figures["ledger, bytes a spectrum"] = sum(file.stat().st_size for file in state.glob("ledger.sqlite*")) / count
    events = sum(file.stat().st_size for file in state.glob("runs/*/events.jsonl*"))
    figures["events, bytes a spectrum"] = events / count
    for name, arguments in COMMANDS.items():
        words = [word.format(catalog=catalog, home=home, url=url) for word in arguments]
        one = used(tree, [*words, "--out", str(out)], home)
        figures[name], figures[f"{name}, CPU"] = one.ended - one.began, one.cpu
    return figures


def write_catalog(wares: Wares, path: Path) -> None:
    """Write the publisher DIDs with labels, as the genuine catalog has them."""
    wares.write_catalog(path)
    with path.open(newline="") as file:
        heads, *rows = csv.reader(file)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([[*heads, "label"], *([*row, number % 4] for number, row in enumerate(rows))])


def compare(trees: Sequence[Tree], wares: Wares, work: Path, rounds: int) -> list[list[Figures]]:
    """Measure each tree ``rounds`` times, by turns; the first round only fills the caches."""
    catalog = work / "catalog.csv"
    write_catalog(wares, catalog)
    found: list[list[Figures]] = [[] for _ in trees]
    for number in range(rounds + 1):
        for tree, figures in zip(trees, found, strict=True):
            with tempfile.TemporaryDirectory(dir=work) as home:
                figures.append(measure(tree, wares, catalog, Path(home)))
        if number == 0:
            found = [[] for _ in trees]
    return found


def lines(found: Sequence[Sequence[Figures]]) -> Iterator[str]:
    """Yield a line for each figure: the medians, and how many times ours the others' is."""
    for name in found[0][0]:
        medians = [median(figures[name] for figures in one) for one in found]
        ratios = "".join(f" {other:10.3f} {other / medians[0]:7.2f}" for other in medians[1:])
        yield f"{name:28} {medians[0]:10.3f}{ratios}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fixed_costs", description="Measure what is fixed.")
    parser.add_argument("--files", type=int, default=2000, help="how many spectra (default 2000)")
    parser.add_argument("--runs", type=int, default=3, help="how often each tree is measured (default 3)")
    parser.add_argument("--against", type=Path, action="append", default=[], metavar="TREE", help="another checkout")
    parser.add_argument("--work", type=Path, help="folder on the disk to measure (default: the temporary one)")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fixed-", dir=chosen.work) as folder:
        work = Path(folder).resolve()
        paths = [HOME, *(path.resolve() for path in chosen.against)]
        trees = [Tree(path, work / f"bytecode{number}") for number, path in enumerate(paths)]
        found = compare(trees, make_wares(chosen.files, work / "wares"), work, chosen.runs)
        print(f"{chosen.files:,} spectra, medians of {chosen.runs}; the others' figure and how many times ours it is")
        print("\n".join(lines(found)))


if __name__ == "__main__":
    main()

"""How long a large catalog keeps its first request waiting, and how much memory that takes.

python benchmarks/size.py [COUNT ...]: 13,334, a million and ten million by default. Each is harvested from a
demo archive in another process, into an empty folder and into one that lacks only the last hundred, until a hundred
requests are answered and everything is enrolled. The files that are there are links to a few; more than a million are
laid out in 256 folders.
"""

from __future__ import annotations

import asyncio
import csv
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path

from harvester import events as ev
from harvester.catalog.names import names_of
from harvester.config.configuration import Configuration
from harvester.config.loading import load
from harvester.demo import listed_dids
from harvester.fits.hdu import BLOCK
from harvester.run.context import RunContext, new_run_name
from harvester.run.execute import execute, locked_store
from harvester.run.prepare import catalog_of, prepare
from harvester.storage.layout import layout_of

ASKED = 100  # spectra at either end, which the archive has
LINKS = 30_000  # names that a file system lets one file have
MOST_FLAT = 1_000_000  # more names in one folder than a disk should be asked for
HEADINGS = f"{'spectra':>11} {'there':>11} {'request s':>10} {'CPU s':>7} {'MB then':>8} {'end s':>8} {'peak MB':>8}"


def dids(count: int) -> Iterator[str]:
    """The demo archive's at both ends, between them others of the same shape in no order."""
    known = listed_dids(2 * ASKED)
    yield from islice(known, ASKED)
    for number in range(count - 2 * ASKED):
        mixed = number * 387_420_489 % 10**9
        yield f"ivo://asu.cas.cz/stel/ccd700/{'abcdefgh'[mixed % 8]}{'klmnopqr'[mixed % 7]}{mixed:010}"
    yield from known


def write_catalog(path: Path, count: int) -> None:
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "label"])
        rows.writerows((did, number % 4) for number, did in enumerate(dids(count)))


def peak() -> float:
    """MB that this process has had at most."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


class Clock:
    """A watcher that notes the first request: seconds since the process began, seconds of CPU, and MB."""

    def __init__(self, began: float) -> None:
        self.began = began
        self.first: list[float] = []

    def __call__(self, event: ev.Event) -> None:
        if isinstance(event, ev.RequestSent) and not self.first:
            self.first = [time.time() - self.began, time.process_time(), peak()]


def measured(config: Configuration, began: float) -> str:
    """One run; what it took, as a line."""
    name, clock = new_run_name(), Clock(began)
    catalog = catalog_of(config)
    with locked_store(config, name) as store:
        preparation = prepare(config, catalog, store)
        there = len(preparation.plan.present)
        asyncio.run(execute(RunContext.create(name, preparation, store, clock)))
    first, cpu, then = clock.first
    begin = f"{len(catalog.dids):>11,} {there:>11,} {first:>10.1f} {cpu:>7.1f} {then:>8.0f}"
    return f"{begin} {time.time() - began:>8.1f} {peak():>8.0f}"


def configured(url: str, catalog: str, out: str, layout: str) -> Configuration:
    limits = {"rate": 0, "concurrency": 8}
    asked = {"catalog": catalog, "out": out, "archive": url, "layout": layout}
    return load({**asked, "limit": ASKED, "limits": limits})


def fill(config: Configuration) -> None:
    """All but the last spectra, as an earlier run would have left them: one file under many names, and the ledger."""
    catalog = catalog_of(config)
    names, last = names_of(catalog.segments, {}), len(catalog.dids) - ASKED
    layout = layout_of(config.out)
    for number, did in enumerate(islice(catalog.dids, ASKED, last)):
        path = config.out / layout.relative_path(names.of(did))
        if number % LINKS == 0:
            path.write_bytes(bytes(BLOCK))
            origin = path
        else:
            path.hardlink_to(origin)
    with closing(sqlite3.connect(config.out / ".harvester/ledger.sqlite")) as ledger, ledger:
        proof = "status = 'saved', bytes = ?, sha256 = randomblob(32), attempts = 1, url = did"
        ledger.execute(f"UPDATE entry SET {proof} WHERE bytes IS NULL", (BLOCK,))
        missing = ((did,) for did in islice(catalog.dids, last, None))
        ledger.executemany("UPDATE entry SET status = 'wanted' WHERE did = ?", missing)


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        print(measured(configured(*sys.argv[3:7]), float(sys.argv[2])), flush=True)
        return
    counts = [int(argument) for argument in sys.argv[1:]] or [13_334, 1_000_000, 10_000_000]
    demo = [sys.executable, "-m", "harvester", "demo", "--count", str(2 * ASKED), "--latency", "0.1"]
    with subprocess.Popen(demo, stdout=subprocess.PIPE, text=True) as archive:
        try:
            assert archive.stdout is not None
            url = archive.stdout.readline().strip()
            print(HEADINGS)
            for count in counts:
                with tempfile.TemporaryDirectory(prefix="size-") as folder:
                    measure(url, count, Path(folder))
        finally:
            archive.terminate()


def measure(url: str, count: int, folder: Path) -> None:
    """Each run in a process of its own: only so has it a peak of its own."""
    catalog, out = folder / "wanted.csv", folder / "out"
    write_catalog(catalog, count)
    run = [sys.executable, __file__, "--one"]
    asked = [url, str(catalog), str(out), "flat" if count <= MOST_FLAT else "hashed"]
    subprocess.run([*run, str(time.time()), *asked], check=True)
    fill(configured(*asked))
    subprocess.run([*run, str(time.time()), *asked], check=True)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()

"""kill -9 at any moment: no partial file is ever visible, nothing is lost, little is asked twice."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from harvester.demo import DemoArchive, RequestLog, listed_dids, serve
from harvester.model.expectation import Expectation
from harvester.model.outcomes import VerifiedSpectrum
from harvester.model.target import SpectrumId
from harvester.storage.layout import Layout
from harvester.verify import verify_spectrum
from tests.support.harvests import leftovers, write_catalog
from tests.support.paths import REPOSITORY

HERE = REPOSITORY
COUNT, CONCURRENCY, KILLS = 250, 6, 5
EXPECTED = Expectation(normalized=True)

MUTANTS = {
    "none": "",
    "write in place": """
from harvester.storage import group_commit
def in_place(folder, files, together):
    import time
    for name, body in files:
        with (folder / name).open("wb") as file:
            file.write(body[:9000]); file.flush(); time.sleep(0.002); file.write(body[9000:])
    return [None] * len(files)
group_commit.commit = in_place
""",
    "a storage process at once": """
from harvester.parallel import adaptive_storage
adaptive_storage.SATURATED = adaptive_storage.SPARE = adaptive_storage.SPELL = 0.0
adaptive_storage.spare_cores = lambda: 1
""",
}


class Watch(threading.Thread):
    """Reads every visible file all the time and counts those that are not the whole spectrum of their name.

    A file that was found whole is read again when its inode says that it changed, and once more at the end: that leaves
    the processor to the harvest and the archive.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.folder, self.done = folder, threading.Event()
        self.wrong: Counter[str] = Counter()
        self.sound: dict[str, tuple[int, int, int, int]] = {}
        self.checks = 0

    def run(self) -> None:
        while not self.done.is_set():
            self.look()
            time.sleep(0.001)
        self.sound.clear()
        self.look()

    def look(self) -> None:
        """Look at all files that are there."""
        for path in self.folder.rglob("*.fits"):
            did = SpectrumId(f"ivo://asu.cas.cz/stel/ccd700/{path.stem}")
            try:
                found = path.stat()
                inode = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
                if inode == self.sound.get(path.name):
                    self.checks += 1
                    continue
                body = path.read_bytes()
            except FileNotFoundError:
                continue  # set aside by the next run: seen wrong before that, or never
            self.checks += 1
            if isinstance(verify_spectrum(body, did, EXPECTED), VerifiedSpectrum):
                self.sound[path.name] = inode
            else:
                self.wrong[path.name] += 1


def start(url: str, catalog: Path, out: Path, mutant: str, layout: Layout) -> subprocess.Popen[bytes]:
    flags = ["--archive", url, "--catalog", str(catalog), "--out", str(out), "--rate", "0", "--progress", "none"]
    flags += ["--layout", layout]
    program = f"{MUTANTS[mutant]}\nfrom harvester.cli import main\nmain()"
    return subprocess.Popen(
        [sys.executable, "-c", program, *flags, "--concurrency", str(CONCURRENCY)],
        env={**os.environ, "PYTHONPATH": str(HERE)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


async def harvest_through_kills(
    tmp_path: Path, mutant: str, layout: Layout = Layout.FLAT
) -> tuple[Watch, RequestLog, int]:
    """Kill harvests at random moments until KILLS have hit, then let one finish; its exit code comes last."""
    chance = random.Random(5)
    out = tmp_path / "out"
    catalog = write_catalog(tmp_path / "labels.csv", listed_dids(COUNT))
    watch = Watch(out)
    watch.start()
    async with serve(DemoArchive(count=COUNT, latency=0.06)) as archive:
        for _ in range(KILLS):
            seen = archive.log.requests
            process = start(archive.dlget, catalog, out, mutant, layout)
            async with asyncio.timeout(20):
                while archive.log.requests == seen:  # noqa: ASYNC110 - the log is a counter, it has no event to wait for
                    await asyncio.sleep(0.01)
            await asyncio.sleep(chance.uniform(0.05, 0.6))
            process.kill()
            await asyncio.to_thread(process.wait)
        code = await asyncio.to_thread(start(archive.dlget, catalog, out, mutant, layout).wait)
    watch.done.set()
    watch.join()
    return watch, archive.log, code


@pytest.mark.parametrize(
    ("layout", "mutant"), [(Layout.FLAT, "none"), (Layout.HASHED, "none"), (Layout.HASHED, "a storage process at once")]
)
async def test_kills_leave_only_whole_files_and_repeat_only_what_was_in_flight(
    tmp_path: Path, layout: Layout, mutant: str
) -> None:
    watch, log, code = await harvest_through_kills(tmp_path, mutant, layout)
    assert code == 0
    assert watch.checks > COUNT
    assert not watch.wrong
    assert len({path.name for path in (tmp_path / "out").rglob("*.fits")}) == COUNT
    assert not leftovers(tmp_path)
    assert log.requests - COUNT <= KILLS * CONCURRENCY, "what was in flight; what was received is stored"


async def test_a_store_that_writes_in_place_fails_this_test(tmp_path: Path) -> None:
    watch, _, _ = await harvest_through_kills(tmp_path, "write in place")
    assert watch.wrong

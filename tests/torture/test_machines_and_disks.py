"""Read-only and full disks, two machines on one directory or bucket, and callers that cancel again and again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner

import harvester
from harvester.cli import commands
from harvester.demo import DemoArchive, RunningArchive, listed_dids, serve
from harvester.model.expectation import Expectation
from harvester.model.outcomes import VerifiedSpectrum
from harvester.model.target import SpectrumId
from harvester.verify import verify_spectrum
from tests.support.attacked_program import compiled, needs_compiler
from tests.support.fault_server import Fault, ok, says, serving_faults
from tests.support.harvests import QUICK, fits_names, harvest_demo, harvest_from, leftovers, write_catalog
from tests.support.object_servers import BUCKET, SERVERS
from tests.support.paths import REPOSITORY

COUNT = 40
DIDS = list(listed_dids(COUNT))
NAMES = {f"{did.rpartition('/')[2]}.fits": did for did in DIDS}


@contextlib.contextmanager
def mounted(place: Path, *how: str) -> Iterator[Path]:
    place.mkdir(exist_ok=True)
    done = subprocess.run(["mount", *how, place], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no mounts here, be root: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


async def command(arguments: Sequence[object], folder: Path, before: Sequence[str] = (), **environment: str) -> Any:
    """Run the program, or ``before`` it; its exit code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *before, sys.executable, "-m", "harvester", *map(str, arguments), cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    printed, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, printed.decode()


# ---- disks


def test_every_reading_command_works_on_a_read_only_disk(tmp_path: Path) -> None:
    asyncio.run(harvest_demo(tmp_path / "out", 4))
    files = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    with mounted(tmp_path / "place", "--bind", str(tmp_path / "out")) as place:
        subprocess.run(["mount", "-o", "remount,ro,bind", place], check=True)
        of = ["--out", place]
        reading = {
            "status": ["status", *of], "failures": ["failures", *of], "verify": ["verify", "--processes", "1", *of],
            "report": ["report", "-o", tmp_path / "page.html", *of], "diff": ["diff", "last", "disk", *of],
            "export": ["export", tmp_path / "set.parquet", *of], "quarantine": ["quarantine", "list", *of],
            "preview": ["preview", "na010010", *of], "config": ["config", *of],
        }  # fmt: skip
        ended = {name: CliRunner().invoke(commands, [*map(str, words)], standalone_mode=False)
                 for name, words in reading.items()}  # fmt: skip
        assert len(harvester.open_harvest(place)) == 4
        code, said = asyncio.run(command(["run", "--archive", "demo", "--rate", "0", *of], tmp_path))
    for name, done in ended.items():
        assert (done.exception, done.return_value or 0) == (None, 0), f"{name}: {done.output}"
    assert (code, said.count("\n")) == (6, 1)
    assert "read-only" in said
    assert files == {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}


async def test_a_disk_that_is_full_of_rejected_bodies_costs_no_spectrum(tmp_path: Path) -> None:
    bad: dict[str, Fault] = dict.fromkeys(DIDS[1:20:2], says(ok(b"<html>" + b"x" * 90_000)))
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=1m", "none") as disk:
        async with serving_faults(bad) as server:
            limits = {"attempts": 1, "disk_wait": 0.3}
            result = await harvest_from(server.archive, disk / "out", DIDS[:20], limits=limits)
            full = result.report.stats
            shutil.rmtree(disk / "out" / ".harvester" / "quarantine")
            again = await harvest_from(server.archive, disk / "out", DIDS[:20:2], limits=limits)
        saved = fits_names(disk / "out")
        assert all(verified(disk / "out" / name) for name in saved)
        assert not leftovers(disk / "out")
    assert full.listed == full.present + full.saved + full.failed + full.remaining
    assert full.exit_code == 6
    assert (again.report.stats.failed, again.report.stats.exit_code) == (0, 0)
    assert saved == {f"{did.rpartition('/')[2]}.fits" for did in DIDS[:20:2]}


def verified(path: Path) -> bool:
    verdict = verify_spectrum(path.read_bytes(), SpectrumId(NAMES[path.name]), Expectation(normalized=True))
    return isinstance(verdict, VerifiedSpectrum)


# ---- two machines

APART = ("unshare", "--uts", "--net", "--pid", "--fork", "--mount-proc")


def machine(name: str, program: str = "") -> list[str]:
    """What makes a command run on a machine of this name: host name, processes and network are its own."""
    missing = [tool for tool in ("unshare", "ip", "hostname") if shutil.which(tool) is None]
    if missing or os.geteuid() or subprocess.run([*APART, "true"], check=False, capture_output=True).returncode:
        pytest.skip(f"machines of their own need root, namespaces and {', '.join(missing) or 'the right to make them'}")
    inside = f'hostname {name}; ip link set lo up; {program} exec "$@"'
    return [*APART, "sh", "-c", inside, "sh"]


@contextlib.asynccontextmanager
async def two_machines(tmp_path: Path, **environment: str) -> AsyncIterator[tuple[list[Any], RunningArchive, Path]]:
    """Two machines that harvest into one directory at once, each from a relay to the archive; how both ended."""
    if shutil.which("socat") is None:
        pytest.skip("the machines reach the archive through socat: install it")
    async with serve(DemoArchive(count=COUNT, latency=0.3)) as archive:  # so that the first is at work still
        port = archive.dlget.split(":")[2].split("/")[0]
        bridge = await asyncio.create_subprocess_exec(
            "socat", f"UNIX-LISTEN:{tmp_path}/archive,fork", f"TCP:127.0.0.1:{port}"
        )
        try:
            while not (tmp_path / "archive").exists():  # noqa: ASYNC110 - a file has no event for this
                await asyncio.sleep(0.02)
            relay = f"socat TCP-LISTEN:{port},fork,bind=127.0.0.1 UNIX-CONNECT:{tmp_path}/archive & sleep 0.3;"
            catalog = write_catalog(tmp_path / "wanted.csv", DIDS)
            given = ["run", "--archive", archive.dlget, "--catalog", catalog, "--out", tmp_path / "out", "--rate", "0"]
            ended = await asyncio.gather(*(
                command([*given, "--progress", "none"], tmp_path, machine(name, relay), **environment)
                for name in ("north", "south")
            ))  # fmt: skip
            yield ended, archive, tmp_path / "out"
        finally:
            bridge.terminate()
            await bridge.wait()


async def test_of_two_machines_on_one_directory_one_works_and_the_other_says_which(tmp_path: Path) -> None:
    async with two_machines(tmp_path) as (ended, archive, out):
        assert sorted(code for code, _ in ended) == [0, 75], ended
        (refused,) = (printed for code, printed in ended if code == 75)
        assert "another run is using this directory" in refused
        assert "on north" in refused or "on south" in refused
        assert archive.log.requests == COUNT
    assert fits_names(out) == set(NAMES)


@needs_compiler
async def test_two_machines_whose_locks_do_not_work_leave_no_wrong_file(tmp_path: Path) -> None:
    library = str(compiled(tmp_path))
    async with two_machines(tmp_path, LD_PRELOAD=library, NO_LOCKS="1") as (ended, archive, out):
        assert all("Traceback" not in printed for _, printed in ended), ended
        assert all(verified(path) for path in out.glob("*.fits"))
        assert archive.log.requests <= 2 * COUNT
        result = await harvest_from(archive, out, DIDS)
    assert result.report.stats.exit_code == 0
    assert fits_names(out) == set(NAMES)
    assert all(verified(path) for path in out.glob("*.fits"))
    assert not leftovers(out)


async def test_two_machines_on_one_bucket_leave_each_spectrum_once_and_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    obstore = pytest.importorskip("obstore", reason="needs the extra objects")
    with SERVERS["moto"](tmp_path) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        url = f"s3://{BUCKET}/{uuid4().hex[:8]}"
        async with serve(DemoArchive(count=COUNT, latency=0.02)) as archive:
            catalog = write_catalog(tmp_path / "wanted.csv", DIDS)
            given = ["run", "--archive", archive.dlget, "--catalog", catalog, "--out", url, "--rate", "0"]
            homes = [["--state", tmp_path / name, "--progress", "none"] for name in ("north", "south")]
            ended = await asyncio.gather(*(command([*given, *home], tmp_path) for home in homes))
            requests = archive.log.requests
        store = obstore.store.from_url(url)
        found = {
            one["path"]: one["size"] for some in obstore.list(store) for one in some if one["path"].endswith("fits")
        }
    assert [code for code, _ in ended] == [0, 0], ended
    assert set(found) == set(NAMES)
    assert requests <= 2 * COUNT


# ---- callers


async def test_a_storm_of_cancellations_leaves_whole_files_and_a_free_directory(tmp_path: Path) -> None:
    """In the caller's loop and in threads with loops of their own; each run goes on where the last one stopped."""
    chance, out = Random(16), tmp_path / "out"
    async with serve(DemoArchive(count=COUNT, latency=0.01)) as archive:
        asked: dict[str, Any] = {"out": out, "archive": archive.dlget, "limits": QUICK}
        for number in range(12):
            if number % 3 == 2:
                await in_a_thread(asked, chance.uniform(0.0, 0.2))
                continue
            running = asyncio.create_task(harvester.harvest(DIDS, **asked))
            for _ in range(chance.randint(1, 6)):
                await asyncio.sleep(chance.uniform(0.0, 0.05))
                running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        assert not [
            task for task in tasks if "harvester" in str(task.get_coro()) and "demo" not in str(task.get_coro())
        ]
        assert all(verified(path) for path in out.glob("*.fits"))
        result = await harvester.harvest(DIDS, **asked)
        assert result.complete
        assert sum(archive.log.by_did.values()) <= COUNT + 12 * int(QUICK["concurrency"])
    assert not leftovers(out)


async def in_a_thread(asked: dict[str, Any], after: float) -> None:
    """Harvest some by the plain call in a thread, while this loop runs and what awaits the thread is cancelled."""
    thread = asyncio.create_task(asyncio.to_thread(harvester.harvest_sync, DIDS, **asked, limit=3))
    done, _ = await asyncio.wait((thread,), timeout=after)
    if not done:
        assert (await thread).exit_code in (0, 4)

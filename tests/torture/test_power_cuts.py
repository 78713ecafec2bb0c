"""Power cuts, simulated: an ext4 image on a loop device is copied under a writer's feet, and the copy mounted.

What the copy has is what a machine would find after its power failed at that moment: blocks that no fsync had forced
out are not in it. The recipe must lose no acknowledged file and show no corrupt one; two mutants of it must fail.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from harvester.demo import DemoArchive, RunningArchive, serve
from harvester.storage.fsync import reports_write_errors
from harvester.storage.layout import Layout
from tests.support.attacked_program import Program, attacked_program, needs_compiler
from tests.support.paths import REPOSITORY
from tests.torture import power_cuts
from tests.torture.power_cuts import Disks
from tests.torture.scenes import BY_NAME, COUNT, Scene, make_bases

MISSING = [tool for tool in ("mkfs.ext4", "mount", "umount") if shutil.which(tool) is None]
pytestmark = pytest.mark.skipif(
    bool(MISSING) or os.geteuid() != 0, reason="power cuts need root and e2fsprogs: run the tests as root"
)

WRITER = """
import hashlib, os, sys
from pathlib import Path
from harvester.storage import atomic as recipe
from harvester.storage.layout import Layout, write_layout

folder, acknowledged, mutant, together = Path(sys.argv[1]), open(sys.argv[2], "a"), sys.argv[3], sys.argv[4] == "True"
layout = Layout(sys.argv[5])
(folder / ".harvester").mkdir()
write_layout(folder, layout)
parts = 3 if layout is Layout.FLAT else 6  # so many folders are synced one by one, or all at once
if mutant == "rename without fsync":
    recipe.os = type("NoSync", (), {**vars(os), "fsync": staticmethod(lambda descriptor: None)})
    recipe.sync_file_system = lambda descriptor: None
if mutant == "write in place":
    recipe.commit = lambda folder, files, together: [(folder / name).write_bytes(body) and None for name, body in files]
for number in range(100_000):
    body = lambda part: hashlib.sha256(f"{number} {part}".encode()).digest() * 1170
    files = [(layout.relative_path(f"n{number}-{part}"), body(part)) for part in range(parts)]
    results = recipe.commit(folder, files, together)
    for (name, _), result in zip(files, results):
        if result is None:
            acknowledged.write(name + "\\n")
    acknowledged.flush()
"""


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What a power cut left: files that were acknowledged, those of them that are gone, and those that are corrupt."""

    acknowledged: int
    missing: int
    corrupt: int
    visible: int


@contextmanager
def mounted(image: Path, place: Path) -> Iterator[Path]:
    place.mkdir(exist_ok=True)
    mount = subprocess.run(["mount", "-o", "loop", image, place], capture_output=True, text=True, check=False)
    if mount.returncode:
        pytest.skip(f"no loop mounts here: {mount.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def cut_power(
    tmp_path: Path, mutant: str, after: float, together: bool = False, layout: Layout = Layout.FLAT
) -> Aftermath:
    image, copy, log = tmp_path / "disk", tmp_path / "disk after", tmp_path / "acknowledged"
    with image.open("wb") as file:
        file.truncate(96 * 1024 * 1024)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    log.touch()
    with mounted(image, tmp_path / "before") as folder:
        here = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        how = [mutant, str(together), layout]
        writer = subprocess.Popen([sys.executable, "-c", WRITER, folder, log, *how], env=here)
        while not log.stat().st_size:
            assert writer.poll() is None, "the writer ended before its first file"
            time.sleep(0.01)
        time.sleep(after)
        writer.send_signal(signal.SIGSTOP)
        acknowledged = log.read_text().split("\n")[:-1]  # the last line may be half written
        shutil.copyfile(image, copy)
        writer.kill()
        writer.wait()
    with mounted(copy, tmp_path / "after") as folder:
        found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.fits")}
    corrupt = sum(body != expected(name) for name, body in found.items())
    return Aftermath(len(acknowledged), len(set(acknowledged) - set(found)), corrupt, len(found))


def expected(name: str) -> bytes:
    number, _, part = Path(name).name.removeprefix("n").removesuffix(".fits").partition("-")
    return hashlib.sha256(f"{number} {part}".encode()).digest() * 1170


@pytest.mark.parametrize("after", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("together", [False, reports_write_errors()], ids=["each synced", "synced together"])
@pytest.mark.parametrize("layout", Layout)
def test_no_acknowledged_file_is_lost_and_none_is_corrupt(
    tmp_path: Path, after: float, together: bool, layout: Layout
) -> None:
    found = cut_power(tmp_path, "none", after, together, layout)
    assert found.acknowledged > 0
    assert (found.missing, found.corrupt) == (0, 0)


@pytest.mark.parametrize("together", [False, reports_write_errors()], ids=["each synced", "synced together"])
@pytest.mark.parametrize("mutant", ["rename without fsync", "write in place"])
def test_a_recipe_without_one_of_its_steps_fails_this_test(tmp_path: Path, mutant: str, together: bool) -> None:
    found = cut_power(tmp_path, mutant, 0.5, together)
    assert found.missing or found.corrupt


# ---- whole commands, on three file systems


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def attacked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Program, RunningArchive, Disks]]:
    folder = tmp_path_factory.mktemp("cuts")
    server = serve(DemoArchive(count=COUNT, latency=0.01))
    async with server as archive, attacked_program(folder / "program") as program:
        await make_bases(program, archive, folder / "bases")
        yield program, archive, Disks(folder)


def make_disk(kind: str, disks: Disks, scene: Scene) -> None:
    """Make the scene's image, or skip the test with the reason."""
    if kind not in power_cuts.available():
        pytest.skip(f"power cuts on {kind} need root, its kernel module and mkfs.{kind}")
    if not disks.image(kind, scene.base).exists():
        try:
            disks.make(kind, disks.folder / "bases" / scene.base)
        except subprocess.CalledProcessError as error:
            disks.image(kind, scene.base).unlink(missing_ok=True)
            pytest.skip(f"no {kind} image can be mounted here: {error.stderr.decode().strip()}")


@needs_compiler
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("kind", power_cuts.MEGABYTES)
@pytest.mark.parametrize("name", ["run", "layout"])
async def test_a_command_loses_nothing_that_it_acknowledged(
    attacked: tuple[Program, RunningArchive, Disks], kind: str, name: str
) -> None:
    scene, (program, archive, disks) = BY_NAME[name], attacked
    make_disk(kind, disks, scene)
    for number in (1, 2):
        _, story, verdict = await power_cuts.trial(program, archive, disks, kind, scene, number)
        assert verdict.good, f"{story}: {verdict}"


NO_SYNC = """
import os
from harvester.storage import atomic
os.fsync = lambda descriptor: None
atomic.sync_file_system = lambda descriptor: None
from harvester.ledger import writer
synced = writer.open_for_writing
def unsynced(path):
    connection = synced(path)
    connection.execute("PRAGMA synchronous=OFF")
    return connection
writer.open_for_writing = unsynced
"""


@needs_compiler
@pytest.mark.asyncio(loop_scope="module")
async def test_a_program_that_syncs_nothing_fails_this_test(attacked: tuple[Program, RunningArchive, Disks]) -> None:
    scene, (program, archive, disks) = BY_NAME["run"], attacked
    make_disk("ext4", disks, scene)
    cuts = [await power_cuts.trial(program, archive, disks, "ext4", scene, number, NO_SYNC) for number in range(3)]
    assert any(verdict.wrong or verdict.lost for _, _, verdict in cuts)

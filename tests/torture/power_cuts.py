"""The power fails at any moment of a command: an image of ext4, xfs or btrfs is copied under it, and the copy judged.

``python -m tests.torture.power_cuts --seed 0 --seconds 600``, as root.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

from harvester.demo import DemoArchive, RunningArchive, serve
from tests.support.attacked_program import Program, attacked_program, signal_session
from tests.torture.campaign import Trial, main
from tests.torture.scenes import COUNT, DIDS, SCENES, Scene, Stage, judge, make_bases, right_spectra

MEGABYTES = {"ext4": 48, "btrfs": 128, "xfs": 320}  # as small as each can be made
LONGEST = 0.35  # seconds that most commands take


def available() -> list[str]:
    """The file systems that can be made and mounted here."""
    if os.geteuid() or shutil.which("mount") is None:
        return []
    known = Path("/proc/filesystems").read_text().split()
    return [kind for kind in MEGABYTES if kind in known and shutil.which(f"mkfs.{kind}")]


@dataclass(frozen=True, slots=True)
class Disks:
    """Where images lie and are mounted."""

    folder: Path

    def make(self, kind: str, base: Path) -> None:
        """Make the image of ``kind`` that has a copy of the harvest ``base`` on it."""
        image = self.image(kind, base.name)
        with image.open("wb") as file:
            file.truncate(MEGABYTES[kind] * 2**20)
        subprocess.run([f"mkfs.{kind}", "-q", image], check=True, capture_output=True)
        with self.mounted(image) as place:
            shutil.copytree(base, place / "trial", dirs_exist_ok=True)

    def image(self, kind: str, base: str) -> Path:
        return self.folder / f"{kind} {base}"

    @contextmanager
    def mounted(self, image: Path) -> Iterator[Path]:
        """Mount the image, always at the same place: paths are in the arguments of commands."""
        place = self.folder / "mounted"
        place.mkdir(exist_ok=True)
        subprocess.run(["mount", "-o", "loop", image, place], check=True, capture_output=True)
        try:
            yield place
        finally:
            self._release(place)

    def _release(self, place: Path) -> None:
        """Unmount, once the last process there has ended."""
        for _ in range(100):
            if not subprocess.run(["umount", place], check=False, capture_output=True).returncode:
                return
            time.sleep(0.1)
        subprocess.run(["umount", "--lazy", place], check=True)


def copy_sparse(image: Path, to: Path) -> None:
    """Copy an image in milliseconds: its holes are not read."""
    subprocess.run(["cp", "--sparse=always", image, to], check=True)


def acknowledged(printed: str) -> set[str]:
    """The names of the spectra that a run has said to be saved."""
    names = set()
    for line in printed.splitlines():
        with suppress(ValueError, KeyError, TypeError):
            event = json.loads(line)
            if event["event"] == "spectrum_saved":
                names.add(f"{event['id'].rpartition('/')[2]}.fits")
    return names & {f"{did.rpartition('/')[2]}.fits" for did in DIDS}


async def cut(
    program: Program, stage: Stage, scene: Scene, after: float, image: Path, copy: Path, mutant: str = ""
) -> set[str]:
    """Run the scene, and copy the image while everything stands still; what was acknowledged by then."""
    arguments = ["json" if word == "none" else word for word in scene.arguments(stage)]
    pid = await program.start(arguments, stage.folder, mutant=mutant)
    await asyncio.sleep(after)
    while mutant and not acknowledged(program.printed):  # noqa: ASYNC110 - a file has no event for this
        await asyncio.sleep(0.01)
    signal_session(pid, signal.SIGSTOP)
    promised = acknowledged(program.printed)
    await asyncio.to_thread(copy_sparse, image, copy)
    signal_session(pid, signal.SIGKILL)
    await program.end()
    return promised


async def trial(
    program: Program, archive: RunningArchive, disks: Disks, kind: str, scene: Scene, number: int, mutant: str = ""
) -> Trial:
    """The trial with this number."""
    image, copy = disks.folder / "trial image", disks.folder / "image after"
    copy_sparse(disks.image(kind, scene.base), image)
    stage = Stage(archive, disks.folder / "mounted" / "trial")
    after = Random(number).uniform(0.02, LONGEST)
    with disks.mounted(image):
        before = right_spectra(stage)
        promised = await cut(program, stage, scene, after, image, copy, mutant)
    with disks.mounted(copy):
        verdict = await judge(program, stage, scene, before | promised, None)
    story = f"trial {number}: after {after:.3f} s, {len(promised)} acknowledged"
    return f"power cut, {kind}, {scene.name}", story, verdict


async def campaign(folder: Path, seed: int) -> AsyncIterator[Trial]:
    """Trials without end: each scene on each file system in turn."""
    kinds = available()
    assert kinds, "power cuts need root, mount, and mkfs of ext4, xfs or btrfs"
    disks = Disks(folder)
    server = serve(DemoArchive(count=COUNT, latency=0.01))
    async with server as archive, attacked_program(folder / "program") as program:
        await make_bases(program, archive, folder / "bases")
        for kind in kinds:
            for name in {scene.base for scene in SCENES}:
                disks.make(kind, folder / "bases" / name)
        number = seed
        while True:
            kind, scene = kinds[number // len(SCENES) % len(kinds)], SCENES[number % len(SCENES)]
            yield await trial(program, archive, disks, kind, scene, number)
            number += 1


if __name__ == "__main__":
    main(campaign, __doc__)

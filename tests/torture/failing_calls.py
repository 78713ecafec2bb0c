"""The n-th write, fsync, rename, create, unlink, mkdir, truncate or read of a command fails, once or from then on.

``python -m tests.torture.failing_calls --seed 0 --seconds 600``
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

from harvester.demo import DemoArchive, RunningArchive, serve
from tests.support.attacked_program import KINDS, Failing, Program, attacked_program
from tests.torture.campaign import Trial, main
from tests.torture.scenes import COUNT, SCENES, Scene, judge, make_bases, right_spectra, staged

ERRORS = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EMFILE)


async def calls_of(program: Program, archive: RunningArchive, bases: Path, scene: Scene, folder: Path) -> list[str]:
    """The kinds of all calls that the scene makes when none fails, in order."""
    stage = staged(archive, bases, scene, folder)
    log = folder.with_name("calls")
    ended = await program.run(scene.arguments(stage), stage.folder, failing=Failing(folder), log=log)
    assert ended.code in (0, 3), (scene.name, ended)
    calls = [line.split()[2] for line in log.read_text().splitlines()]
    log.unlink()
    shutil.rmtree(folder)
    return calls


async def trial(
    program: Program, archive: RunningArchive, bases: Path, scene: Scene, calls: list[str], folder: Path, number: int
) -> Trial:
    """The trial with this number."""
    chance = Random(number)
    kind = chance.choice([kind for kind in KINDS if kind in calls])
    at = chance.randint(1, calls.count(kind))
    fault = errno.EIO if kind == "read" else chance.choice(ERRORS)
    stage = staged(archive, bases, scene, folder)
    before = right_spectra(stage)
    failing = Failing(folder, [kind], at, fault, chance.random() < 0.3)
    how = " and all later ones fail" if failing.from_then_on else " fails"
    log = folder.with_name("failed")
    ended = await program.run(scene.arguments(stage), stage.folder, failing=failing, log=log)
    hit = [line for line in log.read_text().splitlines() if line.startswith("failed")] if log.exists() else []
    log.unlink(missing_ok=True)
    verdict = await judge(program, stage, scene, before, ended)
    shutil.rmtree(folder, ignore_errors=True)
    story = (
        f"trial {number}: {kind} {at}{how} with {errno.errorcode[fault]} ({hit[:1]}); it said {ended.printed[-300:]!r}"
    )
    return f"failing calls, {scene.name}", story, verdict


async def campaign(folder: Path, seed: int) -> AsyncIterator[Trial]:
    """Trials without end, each scene in turn."""
    async with serve(DemoArchive(count=COUNT)) as archive, attacked_program(folder / "program") as program:
        await make_bases(program, archive, folder / "bases")
        calls = {
            scene.name: await calls_of(program, archive, folder / "bases", scene, folder / "trial") for scene in SCENES
        }
        number = seed
        while True:
            scene = SCENES[number % len(SCENES)]
            yield await trial(program, archive, folder / "bases", scene, calls[scene.name], folder / "trial", number)
            number += 1


if __name__ == "__main__":
    main(campaign, __doc__)

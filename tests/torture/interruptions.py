"""Commands that are killed or frozen at any moment, whose clock jumps, or that may not open, write or allocate much.

``python -m tests.torture.interruptions --seed 0 --seconds 600``
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

from harvester.demo import DemoArchive, RunningArchive, serve
from tests.support.attacked_program import Clock, Ended, Program, attacked_program
from tests.torture.campaign import Trial, main
from tests.torture.scenes import COUNT, SCENES, Scene, Stage, judge, make_bases, right_spectra, staged

LONGEST = 0.35  # seconds that most commands take
LINKER = "cannot allocate memory for thread-local data: ABORT"
"""With this, or by a signal, libraries in C end a process whose memory is short: nothing of ours can say a sentence."""


@dataclass(frozen=True, slots=True)
class Scenery:
    """What all trials share."""

    program: Program
    archive: RunningArchive
    clock: Clock
    bases: Path
    folder: Path


Attack = Callable[[Scenery, Scene, Stage, Random], Awaitable[Ended | None]]


async def kill(scenery: Scenery, scene: Scene, stage: Stage, chance: Random) -> Ended | None:
    """SIGKILL for it and the processes that it started."""
    pid = await scenery.program.start(scene.arguments(stage), stage.folder)
    await asyncio.sleep(chance.uniform(0.0, LONGEST))
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    ended = await scenery.program.end()
    return None if ended.code < 0 else ended


async def interrupt(scenery: Scenery, scene: Scene, stage: Stage, chance: Random) -> Ended | None:
    """One to three signals that ask it to stop, at any moment."""
    pid = await scenery.program.start(scene.arguments(stage), stage.folder)
    for _ in range(chance.randint(1, 3)):
        await asyncio.sleep(chance.uniform(0.0, LONGEST))
        with suppress(ProcessLookupError):
            os.kill(pid, chance.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP]))
    ended = await scenery.program.end()
    return None if ended.code < 0 else ended


async def freeze(scenery: Scenery, scene: Scene, stage: Stage, chance: Random) -> Ended:
    """SIGSTOP, and SIGCONT after longer than the read timeout of the trial; then the same for other moments."""
    environment = {"HARVESTER_LIMITS__READ_TIMEOUT": "0.5"}
    pid = await scenery.program.start(scene.arguments(stage), stage.folder, environment=environment)
    for _ in range(chance.randint(1, 3)):
        await asyncio.sleep(chance.uniform(0.0, LONGEST))
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(chance.choice([0.1, 0.7]))
            os.kill(pid, signal.SIGCONT)
    return await scenery.program.end()


async def jump(scenery: Scenery, scene: Scene, stage: Stage, chance: Random) -> Ended:
    """The time of day jumps by seconds, hours or years, forward or back, once or more."""
    await scenery.program.start(scene.arguments(stage), stage.folder)
    for _ in range(chance.randint(1, 4)):
        await asyncio.sleep(chance.uniform(0.0, LONGEST / 2))
        scenery.clock.jump(chance.choice([-1, 1]) * chance.choice([2.0, 3600.0, 86400.0, 9e8, 1.7e9]))
    ended = await scenery.program.end()
    scenery.clock.jump(chance.choice([0.0, 0.0, 86400.0, -86400.0]))
    return ended


def limited(name: str, *choices: int) -> Attack:
    """A limit of the shell: ``ulimit``."""

    async def limit(scenery: Scenery, scene: Scene, stage: Stage, chance: Random) -> Ended:
        most = {name: chance.choice(choices)}
        return await scenery.program.run(scene.arguments(stage), stage.folder, limits=most)

    return limit


async def scarce_memory(scenery: Scenery, scene: Scene, stage: Stage, chance: Random) -> Ended | None:
    """Up to 150 MB more of address space than what it takes before it does anything."""
    most = {"RLIMIT_AS": scenery.program.address_space + chance.randrange(150) * 2**20}
    ended = await scenery.program.run(scene.arguments(stage), stage.folder, limits=most)
    return None if ended.code < 0 or LINKER in ended.printed else ended


ATTACKS: dict[str, Attack] = {
    "kill -9": kill,
    "signals": interrupt,
    "frozen": freeze,
    "clock jumps": jump,
    "ulimit -n": limited("RLIMIT_NOFILE", 8, 31, 32, 34, 36, 40, 48),
    "ulimit -f": limited("RLIMIT_FSIZE", 0, 1, 4096, 20_000, 40_000, 70_000, 200_000),
    "ulimit -v": scarce_memory,
}


async def trial(scenery: Scenery, number: int) -> Trial:
    """The trial with this number."""
    chance = Random(number)
    scene, attack = SCENES[number % len(SCENES)], list(ATTACKS)[number // len(SCENES) % len(ATTACKS)]
    stage = staged(scenery.archive, scenery.bases, scene, scenery.folder / "trial")
    before = right_spectra(stage)
    ended = await ATTACKS[attack](scenery, scene, stage, chance)
    verdict = await judge(scenery.program, stage, scene, before, ended)
    scenery.clock.jump(0.0)
    shutil.rmtree(stage.folder, ignore_errors=True)
    said = "" if ended is None else ended.printed
    return f"{attack}, {scene.name}", f"trial {number}; it said {said[:300]!r}...{said[-300:]!r}", verdict


async def campaign(folder: Path, seed: int) -> AsyncIterator[Trial]:
    """Trials without end, each scene under each attack in turn."""
    clock = Clock(folder / "clock")
    async with (
        serve(DemoArchive(count=COUNT, latency=0.01)) as archive,
        attacked_program(folder / "program", CLOCK_OFFSET=str(clock.file)) as program,
    ):
        await make_bases(program, archive, folder / "bases")
        scenery = Scenery(program, archive, clock, folder / "bases", folder)
        number = seed
        while True:
            yield await trial(scenery, number)
            number += 1


if __name__ == "__main__":
    main(campaign, __doc__)

"""Dask workers and schedulers that are killed, frozen, cut from power, or whose system calls fail, at any moment.

``python -m tests.torture.clusters --seed 0 --seconds 600``; power cuts as root only.
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
from tests.support.attacked_program import KINDS, Ended, Failing, Program, attacked_program, compiled, signal_session
from tests.support.dask_clusters import Cluster
from tests.torture.campaign import Trial, main
from tests.torture.failing_calls import ERRORS
from tests.torture.power_cuts import Disks, acknowledged, available, copy_sparse
from tests.torture.scenes import COUNT, Scene, Stage, Verdict, judge, make_bases, right_spectra

WORKERS = 2
LONGEST_RUN = 2.5  # seconds that a run takes which is not attacked; half of them until it has connected
ORPHANED = 2.0  # seconds in which workers whose run was killed finish what they store
MOST_CALLS = 12  # system calls of each kind that a worker makes for a few spectra


@dataclass(slots=True)
class Scenery:
    """What all trials share; the cluster is replaced once it was attacked."""

    program: Program
    archive: RunningArchive
    folder: Path
    running: Cluster | None = None

    async def cluster(self, workers: int = WORKERS) -> Cluster:
        """The cluster of the last trial if it was left alone, else a new one."""
        if self.running is None:
            self.running = await Cluster.start(workers)
        return self.running

    async def replace_cluster(self) -> None:
        """Let the next trial have a new one."""
        if self.running is not None:
            await self.running.end()
            self.running = None


SCENE = Scene("run on Dask", "empty", lambda stage: ["run", *stage.about])
Attack = Callable[[Scenery, Stage, Random], Awaitable[Ended | None]]


async def start(scenery: Scenery, stage: Stage, cluster: Cluster) -> int:
    asked = ["json" if word == "none" else word for word in stage.about]
    return await scenery.program.start(["run", *asked, "--scheduler", cluster.address], stage.folder)


async def some_time(chance: Random) -> None:
    await asyncio.sleep(chance.uniform(0.2, LONGEST_RUN))


async def kill_workers(scenery: Scenery, stage: Stage, chance: Random) -> Ended:
    """SIGKILL for one worker, or for all, each of which is replaced."""
    cluster = await scenery.cluster()
    await start(scenery, stage, cluster)
    await some_time(chance)
    for _ in range(chance.randint(1, len(cluster.workers))):
        victim = cluster.workers.pop(0)
        victim.kill()
        await victim.wait()
        await cluster.add_worker()
    return await scenery.program.end()


async def kill_scheduler(scenery: Scenery, stage: Stage, chance: Random) -> Ended:
    """SIGKILL for the scheduler."""
    cluster = await scenery.cluster()
    await start(scenery, stage, cluster)
    await some_time(chance)
    cluster.scheduler.kill()
    ended = await scenery.program.end()
    await asyncio.sleep(ORPHANED)
    await scenery.replace_cluster()
    return ended


async def kill_run(scenery: Scenery, stage: Stage, chance: Random) -> Ended | None:
    """SIGKILL for the run; the cluster stays."""
    pid = await start(scenery, stage, await scenery.cluster())
    await some_time(chance)
    signal_session(pid, signal.SIGKILL)
    ended = await scenery.program.end()
    await asyncio.sleep(ORPHANED)
    return None if ended.code < 0 else ended


async def freeze(scenery: Scenery, stage: Stage, chance: Random) -> Ended:
    """SIGSTOP and SIGCONT for a worker, the scheduler or the run."""
    cluster = await scenery.cluster()
    pid = await start(scenery, stage, cluster)
    victim = chance.choice([pid, cluster.scheduler.pid, cluster.workers[0].pid])
    for _ in range(chance.randint(1, 3)):
        await asyncio.sleep(chance.uniform(0.1, LONGEST_RUN / 2))
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGSTOP)
            await asyncio.sleep(chance.choice([0.2, 1.0]))
            os.kill(victim, signal.SIGCONT)
    return await scenery.program.end()


async def failing_calls(scenery: Scenery, stage: Stage, chance: Random) -> Ended:
    """One system call of a worker fails, or that one and all later ones."""
    await scenery.replace_cluster()
    cluster = await scenery.cluster(workers=0)
    failing = Failing(
        stage.out, [chance.choice(KINDS)], chance.randint(1, MOST_CALLS), chance.choice(ERRORS), chance.random() < 0.3
    )
    library = {"LD_PRELOAD": str(compiled(scenery.folder / "program"))}
    await cluster.add_worker({**library, **failing.as_environment()})
    await start(scenery, stage, cluster)
    ended = await scenery.program.end()
    await scenery.replace_cluster()
    return ended


ATTACKS: dict[str, Attack] = {
    "killed workers": kill_workers,
    "killed run": kill_run,
    "frozen": freeze,
    "killed scheduler": kill_scheduler,
    "failing calls of a worker": failing_calls,
}


async def trial(scenery: Scenery, attack: str, number: int) -> Trial:
    """The trial with this number."""
    chance = Random(number)
    stage = Stage(scenery.archive, scenery.folder / "trial")
    shutil.copytree(scenery.folder / "bases" / SCENE.base, stage.folder)
    ended = await ATTACKS[attack](scenery, stage, chance)
    promised = acknowledged(scenery.program.printed)
    said = "" if ended is None else ended.printed
    verdict = await judge(scenery.program, stage, SCENE, promised, ended)
    shutil.rmtree(stage.folder)
    return f"Dask, {attack}", f"trial {number}; it said {said[-300:]!r}", verdict


async def power_cut(scenery: Scenery, disks: Disks, kind: str, number: int) -> Trial:
    """The power of all machines fails at once: an image of their disk is copied while everything stands still."""
    chance = Random(number)
    image, copy = disks.folder / "trial image", disks.folder / "image after"
    copy_sparse(disks.image(kind, SCENE.base), image)
    stage = Stage(scenery.archive, disks.folder / "mounted" / "trial")
    cluster = await scenery.cluster()
    with disks.mounted(image):
        pid = await start(scenery, stage, cluster)
        await some_time(chance)
        cluster.send(signal.SIGSTOP)
        signal_session(pid, signal.SIGSTOP)
        promised = acknowledged(scenery.program.printed)
        await asyncio.to_thread(copy_sparse, image, copy)
        cluster.send(signal.SIGKILL)
        signal_session(pid, signal.SIGKILL)
        await scenery.program.end()
        await scenery.replace_cluster()
    with disks.mounted(copy):
        verdict: Verdict = await judge(scenery.program, stage, SCENE, right_spectra(stage) | promised, None)
    return f"Dask, power cut, {kind}", f"trial {number}: {len(promised)} acknowledged", verdict


async def campaign(folder: Path, seed: int) -> AsyncIterator[Trial]:
    """Trials without end, each attack in turn."""
    disks, kinds = Disks(folder), available()
    async with (
        serve(DemoArchive(count=COUNT, latency=0.05)) as archive,
        attacked_program(folder / "program") as program,
    ):
        await make_bases(program, archive, folder / "bases")
        for kind in kinds:
            disks.make(kind, folder / "bases" / SCENE.base)
        scenery = Scenery(program, archive, folder)
        number = seed
        try:
            while True:
                turn = number % (len(ATTACKS) + bool(kinds))
                if turn < len(ATTACKS):
                    yield await trial(scenery, list(ATTACKS)[turn], number)
                else:
                    kind = kinds[number // (len(ATTACKS) + 1) % len(kinds)]
                    yield await power_cut(scenery, disks, kind, number)
                number += 1
        finally:
            await scenery.replace_cluster()


if __name__ == "__main__":
    main(campaign, __doc__)

"""Commands whose system calls fail, that are killed, frozen, limited, or whose clock jumps: some trials of each.

Longer campaigns: ``python -m tests.torture.failing_calls`` and ``python -m tests.torture.interruptions``, with
``--seed S --seconds N``.
"""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from harvester.demo import DemoArchive, serve
from tests.support.attacked_program import Clock, Failing, attacked_program, needs_compiler
from tests.torture import failing_calls, interruptions
from tests.torture.scenes import BY_NAME, COUNT, SCENES, judge, make_bases, staged

pytestmark = [needs_compiler, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scenery(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[interruptions.Scenery]:
    folder = tmp_path_factory.mktemp("attacked")
    clock = Clock(folder / "clock")
    async with (
        serve(DemoArchive(count=COUNT, latency=0.01)) as archive,
        attacked_program(folder / "program", CLOCK_OFFSET=str(clock.file)) as program,
    ):
        await make_bases(program, archive, folder / "bases")
        yield interruptions.Scenery(program, archive, clock, folder / "bases", folder)


@pytest.mark.parametrize("name", ["run", "verify --fix", "layout", "discover"])
async def test_no_failing_call_of_a_command_leaves_a_wrong_state(scenery: interruptions.Scenery, name: str) -> None:
    scene, about = BY_NAME[name], (scenery.program, scenery.archive, scenery.bases)
    calls = await failing_calls.calls_of(*about, scene, scenery.folder / "trial")
    for number in range(2):
        _, story, verdict = await failing_calls.trial(*about, scene, calls, scenery.folder / "trial", number)
        assert verdict.good, f"{story}: {verdict}"


@pytest.mark.parametrize("attack", range(len(interruptions.ATTACKS)), ids=list(interruptions.ATTACKS))
async def test_no_interruption_of_a_command_costs_a_spectrum(scenery: interruptions.Scenery, attack: int) -> None:
    for scene in (0, 1 + attack):  # a run, and another command
        what, story, verdict = await interruptions.trial(scenery, attack * len(SCENES) + scene)
        assert verdict.good, f"{what}, {story}: {verdict}"


async def test_a_program_that_writes_in_place_and_calls_it_saved_fails_these_tests(
    scenery: interruptions.Scenery,
) -> None:
    mutant = """
from harvester.storage import group_commit
def in_place(folder, files, together):
    for name, body in files:
        try:
            (folder / name).write_bytes(body)
        except OSError:
            pass
    return [None] * len(files)
group_commit.commit = in_place
"""
    scene, program = BY_NAME["run"], scenery.program
    stage = staged(scenery.archive, scenery.bases, scene, scenery.folder / "mutant")
    failing = Failing(stage.out / "na", ["write"], 3, errno.ENOSPC)
    ended = await program.run(scene.arguments(stage), stage.folder, failing=failing, mutant=mutant)
    verdict = await judge(program, stage, scene, set(), ended)
    assert verdict.wrong, "the empty file is seen"
    assert "it reported success without all spectra" in verdict.complaints

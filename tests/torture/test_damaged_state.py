"""Random damage to the state of a harvest: every spectrum is there after the next run, none is requested twice.

Many more trials: ``python -m tests.torture.damaged_state --seed S --seconds N``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from harvester.demo import serve
from tests.torture import damaged_state
from tests.torture.damaged_state import BASES, Scenery

TRIALS = {"ended": 20, "killed": 20, "processes": 3, "hashed": 5, "one name for two": 8, "all": 3}

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scenery(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scenery]:
    async with serve(damaged_state.faulty()) as archive:
        yield await damaged_state.set_up(archive, tmp_path_factory.mktemp("damaged"))


@pytest.mark.parametrize("base", range(len(BASES)), ids=[base.name for base in BASES])
async def test_after_the_next_run_every_spectrum_is_there_and_none_was_requested_twice(
    scenery: Scenery, base: int
) -> None:
    for trial in range(TRIALS[BASES[base].name]):
        _, story, verdict = await damaged_state.trial(scenery, scenery.bases[base], trial * len(BASES) + base)
        assert verdict.good, f"{story}: {verdict}"
        assert not verdict.extra

"""Dask workers, schedulers and runs that are killed, frozen or fail: a trial of some attacks.

Longer campaigns: ``python -m tests.torture.clusters --seed S --seconds N``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from harvester.demo import DemoArchive, serve
from tests.support.attacked_program import attacked_program, needs_compiler
from tests.torture import clusters
from tests.torture.scenes import COUNT, make_bases

pytest.importorskip("distributed", reason="needs the extra dask")
pytestmark = [needs_compiler, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scenery(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[clusters.Scenery]:
    folder = tmp_path_factory.mktemp("clusters")
    async with (
        serve(DemoArchive(count=COUNT, latency=0.05)) as archive,
        attacked_program(folder / "program") as program,
    ):
        await make_bases(program, archive, folder / "bases")
        it = clusters.Scenery(program, archive, folder)
        try:
            yield it
        finally:
            await it.replace_cluster()


@pytest.mark.parametrize("attack", ["killed workers", "killed run", "failing calls of a worker"])
async def test_no_attack_on_a_cluster_costs_a_spectrum(scenery: clusters.Scenery, attack: str) -> None:
    _, story, verdict = await clusters.trial(scenery, attack, 1)
    assert verdict.good, f"{story}: {verdict}"

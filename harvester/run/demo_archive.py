"""Start the demo archive where a configuration names it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ..config.configuration import Configuration

if TYPE_CHECKING:
    from .context import RunContext, WriterT

LATENCY = 0.2  # mean response time in seconds, so that there is something to see
FAULTS = "http_500=0.02x1,truncated=0.01x1,traceback=0.01x1"  # transient ones: something to see, nothing lost


@asynccontextmanager
async def running_archive(
    configuration: Configuration, *, faults: str = "", latency: float = 0.0
) -> AsyncIterator[Configuration]:
    """Yield a configuration whose archive responds.

    Start the demo archive, take any other as it is. faults, latency: of the demo archive, as for ``harvester demo``.
    """
    if not configuration.is_demo:
        yield configuration
        return
    from ..demo import DemoArchive, parse_faults, serve

    async with serve(DemoArchive(latency=latency, faults=parse_faults(faults))) as running:
        profile = replace(configuration.profile, endpoint=running.dlget, ssap=running.ssap)
        yield replace(configuration, profile=profile)


@asynccontextmanager
async def with_running_archive(run: RunContext[WriterT]) -> AsyncIterator[RunContext[WriterT]]:
    """Yield the run with a configuration whose archive responds.

    The demo archive has a few transient faults.
    """
    async with running_archive(run.configuration, faults=FAULTS, latency=LATENCY) as configuration:
        yield replace(run, preparation=replace(run.preparation, configuration=configuration))

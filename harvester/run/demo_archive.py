"""Start the demo archive where a configuration names it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from ..config.configuration import Configuration

DEMO_FAULTS = "http_500=0.02x1,truncated=0.01x1,traceback=0.01x1"  # passing ones: something to see, nothing lost


@asynccontextmanager
async def _at_hand(configuration: Configuration) -> AsyncIterator[Configuration]:
    """The configuration with an archive that answers: the demo is started, any other is taken as it is."""
    if not configuration.is_demo:
        yield configuration
        return
    from ..demo import DemoArchive, parse_faults, serve

    async with serve(DemoArchive(latency=0.2, faults=parse_faults(DEMO_FAULTS))) as running:
        yield replace(configuration, profile=replace(configuration.profile, endpoint=running.dlget))

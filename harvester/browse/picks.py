"""Select on the page what other programs pick."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from ..errors import UsageError
from .samp import NoHubError, SampLink
from .session import Session


@asynccontextmanager
async def following_picks(session: Session) -> AsyncIterator[None]:
    """Follow the picks of other programs in a context. UsageError without a hub."""
    loop = asyncio.get_running_loop()

    def picked(dids: Sequence[str], alone: bool) -> None:
        loop.call_soon_threadsafe(lambda: session.pick(dids, alone=alone))

    await session.loaded.wait()
    try:
        link = await asyncio.to_thread(SampLink, "harvester browse", f"spectra in {session.configuration.location}")
    except NoHubError:
        raise UsageError("--samp: no SAMP hub is running; start TOPCAT or Aladin first, which have one") from None
    try:
        link.listen(picked)
        yield
    finally:
        await asyncio.to_thread(link.close)

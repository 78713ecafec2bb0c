"""Join the SAMP hub for the page: send what it shows, select what others pick."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..dataset.run_profiles import RunProfiles
from ..dataset.stored_files import StoredFile, find_stored_file, read_stored
from ..errors import UsageError
from ..fits.observation import observation_of
from ..formatting import plain_line
from ..storage.interface import Store
from .samp import SPECTRUM, TABLE, DeliveryResult, NoHubError, SampLink, hub_errors
from .samp_table import sendable_table

MOST_SENT = 20_000  # rows of the table that is sent: each file is read for it
NO_HUB = "no SAMP hub is running; start TOPCAT or Aladin first, which have one"
NO_PYVO = "SAMP needs pyvo: pip install 'specharvest[samp]'"


@dataclass(slots=True)
class OtherPrograms:
    """The hub, which is joined when it is first needed, and left by ``close``.

    mark: writes down the DIDs that another program has picked, in any thread; whether it points at one of them alone.
    announce: shows what ``mark`` returned, in the thread of the event loop.
    """

    store: Store
    profiles: RunProfiles
    mark: Callable[[Sequence[str], bool], dict[str, Any]]
    announce: Callable[[dict[str, Any]], None]
    _link: SampLink | None = None
    _joining: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def join(self) -> SampLink:
        """Join the hub, if need be again, and follow what is picked elsewhere.

        UsageError if there is none.
        """
        async with self._joining:
            if self._link is not None and not await asyncio.to_thread(self._link.is_alive):
                await self.close()
            if self._link is None:
                about = f"spectra in {self.store.location}"
                try:
                    self._link = await asyncio.to_thread(SampLink, "harvester browse", about)
                except NoHubError:
                    raise UsageError(NO_HUB) from None
                except ImportError:
                    raise UsageError(NO_PYVO) from None
                self._link.listen(self._on_pick(asyncio.get_running_loop()))
            return self._link

    def _on_pick(self, loop: asyncio.AbstractEventLoop) -> Callable[[Sequence[str], bool], None]:
        """Return what a thread of the client calls; it writes, and the loop announces."""

        def picked(dids: Sequence[str], alone: bool) -> None:
            message = self.mark(dids, alone)
            with suppress(RuntimeError):  # the page has ended meanwhile
                loop.call_soon_threadsafe(self.announce, message)

        return picked

    async def close(self) -> None:
        """Leave the hub."""
        link, self._link = self._link, None
        if link is not None:
            await asyncio.to_thread(link.close)

    @asynccontextmanager
    async def _hub(self) -> AsyncIterator[SampLink]:
        """Yield the link, and explain what its calls end in. UsageError."""
        link = await self.join()
        try:
            yield link
        except hub_errors() as error:
            raise UsageError(f"the SAMP hub does not answer ({plain_line(str(error))}); try again") from None

    async def receivers(self) -> dict[str, list[str]]:
        """Return the names of the programs that take tables, and spectra. UsageError."""
        async with self._hub() as link:
            return {
                what: sorted(set((await asyncio.to_thread(link.receivers, mtype)).values()))
                for what, mtype in (("table", TABLE), ("spectrum", SPECTRUM))
            }

    async def send_table(self, dids: Sequence[str], to: str) -> list[DeliveryResult]:
        """Send a table of these spectra to the programs called ``to``, '' to all.

        It has those that are stored.

        UsageError if none is stored, StoreError.
        """
        async with self._hub() as link:
            return await asyncio.to_thread(self._send_table, link, dids, to or None)

    def _send_table(self, link: SampLink, dids: Sequence[str], to: str | None) -> list[DeliveryResult]:
        found = [stored for did in dids if (stored := self._stored(did)) is not None]
        if not found:
            raise UsageError("none of these spectra is stored")
        # Receivers have read the file when they answer.
        with tempfile.TemporaryDirectory(prefix="harvester-samp-") as folder:
            name = f"harvester {plain_line(str(self.store.location))}"
            return link.send_table(sendable_table(found), Path(folder), name, to)

    async def send_spectrum(self, did: str, to: str) -> list[DeliveryResult]:
        """Send one stored spectrum to the programs called ``to``, '' to all.

        UsageError, DamagedError, StoreError.
        """
        async with self._hub() as link:
            return await asyncio.to_thread(self._send_spectrum, link, did, to or None)

    def _send_spectrum(self, link: SampLink, did: str, to: str | None) -> list[DeliveryResult]:
        stored = self._stored(did)
        if stored is None:
            raise UsageError("this spectrum is not stored")
        return link.send_observed(stored, observation_of(read_stored(stored)), to)

    def _stored(self, did: str) -> StoredFile | None:
        stored = find_stored_file(self.store, did, self.profiles)
        if stored is not None and not isinstance(stored.path, Path):
            raise UsageError("other programs take files of this computer, and this harvest is in an object store")
        return stored

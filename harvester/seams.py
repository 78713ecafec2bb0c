"""What the engine asks of the world, and nothing more: an archive, a store, and a proof of what came."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from . import events as ev
from .outcomes import Fetched, Rejected, Verified
from .spectra import Target


class Archive(Protocol):
    """Where spectra come from."""

    async def fetch(self, target: Target, reached: Callable[[ev.Phase], None]) -> Fetched:
        """Ask once, which may take a few requests on the way. FetchError for anything but a 200."""
        ...


class Store(Protocol):
    """Where spectra go. Neither method may be cut short by cancellation once it has begun to write."""

    async def put(self, target: Target, body: bytes) -> None:
        """Give ``body`` the target's name, durably and at once. StoreError if that cannot be done."""
        ...

    async def quarantine(self, target: Target, fetched: Fetched, rejected: Rejected) -> str:
        """Keep a body that is not the spectrum apart, and say where. StoreError if that cannot be done."""
        ...

    async def has_room(self, size: int) -> bool:
        """Whether ``size`` more bytes can be written now."""
        ...


Inspect = Callable[[Target, bytes], Verified | Rejected]

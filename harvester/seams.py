"""What the engine asks of the world, and nothing more: an archive, a store, and a proof of what came."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from . import events as ev
from .failures import Failure
from .gate import Gate, Sign
from .outcomes import Fetched, Rejected, Verified
from .spectra import Target


class Archive(Protocol):
    """Where spectra come from."""

    async def fetch(self, target: Target, reached: Callable[[ev.Phase], None]) -> Fetched:
        """Ask once, which may take a few requests on the way. FetchError for anything but a 200."""
        ...


class Doorkeeper(Protocol):
    """Who may ask, and when: an ``Admission``, or its place-holder on a machine that is far from it."""

    gate: Gate
    full: bool
    turned: asyncio.Event

    async def enter(self, stop: asyncio.Event) -> bool: ...

    def leave(self, latency: float | None) -> None: ...

    async def go_on(self, stop: asyncio.Event) -> bool: ...

    def heard(self, sign: Sign, failure: Failure | None = None) -> None: ...

    def doubt(self, reason: str) -> None: ...

    async def probe(self, stop: asyncio.Event) -> bool: ...

    def probed(self, failure: Failure | None, canary: bool) -> None: ...

    def on_probe(self, judge: Callable[[Failure | None], None]) -> None: ...

    def wake(self) -> None: ...


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


class Shelf(Store, Protocol):
    """A store that lasts: what a run finds there, and where it keeps its own books."""

    @property
    def place(self) -> str:
        """Where the spectra are, for people."""
        ...

    @property
    def caution(self) -> str:
        """What people should know of this place, in one sentence; empty if there is nothing."""
        ...

    @property
    def state(self) -> Path:
        """Local folder of ledger, runs, lock and quarantine."""
        ...

    @property
    def ledger(self) -> Path: ...

    @property
    def lock(self) -> Path: ...

    def path(self, name: str) -> Path | str:
        """Where the spectrum that is called ``name`` lies, or would."""
        ...

    @property
    def moved(self) -> int:
        """How many spectra were brought from one layout to another since this store was opened."""
        ...

    def within(self, name: str) -> str:
        """The same relative to the place, as ``SHA256SUMS`` has it."""
        ...

    def prepare(self) -> None:
        """Make what the lock needs. StoreError."""
        ...

    def tidy(self) -> None:
        """Make ready for writing. Only for whoever holds the lock. StoreError."""
        ...

    def files(self) -> Iterable[tuple[str, int]]:
        """Name (without ``.fits``) and size in bytes of what is stored, one by one; twice what is moved meanwhile.
        StoreError."""
        ...

    def sizes(self) -> Mapping[str, int]:
        """Name (without ``.fits``) to size in bytes of what is stored. StoreError."""
        ...

    def read(self, name: str) -> bytes:
        """What is stored under a name. FileNotFoundError if nothing is, StoreError if it cannot be had."""
        ...

    def set_aside(self, targets: Iterable[Target], detail: str, **more: str) -> None:
        """Move what is no spectrum out of the way. StoreError."""
        ...

    def write_sums(self, rows: Iterable[tuple[str, str]]) -> None:
        """Write ``SHA256SUMS`` beside the spectra. StoreError."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


Inspect = Callable[[Target, bytes], Verified | Rejected]

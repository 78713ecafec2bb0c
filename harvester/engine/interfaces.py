"""What the engine asks of the world, and nothing more: an archive, a store, and a proof of what came."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from .. import events as ev
from ..model.failures import Failure
from ..model.outcomes import FailedCheck, Fetched, VerifiedSpectrum
from ..model.target import Target
from .circuit_breaker import CircuitBreaker, Signal


class Archive(Protocol):
    """Where spectra come from."""

    async def fetch(self, target: Target, reached: Callable[[ev.Phase], None]) -> Fetched:
        """Ask once, which may take a few requests on the way. FetchError for anything but a 200."""
        ...


class Throttle(Protocol):
    """Who may ask, and when: an ``LocalThrottle``, or its place-holder on a machine that is far from it."""

    breaker: CircuitBreaker
    disk_full: bool
    state_changed: asyncio.Event

    async def acquire(self, stop: asyncio.Event) -> bool: ...

    def release(self, latency: float | None) -> None: ...

    async def acquire_followup(self, stop: asyncio.Event) -> bool: ...

    def record(self, sign: Signal, failure: Failure | None = None) -> None: ...

    def request_probe(self, reason: str) -> None: ...

    async def acquire_probe(self, stop: asyncio.Event) -> bool: ...

    def record_probe(self, failure: Failure | None, canary: bool) -> None: ...

    def add_probe_listener(self, judge: Callable[[Failure | None], None]) -> None: ...

    def notify(self) -> None: ...


class SpectrumWriter(Protocol):
    """Where spectra go. Neither method may be cut short by cancellation once it has begun to write."""

    async def put(self, target: Target, body: bytes) -> None:
        """Give ``body`` the target's name, durably and at once. StoreError if that cannot be done."""
        ...

    async def quarantine(self, target: Target, fetched: Fetched, rejected: FailedCheck) -> str:
        """Keep a body that is not the spectrum apart, and say where. StoreError if that cannot be done."""
        ...

    async def has_room(self, size: int) -> bool:
        """Whether ``size`` more bytes can be written now."""
        ...


Verify = Callable[[Target, bytes], VerifiedSpectrum | FailedCheck]

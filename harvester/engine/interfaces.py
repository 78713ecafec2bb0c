"""What the engine requires of its surroundings.

These are an archive, a throttle, a store and a verification.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

from ..model.failures import Failure
from ..model.outcomes import FailedCheck, Fetched, LongVerification, Verdict
from ..model.target import Target

if TYPE_CHECKING:
    import asyncio

    from .. import events as ev
    from .circuit_breaker import CircuitBreaker, Signal

ProbeListener = Callable[[Failure | None], None]
"""Called with the result of each probe (None: it was served), once the breaker has taken it in."""


class Archive(Protocol):
    """Where spectra come from."""

    async def fetch(self, target: Target, reached: Callable[[ev.Phase], None]) -> Fetched:
        """Make one attempt, which may take several requests.

        FetchError for anything but a complete 200.
        """
        ...


class Throttle(Protocol):
    """Decide when requests may be sent.

    A ``LocalThrottle``, or its stand-in in a worker process.
    """

    breaker: CircuitBreaker
    disk_full: bool
    state_changed: asyncio.Event

    async def acquire(self, shutdown: asyncio.Event) -> bool:
        """Wait for a request slot. Return False, without a slot, once ``shutdown`` is set."""
        ...

    def release(self, latency: float | None, own: float = 0.0) -> None:
        """Give a slot back; ``latency`` in seconds if the request brought a spectrum's bytes.

        ``own``: seconds in which this program could not take the response.
        """
        ...

    async def acquire_followup(self, shutdown: asyncio.Event) -> bool:
        """Wait until the holder of a slot may send one more request.

        Return False once ``shutdown`` is set.
        """
        ...

    async def acquire_repeat(self, shutdown: asyncio.Event) -> bool:
        """Record a connection lost before its response, and wait to send the request again."""
        ...

    def confirm(self) -> None:
        """Check, before the bytes leave, that the slot is still held. FetchError if not."""
        ...

    def sent(self) -> None:
        """Note that the bytes of a request leave now."""
        ...

    def record(self, signal: Signal, failure: Failure | None = None, waited: bool = False) -> None:
        """Take in what an ordinary attempt brought."""
        ...

    def request_probe(self, reason: str) -> None:
        """Open the breaker: something else must be requested before going on."""
        ...

    async def acquire_probe(self, shutdown: asyncio.Event) -> bool:
        """Wait until a probe may be sent. Return False if it may not be sent any more."""
        ...

    def record_probe(self, failure: Failure | None, others: bool) -> None:
        """Take in what a probe brought; ``others``: there are spectra left that were not probed."""
        ...

    def add_probe_listener(self, listener: ProbeListener) -> None:
        """Call ``listener`` after every probe."""
        ...

    def notify(self) -> None:
        """Let everything that waits check its condition again."""
        ...


class SpectrumWriter(Protocol):
    """Where spectra are stored.

    Neither method may be cut short by cancellation once it has begun to write.
    """

    async def put(self, target: Target, body: bytes) -> None:
        """Store ``body`` under the target's name, durably and atomically.

        StoreError if that fails.
        """
        ...

    async def quarantine(self, target: Target, fetched: Fetched, rejected: FailedCheck) -> str:
        """Store a body that failed a check in quarantine and return its path.

        StoreError if that fails.
        """
        ...

    async def has_room(self, size: int) -> bool:
        """Return whether ``size`` more bytes can be written now."""
        ...


Verify = Callable[[Target, bytes], Verdict | LongVerification]

Prepare = Callable[[Target, bytes], Awaitable[Verdict]]
"""Verify a body that is put next if it passes; storing it may begin in the meantime."""

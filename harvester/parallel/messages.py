"""Messages between workers and the coordinator, as frozen values.

Times in them are relative: clocks differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .. import events as ev
from ..engine.circuit_breaker import CircuitBreaker, Signal
from ..engine.work_queue import PendingRetry
from ..model.exit_codes import StopReason
from ..model.failures import Failure
from ..model.outcomes import Saved
from ..model.target import SpectrumId

TAKEN_OVER = StopReason("shard taken over by another worker", 4)
"""Sent to a worker that was considered lost."""


@dataclass(frozen=True, slots=True)
class ShardStarted:
    """A worker begins with the shard of this number."""

    shard: int


@dataclass(frozen=True, slots=True)
class SlotRequest:
    """The worker's engine can use one more request slot."""


@dataclass(frozen=True, slots=True)
class RequestDone:
    """A request is no longer in flight.

    ``latency`` in seconds if it brought a spectrum's bytes; ``own``: those in which the worker could not take it.

    ``unsent``: the slot was given back before a request had left. ``kept``: it was lent, and is in use again.
    """

    latency: float | None = None
    unsent: bool = False
    own: float = 0.0
    kept: bool = False


@dataclass(frozen=True, slots=True)
class FollowupRequest:
    """The holder of a slot, or the prober, waits to send one more request.

    ``unsent``: the request that the slot was for has not left, and will not.
    """

    probing: bool = False
    unsent: bool = False


@dataclass(frozen=True, slots=True)
class ResponseReport:
    """What an ordinary attempt says about the archive.

    ``waited``: the previous attempt for the same spectrum was answered with Retry-After.
    """

    signal: Signal
    failure: Failure | None = None
    waited: bool = False


@dataclass(frozen=True, slots=True)
class ProbeRequested:
    """Something else must be requested before the run goes on."""

    reason: str


@dataclass(frozen=True, slots=True)
class DiskFullReport:
    """The worker's disk has no room for a response, or has room again."""

    full: bool


@dataclass(frozen=True, slots=True)
class ProbeOffer:
    """The worker can send a probe."""


@dataclass(frozen=True, slots=True)
class ProbeDeclined:
    """The worker was granted a probe that it does not want to send any more."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a probe brought; ``others``: there are spectra left that were not probed."""

    failure: Failure | None
    others: bool
    unsent: bool = False


@dataclass(frozen=True, slots=True)
class StoredReport:
    """A spectrum is stored that was reported in a ``SpectrumVerified``.

    With that event, this is what its ``SpectrumSaved`` says.
    """

    did: SpectrumId
    time: float
    elapsed: float


@dataclass(frozen=True, slots=True)
class WorkerStopReason:
    """The worker found a reason for all to stop."""

    cause: StopReason


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The worker is alive, though it may have nothing to report."""


ThrottleMessage = (
    SlotRequest | RequestDone | FollowupRequest | ResponseReport | ProbeOffer | ProbeDeclined | ProbeResult
)
WorkReport = ev.Event | StoredReport | WorkerStopReason
FromWorker = Heartbeat | ShardStarted | ThrottleMessage | ProbeRequested | DiskFullReport | WorkReport


@dataclass(frozen=True, slots=True)
class ShardStatus:
    """What is known of a shard when a worker starts it.

    From an earlier worker, if there was one (``again``).

    ``verified`` are spectra that were about to be stored when that worker was lost.
    """

    settled: frozenset[SpectrumId] = frozenset()
    retries: Sequence[PendingRetry] = ()
    verified: Sequence[Saved] = ()
    again: bool = False


@dataclass(frozen=True, slots=True)
class SlotGranted:
    """One task of the worker's engine may send a request."""


@dataclass(frozen=True, slots=True)
class SlotsLent:
    """A worker that holds up to ``most`` slots may use each again.

    It does when a request has brought a spectrum, and ``more`` times than before at most, so that it soon stops if its
    reports do not arrive. Where no rate is set and nothing is wrong, this saves a message and its answer a request.
    """

    most: int
    more: int


@dataclass(frozen=True, slots=True)
class FollowupGranted:
    """The holder of a slot may send one more request."""


@dataclass(frozen=True, slots=True)
class ProbeGranted:
    """The worker, and no other, may send a probe."""


@dataclass(frozen=True, slots=True)
class BreakerChanged:
    """The circuit breaker changed; its times are seconds from now."""

    breaker: CircuitBreaker

    @classmethod
    def seen_at(cls, now: float, breaker: CircuitBreaker) -> BreakerChanged:
        """Make the message, by a clock that shows ``now``."""
        return cls(_shifted(breaker, -now))

    def at(self, now: float) -> CircuitBreaker:
        """Return the breaker by a clock that shows ``now``."""
        return _shifted(self.breaker, now)


def _shifted(breaker: CircuitBreaker, by: float) -> CircuitBreaker:
    return replace(breaker, since=breaker.since + by, until=breaker.until + by, acquitted=breaker.acquitted + by)


@dataclass(frozen=True, slots=True)
class ProbeOutcome:
    """What a probe of any worker brought."""

    failure: Failure | None


@dataclass(frozen=True, slots=True)
class ResetConnections:
    """Connections must be made again: the machine slept."""


@dataclass(frozen=True, slots=True)
class ShutdownCommand:
    """Send no new request; ``now``: do not wait for requests in flight either."""

    cause: StopReason
    now: bool = False


@dataclass(frozen=True, slots=True)
class ShardDropped:
    """No worker will continue this shard."""

    shard: int


@dataclass(frozen=True, slots=True)
class ShardDone:
    """The worker has ended its shard, and returns these retries."""

    leftovers: Sequence[PendingRetry] = ()


FromCoordinator = (
    ShardStatus
    | SlotGranted
    | SlotsLent
    | FollowupGranted
    | ProbeGranted
    | BreakerChanged
    | ProbeOutcome
    | ResetConnections
    | ShutdownCommand
)

"""What a hand and the broker say to each other, as frozen values. Times in them are relative: clocks differ."""

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

TAKEN_OVER = StopReason("somebody else works on this now", 4)
"""What a hand is told that was taken for lost."""


@dataclass(frozen=True, slots=True)
class ShardStarted:
    """A hand begins to work on the shard of this number."""

    shard: int


@dataclass(frozen=True, slots=True)
class PermitRequest:
    """One more of the hand's workers wants to ask."""


@dataclass(frozen=True, slots=True)
class RequestDone:
    """A request is no longer in flight; ``latency`` in seconds if it brought a spectrum's bytes."""

    latency: float | None = None


@dataclass(frozen=True, slots=True)
class FollowupRequest:
    """Whoever has a permit, or probes, wants a turn for one more request."""

    probing: bool = False


@dataclass(frozen=True, slots=True)
class ResponseReport:
    """What an ordinary request said about the archive."""

    sign: Signal
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class ProbeRequested:
    """There is a reason to ask for a known-good spectrum before going on."""

    reason: str


@dataclass(frozen=True, slots=True)
class DiskFullReport:
    """There is no room for what would come, or there is again."""

    full: bool


@dataclass(frozen=True, slots=True)
class ProbeOffer:
    """The hand could ask whether the archive is there."""


@dataclass(frozen=True, slots=True)
class ProbeDeclined:
    """It was let, but does not want to any more."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a probe said."""

    failure: Failure | None
    known_good: bool


@dataclass(frozen=True, slots=True)
class EventReport:
    """Something happened."""

    event: ev.Event


@dataclass(frozen=True, slots=True)
class WorkerStopReason:
    """The hand found a reason for all to stop."""

    cause: StopReason


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The hand is there, though it may have nothing to say for long."""


Asked = PermitRequest | RequestDone | FollowupRequest | ResponseReport | ProbeOffer | ProbeDeclined | ProbeResult
FromHand = Heartbeat | ShardStarted | Asked | ProbeRequested | DiskFullReport | EventReport | WorkerStopReason


@dataclass(frozen=True, slots=True)
class ShardStatus:
    """What is known of the shard that a hand joined: from an earlier hand, if there was one (``again``).

    ``proved`` are spectra that were about to get their name when it was lost.
    """

    settled: frozenset[SpectrumId] = frozenset()
    retries: Sequence[PendingRetry] = ()
    verified: Sequence[Saved] = ()
    again: bool = False


@dataclass(frozen=True, slots=True)
class PermitGranted:
    """One worker may ask."""


@dataclass(frozen=True, slots=True)
class FollowupGranted:
    """One who asked for one more turn has it."""


@dataclass(frozen=True, slots=True)
class ProbeGranted:
    """The hand may ask whether the archive is there, and nobody else does."""


@dataclass(frozen=True, slots=True)
class BreakerChanged:
    """The gate turned; its times are seconds from now."""

    breaker: CircuitBreaker

    @classmethod
    def seen_at(cls, now: float, gate: CircuitBreaker) -> BreakerChanged:
        return cls(_moved(gate, -now))

    def at(self, now: float) -> CircuitBreaker:
        """The gate by a clock that shows ``now``."""
        return _moved(self.breaker, now)


def _moved(gate: CircuitBreaker, by: float) -> CircuitBreaker:
    return replace(gate, since=gate.since + by, until=gate.until + by)


@dataclass(frozen=True, slots=True)
class ProbeOutcome:
    """A probe, whosoever, came to this."""

    failure: Failure | None


@dataclass(frozen=True, slots=True)
class ResetConnections:
    """Connections are to be made anew: the machine slept."""


@dataclass(frozen=True, slots=True)
class ShutdownCommand:
    """No new request; ``now``: nothing in flight is waited for either."""

    cause: StopReason
    now: bool = False


@dataclass(frozen=True, slots=True)
class ShardDropped:
    """Nobody will work on this shard any more."""

    shard: int


@dataclass(frozen=True, slots=True)
class ShardDone:
    """The hand has ended its work on a shard, and hands these retries back."""

    leftovers: Sequence[PendingRetry] = ()


FromBroker = (
    ShardStatus
    | PermitGranted
    | FollowupGranted
    | ProbeGranted
    | BreakerChanged
    | ProbeOutcome
    | ResetConnections
    | ShutdownCommand
)

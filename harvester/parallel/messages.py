"""What a hand and the broker say to each other, as frozen values. Times in them are relative: clocks differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .. import events as ev
from ..engine.circuit_breaker import Gate, Sign
from ..engine.work_queue import Leftover
from ..model.exit_codes import Cause
from ..model.failures import Failure
from ..model.outcomes import Saved
from ..model.target import SpectrumId

TAKEN_OVER = Cause("somebody else works on this now", 4)
"""What a hand is told that was taken for lost."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A hand begins to work on the shard of this number."""

    shard: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """One more of the hand's workers wants to ask."""


@dataclass(frozen=True, slots=True)
class Left:
    """A request is no longer in flight; ``latency`` in seconds if it brought a spectrum's bytes."""

    latency: float | None = None


@dataclass(frozen=True, slots=True)
class Onward:
    """Whoever has a permit, or probes, wants a turn for one more request."""

    probing: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    """What an ordinary request said about the archive."""

    sign: Sign
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Doubted:
    """There is a reason to ask for a known-good spectrum before going on."""

    reason: str


@dataclass(frozen=True, slots=True)
class Full:
    """There is no room for what would come, or there is again."""

    full: bool


@dataclass(frozen=True, slots=True)
class Probing:
    """The hand could ask whether the archive is there."""


@dataclass(frozen=True, slots=True)
class Declined:
    """It was let, but does not want to any more."""


@dataclass(frozen=True, slots=True)
class Probed:
    """What a probe said."""

    failure: Failure | None
    canary: bool


@dataclass(frozen=True, slots=True)
class Told:
    """Something happened."""

    event: ev.Event


@dataclass(frozen=True, slots=True)
class Stopped:
    """The hand found a reason for all to stop."""

    cause: Cause


@dataclass(frozen=True, slots=True)
class Alive:
    """The hand is there, though it may have nothing to say for long."""


Asked = Wanted | Left | Onward | Heard | Probing | Declined | Probed
FromHand = Alive | Joined | Asked | Doubted | Full | Told | Stopped


@dataclass(frozen=True, slots=True)
class Begun:
    """What is known of the shard that a hand joined: from an earlier hand, if there was one (``again``).

    ``proved`` are spectra that were about to get their name when it was lost.
    """

    settled: frozenset[SpectrumId] = frozenset()
    retries: Sequence[Leftover] = ()
    proved: Sequence[Saved] = ()
    again: bool = False


@dataclass(frozen=True, slots=True)
class Permitted:
    """One worker may ask."""


@dataclass(frozen=True, slots=True)
class OnwardPermitted:
    """One who asked for one more turn has it."""


@dataclass(frozen=True, slots=True)
class ProbePermitted:
    """The hand may ask whether the archive is there, and nobody else does."""


@dataclass(frozen=True, slots=True)
class Turned:
    """The gate turned; its times are seconds from now."""

    gate: Gate

    @classmethod
    def seen_at(cls, now: float, gate: Gate) -> Turned:
        return cls(_moved(gate, -now))

    def at(self, now: float) -> Gate:
        """The gate by a clock that shows ``now``."""
        return _moved(self.gate, now)


def _moved(gate: Gate, by: float) -> Gate:
    return replace(gate, since=gate.since + by, until=gate.until + by)


@dataclass(frozen=True, slots=True)
class Judged:
    """A probe, whosoever, came to this."""

    failure: Failure | None


@dataclass(frozen=True, slots=True)
class Renewed:
    """Connections are to be made anew: the machine slept."""


@dataclass(frozen=True, slots=True)
class Halted:
    """No new request; ``now``: nothing in flight is waited for either."""

    cause: Cause
    now: bool = False


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Nobody will work on this shard any more."""

    shard: int


@dataclass(frozen=True, slots=True)
class Done:
    """The hand has ended its work on a shard, and hands these retries back."""

    leftovers: Sequence[Leftover] = ()


FromBroker = Begun | Permitted | OnwardPermitted | ProbePermitted | Turned | Judged | Renewed | Halted

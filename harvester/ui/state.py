"""What is shown of a run at one moment, as one immutable value."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import inf

from .. import events as ev
from ..events.stats import HarvestStats
from ..formatting import LONGEST, duration, time_of_day
from ..model.failures import FailureKind
from ..model.target import SpectrumId
from .rates import Latency


class RunState(StrEnum):
    """What the run is doing as a whole."""

    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    DRAINING = "draining"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class InFlight:
    """A spectrum that a worker holds, and since when it is in its phase."""

    did: SpectrumId
    name: str
    phase: ev.Phase
    attempt: int
    since: float

    @property
    def is_active(self) -> bool:
        """Whether there is work on it: it waits neither for a request slot nor for a probe."""
        return self.phase not in (ev.Phase.WAITING, ev.Phase.HELD)


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """The rate limit in requests a second (0: none) and the concurrency limit."""

    rate: float = 0.0
    concurrency: int = 0

    def is_below(self, other: RequestLimits) -> bool:
        """Return whether either limit is lower than the other's."""
        return (self.rate or inf) < (other.rate or inf) or self.concurrency < other.concurrency


@dataclass(frozen=True, slots=True)
class RecentFailure:
    """A failure in the server's words.

    ``due`` is when its retry is due, None if the spectrum was given up.
    """

    time: float
    name: str
    kind: FailureKind
    detail: str
    due: float | None


@dataclass(frozen=True, slots=True)
class DashboardState:
    """All that is shown of a run at ``now``.

    Times are seconds since 1970. ``slots`` keep their places, so that no row jumps; ``limits`` are those of the moment.
    """

    now: float
    run_state: RunState
    reason: str
    until: float | None
    start: ev.HarvestStarted | None
    stats: HarvestStats
    slots: tuple[InFlight | None, ...]
    limits: RequestLimits
    configured: RequestLimits
    slowed: str
    rate: float
    history: tuple[float, ...]
    traffic: float
    latency: Latency | None
    due: int
    next_due: float | None
    last_due: float | None
    retry_after: tuple[float, float] | None
    eta: float | None
    failures: tuple[RecentFailure, ...]

    @property
    def elapsed(self) -> float:
        """Seconds since the run started."""
        return max(0.0, (self.stats.ended or self.now) - self.stats.started) if self.start else 0.0

    @property
    def held(self) -> tuple[InFlight, ...]:
        """The spectra that workers hold, those that wait for a request slot included."""
        return tuple(slot for slot in self.slots if slot)

    @property
    def in_flight(self) -> int:
        """Number of spectra requested, received or stored at the moment."""
        return sum(slot.is_active for slot in self.held)

    @property
    def waiting(self) -> int:
        """Number of spectra that wait for a request slot, or for a probe."""
        return len(self.held) - self.in_flight

    @property
    def only_retries(self) -> bool:
        """Whether nothing is left but retries that wait."""
        return self.run_state is RunState.RUNNING and not self.held and 0 < self.left <= self.due

    @property
    def pause_text(self) -> str:
        """Until when a pause lasts, in words."""
        left = self.until - self.now if self.until is not None else LONGEST
        if not left < LONGEST:
            return "until further notice"
        if left <= 0:
            return "about to resume"
        return f"until {time_of_day(self.until or 0.0)}, {duration(max(1, round(left)))} to go"

    @property
    def grace_left(self) -> float | None:
        """Seconds that a drain may still take; None if there is no limit."""
        return max(0.0, self.until - self.now) if self.until is not None else None

    @property
    def done_before(self) -> int:
        """Number of spectra on disk before this run; in a refresh, of those replaced before."""
        return self.stats.refreshed_before if self.stats.is_refresh else self.stats.present

    @property
    def done(self) -> int:
        """Number of spectra on disk (in a refresh: replaced before), or settled by this run."""
        return self.done_before + self.stats.saved + self.stats.failed

    @property
    def left(self) -> int:
        """Number of spectra that this run still has to settle."""
        return left_of(self.start, self.stats)

    @property
    def left_out(self) -> int:
        """Number of missing spectra that ``--limit`` or ``--only-failed`` leaves for another run."""
        return max(0, self.stats.remaining - self.left)


def left_of(start: ev.HarvestStarted | None, stats: HarvestStats) -> int:
    """Return how many of the wanted spectra are not settled yet."""
    return max(0, start.wanted - stats.saved - stats.failed) if start else 0

"""All that people see of a harvest at one moment, as one immutable value."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .. import events as ev
from ..failures import FailureKind
from ..spectra import SpectrumId
from ..stats import HarvestStats
from .figures import LONGEST, duration, time_of_day
from .meters import Latency


class State(StrEnum):
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


@dataclass(frozen=True, slots=True)
class Allowance:
    """Requests a second (0: no limit) and requests at once: what is allowed now, or ever."""

    rate: float = 0.0
    concurrency: int = 0


@dataclass(frozen=True, slots=True)
class Trouble:
    """A failure in the server's words, and when the spectrum is asked for again (None: it was given up)."""

    time: float
    name: str
    kind: FailureKind
    words: str
    again: float | None


@dataclass(frozen=True, slots=True)
class Scene:
    """All that people see of a harvest at ``now``. ``slots`` keep their places: a row never jumps."""

    now: float
    state: State
    why: str
    until: float | None
    start: ev.HarvestStarted | None
    stats: HarvestStats
    slots: tuple[InFlight | None, ...]
    allowed: Allowance
    ceiling: Allowance
    slowed: str
    rate: float
    history: tuple[float, ...]
    traffic: float
    latency: Latency | None
    due: int
    next_due: float | None
    asked_to_wait: tuple[float, float] | None
    eta: float | None
    troubles: tuple[Trouble, ...]

    @property
    def elapsed(self) -> float:
        return max(0.0, (self.stats.ended or self.now) - self.stats.started) if self.start else 0.0

    @property
    def held(self) -> tuple[InFlight, ...]:
        return tuple(slot for slot in self.slots if slot)

    @property
    def in_flight(self) -> int:
        """Asked for and not settled; a worker that waits for its turn has nothing in flight."""
        return sum(slot.phase is not ev.Phase.TURN for slot in self.held)

    @property
    def waiting_words(self) -> str:
        """Until when a pause lasts, in words."""
        left = self.until - self.now if self.until is not None else LONGEST
        if not left < LONGEST:
            return "until further notice"
        if left <= 0:
            return "about to go on"
        return f"until {time_of_day(self.until or 0.0)}, {duration(max(1, round(left)))} to go"

    @property
    def patience(self) -> float | None:
        """Seconds that a drain may still take; None if nobody said."""
        return max(0.0, self.until - self.now) if self.until is not None else None

    @property
    def done(self) -> int:
        """On disk, or settled by this run."""
        return self.stats.present + self.stats.saved + self.stats.failed

    @property
    def left(self) -> int:
        """What this run still has to settle."""
        return left_of(self.start, self.stats)

    @property
    def left_out(self) -> int:
        """Listed and not here, but not this run's either: ``--limit`` and ``--only-failed`` leave it for another."""
        return max(0, self.stats.remaining - self.left)


def left_of(start: ev.HarvestStarted | None, stats: HarvestStats) -> int:
    """What a run still has to settle of what it wanted."""
    return max(0, start.wanted - stats.saved - stats.failed) if start else 0

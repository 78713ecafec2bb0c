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
    ceiling: int
    allowed: float
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
    def waiting_words(self) -> str:
        """Until when a pause lasts, in words."""
        left = self.until - self.now if self.until is not None else -1.0
        if not 0 <= left < LONGEST:
            return "until further notice"
        return f"until {time_of_day(self.until or 0.0)}, {duration(max(1, round(left)))} to go"

    @property
    def on_the_wire(self) -> int:
        return sum(slot.phase in (ev.Phase.ANSWER, ev.Phase.BODY) for slot in self.held)

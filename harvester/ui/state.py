"""The dashboard's state: a fold over events, of fixed size, that gives a scene whenever it is asked."""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from .. import events as ev
from ..events.stats import HarvestStats
from ..formatting import LONGEST, duration, plain_line, time_of_day
from ..model.failures import Failure, FailureKind
from ..model.target import SpectrumId, Target
from .rates import Latency, LatencyWindow, ProgressEstimate, RateHistory

MOST_SLOTS = 512
MOST_DUES = 64
MOST_TROUBLES = 16
SPARKLINE = 20
LONGEST_NAME = 80


class DashboardView:
    """Takes every event in microseconds, gives a ``DashboardState`` when asked. Nothing in it grows with the catalog.

    ``numbers`` reads the tally, which hears of everything first. ``grace`` is how long a drain may take.
    """

    def __init__(self, numbers: Callable[[], HarvestStats], grace: float | None = None) -> None:
        self._numbers, self._grace = numbers, grace
        self._start: ev.HarvestStarted | None = None
        self._state, self._why = RunState.STARTING, ""
        self._until: float | None = None
        self._ceiling = self._allowed = Allowance()
        self._slowed = ""
        self._slots: list[ev.PhaseEntered | None] = []
        self._places: dict[SpectrumId, int] = {}
        self._due, self._dues = 0, list[float]()
        self._asked_to_wait: tuple[float, float] | None = None
        self._troubles: deque[RecentFailure] = deque(maxlen=MOST_TROUBLES)
        self._requests, self._traffic = RateHistory(), RateHistory()
        self._latency, self._progress = LatencyWindow(), ProgressEstimate()

    def __call__(self, event: ev.Event) -> None:
        match event:
            case ev.PhaseEntered():
                self._hold(event)
            case ev.RequestSent(time=time):
                self._requests.beat(time)
                if self._state is RunState.PAUSED and self._until is not None and time >= self._until:
                    self._enter(RunState.RUNNING, "", time)
            case ev.ResponseReceived(time=time, status=status, latency=latency, size=size):
                self._traffic.beat(time, size)
                if status == 200:
                    self._latency.add(latency)
            case ev.SpectrumSaved(time=time, outcome=saved):
                self._release(saved.target.did)
                self._progress.complete(time)
            case ev.SpectrumFailed(time=time, outcome=failed):
                self._release(failed.target.did)
                self._progress.complete(time)
                self._trouble(time, failed.target, failed.failure, None)
            case ev.RetryScheduled():
                self._postpone(event)
            case _:
                self._change_state(event)

    def scene(self, now: float) -> DashboardState:
        while self._dues and self._dues[0] <= now:
            self._dues.pop(0)
        return DashboardState(
            now=now,
            state=self._state,
            why=self._why,
            until=self._until,
            start=self._start,
            stats=self._numbers(),
            slots=tuple(map(_in_flight, self._slots)),
            allowed=self._allowed,
            ceiling=self._ceiling,
            slowed=self._slowed,
            rate=self._requests.rate(now),
            history=self._requests.levels(now, SPARKLINE),
            traffic=self._traffic.rate(now),
            latency=self._latency.read(),
            due=self._due,
            next_due=self._dues[0] if self._dues else None,
            asked_to_wait=self._asked_to_wait,
            eta=self._eta(now),
            troubles=tuple(reversed(self._troubles)),
        )

    def _eta(self, now: float) -> float | None:
        pace = self._progress.rate(now)
        left = left_of(self._start, self._numbers())
        if not pace or left <= 0 or self._state not in (RunState.RUNNING, RunState.PAUSED):
            return None
        held_up = max(0.0, self._until - now) if self._until is not None else 0.0
        return held_up + left / min(pace, self._allowed.rate or pace)

    def _hold(self, event: ev.PhaseEntered) -> None:
        if event.phase is ev.Phase.WAITING and self._state in (RunState.DRAINING, RunState.ENDED):
            return  # no turn will come
        place = self._places.get(event.target.did)
        if place is None:
            place = self._free_place()
            if place is None:
                return
            self._places[event.target.did] = place
            if event.attempt > 1:
                self._due = max(0, self._due - 1)
        self._slots[place] = event

    def _free_place(self) -> int | None:
        if None in self._slots:
            return self._slots.index(None)
        if len(self._slots) == MOST_SLOTS:
            return None
        self._slots.append(None)
        return len(self._slots) - 1

    def _release(self, did: SpectrumId) -> None:
        place = self._places.pop(did, None)
        if place is not None:
            self._slots[place] = None

    def _postpone(self, event: ev.RetryScheduled) -> None:
        self._release(event.target.did)
        self._due += 1
        insort(self._dues, event.due)
        del self._dues[MOST_DUES:]
        if event.failure.retry_after is not None:
            self._asked_to_wait = (event.time, event.failure.retry_after)
        self._trouble(event.time, event.target, event.failure, event.due)

    def _trouble(self, time: float, target: Target, failure: Failure, again: float | None) -> None:
        words = plain_line(failure.detail) or failure.kind.meaning
        self._troubles.append(RecentFailure(time, plain_line(target.name, LONGEST_NAME), failure.kind, words, again))

    def _change_state(self, event: ev.Event) -> None:
        match event:
            case ev.HarvestStarted(time=time, rate=rate, concurrency=concurrency):
                self._start, self._state = event, RunState.RUNNING
                self._allowed = self._ceiling = Allowance(rate, concurrency)
                self._progress.start(time)
            case ev.LimitsChanged(rate=rate, concurrency=concurrency, reason=reason, by_server=by_server):
                self._allowed = Allowance(rate, concurrency)
                if by_server or self._allowed == self._ceiling:
                    self._slowed = plain_line(reason) if self._allowed != self._ceiling else ""
            case ev.HarvestPaused(time=time, reason=reason, until=until):
                self._enter(RunState.PAUSED, reason, time, until)
            case ev.HarvestResumed(time=time):
                self._enter(RunState.RUNNING, "", time)
            case ev.HarvestDraining(time=time, reason=reason):
                self._enter(RunState.DRAINING, reason, time, time + self._grace if self._grace is not None else None)
                for slot in [slot for slot in self._slots if slot and slot.phase is ev.Phase.WAITING]:
                    self._release(slot.target.did)
            case ev.HarvestEnded(time=time, reason=reason):
                self._enter(RunState.ENDED, reason, time)
                self._slots.clear()
                self._places.clear()

    def _enter(self, state: RunState, why: str, now: float, until: float | None = None) -> None:
        settled = self._state in (RunState.DRAINING, RunState.ENDED)
        if settled and state in (RunState.PAUSED, RunState.RUNNING):
            return
        self._state, self._why, self._until = state, plain_line(why), until
        self._progress.pause(now, state is RunState.PAUSED)


def _in_flight(event: ev.PhaseEntered | None) -> InFlight | None:
    if event is None:
        return None
    name = plain_line(event.target.name, LONGEST_NAME)
    return InFlight(event.target.did, name, event.phase, event.attempt, event.time)


class RunState(StrEnum):
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
class RecentFailure:
    """A failure in the server's words, and when the spectrum is asked for again (None: it was given up)."""

    time: float
    name: str
    kind: FailureKind
    words: str
    again: float | None


@dataclass(frozen=True, slots=True)
class DashboardState:
    """All that people see of a harvest at ``now``. ``slots`` keep their places: a row never jumps."""

    now: float
    state: RunState
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
    troubles: tuple[RecentFailure, ...]

    @property
    def elapsed(self) -> float:
        return max(0.0, (self.stats.ended or self.now) - self.stats.started) if self.start else 0.0

    @property
    def held(self) -> tuple[InFlight, ...]:
        return tuple(slot for slot in self.slots if slot)

    @property
    def in_flight(self) -> int:
        """Number of spectra requested and not settled."""
        return sum(slot.phase not in (ev.Phase.WAITING, ev.Phase.HELD) for slot in self.held)

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

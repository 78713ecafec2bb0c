"""The dashboard's fold over events, of fixed size, that gives a snapshot at any time."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

from .. import events as ev
from ..events.stats import HarvestStats
from ..formatting import plain_line
from ..model.failures import Failure
from ..model.target import SpectrumId, Target
from .rates import LatencyWindow, ProgressEstimate, RateHistory, WaitingRetries
from .state import DashboardState, InFlight, RecentFailure, RequestLimits, RunState, left_of

MAX_SLOTS = 512
MAX_FAILURES = 16
SPARKLINE_LENGTH = 20
MAX_NAME_LENGTH = 80


class DashboardView:
    """Fold every event in microseconds into what the dashboard shows.

    ``numbers`` reads the statistics, which receive every event first. ``grace`` is how long a drain may take. Nothing
    in it grows with the catalog, except for the identifiers of the retries that wait, which the work queue keeps too.
    """

    def __init__(self, numbers: Callable[[], HarvestStats], grace: float | None = None) -> None:
        self._numbers, self._grace = numbers, grace
        self._start: ev.HarvestStarted | None = None
        self._run_state, self._reason = RunState.STARTING, ""
        self._until: float | None = None
        self._configured = self._limits = RequestLimits()
        self._slowed, self._unslowed = "", RequestLimits()
        self._slots: list[ev.PhaseEntered | None] = []
        self._slot_of: dict[SpectrumId, int] = {}
        self._retries = WaitingRetries()
        self._retry_after: tuple[float, float] | None = None
        self._failures: deque[RecentFailure] = deque(maxlen=MAX_FAILURES)
        self._requests, self._traffic = RateHistory(), RateHistory()
        self._latency, self._progress = LatencyWindow(), ProgressEstimate()

    def __call__(self, event: ev.Event) -> None:
        """Take in one event."""
        match event:
            case ev.PhaseEntered():
                self._hold(event)
            case ev.RequestSent(time=time):
                self._requests.add(time)
                if self._run_state is RunState.PAUSED and self._until is not None and time >= self._until:
                    self._enter(RunState.RUNNING, "", time)
            case ev.ResponseReceived(time=time, status=status, latency=latency, size=size):
                self._traffic.add(time, size)
                if status == 200:
                    self._latency.add(latency)
            case ev.SpectrumSaved(time=time, outcome=saved):
                self._release(saved.target.did)
                self._progress.complete(time)
            case ev.SpectrumFailed(time=time, outcome=failed):
                self._release(failed.target.did)
                self._progress.complete(time)
                self._note_failure(time, failed.target, failed.failure, None)
            case ev.RetryScheduled():
                self._postpone(event)
            case _:
                self._change_state(event)

    def snapshot(self, now: float) -> DashboardState:
        """Return what is shown at ``now`` (seconds since 1970)."""
        return DashboardState(
            now=now,
            run_state=self._run_state,
            reason=self._reason,
            until=self._until,
            start=self._start,
            stats=self._numbers(),
            slots=tuple(map(_in_flight, self._slots)),
            limits=self._limits,
            configured=self._configured,
            slowed=self._slowed,
            rate=self._requests.rate(now),
            history=self._requests.levels(now, SPARKLINE_LENGTH),
            traffic=self._traffic.rate(now),
            latency=self._latency.read(),
            due=len(self._retries),
            next_due=self._retries.next_due(now),
            last_due=self._retries.last_due,
            retry_after=self._retry_after,
            eta=self._eta(now),
            failures=tuple(reversed(self._failures)),
        )

    def _eta(self, now: float) -> float | None:
        rate = self._progress.rate(now)
        left = left_of(self._start, self._numbers())
        if not rate or left <= 0 or self._run_state not in (RunState.RUNNING, RunState.PAUSED):
            return None
        paused = max(0.0, self._until - now) if self._until is not None else 0.0
        if not math.isfinite(paused):
            return None
        return paused + left / min(rate, self._limits.rate or rate)

    def _hold(self, event: ev.PhaseEntered) -> None:
        if event.phase is ev.Phase.WAITING and self._run_state in (RunState.DRAINING, RunState.ENDED):
            return  # it will not get a request slot
        slot = self._slot_of.get(event.target.did)
        if slot is None:
            self._retries.take(event.target.did, event.attempt)
            slot = self._free_slot()
            if slot is None:
                return
            self._slot_of[event.target.did] = slot
        self._slots[slot] = event

    def _free_slot(self) -> int | None:
        if None in self._slots:
            return self._slots.index(None)
        if len(self._slots) == MAX_SLOTS:
            return None
        self._slots.append(None)
        return len(self._slots) - 1

    def _release(self, did: SpectrumId) -> None:
        slot = self._slot_of.pop(did, None)
        if slot is not None:
            self._slots[slot] = None

    def _postpone(self, event: ev.RetryScheduled) -> None:
        self._release(event.target.did)
        self._retries.add(event.target.did, event.due)
        if event.failure.retry_after is not None:
            self._retry_after = (event.time, event.failure.retry_after)
        self._note_failure(event.time, event.target, event.failure, event.due)

    def _note_failure(self, time: float, target: Target, failure: Failure, due: float | None) -> None:
        detail = plain_line(failure.detail) or failure.kind.meaning
        self._failures.append(RecentFailure(time, plain_line(target.name, MAX_NAME_LENGTH), failure.kind, detail, due))

    def _change_state(self, event: ev.Event) -> None:
        match event:
            case ev.HarvestStarted(time=time, rate=rate, concurrency=concurrency):
                self._start, self._run_state = event, RunState.RUNNING
                self._limits = self._configured = RequestLimits(rate, concurrency)
                self._progress.start(time)
                self._retries.inherit(event.retries, event.retries_until)
            case ev.LimitsChanged():
                self._change_limits(event)
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
                self._slot_of.clear()

    def _change_limits(self, event: ev.LimitsChanged) -> None:
        """Keep the reason of a slowdown until the limits are what they were before it."""
        before, self._limits = self._limits, RequestLimits(event.rate, event.concurrency)
        if event.by_server and self._limits.is_below(before):
            self._unslowed = self._unslowed if self._slowed else before
            self._slowed = plain_line(event.reason)
        elif self._slowed and not self._limits.is_below(self._unslowed):
            self._slowed = ""

    def _enter(self, run_state: RunState, reason: str, now: float, until: float | None = None) -> None:
        ending = self._run_state in (RunState.DRAINING, RunState.ENDED)
        if ending and run_state in (RunState.PAUSED, RunState.RUNNING):
            return
        self._run_state, self._reason, self._until = run_state, plain_line(reason), until
        self._progress.pause(now, run_state is RunState.PAUSED)


def _in_flight(event: ev.PhaseEntered | None) -> InFlight | None:
    if event is None:
        return None
    name = plain_line(event.target.name, MAX_NAME_LENGTH)
    return InFlight(event.target.did, name, event.phase, event.attempt, event.time)

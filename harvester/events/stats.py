"""The numbers of a harvest, as a fold over its events: one immutable snapshot that everything people see reads from."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock

from .. import events as ev
from ..model.exit_codes import EXIT_CODE_PRIORITY, StopReason
from ..model.failures import FailureKind

MOST_UNCOUNTED = 100  # events between two folds where nobody looks


@dataclass(frozen=True, slots=True)
class HarvestStats:
    """Counts so far. ``requests`` are those sent on the wire; times are seconds since 1970."""

    run: str = ""
    listed: int = 0
    present: int = 0
    saved: int = 0
    failed: int = 0
    requests: int = 0
    retries: int = 0
    bytes: int = 0
    started: float = 0.0
    ended: float | None = None
    reason: str = "running"
    exit_code: int | None = None
    failures: Mapping[FailureKind, int] = field(default_factory=dict)

    @property
    def remaining(self) -> int:
        """Listed, but neither present nor settled by this run."""
        return self.listed - self.present - self.saved - self.failed

    def after(self, *events: ev.Event) -> HarvestStats:
        """The numbers once ``events`` have happened, in their order."""
        now = {name: getattr(self, name) for name in self.__match_args__}
        for event in events:
            match event:
                case ev.RequestSent():
                    now["requests"] += 1
                case ev.ResponseReceived(size=size):
                    now["bytes"] += size
                case ev.SpectrumSaved():
                    now["saved"] += 1
                case ev.SpectrumFailed(outcome=outcome):
                    kind = outcome.failure.kind
                    now["failures"] = {**now["failures"], kind: now["failures"].get(kind, 0) + 1}
                    now["failed"] += 1
                case ev.RetryScheduled():
                    now["retries"] += 1
                case ev.HarvestStarted(time=time, run=run, listed=listed, present=present):
                    now |= {"run": run, "listed": listed, "present": present, "started": time}
                case ev.HarvestEnded(time=time, reason=reason, exit_code=code):
                    now |= {"ended": time, "reason": reason, "exit_code": code}
        return HarvestStats(**now)

    def summary(self, now: float) -> dict[str, object]:
        """The fields of ``summary.json`` that the README promises."""
        return {
            "run": self.run,
            "listed": self.listed,
            "present": self.present,
            "saved": self.saved,
            "failed": self.failed,
            "remaining": self.remaining,
            "requests": self.requests,
            "retries": self.retries,
            "bytes": self.bytes,
            "seconds": round((self.ended or now) - self.started, 3),
            "reason": self.reason,
            "exit_code": self.exit_code,
            "failures": {kind.value: count for kind, count in sorted(self.failures.items())},
        }


class StatsCollector:
    """Keeps the numbers up to date: a watcher around the fold, which is made when somebody looks, from any thread."""

    def __init__(self) -> None:
        self._stats = HarvestStats()
        self._since = deque[ev.Event]()
        self._counting = Lock()

    def __call__(self, event: ev.Event) -> None:
        if not isinstance(event, ev.PhaseEntered):  # most events are, and they count nothing
            self._since.append(event)
            if len(self._since) >= MOST_UNCOUNTED:
                self._count()

    @property
    def stats(self) -> HarvestStats:
        self._count()
        return self._stats

    def _count(self) -> None:
        with self._counting:
            if self._since:
                self._stats = self._stats.after(*(self._since.popleft() for _ in range(len(self._since))))


def ended_how(stats: HarvestStats, cause: StopReason | None, left_out: bool) -> tuple[str, int]:
    """Why the run ended, in words, and its exit code: of all that apply, the one that goes first in the README."""
    hows = (cause, _own_fault(stats), _unavailable(stats), _missing(stats, left_out))  # what stopped it says most
    first = min(
        (how for how in hows if how),
        key=lambda how: EXIT_CODE_PRIORITY.index(how.exit_code),
        default=StopReason("complete", 0),
    )
    return first.reason, first.exit_code


def _own_fault(stats: HarvestStats) -> StopReason | None:
    return StopReason("a bug of ours", 1) if FailureKind.INTERNAL in stats.failures else None


def _unavailable(stats: HarvestStats) -> StopReason | None:
    """Nothing was had, and nothing but outages was answered."""
    if stats.saved or stats.remaining or not stats.failures or not all(kind.outage_like for kind in stats.failures):
        return None
    return StopReason("the archive was unavailable to the end", 5)


def _missing(stats: HarvestStats, left_out: bool) -> StopReason | None:
    if any(kind.transient for kind in stats.failures):
        return StopReason("some spectra are worth another run", 4)
    if stats.remaining:
        return StopReason("the rest was left for another run" if left_out else "stopped early", 4)
    return StopReason("all was tried; some spectra cannot be had", 3) if stats.failures else None

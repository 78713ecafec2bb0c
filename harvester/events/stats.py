"""The statistics of a run, folded from its events into one immutable snapshot."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import ClassVar

from .. import events as ev
from ..model.exit_codes import EXIT_CODE_PRIORITY, StopReason
from ..model.failures import FailureKind
from ..model.outcomes import Level
from ..model.target import SpectrumId

MAX_KINDS_OF_REMARKS = 20
_NUMBER = re.compile(r"\d(?:[\d,.]| (?=\d{3}\b))*")  # blanks separate thousands

MAX_UNCOUNTED = 100  # events between two folds while the statistics are not read


@dataclass(frozen=True, slots=True)
class HarvestStats:
    """The counts so far.

    ``requests`` are those sent on the wire, ``retries`` the further attempts among them; times are seconds since 1970.
    structure_only: saved files in which no reader finds a spectrum. remarks: on saved files, by their words without
    numbers: how many, and the first one. In a refresh ``present`` are the spectra that this run does not request,
    ``to_refresh`` those that are stored and requested again, ``refreshed`` the saved ones and ``kept`` the failed ones
    of these (``kept_transient``: for transient reasons); ``refreshed_before`` were replaced by the runs that this one
    resumes.
    """

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
    structure_only: int = 0
    remarks: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    to_refresh: int = 0
    refreshed_before: int = 0
    refreshed: int = 0
    kept: int = 0
    kept_transient: int = 0

    @property
    def remaining(self) -> int:
        """How many spectra are in the catalog, but neither present nor settled by this run."""
        return self.listed - self.present - self.saved - self.failed

    @property
    def on_disk(self) -> int:
        """How many spectra of the catalog are stored, whether this run has replaced them or not."""
        return self.present + self.to_refresh + self.saved - self.refreshed

    @property
    def is_refresh(self) -> bool:
        """Whether stored spectra are requested again."""
        return self.to_refresh > 0 or self.refreshed_before > 0

    def after(self, *events: ev.Event) -> HarvestStats:
        """Return the statistics once ``events`` have happened, in their order."""
        now = {name: getattr(self, name) for name in self.__match_args__}
        for event in events:
            match event:
                case ev.RequestSent():
                    now["requests"] += 1
                case ev.ResponseReceived(size=size):
                    now["bytes"] += size
                case ev.SpectrumSaved(outcome=outcome):
                    now["saved"] += 1
                    now["refreshed"] += outcome.target.stored
                    now["structure_only"] += outcome.verified.level is Level.STRUCTURE
                    if outcome.verified.remarks:
                        now["remarks"] = _counted(now["remarks"], outcome.verified.remarks)
                case ev.SpectrumFailed(outcome=outcome):
                    kind = outcome.failure.kind
                    now["failures"] = {**now["failures"], kind: now["failures"].get(kind, 0) + 1}
                    now["failed"] += 1
                    now["kept"] += outcome.target.stored
                    now["kept_transient"] += outcome.target.stored and kind.transient

                case ev.HarvestStarted(time=time, run=run, listed=listed, present=present):
                    now |= {"run": run, "listed": listed, "present": present, "started": time}
                    now |= {"to_refresh": event.to_refresh, "refreshed_before": event.refreshed_before}
                case ev.HarvestEnded(time=time, reason=reason, exit_code=code):
                    now |= {"ended": time, "reason": reason, "exit_code": code}
        return HarvestStats(**now)

    def summary(self, now: float) -> dict[str, object]:
        """Return the documented fields of ``summary.json``."""
        return {
            "run": self.run,
            "listed": self.listed,
            "present": self.present,
            "saved": self.saved,
            "failed": self.failed,
            "remaining": self.remaining,
            "on_disk": self.on_disk,
            "to_refresh": self.to_refresh,
            "refreshed": self.refreshed,
            "refreshed_before": self.refreshed_before,
            "kept": self.kept,
            "requests": self.requests,
            "retries": self.retries,
            "bytes": self.bytes,
            "seconds": round((self.ended or now) - self.started, 3),
            "reason": self.reason,
            "exit_code": self.exit_code,
            "failures": {kind.value: count for kind, count in sorted(self.failures.items())},
            "structure_only": self.structure_only,
            "remarks": {example: count for count, example in self.remarks.values()},
        }


def _counted(known: Mapping[str, tuple[int, str]], remarks: Sequence[str]) -> Mapping[str, tuple[int, str]]:
    """Return ``known`` with further remarks, which are alike but for their numbers.

    New kinds are taken up to a limit only.
    """
    counts = dict(known)
    for remark in remarks:
        words = _NUMBER.sub("N", remark)
        number, example = counts.get(words, (0, remark))
        if number or len(counts) < MAX_KINDS_OF_REMARKS:
            counts[words] = (number + 1, example)
    return counts


class RequestedAttempts:
    """Count the spectra that a run requests, and the retries among its attempts.

    An attempt may take several requests, so the number of an attempt tells a retry, not the number of requests.
    """

    def __init__(self) -> None:
        self.retries = 0
        self._latest = dict[SpectrumId, int]()  # the latest attempt for each spectrum that is not settled yet
        self._settled = 0

    @property
    def spectra(self) -> int:
        """How many spectra were requested."""
        return self._settled + len(self._latest)

    def __call__(self, event: ev.Event) -> None:
        """Take in one event."""
        match event:
            case ev.PhaseEntered(target=target, attempt=attempt, phase=ev.Phase.RESPONSE):
                self.retries += self._latest.get(target.did, attempt) != attempt
                self._latest[target.did] = attempt
            case ev.SpectrumSaved(outcome=outcome) | ev.SpectrumFailed(outcome=outcome):
                self._latest.pop(outcome.target.did, None)
                self._settled += 1


class StatsCollector:
    """Collect events, and fold them when the statistics are read, from any thread."""

    reads: ClassVar = frozenset(
        {
            ev.HarvestStarted, ev.Phase.RESPONSE, ev.RequestSent, ev.ResponseReceived, ev.SpectrumSaved,
            ev.SpectrumFailed, ev.HarvestEnded,
        }
    )  # fmt: skip

    def __init__(self) -> None:
        self._stats = HarvestStats()
        self._since = deque[ev.Event]()
        self._counting = Lock()
        self._attempts = RequestedAttempts()

    def __call__(self, event: ev.Event) -> None:
        """Take in one event."""
        self._attempts(event)
        if type(event) in self.reads:
            self._since.append(event)
            if len(self._since) >= MAX_UNCOUNTED:
                self._count()

    @property
    def stats(self) -> HarvestStats:
        """The statistics up to now."""
        self._count()
        if self._stats.retries != self._attempts.retries:
            self._stats = replace(self._stats, retries=self._attempts.retries)
        return self._stats

    def _count(self) -> None:
        with self._counting:
            if self._since:
                self._stats = self._stats.after(*(self._since.popleft() for _ in range(len(self._since))))


def ended_how(stats: HarvestStats, cause: StopReason | None, left_out: bool) -> tuple[str, int]:
    """Return the reason why the run ended and its exit code.

    Of all reasons that apply it is the one of the highest priority.
    """
    reasons = (cause, _own_fault(stats), _unavailable(stats), _missing(stats, left_out))
    first = min(
        (reason for reason in reasons if reason),
        key=lambda reason: EXIT_CODE_PRIORITY.index(reason.exit_code),
        default=StopReason("complete", 0),
    )
    return first.reason, first.exit_code


def _own_fault(stats: HarvestStats) -> StopReason | None:
    return StopReason("stopped by an internal error", 1) if FailureKind.INTERNAL in stats.failures else None


def _unavailable(stats: HarvestStats) -> StopReason | None:
    """Return a reason if nothing was saved and all failures look like an outage."""
    if stats.saved or stats.remaining or not stats.failures or not all(kind.outage_like for kind in stats.failures):
        return None
    return StopReason("the archive stayed unavailable", 5)


def _missing(stats: HarvestStats, left_out: bool) -> StopReason | None:
    if any(kind.transient for kind in stats.failures):
        return StopReason("some spectra are worth another run", 4)
    if stats.remaining:
        return StopReason("the rest was left for another run" if left_out else "stopped early", 4)
    if stats.failures and stats.failed == stats.kept:
        return StopReason("finished; some stored spectra could not be refreshed and stay as they are", 3)
    return StopReason("finished; some spectra are unavailable", 3) if stats.failures else None

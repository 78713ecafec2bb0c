"""Divide the list of a harvest into shards, and keep track of each. No I/O."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, islice
from random import Random

from .. import events as ev
from ..engine.work_queue import PendingRetry
from ..model.outcomes import Saved
from ..model.target import SpectrumId, Target
from .messages import ShardStatus, StoredReport

SIZE = 300  # spectra at most: starting a shard costs little then
MINUTE = 60.0  # seconds of work, where the rate says how long that is
SHARES = 4  # shards for each worker, so that all end together
ELSEWHERE = 5  # random targets that come with a shard, for probes


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of the list for one worker.

    Without ``wait_for_retries`` it returns retries that are not due yet.

    ``known_good`` is a spectrum that the archive served before, ``elsewhere`` are targets from the whole list.
    """

    number: int
    targets: Sequence[Target]
    leftovers: Sequence[PendingRetry] = ()
    wait_for_retries: bool = False
    known_good: Target | None = None
    elsewhere: tuple[Target, ...] = ()


class ShardQueue:
    """Shards of what is left: due retries first, then fresh targets, then retries not yet due.

    Fresh targets come in the order of the plan.

    ``size`` fresh targets are in memory at a time, and all retries. Times are loop seconds.
    """

    def __init__(
        self,
        targets: Iterable[Target],
        leftovers: Iterable[PendingRetry],
        now: float,
        known_good: Target | None,
        size: int,
        rng: Random | None = None,
    ) -> None:
        self._targets = targets if isinstance(targets, Sequence) else ()
        self._fresh: Iterator[Target] = iter(targets)
        self._known_good, self._size = known_good, size
        self._rng = rng or Random()  # noqa: S311 - it chooses what to probe, no secret
        self._back: list[tuple[float, int, PendingRetry]] = []
        self._order = count()
        self._count = 0
        self.give_back(leftovers, now)

    def next(self, now: float) -> Shard | None:
        """Return the next shard; None while all that is left is in progress."""
        due = self._take_retries(now, now)
        fresh = tuple(islice(self._fresh, self._size - len(due)))
        if not due and not fresh:
            due = self._take_retries(now, math.inf)
        if not due and not fresh:
            return None
        self._count += 1
        wait = any(each.due for each in due)
        return Shard(self._count, fresh, due, wait, self._known_good, self._elsewhere())

    def _elsewhere(self) -> tuple[Target, ...]:
        """Return a few targets from the whole list: a shard may be a block of bad spectra."""
        count = len(self._targets)
        return tuple(self._targets[self._rng.randrange(count)] for _ in range(min(count, ELSEWHERE)))

    def give_back(self, leftovers: Iterable[PendingRetry], now: float) -> None:
        """Take back the retries that were not due before a worker ended its shard."""
        for each in leftovers:
            heapq.heappush(self._back, (now + each.due, next(self._order), each))

    def _take_retries(self, now: float, until: float) -> tuple[PendingRetry, ...]:
        """Return the retries that are due ``until`` then, at most a shard of them.

        Their waits are from ``now``.
        """
        taken: list[PendingRetry] = []
        while self._back and self._back[0][0] <= until and len(taken) < self._size:
            due, _, each = heapq.heappop(self._back)
            taken.append(replace(each, due=max(0.0, due - now)))
        return tuple(taken)


def size_for(spectra: int, workers: int, rate: float) -> int:
    """Return how large shards should be if ``rate`` requests a second are allowed.

    A rate of 0 allows any number.

    Every worker gets several, and ends each within a minute: then there is soon one for retries that are due.
    """
    minute = MINUTE * rate / workers if rate else SIZE
    return max(1, math.ceil(min(SIZE, minute, spectra / (SHARES * workers))))


@dataclass(slots=True)
class ShardProgress:
    """What the worker of a shard has reported.

    Enough to continue if it is lost, without requesting anything twice.
    """

    started: bool = False
    settled: set[SpectrumId] = field(default_factory=set)
    retries: dict[SpectrumId, tuple[Target, int, float, bool]] = field(default_factory=dict)
    verified: dict[SpectrumId, Saved] = field(default_factory=dict)

    def take(self, event: ev.Event) -> bool:
        """Take in an event.

        Return False if a worker that was considered lost has reported it already.
        """
        match event:
            case ev.SpectrumSaved(outcome=outcome) | ev.SpectrumFailed(outcome=outcome):
                did = outcome.target.did
                if did in self.settled:
                    return False
                self.settled.add(did)
                self.retries.pop(did, None)
                self.verified.pop(did, None)
            case ev.SpectrumVerified(outcome=outcome):
                self.verified[outcome.target.did] = outcome
            case ev.RetryScheduled(target=target, attempt=attempt, failure=failure, due=due):
                self.retries[target.did] = (target, attempt + 1, due, failure.retry_after is not None)
        return True

    def stored(self, report: StoredReport) -> ev.SpectrumSaved | None:
        """Return the event that ``report`` stands for.

        None if a worker that was considered lost has reported it already.
        """
        verified = self.verified.get(report.did)
        return None if verified is None else ev.SpectrumSaved(report.time, replace(verified, elapsed=report.elapsed))

    def start(self, now: float) -> ShardStatus:
        """Return what the next worker must know at ``now`` (seconds since 1970)."""
        again, self.started = self.started, True
        retries = [
            PendingRetry(target, attempt, max(0.0, due - now), waited)
            for target, attempt, due, waited in self.retries.values()
        ]
        return ShardStatus(frozenset(self.settled), retries, tuple(self.verified.values()), again)

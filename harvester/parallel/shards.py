"""A harvest's list, dealt out in shards, and what is known of each while a hand works on it. Values and no I/O."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, islice

from .. import events as ev
from ..engine.work_queue import PendingRetry
from ..model.outcomes import Saved
from ..model.target import SpectrumId, Target
from .messages import ShardStatus

SIZE = 300  # spectra at most: handing over costs nothing then
MINUTE = 60.0  # seconds of work, where the rate says how long that is
SHARES = 4  # of the list for each hand, so that all end together


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of the list for one hand. One that is not ``patient`` hands back retries that it would have to wait for.

    ``canary``: a spectrum that the archive is known to have.
    """

    number: int
    targets: Sequence[Target]
    leftovers: Sequence[PendingRetry] = ()
    wait_for_retries: bool = False
    known_good: Target | None = None


class ShardQueue:
    """Deals shards until nothing is left, by a clock in loop seconds: what is due first, fresh ones in the plan's
    order, and at last those that have to be waited for.

    ``size`` of the fresh targets are in memory at a time, and all retries that are waited for.
    """

    def __init__(
        self, targets: Iterable[Target], leftovers: Iterable[PendingRetry], now: float, canary: Target | None, size: int
    ) -> None:
        self._fresh: Iterator[Target] = iter(targets)
        self._canary, self._size = canary, size
        self._back: list[tuple[float, int, PendingRetry]] = []
        self._order = count()
        self._dealt = 0
        self.hand_back(leftovers, now)

    def next(self, now: float) -> Shard | None:
        """The next shard; None while there is nothing that nobody works on."""
        due = self._taken(now, now)
        fresh = tuple(islice(self._fresh, self._size - len(due)))
        if not due and not fresh:
            due = self._taken(now, math.inf)
        if not due and not fresh:
            return None
        self._dealt += 1
        patient = any(each.due for each in due)
        return Shard(self._dealt, fresh, due, patient, self._canary)

    def hand_back(self, leftovers: Iterable[PendingRetry], now: float) -> None:
        """Retries that a hand had to wait for."""
        for each in leftovers:
            heapq.heappush(self._back, (now + each.due, next(self._order), each))

    def _taken(self, now: float, until: float) -> tuple[PendingRetry, ...]:
        """As many as make a shard of those that are due ``until`` then; their waits are from ``now``."""
        taken: list[PendingRetry] = []
        while self._back and self._back[0][0] <= until and len(taken) < self._size:
            due, _, each = heapq.heappop(self._back)
            taken.append(replace(each, due=max(0.0, due - now)))
        return tuple(taken)


def size_for(spectra: int, hands: int, rate: float) -> int:
    """How large shards are where ``rate`` requests a second are allowed (0: any number).

    Every hand has several, and is done with each within a minute: then retries that are due find somebody.
    """
    minute = MINUTE * rate / hands if rate else SIZE
    return max(1, math.ceil(min(SIZE, minute, spectra / (SHARES * hands))))


@dataclass(slots=True)
class ShardProgress:
    """What a shard's hand told so far: enough to go on where it was lost, and to ask for nothing twice."""

    joined: bool = False
    settled: set[SpectrumId] = field(default_factory=set)
    retries: dict[SpectrumId, tuple[Target, int, float]] = field(default_factory=dict)
    verified: dict[SpectrumId, Saved] = field(default_factory=dict)

    def note(self, event: ev.Event) -> bool:
        """Take in what happened; False if it is told a second time, by somebody who was thought to be lost."""
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
            case ev.RetryScheduled(target=target, attempt=attempt, due=due):
                self.retries[target.did] = (target, attempt + 1, due)
        return True

    def begun(self, now: float) -> ShardStatus:
        """What the next hand should know at ``now`` (seconds since 1970)."""
        again, self.joined = self.joined, True
        retries = [PendingRetry(target, attempt, max(0.0, due - now)) for target, attempt, due in self.retries.values()]
        return ShardStatus(frozenset(self.settled), retries, tuple(self.verified.values()), again)

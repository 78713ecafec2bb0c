"""A harvest's list, dealt out in shards, and what is known of each while a hand works on it. Values and no I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from .. import events as ev
from ..outcomes import Saved
from ..retry import Leftover
from ..spectra import SpectrumId, Target
from .messages import Begun

SIZE = 300  # spectra: a minute's work for most archives, so that hands end together, and handing over costs nothing


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of the list for one hand. One that is not ``patient`` hands back retries that it would have to wait for.

    ``canary``: a spectrum that the archive is known to have.
    """

    number: int
    targets: Sequence[Target]
    leftovers: Sequence[Leftover] = ()
    patient: bool = False
    canary: Target | None = None


class Deal:
    """Deals shards until nothing is left: fresh ones in the plan's order, then whatever was handed back.

    ``count`` of the fresh targets, and what an earlier run left, are in memory at a time.
    """

    def __init__(
        self,
        targets: Iterable[Target],
        leftovers: Sequence[Leftover] = (),
        canary: Target | None = None,
        size: int = SIZE,
    ) -> None:
        self._fresh: Iterator[Target] = iter(targets)
        self._back = deque(leftovers)
        self._canary, self._size = canary, size
        self._dealt = 0

    def next(self) -> Shard | None:
        """The next shard; None while there is nothing that nobody works on."""
        fresh = tuple(islice(self._fresh, self._size))
        back = () if fresh else tuple(self._back.popleft() for _ in range(min(self._size, len(self._back))))
        if not fresh and not back:
            return None
        self._dealt += 1
        return Shard(self._dealt, fresh, back, not fresh, self._canary)

    def hand_back(self, leftovers: Iterable[Leftover]) -> None:
        """Retries that a hand had to wait for."""
        self._back.extend(leftovers)


@dataclass(slots=True)
class Progress:
    """What a shard's hand told so far: enough to go on where it was lost, and to ask for nothing twice."""

    joined: bool = False
    settled: set[SpectrumId] = field(default_factory=set)
    retries: dict[SpectrumId, tuple[Target, int, float]] = field(default_factory=dict)
    proved: dict[SpectrumId, Saved] = field(default_factory=dict)

    def note(self, event: ev.Event) -> bool:
        """Take in what happened; False if it is told a second time, by somebody who was thought to be lost."""
        match event:
            case ev.SpectrumSaved(outcome=outcome) | ev.SpectrumFailed(outcome=outcome):
                did = outcome.target.did
                if did in self.settled:
                    return False
                self.settled.add(did)
                self.retries.pop(did, None)
                self.proved.pop(did, None)
            case ev.SpectrumProved(outcome=outcome):
                self.proved[outcome.target.did] = outcome
            case ev.RetryScheduled(target=target, attempt=attempt, due=due):
                self.retries[target.did] = (target, attempt + 1, due)
        return True

    def begun(self, now: float) -> Begun:
        """What the next hand should know at ``now`` (seconds since 1970)."""
        again, self.joined = self.joined, True
        retries = [Leftover(target, attempt, max(0.0, due - now)) for target, attempt, due in self.retries.values()]
        return Begun(frozenset(self.settled), retries, tuple(self.proved.values()), again)

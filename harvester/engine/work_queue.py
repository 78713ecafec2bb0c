"""Queue the targets of a harvest.

Fresh ones in the order of the plan, and retries once they are due.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from ..model.target import Target

RETRY_SHARE, FREE_RETRIES = 0.2, 10  # retries per fresh spectrum, and how many are free: retries must not multiply


@dataclass(frozen=True, slots=True)
class Attempt:
    """The ``attempt``-th attempt (from 1) for one target.

    ``waited``: the previous one was answered with Retry-After.
    """

    target: Target
    attempt: int = 1
    waited: bool = False


@dataclass(frozen=True, slots=True)
class PendingRetry:
    """A retry that another run or worker left behind.

    Its attempt will be number ``attempt``, ``due`` seconds from now.
    """

    target: Target
    attempt: int
    due: float
    waited: bool = False


@dataclass(order=True, slots=True)
class _Due:
    time: float
    order: int
    attempt: Attempt = field(compare=False)
    failed: float = field(compare=False, default=float("-inf"))


class WorkQueue:
    """What is still to be requested.

    Fresh targets in the order of the plan, and retries once they are due.

    Retries go first, but while there are fresh targets, no more of them than a share of those. Only the retries are
    kept in memory; the fresh targets stay in the iterable they came in. Times are loop seconds.
    """

    def __init__(self, targets: Iterable[Target]) -> None:
        self._fresh: Iterator[Target] = iter(targets)
        self._exhausted = False
        self._retries: list[_Due] = []
        self._order = 0
        self._open = 0
        self._fresh_taken = self._retries_taken = 0

    @property
    def finished(self) -> bool:
        """Nothing is fresh, to be retried, or in progress."""
        return self.idle and not self._retries

    @property
    def idle(self) -> bool:
        """Nothing is fresh or in progress; there may be retries that are not due yet."""
        return self._exhausted and not self._open

    def remaining_retries(self, now: float) -> list[PendingRetry]:
        """Return the retries that are not due yet, the earliest first."""
        return [
            PendingRetry(due.attempt.target, due.attempt.attempt, due.time - now, due.attempt.waited)
            for due in sorted(self._retries)
        ]

    @property
    def open(self) -> int:
        """How many attempts are in progress."""
        return self._open

    @property
    def next_due(self) -> float | None:
        """When the earliest retry is due; None without one."""
        return self._retries[0].time if self._retries else None

    def take(self, now: float) -> Attempt | None:
        """Return the next attempt, or None if there is none at this moment."""
        due = bool(self._retries) and self._retries[0].time <= now
        if due and self._retries_taken < FREE_RETRIES + RETRY_SHARE * self._fresh_taken:
            return self._take_retry()
        target = None if self._exhausted else next(self._fresh, None)
        if target is not None:
            self._open += 1
            self._fresh_taken += 1
            return Attempt(target)
        self._exhausted = True
        return self._take_retry() if due else None

    def done(self) -> None:
        """Note that an attempt that was taken needs nothing more."""
        self._open -= 1

    def retry(self, attempt: Attempt, due: float, failed: float = float("-inf"), waited: bool = False) -> None:
        """Queue the next attempt for a target whose attempt failed.

        ``failed`` is when it failed, if that may turn out to be the archive's fault; ``waited``: with Retry-After.
        """
        self._open -= 1
        self._push(replace(attempt, attempt=attempt.attempt + 1, waited=waited), due, failed)

    def requeue(self, attempt: Attempt, due: float, waited: bool = False) -> None:
        """Queue an attempt again that does not count."""
        self._open -= 1
        self._push(replace(attempt, waited=waited), due, float("-inf"))

    def resume(self, attempt: Attempt, due: float) -> None:
        """Queue a retry that another run or worker left behind."""
        self._push(attempt, due, float("-inf"))

    def uncount_attempts(self, since: float) -> None:
        """Do not count the attempts that failed at or after ``since``: the archive was down."""
        for entry in self._retries:
            if entry.failed >= since:
                entry.attempt = replace(entry.attempt, attempt=entry.attempt.attempt - 1)
                entry.failed = float("-inf")

    def _take_retry(self) -> Attempt:
        self._open += 1
        self._retries_taken += 1
        return heapq.heappop(self._retries).attempt

    def _push(self, attempt: Attempt, due: float, failed: float) -> None:
        self._order += 1
        heapq.heappush(self._retries, _Due(due, self._order, attempt, failed))

"""Whether, and when, a spectrum is asked for again: the rule, and the agenda that keeps what is due."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from ..model.target import Target

RETRY_SHARE, FREE_RETRIES = 0.2, 10  # retries per fresh spectrum, and how many are free: a storm must not feed itself


@dataclass(frozen=True, slots=True)
class Attempt:
    """A spectrum to be asked for, for the ``attempt``-th time (from 1)."""

    target: Target
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class PendingRetry:
    """A retry that an earlier run left behind: ``due`` in seconds from now, ``attempt`` its next one."""

    target: Target
    attempt: int
    due: float


@dataclass(order=True, slots=True)
class _Due:
    time: float
    order: int
    assignment: Attempt = field(compare=False)
    failed: float = field(compare=False, default=float("-inf"))


class WorkQueue:
    """What is still to be asked: fresh targets in the plan's order, and retries once they are due.

    Retries go first, but no more of them than a share of the fresh ones while there are fresh ones. Holds only the
    retries; the fresh targets stay in the iterable they came in. Times are loop seconds.
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
        """Nothing fresh, nothing to retry, nothing handed out and unsettled."""
        return self.idle and not self._retries

    @property
    def idle(self) -> bool:
        """Nothing fresh, and nothing handed out and unsettled: at most retries are waited for."""
        return self._exhausted and not self._open

    def remaining_retries(self, now: float) -> list[PendingRetry]:
        """The retries that are waited for, the first due first."""
        return [
            PendingRetry(due.assignment.target, due.assignment.attempt, due.time - now) for due in sorted(self._retries)
        ]

    @property
    def open(self) -> int:
        """How many assignments are handed out and unsettled."""
        return self._open

    @property
    def next_due(self) -> float | None:
        """The time at which the earliest retry is due."""
        return self._retries[0].time if self._retries else None

    def take(self, now: float) -> Attempt | None:
        """The next assignment, or None if there is none at this moment."""
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
        """An assignment that was taken needs nothing more."""
        self._open -= 1

    def retry(self, assignment: Attempt, due: float, failed: float = float("-inf")) -> None:
        """An assignment that was taken comes back at ``due`` for its next attempt.

        ``failed`` is when it failed in a way that may turn out to be the archive's fault.
        """
        self._open -= 1
        self._push(replace(assignment, attempt=assignment.attempt + 1), due, failed)

    def requeue(self, assignment: Attempt, due: float) -> None:
        """An assignment that was taken comes back at ``due`` as it was: the attempt does not count."""
        self._open -= 1
        self._push(assignment, due, float("-inf"))

    def resume(self, assignment: Attempt, due: float) -> None:
        """A retry that an earlier run left behind."""
        self._push(assignment, due, float("-inf"))

    def uncount_attempts(self, since: float) -> None:
        """What failed at or after ``since`` was the archive's fault: those attempts do not count."""
        for entry in self._retries:
            if entry.failed >= since:
                entry.assignment = replace(entry.assignment, attempt=entry.assignment.attempt - 1)
                entry.failed = float("-inf")

    def _take_retry(self) -> Attempt:
        self._open += 1
        self._retries_taken += 1
        return heapq.heappop(self._retries).assignment

    def _push(self, assignment: Attempt, due: float, failed: float) -> None:
        self._order += 1
        heapq.heappush(self._retries, _Due(due, self._order, assignment, failed))

"""Verdicts that wait for evidence, and refusals that may be our own fault, or our profile's."""

from __future__ import annotations

from dataclasses import dataclass

from ..model.failures import Failure, FailureKind
from .work_queue import Attempt

ENOUGH = 5  # refusals without any other answer in between: not these spectra, but our request may be wrong

ELSEWHERE = 5  # spectra from anywhere in the list that must be refused, too, where none is known to be good


@dataclass(frozen=True, slots=True)
class PendingFailure:
    """A spectrum whose last attempt failed as it would if the archive were away: not charged before that is known.

    ``started`` is when the attempt began, in loop seconds.
    """

    assignment: Attempt
    failure: Failure
    started: float
    url: str


@dataclass(slots=True)
class RejectionCounter:
    """Counts answers that refuse the request as such, in a row."""

    in_a_row: int = 0
    elsewhere: int = 0

    @staticmethod
    def is_one(failure: Failure) -> bool:
        return failure.kind in (FailureKind.REFUSED_REQUEST, FailureKind.FORBIDDEN, FailureKind.NO_URL)

    def heard(self, failure: Failure) -> bool:
        """Count a failure; True when there is reason to ask whether our request is at fault."""
        self.in_a_row = self.in_a_row + 1 if self.is_one(failure) else 0
        return self.in_a_row > 0 and self.in_a_row % ENOUGH == 0

    def heard_elsewhere(self) -> bool:
        """A spectrum from somewhere else in the list was refused, too; True once that was so often enough."""
        self.elsewhere += 1
        return self.elsewhere >= ELSEWHERE

    def heard_other(self) -> None:
        """An answer of another kind: our requests are understood."""
        self.in_a_row = self.elsewhere = 0

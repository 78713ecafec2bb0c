"""How a check says no: one exception that carries the outcome."""

from __future__ import annotations

from ..model.failures import FailureKind
from ..model.outcomes import Gate, Rejected


class RejectedError(ValueError):
    """Bytes that fail a gate; ``rejected`` says which, and its ``detail`` is one sentence for people."""

    def __init__(self, gate: Gate, kind: FailureKind, detail: str) -> None:
        super().__init__(detail)
        self.rejected = Rejected(gate, kind, detail)


def malformed(detail: str, gate: Gate = Gate.STRUCTURE) -> RejectedError:
    return RejectedError(gate, FailureKind.MALFORMED_FITS, detail)

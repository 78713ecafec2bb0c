"""How a check says no: one exception that carries the outcome."""

from __future__ import annotations

from ..model.failures import FailureKind
from ..model.outcomes import Check, FailedCheck


class InvalidSpectrumError(ValueError):
    """Bytes that fail a gate; ``rejected`` says which, and its ``detail`` is one sentence for people."""

    def __init__(self, gate: Check, kind: FailureKind, detail: str) -> None:
        super().__init__(detail)
        self.rejected = FailedCheck(gate, kind, detail)


def malformed(detail: str, gate: Check = Check.STRUCTURE) -> InvalidSpectrumError:
    return InvalidSpectrumError(gate, FailureKind.MALFORMED_FITS, detail)

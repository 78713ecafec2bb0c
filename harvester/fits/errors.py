"""The exception that carries a failed check out of the reader."""

from __future__ import annotations

from ..model.failures import FailureKind
from ..model.outcomes import Check, FailedCheck


class InvalidSpectrumError(ValueError):
    """Bytes that fail a check.

    ``rejected`` says which, and its ``detail`` is one sentence for people.
    """

    def __init__(self, check: Check, kind: FailureKind, detail: str) -> None:
        super().__init__(detail)
        self.rejected = FailedCheck(check, kind, detail)


def malformed(detail: str) -> InvalidSpectrumError:
    """Return the error for FITS whose headers make no sense."""
    return InvalidSpectrumError(Check.STRUCTURE, FailureKind.MALFORMED_FITS, detail)


class UnknownFormError(InvalidSpectrumError):
    """A whole file of a form that no reader here knows; others may."""

    def __init__(self, detail: str) -> None:
        super().__init__(Check.SCIENCE, FailureKind.UNREADABLE, detail)


def unreadable(detail: str) -> InvalidSpectrumError:
    """Return the error for a whole file in which this reader finds no spectrum."""
    return InvalidSpectrumError(Check.SCIENCE, FailureKind.UNREADABLE, detail)

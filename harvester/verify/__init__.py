"""Verify that a body is the spectrum that was requested."""

from __future__ import annotations

from functools import cache
from types import ModuleType

from ..model.expectation import Expectation
from ..model.outcomes import LongVerification, Verdict
from ..model.target import SpectrumId

__all__ = ["verify_by_own_readers", "verify_soon", "verify_spectrum"]


def verify_spectrum(body: bytes | bytearray | memoryview, did: SpectrumId, expected: Expectation) -> Verdict:
    """Return what ``body`` proves to be, if it is the spectrum ``did`` as ``expected``.

    Else return the check that it fails. The reader is loaded with the first spectrum: a command that only plans needs
    no numpy.
    """
    verdict: Verdict = _checks().verified(bytes(body), did, expected)
    return verdict


def verify_soon(body: bytes, did: SpectrumId, expected: Expectation) -> Verdict | LongVerification:
    """Return the same within 2 milliseconds, or a verification to be finished in a thread.

    Long bodies take that, and those that readers of other packages are asked about in a process of their own.
    """
    verdict: Verdict | LongVerification = _checks().verified_soon(body, did, expected)
    return verdict


def verify_by_own_readers(body: bytes, did: SpectrumId, expected: Expectation) -> Verdict | LongVerification:
    """Return the same however long our own readers take.

    For what has no event loop to hold; what remains to be finished takes seconds, by readers of other packages.
    """
    verdict: Verdict | LongVerification = _checks().verified_by_own_readers(body, did, expected)
    return verdict


@cache
def _checks() -> ModuleType:
    from . import spectrum

    return spectrum

"""Verify that a body is the spectrum that was requested."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from ..model.outcomes import FailedCheck, VerifiedSpectrum
from ..model.target import SpectrumId
from .expectation import Expectation

__all__ = ["verify_spectrum"]

Verdict = VerifiedSpectrum | FailedCheck


def verify_spectrum(body: bytes | bytearray | memoryview, did: SpectrumId, expected: Expectation) -> Verdict:
    """Return what ``body`` proves to be, if it is the spectrum ``did`` as ``expected``.

    Else the check it fails. The reader is loaded with the first spectrum: a command that only plans needs no numpy.
    """
    return _reader()(bytes(body), did, expected)


@cache
def _reader() -> Callable[[bytes, SpectrumId, Expectation], Verdict]:
    from .spectrum import verified

    return verified

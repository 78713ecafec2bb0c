"""Verify that bytes are the spectrum that was requested."""

from __future__ import annotations

from ..model.outcomes import FailedCheck, VerifiedSpectrum
from ..model.target import SpectrumId
from .expectation import Expectation

__all__ = ["verify_spectrum"]


def verify_spectrum(
    body: bytes | bytearray | memoryview, did: SpectrumId, expected: Expectation
) -> VerifiedSpectrum | FailedCheck:
    """Return what ``body`` proves to be, if it is the spectrum ``did`` as ``expected``; else the check it fails.

    The reader is loaded with the first spectrum: a command that only plans needs no numpy.
    """
    from .spectrum import verified

    return verified(bytes(body), did, expected)

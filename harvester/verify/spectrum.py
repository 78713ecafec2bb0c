"""Verify that bytes are the spectrum that was requested.

Three checks, in about a tenth of a millisecond.

No reader trusts a header's sizes, opens a file, or needs astropy for the usual
forms: its careful reading costs fifty times as much, and lets a traceback behind the end of a file pass.
"""

from __future__ import annotations

import hashlib
import math

from ..fits.errors import InvalidSpectrumError
from ..fits.observation import object_name
from ..fits.segments import tolerant
from ..fits.spectrum import Spectrum
from ..formatting import plain_line
from ..model.failures import FailureKind
from ..model.outcomes import FailedCheck, Level, VerifiedSpectrum
from ..model.target import SpectrumId
from ..readers.spectrum_file import SpectrumFile, open_file
from .checks import check_identity, check_science
from .expectation import Expectation


def verified(raw: bytes, did: SpectrumId, expected: Expectation) -> VerifiedSpectrum | FailedCheck:
    """Return what ``raw`` proves to be, if it is the spectrum ``did`` as ``expected``.

    Else the check it fails.
    """
    try:
        return _verified(raw, did, expected)
    except InvalidSpectrumError as error:
        return error.rejected


def _verified(raw: bytes, did: SpectrumId, expected: Expectation) -> VerifiedSpectrum:
    file = open_file(raw, expected.strict, expected.conventions, expected.fits_only)
    try:
        headers = file.spectral_headers()
        check_identity(did, expected.identity_card, *headers)
        spectrum = file.spectrum()
        if not expected.strict:
            spectrum = tolerant(spectrum)
        wave_min, wave_max = check_science(spectrum, expected)
    except InvalidSpectrumError as error:
        if expected.require is Level.SCIENCE or error.rejected.kind is not FailureKind.UNREADABLE:
            raise
        check_identity(did, expected.identity_card, *file.headers)
        return _structure_only(raw, file, error.rejected.detail)
    return VerifiedSpectrum(
        size=len(raw),
        sha256=hashlib.sha256(raw).hexdigest(),
        content_digest=file.content_digest(),
        points=spectrum.wave.size,
        wave_min=wave_min,
        wave_max=wave_max,
        object_name=_object_name(spectrum, expected.strict),
        invalid=0 if expected.strict else spectrum.invalid_points,
        segments=len(spectrum.lengths) or 1,
        remarks=spectrum.remarks,
    )


def _structure_only(raw: bytes, file: SpectrumFile, reason: str) -> VerifiedSpectrum:
    """Return what a whole file proves in which no reader finds a spectrum, for ``reason``."""
    return VerifiedSpectrum(
        size=len(raw),
        sha256=hashlib.sha256(raw).hexdigest(),
        content_digest=file.content_digest(),
        points=0,
        wave_min=math.nan,
        wave_max=math.nan,
        object_name=plain_line(str(file.headers[0].get("OBJECT", ""))),
        remarks=(reason,),
        level=Level.STRUCTURE,
    )


def _object_name(spectrum: Spectrum, strict: bool) -> str:
    """Return what was observed; a strict reading wants OBJECT to be a string."""
    if strict:
        return spectrum.table.text("OBJECT") or spectrum.primary.text("OBJECT")
    return object_name(spectrum)

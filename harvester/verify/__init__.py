"""Proof that bytes are the spectrum that was asked for: three gates, in about a tenth of a millisecond.

Neither ``verify_spectrum`` nor ``read_spectrum`` trusts a header's sizes, opens a file, or needs astropy, whose careful
reading costs fifty times as much and lets a traceback behind the end of a file pass.
"""

from __future__ import annotations

import hashlib

from ..fits.errors import InvalidSpectrumError
from ..fits.hdu import read_hdus
from ..fits.reader import decoded, spectral_part
from ..model.outcomes import FailedCheck, VerifiedSpectrum
from ..model.target import SpectrumId
from .checks import check_identity, check_science
from .digest import content_digest
from .expectation import Expectation

__all__ = ["verify_spectrum"]


def verify_spectrum(
    body: bytes | bytearray | memoryview, did: SpectrumId, expected: Expectation
) -> VerifiedSpectrum | FailedCheck:
    """What ``body`` proves, if it is the spectrum ``did`` as ``expected``; else the first gate it fails, and how."""
    try:
        return _verified(bytes(body), did, expected)
    except InvalidSpectrumError as error:
        return error.rejected


def _verified(raw: bytes, did: SpectrumId, expected: Expectation) -> VerifiedSpectrum:
    hdus = read_hdus(raw)
    hdu, part = spectral_part(hdus)
    primary = hdus[0].header
    check_identity(did, expected.identity_card, hdu.header, primary)
    spectrum = decoded(raw, primary, hdu, part)
    wave_min, wave_max = check_science(spectrum, expected)
    return VerifiedSpectrum(
        size=len(raw),
        sha256=hashlib.sha256(raw).hexdigest(),
        content_digest=content_digest(raw, hdus),
        points=spectrum.wave.size,
        wave_min=wave_min,
        wave_max=wave_max,
        object_name=spectrum.table.text("OBJECT") or primary.text("OBJECT"),
    )

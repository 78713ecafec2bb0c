"""Proof that bytes are the spectrum that was asked for: three gates, in about a tenth of a millisecond.

``inspect`` judges, ``read_spectrum`` reads. Neither trusts a header's sizes, opens a file, or needs astropy, whose
careful reading costs fifty times as much and lets a traceback behind the end of a file pass.
"""

from __future__ import annotations

import hashlib

from ..fits.errors import RejectedError
from ..fits.hdu import walk
from ..fits.reader import decoded, spectral_part
from ..model.outcomes import Rejected, Verified
from ..model.target import SpectrumId
from .checks import check_identity, check_science
from .digest import content_digest
from .expectation import Expectation

__all__ = ["inspect"]


def inspect(body: bytes | bytearray | memoryview, did: SpectrumId, expected: Expectation) -> Verified | Rejected:
    """What ``body`` proves, if it is the spectrum ``did`` as ``expected``; else the first gate it fails, and how."""
    try:
        return _verified(bytes(body), did, expected)
    except RejectedError as error:
        return error.rejected


def _verified(raw: bytes, did: SpectrumId, expected: Expectation) -> Verified:
    hdus = walk(raw)
    hdu, part = spectral_part(hdus)
    primary = hdus[0].header
    check_identity(did, expected.identity_card, hdu.header, primary)
    spectrum = decoded(raw, primary, hdu, part)
    wave_min, wave_max = check_science(spectrum, expected)
    return Verified(
        size=len(raw),
        sha256=hashlib.sha256(raw).hexdigest(),
        content_digest=content_digest(raw, hdus),
        points=spectrum.wave.size,
        wave_min=wave_min,
        wave_max=wave_max,
        object_name=spectrum.table.text("OBJECT") or primary.text("OBJECT"),
    )

"""Verify that bytes are the spectrum that was requested.

The three checks take about a tenth of a millisecond.

No reader trusts a header's sizes, opens a file, or needs astropy for the usual forms: its careful reading costs fifty
times as much, and lets a traceback behind the end of a file pass.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from functools import partial

from ..fits.errors import InvalidSpectrumError, UnknownFormError
from ..fits.observation import object_name
from ..fits.segments import tolerant
from ..fits.spectrum import Spectrum
from ..formatting import plain_line
from ..model.expectation import Expectation
from ..model.failures import FailureKind
from ..model.outcomes import Check, Level, LongVerification, Verdict, VerifiedSpectrum
from ..model.target import SpectrumId
from ..readers.others import are_others_installed
from ..readers.spectrum_file import SpectrumFile, open_file, read_by_others, takes_long
from .checks import check_identity, check_science


def verified(raw: bytes, did: SpectrumId, expected: Expectation) -> Verdict:
    """Return what ``raw`` proves to be, if it is the spectrum ``did`` as ``expected``.

    Else return the check that it fails. Block for seconds where readers of other packages are needed.
    """
    outcome = verified_by_own_readers(raw, did, expected)
    return outcome.finish() if isinstance(outcome, LongVerification) else outcome


def verified_soon(raw: bytes, did: SpectrumId, expected: Expectation) -> Verdict | LongVerification:
    """Return the same, or a verification to be finished where waiting harms nothing."""
    if takes_long(raw):
        return LongVerification(partial(verified, raw, did, expected))
    return verified_by_own_readers(raw, did, expected, holds_loop=True)


def verified_by_own_readers(
    raw: bytes, did: SpectrumId, expected: Expectation, holds_loop: bool = False
) -> Verdict | LongVerification:
    """Return the same, but leave to be finished what other packages' readers are asked.

    And, where an event loop is held, what takes our own reader long.
    """
    try:
        file = open_file(raw, expected.strict, expected.conventions, expected.fits_only)
        if holds_loop and file.is_slow:
            return LongVerification(partial(verified, raw, did, expected))
        check_identity(did, expected.identity_card, *file.spectral_headers())
        return _proof(raw, file, file.spectrum(), expected)
    except UnknownFormError as error:
        if not expected.strict and are_others_installed():
            return LongVerification(partial(_verified_by_others, raw, did, expected, error))
        return _at_most_structure(raw, did, expected, error)
    except InvalidSpectrumError as error:
        return _at_most_structure(raw, did, expected, error)


def _verified_by_others(raw: bytes, did: SpectrumId, expected: Expectation, unknown: UnknownFormError) -> Verdict:
    """Return what numbers prove that a reader of another package finds."""
    file = open_file(raw, expected.strict, expected.conventions, expected.fits_only)
    try:
        check_identity(did, expected.identity_card, *file.headers)
        spectrum = read_by_others(raw, file, expected.conventions, unknown)
        return replace(_proof(raw, file, spectrum, expected), level=Level.EXTERNAL)
    except InvalidSpectrumError as error:
        of_numbers = error.rejected.check is Check.SCIENCE
        return _at_most_structure(raw, did, expected, unknown if of_numbers else error)


def _at_most_structure(raw: bytes, did: SpectrumId, expected: Expectation, error: InvalidSpectrumError) -> Verdict:
    """Return what a whole file proves although ``error``, if that suffices.

    Else the failed check.
    """
    if expected.require is Level.SCIENCE or error.rejected.kind is not FailureKind.UNREADABLE:
        return error.rejected
    file = open_file(raw, expected.strict, expected.conventions, expected.fits_only)
    try:
        check_identity(did, expected.identity_card, *file.headers)
    except InvalidSpectrumError as another:
        return another.rejected
    return _structure_only(raw, file, error.rejected.detail)


def _proof(raw: bytes, file: SpectrumFile, spectrum: Spectrum, expected: Expectation) -> VerifiedSpectrum:
    """Return what the file proves to be by its ``spectrum``."""
    if not expected.strict:
        spectrum = tolerant(spectrum)
    wave_min, wave_max = check_science(spectrum, expected)
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

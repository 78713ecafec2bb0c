"""A strict archive's files are exact FITS; of others, what neither size nor data depend on is remarked, not refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harvester.model.expectation import Expectation
from harvester.model.failures import FailureKind
from harvester.model.outcomes import FailedCheck, Level, VerifiedSpectrum
from harvester.model.target import SpectrumId
from harvester.verify import verify_spectrum
from tests.support.spectral_files import FLUX, image, written

DID = SpectrumId("ivo://a/b")
STRICT = Expectation(identity_card=None)
TOLERANT = replace(STRICT, strict=False, step_tolerance=None)
BODY = written(
    image(
        FLUX, CRVAL1=5000.0, CDELT1=0.5, CRPIX1=1.0, CUNIT1="Angstrom", OBSERVER="Zo3 Example", OBJECT="HD 1", NOTE="x"
    )
)
DATA_END = 2880 + 8 * FLUX.size


def exchanged(old: bytes, new: bytes) -> bytes:
    assert len(old) == len(new)
    assert BODY.count(old) == 1
    return BODY.replace(old, new)


ODD = {
    "a letter with an accent": exchanged(b"Zo3 ", b"Zo\xeb "),
    "a keyword in lower case": exchanged(b"NOTE    =", b"Note    ="),
    "a keyword with a dot": exchanged(b"NOTE    =", b"P.I.    ="),
    "a keyword with a slash": exchanged(b"NOTE    =", b"IRAF-B/P="),
    "a line feed in a value": exchanged(b"'Zo3 ", b"'Zo3\n"),
    "OBJECT twice": exchanged(b"NOTE    =", b"OBJECT  ="),
    "OBJECT is a number": exchanged(b"'HD 1    '", b"    140283"),
    "data padded with blanks": BODY[:DATA_END] + b" " * (len(BODY) - DATA_END),
}


@pytest.mark.parametrize("what", ODD)
def test_oddities_are_faults_of_strict_archives_and_remarks_of_others(what: str) -> None:
    refused = verify_spectrum(ODD[what], DID, STRICT)
    assert isinstance(refused, FailedCheck)
    assert refused.kind is FailureKind.MALFORMED_FITS
    outcome = verify_spectrum(ODD[what], DID, TOLERANT)
    assert isinstance(outcome, VerifiedSpectrum)
    assert outcome.points == FLUX.size
    assert len(outcome.remarks) == (what != "OBJECT is a number")
    assert all(remark.isprintable() for remark in outcome.remarks)


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (BODY[:-16], FailureKind.TRUNCATED, "in the padding of the last block: all data are there"),
        (BODY[: DATA_END - 1], FailureKind.TRUNCATED, "of 5 760 that its headers declare"),
        (BODY + bytes(2880), FailureKind.TRAILING_BYTES, "zeros"),
        (BODY + b"Traceback", FailureKind.TRAILING_BYTES, "Traceback"),
        (BODY[:DATA_END] + b"x" * (len(BODY) - DATA_END), FailureKind.MALFORMED_FITS, "not padded as FITS demands"),
        (exchanged(b"NAXIS1  =", b"naxis1  ="), FailureKind.MALFORMED_FITS, "the header"),
        (exchanged(b"NOTE    =", b"NAXIS1  ="), FailureKind.MALFORMED_FITS, "2 NAXIS1 cards"),
        (b"<html>busy</html>", FailureKind.NOT_FITS, "HTML page"),
    ],
)
def test_what_size_and_data_depend_on_is_refused_by_all(body: bytes, kind: FailureKind, words: str) -> None:
    for expected in (STRICT, TOLERANT, replace(TOLERANT, require=Level.STRUCTURE)):
        outcome = verify_spectrum(body, DID, expected)
        assert isinstance(outcome, FailedCheck)
        assert outcome.kind is kind
        assert words in outcome.detail


def test_harmless_repetitions_are_not_even_remarked() -> None:
    body = exchanged(b"NOTE    =", b"OBSERVER=")
    for expected in (STRICT, TOLERANT):
        outcome = verify_spectrum(body, DID, expected)
        assert isinstance(outcome, VerifiedSpectrum)
        assert outcome.remarks == ()


@pytest.mark.slow
def test_a_whole_file_without_a_spectrum_is_stored_only_where_structure_suffices() -> None:
    body = written(image([[1.0, 2.0], [3.0, 4.0]], DS_IDPUB=DID))
    refused = verify_spectrum(body, DID, TOLERANT)
    assert isinstance(refused, FailedCheck)
    assert (refused.check, refused.kind) == ("science", FailureKind.UNREADABLE)
    named = replace(TOLERANT, require=Level.STRUCTURE, identity_card="DS_IDPUB")
    outcome = verify_spectrum(body, DID, named)
    assert isinstance(outcome, VerifiedSpectrum)
    assert (outcome.level, outcome.points) == (Level.STRUCTURE, 0)
    assert outcome.remarks == (refused.detail,)
    other = verify_spectrum(body, SpectrumId("ivo://a/other"), named)
    assert isinstance(other, FailedCheck)
    assert other.kind is FailureKind.WRONG_SPECTRUM


def test_a_spectrum_is_verified_as_one_where_structure_would_suffice() -> None:
    outcome = verify_spectrum(BODY, DID, replace(TOLERANT, require=Level.STRUCTURE))
    assert isinstance(outcome, VerifiedSpectrum)
    assert (outcome.level, outcome.points) == (Level.SCIENCE, FLUX.size)

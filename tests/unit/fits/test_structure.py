"""The structure gate: whole FITS files only, and words for what came instead."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from astropy.io import fits

from harvester.fits.errors import InvalidSpectrumError
from harvester.fits.reader import read_spectrum
from harvester.formatting import plural
from harvester.model.failures import FailureKind as Kind
from harvester.model.outcomes import Check
from harvester.verify import verify_spectrum
from tests.support.fits_files import (
    ANY,
    DID,
    FLUX,
    WAVE,
    accepted,
    primary,
    recard,
    referee,
    refused,
    spectrum_file,
    verdict,
    written,
)

GOOD = spectrum_file()
TRACEBACK = (
    b"\n\n\nXXXXXX Internal error in DaCHS software.\nTraceback (most recent call last):\nValueError: no \x1b[31mflux\n"
)


@pytest.mark.parametrize(
    "body",
    [
        GOOD,
        spectrum_file(form="E", declared=(6282.1e-10, 6732.9e-10)),
        spectrum_file(one_row=True),
        spectrum_file(WAVE[::-1].copy(), FLUX),
        spectrum_file(WAVE / 10, unit="nm"),
        spectrum_file(WAVE * 1e-4, unit="um"),
        spectrum_file(WAVE * 1e-10, unit="m"),
        spectrum_file(names=("WAVELENGTH", "Flux"), utypes=False),
        spectrum_file(np.arange(6000.0, 6100.0), np.arange(1.0, 101.0), form="J"),
        spectrum_file(np.arange(6000.0, 6100.0), np.arange(1.0, 101.0), form="K"),
        spectrum_file(WAVE, FLUX, cards={"HISTORY": "DS_IDPUB= 'ivo://example.org/other'"}),
    ],
)
def test_good_files_of_many_shapes_are_read_as_astropy_reads_them(body: bytes) -> None:
    verified = accepted(body)
    spectrum = read_spectrum(body)
    wave, flux = referee(body)
    np.testing.assert_array_equal(spectrum.wave, wave)
    np.testing.assert_array_equal(spectrum.flux, flux)
    assert verified.points == wave.size
    assert verified.size == len(body)
    assert verified.object_name == "HD 50975"
    assert 5.9e-7 < verified.wave_min < verified.wave_max < 6.8e-7


def test_scaled_columns_and_other_hdus_are_read_as_astropy_reads_them() -> None:
    columns = [
        fits.Column("spectral", "J", "Angstrom", array=np.arange(100)),
        fits.Column("flux", "I", array=np.arange(100) + 40000.0, bzero=32768),
        fits.Column("flags", "12X", array=np.zeros((100, 12), bool)),
        fits.Column("note", "5A", array=["hello"] * 100),
    ]
    table = fits.BinTableHDU.from_columns(columns)
    table.header["DS_IDPUB"] = DID
    table.header["OBJECT"], table.header["OBSERVER"] = "to be TSCAL1", "to be TZERO1"
    body = written(primary(), table, fits.ImageHDU(np.zeros((3, 5), np.int16)))
    body = recard(recard(body, "OBJECT", "TSCAL1  = 0.5"), "OBSERVER", "TZERO1  = 6.0D3")
    spectrum, (wave, flux) = read_spectrum(body), referee(body)
    np.testing.assert_array_equal(spectrum.wave, wave)
    np.testing.assert_array_equal(spectrum.flux, flux)
    accepted(body)


def test_bytes_bytearray_and_memoryview_are_the_same_file() -> None:
    assert (
        verify_spectrum(bytearray(GOOD), DID, ANY)
        == verify_spectrum(memoryview(GOOD), DID, ANY)
        == verify_spectrum(GOOD, DID, ANY)
    )


def test_an_empty_answer() -> None:
    assert verdict(b"") == (Check.STRUCTURE, Kind.EMPTY)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            b"<!DOCTYPE html><html><style>p {}</style><title>Login</title><p>Too &lt;busy",
            'HTML page: "Login Too <busy"',
        ),
        (b"<?xml version='1.0'?><VOTABLE><INFO value='ERROR'>No ID</INFO></VOTABLE>", 'VOTable: "No ID"'),
        (b"UsageError: \x1b[2J ID\xc3\xa9 missing\r\n", 'text: "UsageError: IDé missing"'),
        (gzip.compress(GOOD), "gzip"),
        (bytes(5000), "00 00 00"),
        (b"x" * 100_000, "xxx…"),
    ],
)
def test_what_is_no_fits_is_quoted_safely(body: bytes, words: str) -> None:
    outcome = refused(body)
    assert (outcome.check, outcome.kind) == (Check.STRUCTURE, Kind.NOT_FITS)
    assert words in outcome.detail
    assert len(outcome.detail) < 300


@pytest.mark.parametrize("length", [1, 5, 80, 2879, 2880, 2884, 4000, 5760, 8640, len(GOOD) - 2880, len(GOOD) - 1])
def test_a_file_that_ends_too_early_is_truncated_wherever_it_ends(length: int) -> None:
    outcome = refused(GOOD[:length])
    assert (outcome.check, outcome.kind) == (Check.STRUCTURE, Kind.TRUNCATED)
    assert f"ends after {plural(length, 'byte')}" in outcome.detail


def test_a_traceback_behind_a_whole_file_is_quoted() -> None:
    outcome = refused(GOOD + TRACEBACK)
    assert (outcome.check, outcome.kind) == (Check.STRUCTURE, Kind.TRAILING_BYTES)
    assert "XXXXXX Internal error in DaCHS software." in outcome.detail
    assert 'last line is "ValueError: no flux"' in outcome.detail


@pytest.mark.parametrize("length", [3000, 6000])
def test_a_traceback_in_a_cut_file_is_quoted(length: int) -> None:
    outcome = refused(GOOD[:length] + TRACEBACK)
    assert outcome.kind is Kind.TRUNCATED
    assert "XXXXXX Internal error in DaCHS software." in outcome.detail


@pytest.mark.parametrize("tail", [b"\n", bytes(2880), b"<html>busy</html>", GOOD])
def test_anything_behind_the_end_is_refused(tail: bytes) -> None:
    assert verdict(GOOD + tail) == (Check.STRUCTURE, Kind.TRAILING_BYTES)


@pytest.mark.parametrize(
    ("keyword", "card"),
    [
        ("SIMPLE", "SIMPLE  =                    F"),
        ("XTENSION", "XTENSION= 5"),
        ("BITPIX", "BITPIX  = 7"),
        ("NAXIS", "NAXIS   = 999"),
        ("NAXIS", "NAXIS   = -1"),
        ("NAXIS", "NAXIS   = T"),
        ("NAXIS", "NAXIS   = 2.0"),
        ("NAXIS1", "NAXIS1  = -16"),
        ("NAXIS1", "NAXIS1  = 15"),
        ("NAXIS2", "NAXIS2  = 99999999999999999999999999999999999999"),
        ("NAXIS2", "NAXIS2  = 1099511627776"),
        ("NAXIS2", "NAXIS2  = 299"),
        ("NAXIS2", "COMMENT   no NAXIS2"),
        ("PCOUNT", "PCOUNT  = -1"),
        ("GCOUNT", "GCOUNT  = 2"),
        ("TFIELDS", "TFIELDS = 1000"),
        ("TFORM1", "TFORM1  = 'Z'"),
        ("TFORM1", "TFORM1  = 5"),
        ("TFORM1", "TFORM1  = '99999999999D'"),
        ("TFORM1", "TFORM2  = 'D'"),
        ("OBJECT", "TSCAL1  = 'x'"),
        ("OBJECT", "THEAP   = 'x'"),
        ("EXTEND", "EXTEND  = 'T"),
        ("TTYPE1", "COMMENT"),
        ("DS_IDPUB", "DS_IDPUB= ivo://example.org/unquoted"),
        ("TUNIT1", "TUNIT1  = Angstrom"),
        ("TDMIN1", "TDMIN1  = T"),
        ("OBJECT", "OBJECT  = 'caf\xe9'"),
        ("OBJECT", "object  = 'lower'"),
        ("OBJECT", "NAXIS1  = 16"),
        ("OBJECT", "END      = 1"),
        ("END", "END" + " " * 70 + "x"),
    ],
)
def test_headers_that_make_no_sense_are_malformed(keyword: str, card: str) -> None:
    assert verdict(recard(GOOD, keyword, card)) == (Check.STRUCTURE, Kind.MALFORMED_FITS)


def test_random_groups_are_no_spectrum() -> None:
    assert verdict(recard(GOOD, "EXTEND", "GROUPS  = T")) == (Check.STRUCTURE, Kind.MALFORMED_FITS)


def test_padding_must_be_padding() -> None:
    assert verdict(GOOD[:-1] + b"x") == (Check.STRUCTURE, Kind.MALFORMED_FITS)
    assert verdict(GOOD[:2879] + b"x" + GOOD[2880:]) == (Check.STRUCTURE, Kind.MALFORMED_FITS)


def test_an_image_is_no_spectrum() -> None:
    image = fits.PrimaryHDU(np.zeros((4, 4), np.float32))
    assert verdict(written(image)) == (Check.SCIENCE, Kind.UNREADABLE)


def test_endless_headers_and_endless_hdus_are_given_up() -> None:
    assert verdict(GOOD[:80] + b"COMMENT x".ljust(80) * 100_000) == (Check.STRUCTURE, Kind.MALFORMED_FITS)
    extension = written(primary(), fits.ImageHDU())[2880:]
    assert verdict(written(primary()) + extension * 200) == (Check.STRUCTURE, Kind.MALFORMED_FITS)
    false_ends = (b"COMMENT END" + b" " * 69) * 20_000
    assert verdict(GOOD[:80] + false_ends) == (Check.STRUCTURE, Kind.MALFORMED_FITS)


def test_the_reader_raises_what_the_inspector_returns() -> None:
    with pytest.raises(InvalidSpectrumError, match="not a FITS file but a text") as caught:
        read_spectrum(b"UsageError")
    assert caught.value.rejected == refused(b"UsageError")

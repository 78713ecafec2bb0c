"""Whatever bytes come: no exception, no long wait, and nothing accepted that astropy reads otherwise."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harvester.fits.reader import read_spectrum
from harvester.model.expectation import Expectation
from harvester.model.outcomes import FailedCheck, VerifiedSpectrum
from harvester.verify import verify_spectrum
from tests.support.fits_files import ANY, DID, FLUX, WAVE, referee, spectrum_file

NAMELESS = Expectation(identity_card=None, step_tolerance=None, axis_tolerance=1e9)
FILES = [
    spectrum_file(WAVE[:40], FLUX[:40]),
    spectrum_file(WAVE[:40], FLUX[:40], one_row=True),
    spectrum_file(WAVE[:40] / 10, FLUX[:40], unit="nm", form="E", utypes=False),
    spectrum_file(np.arange(6000.0, 6040.0), np.arange(1.0, 41.0), form="J"),  # not K: astropy 8.0 fails on TZERO there
]
SENSIBLE = b" '=/0123456789.-+DEFTAIJKTNAXISFORM&"
HEADERS = 2880 * 2


def judged_as_astropy_does(body: bytes) -> None:
    for expected in (ANY, NAMELESS):
        outcome = verify_spectrum(body, DID, expected)
        if isinstance(outcome, FailedCheck):
            continue
        spectrum, (wave, flux) = read_spectrum(body), referee(body)
        assert outcome.points == wave.size
        np.testing.assert_array_equal(spectrum.wave, wave)
        np.testing.assert_array_equal(spectrum.flux, flux)


@given(st.sampled_from(FILES), st.data())
def test_no_truncation_passes(body: bytes, data: st.DataObject) -> None:
    length = data.draw(st.integers(0, len(body) - 1))
    assert isinstance(verify_spectrum(body[:length], DID, NAMELESS), FailedCheck)


@given(st.sampled_from(FILES), st.binary(min_size=1, max_size=3000))
def test_nothing_may_follow(body: bytes, tail: bytes) -> None:
    assert isinstance(verify_spectrum(body + tail, DID, NAMELESS), FailedCheck)


@given(
    st.sampled_from(FILES),
    st.lists(st.tuples(st.integers(0, HEADERS - 1), st.sampled_from(SENSIBLE) | st.integers(0, 255)), max_size=4),
)
def test_flipped_header_bytes_are_refused_or_read_as_astropy_reads_them(
    body: bytes, flips: list[tuple[int, int]]
) -> None:
    mutant = bytearray(body)
    for place, byte in flips:
        mutant[place] = byte
    judged_as_astropy_does(bytes(mutant))


@given(
    st.sampled_from(FILES),
    st.sampled_from(
        ["TFORM1", "TFORM2", "NAXIS1", "NAXIS2", "NAXIS", "PCOUNT", "TTYPE1", "TUNIT1", "TFIELDS", "OBJECT"]
    ),
    st.sampled_from(["TSCAL1", "TZERO2", "TNULL1", "TDIM1", "TFORM1", "TFORM2", "NAXIS2", "TTYPE1"]),
    st.sampled_from(
        ["'D'", "'K'", "'E'", "'1D'", "'2E'", "'40D'", "2", "0", "16", "-1", "T", "1.5", "'(40)'", "'nm'", ""]
    ),
)
def test_exchanged_cards_are_refused_or_read_as_astropy_reads_them(body: bytes, old: str, new: str, value: str) -> None:
    place = body.find(old.ljust(8).encode(), 2880)
    if place < 0:
        return
    card = f"{new:8}= {value}".ljust(80).encode()
    judged_as_astropy_does(body[:place] + card + body[place + 80 :])


@given(st.sampled_from(FILES), st.integers(HEADERS, HEADERS + 639), st.integers(0, 255))
def test_flipped_data_bytes_are_read_as_astropy_reads_them(body: bytes, place: int, byte: int) -> None:
    judged_as_astropy_does(body[:place] + bytes([byte]) + body[place + 1 :])


@given(st.binary(max_size=4000), st.sampled_from([b"", b"SIMPLE  =", b"SIMPLE  =                    T".ljust(80)]))
def test_random_bytes_are_refused(body: bytes, beginning: bytes) -> None:
    assert isinstance(verify_spectrum(beginning + body, DID, ANY), FailedCheck)


KEYWORDS = st.sampled_from(
    [
        "NAXIS",
        "NAXIS1",
        "NAXIS2",
        "BITPIX",
        "PCOUNT",
        "GCOUNT",
        "TFIELDS",
        "TFORM1",
        "TTYPE1",
        "END",
        "CONTINUE",
        "DATE",
    ]
)
VALUES = st.one_of(
    st.integers().map(str),
    st.integers(-1, 20).map(str),
    st.floats().map(str),
    st.text("DEKA'& 0123456789()", max_size=70).map("'{}'".format),
    st.sampled_from(["T", "F", "", "'BINTABLE'", "1E999", "9" * 69]),
)
CARDS = st.tuples(KEYWORDS, VALUES).map(lambda card: f"{card[0]:8}= {card[1]}"[:80].ljust(80))


@given(st.lists(CARDS, max_size=30), st.lists(CARDS, max_size=30), st.integers(0, 3))
def test_random_headers_are_judged(first: list[str], second: list[str], blocks: int) -> None:
    body = b""
    for opening, cards in (("SIMPLE  = T", first), ("XTENSION= 'BINTABLE'", second)):
        block = "".join([opening.ljust(80), *cards, "END".ljust(80)])
        body += block.encode("ascii", "replace").ljust(-(-len(block) // 2880) * 2880)
    assert isinstance(verify_spectrum(body + bytes(2880 * blocks), DID, ANY), (FailedCheck, VerifiedSpectrum))

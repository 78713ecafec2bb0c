"""The identity gate: the file names the spectrum asked for, to the letter; and headers as astropy has them."""

from __future__ import annotations

import pytest
from astropy.io import fits

from harvester.fits.header import Header
from harvester.model.expectation import Expectation
from harvester.model.failures import FailureKind as Kind
from harvester.model.outcomes import Check
from harvester.model.target import SpectrumId
from tests.support.fits_files import DID, accepted, recard, refused, spectrum_file, verdict

GOOD = spectrum_file()
LONG = SpectrumId("ivo://example.org/" + "a-long-path/" * 12 + "it's")


def test_another_spectrum_is_named() -> None:
    outcome = refused(GOOD, did=SpectrumId("ivo://example.org/stel/ccd/ab120035"))
    assert (outcome.check, outcome.kind) == (Check.IDENTITY, Kind.WRONG_SPECTRUM)
    assert f'"{DID}"' in outcome.detail
    assert '"ivo://example.org/stel/ccd/ab120035"' in outcome.detail


@pytest.mark.parametrize("did", [DID.upper(), DID + "0", DID[:-1], f" {DID}"])
def test_almost_the_same_is_another(did: str) -> None:
    assert verdict(GOOD, did=SpectrumId(did)) == (Check.IDENTITY, Kind.WRONG_SPECTRUM)


def test_one_of_several_files_may_name_its_dataset_or_itself() -> None:
    one, other = SpectrumId(f"{DID}#order_1.fits"), SpectrumId(f"{DID}#order_2.fits")
    accepted(GOOD, did=one)
    accepted(spectrum_file(cards={"DS_IDPUB": one}), did=one)
    assert verdict(spectrum_file(cards={"DS_IDPUB": other}), did=one) == (Check.IDENTITY, Kind.WRONG_SPECTRUM)
    assert verdict(GOOD, did=SpectrumId(f"{DID}0#order_1.fits")) == (Check.IDENTITY, Kind.WRONG_SPECTRUM)
    assert verdict(spectrum_file(cards={"DS_IDPUB": one}), did=DID) == (Check.IDENTITY, Kind.WRONG_SPECTRUM)


@pytest.mark.parametrize("did", [LONG, SpectrumId("ivo://example.org/o'neil's"), SpectrumId("ivo://example.org/a&b&")])
def test_quotes_and_long_strings_are_undone(did: SpectrumId) -> None:
    accepted(spectrum_file(cards={"DS_IDPUB": did}), did=did)


@pytest.mark.parametrize("card", [f"DS_IDPUB= '{DID}     ' / trailing blanks", f"DS_IDPUB=    '{DID}'/tight"])
def test_blanks_that_mean_nothing_are_ignored(card: str) -> None:
    accepted(recard(GOOD, "DS_IDPUB", card))


@pytest.mark.parametrize(
    "card",
    [
        f"COMMENT DS_IDPUB= '{DID}'",
        f"HISTORY = 'DS_IDPUB= {DID}'",
        f"X       = 'DS_IDPUB= ''{DID}'''",
        f"DS_IDPUB  '{DID}'",
        "DS_IDPUB=",
    ],
)
def test_a_name_anywhere_but_in_its_card_is_no_name(card: str) -> None:
    assert verdict(recard(GOOD, "DS_IDPUB", card)) == (Check.IDENTITY, Kind.NO_IDENTIFIER)
    accepted(recard(GOOD, "DS_IDPUB", card), Expectation(identity_card=None))


def test_a_value_that_is_no_string_is_another() -> None:
    assert verdict(recard(GOOD, "DS_IDPUB", "DS_IDPUB= 42")) == (Check.IDENTITY, Kind.WRONG_SPECTRUM)


def test_two_names_are_malformed_even_if_one_is_right() -> None:
    body = recard(GOOD, "OBJECT", "DS_IDPUB= 'ivo://example.org/other'")
    assert verdict(body) == (Check.STRUCTURE, Kind.MALFORMED_FITS)


def test_the_primary_hdu_may_not_name_another() -> None:
    body = recard(GOOD, "EXTEND", "DS_IDPUB= 'ivo://example.org/other'")
    assert verdict(body) == (Check.IDENTITY, Kind.WRONG_SPECTRUM)
    primary_only = recard(recard(GOOD, "EXTEND", f"DS_IDPUB= '{DID}'"), "DS_IDPUB", "COMMENT")
    accepted(primary_only)


def test_the_profile_may_name_another_card() -> None:
    body = spectrum_file(cards={"PUBDID": DID})
    accepted(body, Expectation(identity_card="PUBDID"))


def test_headers_are_mappings_as_astropy_has_them() -> None:
    long = "a'&b. " * 40 + "end"
    cards = {"WHOLE": -12, "REAL": 1.5e-7, "TRUTH": True, "LIE": False, "TEXT": "it's", "LONG": long, "EMPTY": ""}
    theirs = fits.Header(list(cards.items()))
    theirs["UNDEF"] = None
    theirs["CPLX"] = 1 + 2j
    theirs["COMMENT"] = "= 5"
    raw = theirs.tostring(endcard=False, padding=False).encode()
    ours = Header(raw)
    assert dict(ours) == cards
    assert len(ours) == len(cards)
    assert "UNDEF" not in ours
    assert ours["REAL"] == theirs["REAL"]
    assert Header(b"D       = 1.5D3".ljust(80))["D"] == 1500.0


def test_of_cards_that_nothing_depends_on_the_first_counts() -> None:
    assert Header(b"A       = 1".ljust(80) + b"A       = 2".ljust(80))["A"] == 1

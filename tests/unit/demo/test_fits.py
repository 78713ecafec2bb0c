"""The demo's files: valid to astropy, and card for card like the genuine ones."""

from __future__ import annotations

import io
import warnings
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits as astropy_fits

from harvester.demo.catalog import COLLECTION, listed_dids, listing
from harvester.demo.fits import Cutout, card, cut, original_fits, spectrum_fits
from harvester.demo.observations import STARS, LineProfile, observe, star
from harvester.demo.synthesis import Calibration, SyntheticSpectrum, synthesize
from harvester.model.target import SpectrumId
from tests.support.paths import SHARED

GENUINE = sorted((SHARED / "real/fits").glob("*.fits"))
BAND = Cutout(6.282e-07, 6.733e-07)
DIDS = [*listed_dids(3), *(did for did in listed_dids(200) if len(did) == 42)][:4]
NEW_IN_2_7 = {"TCOMM1", "TCOMM2", "DATALEN", "VOCLASS"}


def opened(body: bytes) -> astropy_fits.HDUList:
    hdus = astropy_fits.open(io.BytesIO(body))
    hdus.verify("exception")
    assert len(body) % 2880 == 0
    return hdus


def header_cards(body: bytes, offset: int) -> list[str]:
    """The cards of the header that begins at ``offset``, without the filling."""
    cards = [body[at : at + 80].decode("latin-1") for at in range(offset, len(body), 80)]
    return cards[: next(i for i, text in enumerate(cards) if text.rstrip() == "END")]


@pytest.mark.parametrize("did", DIDS)
@pytest.mark.parametrize("calibration", list(Calibration))
@pytest.mark.parametrize("cutout", [None, BAND, Cutout(-np.inf, 6.6e-07), Cutout(6.56e-07, np.inf)])
def test_file_is_valid_and_holds_the_spectrum(did: SpectrumId, calibration: Calibration, cutout: Cutout | None) -> None:
    observation = observe(did)
    spectrum = synthesize(observation, calibration)
    spectrum = cut(spectrum, cutout) if cutout else spectrum
    hdus = opened(spectrum_fits(observation, calibration, spectrum, was_cut=cutout is not None))
    table = hdus[1]
    assert np.array_equal(table.data["spectral"], spectrum.wave)
    assert np.array_equal(table.data["flux"], spectrum.flux)
    assert table.header["DS_IDPUB"] == did
    assert table.header["DATALEN"] == observation.points
    assert table.header["FLUX_CAL"] == ("RELATIVE" if calibration is Calibration.RELATIVE else "UNCALIBRATED")
    assert (table.header.get("TUNIT2") == "count") == (calibration is Calibration.UNCALIBRATED)
    if cutout:
        assert table.header["TDMIN1"] == pytest.approx(spectrum.wave[0] * 1e-10, rel=1e-14)
        assert table.header["TDMAX1"] == pytest.approx(spectrum.wave[-1] * 1e-10, rel=1e-14)
    else:
        assert table.header["TDMIN1"] == float(str(np.float32(spectrum.wave[0] * 1e-10)))


@pytest.mark.skipif(not GENUINE, reason="the genuine files are not beside the repository")
@pytest.mark.parametrize("path", GENUINE, ids=lambda path: path.stem)
def test_cards_are_the_genuine_ones_in_their_order(path: Path) -> None:
    genuine = path.read_bytes()
    observation = observe(SpectrumId(COLLECTION + path.stem))
    spectrum = cut(synthesize(observation, Calibration.NORMALIZED), BAND)
    ours = spectrum_fits(observation, Calibration.NORMALIZED, spectrum, was_cut=True, today=date(2017, 4, 7))
    assert ours[:2880] == genuine[:2880]
    theirs = header_cards(genuine, 2880)
    made = [text for text in header_cards(ours, 2880) if text[:8].strip() not in NEW_IN_2_7]
    assert [text[:9] for text in made] == [text[:9] for text in theirs]
    assert [text.partition(" / ")[2] for text in made] == [text.partition(" / ")[2] for text in theirs]
    varying = {"NAXIS2", "TITLE", "DATE", "VODATE", "OBJECT", "RA", "DEC", "TMID", "TELAPSE"}
    varying |= {"SPEC_VAL", "SPEC_BW", "TDMIN1", "TDMAX1"}
    assert [text for text in made if text[:8].strip() not in varying] == [
        text for text in theirs if text[:8].strip() not in varying
    ]


@pytest.mark.skipif(not GENUINE, reason="the genuine files are not beside the repository")
@pytest.mark.parametrize("path", GENUINE, ids=lambda path: path.stem)
def test_numbers_are_written_as_in_the_genuine_files(path: Path) -> None:
    for text in header_cards(path.read_bytes(), 2880):
        if text[8:10] == "= " and text[10] != "'":
            value, _, comment = text[10:].partition(" / ")
            if "0E" in value:
                continue  # a seventeenth digit was cut off behind this 0, and only the archive knew it
            number = float(value) if "." in value else int(value)
            assert card(text[:8].strip(), number, comment.rstrip()) == text


def test_genuine_coverage_cards_follow_from_the_columns() -> None:
    for path in GENUINE:
        with astropy_fits.open(path) as hdus:
            observation = observe(SpectrumId(COLLECTION + path.stem))
            spectrum = SyntheticSpectrum(hdus[1].data["spectral"].astype(float), hdus[1].data["flux"].astype(float))
        ours = header_cards(spectrum_fits(observation, Calibration.NORMALIZED, spectrum, was_cut=True), 2880)
        theirs = header_cards(path.read_bytes(), 2880)
        for key in ("TDMIN1", "TDMAX1", "SPEC_VAL", "SPEC_BW"):
            mine, genuine = (next(t for t in cards if t.startswith(key)) for cards in (ours, theirs))
            assert float(mine[10:30]) == pytest.approx(float(genuine[10:30]), rel=1e-12)


@pytest.mark.parametrize(
    "name", ["x" * 39, "x" * 40, "x" * 200, "a'b", "'" * 120, "ab'" * 50, "a&" * 60 + "b"], ids=["39", "40", *"rquoa"]
)
def test_long_and_quoted_dids_survive(name: str) -> None:
    did = SpectrumId(COLLECTION + name)
    observation = observe(did)
    body = spectrum_fits(observation, Calibration.NORMALIZED)
    assert opened(body)[1].header["DS_IDPUB"] == did
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert opened(body)[1].header["TITLE"] == observation.accref


def test_original_is_one_image_of_counts() -> None:
    observation = observe(DIDS[0])
    hdus = opened(original_fits(observation))
    assert len(hdus) == 1
    assert hdus[0].data.shape == (observation.points,)
    assert np.median(hdus[0].data) > 500


def test_cutout_includes_both_limits_and_may_be_empty() -> None:
    spectrum = SyntheticSpectrum(np.array([5000.0, 5001.0, 5002.0]), np.ones(3))
    assert cut(spectrum, Cutout(5.0e-07, 5.001e-07)).wave.size == 2
    assert cut(spectrum, Cutout(6500.0, 6600.0)).wave.size == 0
    assert cut(spectrum, Cutout(5.002e-07, 5.0e-07)).wave.size == 0


def test_spectra_look_like_the_archive_s() -> None:
    for label in listing(400):
        observation = observe(label.did)
        spectrum = synthesize(observation, Calibration.NORMALIZED)
        assert 0.97 < np.median(spectrum.flux) < 1.03
        assert np.all(spectrum.flux > 0)
        assert np.array_equal(np.diff(spectrum.wave), np.full(spectrum.wave.size - 1, observation.step))
        peak = spectrum.flux[np.abs(spectrum.wave - 6562.8) < 8].max()
        if label.label in (LineProfile.EMISSION, LineProfile.DOUBLE_PEAK):
            assert peak > 1.1
    counts = synthesize(observe(DIDS[0]), Calibration.UNCALIBRATED).flux
    assert np.median(counts) > 500
    assert synthesize(observe(DIDS[0]), Calibration.RELATIVE).flux.max() == 1


def test_everything_is_a_function_of_the_did() -> None:
    once, again = (spectrum_fits(observe(DIDS[0]), Calibration.NORMALIZED, today=date(2026, 1, 1)) for _ in range(2))
    assert once == again
    assert observe(SpectrumId(COLLECTION + "ua160034")).mid_time == pytest.approx(55577.9, abs=0.3)


def test_listing_is_unique_shared_out_among_stars_and_stable() -> None:
    lines = listing(13_334)
    assert len({line.did.casefold() for line in lines}) == len(lines)
    assert lines[:50] == listing(50)
    assert {line.label for line in lines} == set(LineProfile)
    assert 5 < len(lines) / len({observe(line.did).star.name for line in lines}) < 30
    assert len({star(number).name.casefold() for number in range(STARS)}) == STARS

"""Spectra that are images, as older reductions have them: against astropy's own reading of the same files."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from harvester.demo import listed_dids
from harvester.demo.fits import original_fits
from harvester.demo.observations import observe
from harvester.fits.reader import read_spectrum
from harvester.model.conventions import FileConventions
from harvester.model.expectation import Expectation
from harvester.model.failures import FailureKind
from harvester.model.outcomes import Check
from tests.support.fits_files import ANY, DID, FLUX, accepted, refused, spectrum_file, verdict, written

PLAIN = replace(ANY, identity_card=None)
ANGSTROM = FileConventions(spectral_unit="Angstrom")
SCALE = {"CRVAL1": 6282.1, "CDELT1": 0.25, "CRPIX1": 1.0, "CUNIT1": "Angstrom"}


def image(data: Any = FLUX, **cards: Any) -> bytes:
    """An image as its own primary HDU; a card that is None is left out."""
    hdu = fits.PrimaryHDU(data)
    hdu.header.update({name: value for name, value in (SCALE | cards).items() if value is not None})
    return written(hdu)


@pytest.mark.parametrize(
    "cards",
    [
        {},
        {"CRPIX1": 12.5},
        {"CDELT1": -0.25},
        {"CTYPE1": "WAVE", "CRVAL1": 628.21, "CUNIT1": "nm", "CDELT1": 0.025},
        {"CD1_1": 0.25, "CDELT1": None},
    ],
)
@pytest.mark.parametrize("form", [">f4", ">f8", ">i4", ">i2", "u1"])
def test_every_scale_and_type_of_number_is_read_as_astropy_reads_it(form: str, cards: dict[str, Any]) -> None:
    body = image((100 * FLUX).astype(form), **cards)
    with fits.open(io.BytesIO(body)) as hdus:
        flux = np.asarray(hdus[0].data, np.float64)
        wave = WCS(hdus[0].header).all_pix2world(np.arange(flux.size), 0)[0]
    shown = read_spectrum(body)
    np.testing.assert_array_equal(shown.flux, flux)
    scale = {"Angstrom": 1.0, "nm": 1.0}[shown.unit] if "CTYPE1" not in cards else 1e9  # its WCS is in metres
    np.testing.assert_allclose(shown.wave, wave * scale, rtol=1e-12)
    assert accepted(body, PLAIN).points == flux.size


@pytest.mark.parametrize("reference", [0.0, 1.0, 7.5])
def test_an_image_without_crpix1_has_the_one_that_the_profile_says(reference: float) -> None:
    """The standard's default is 0, as astropy reads it; archives that leave it out mean 1."""
    body = image(CRPIX1=None)
    with fits.open(io.BytesIO(body)) as hdus:
        hdus[0].header["CRPIX1"] = reference
        wave = WCS(hdus[0].header).all_pix2world(np.arange(FLUX.size), 0)[0]
    said = read_spectrum(body, FileConventions(reference_pixel=reference))
    np.testing.assert_allclose(said.wave, wave, rtol=1e-12)


def test_scaled_and_blank_pixels_are_read_as_astropy_reads_them() -> None:
    stored = np.arange(1, 301, dtype=">i2")
    hdu = fits.PrimaryHDU(stored)
    hdu.header.update(SCALE)
    raw = bytearray(written(hdu))
    for keyword, value in (("BSCALE", 0.5), ("BZERO", 10.0), ("BLANK", 7)):  # astropy would scale while it writes
        place = raw.index(b"END" + b" " * 77)
        raw[place : place + 160] = f"{keyword:8}= {value:>20}".encode().ljust(80) + b"END".ljust(80)
    with fits.open(io.BytesIO(raw)) as hdus:
        np.testing.assert_array_equal(read_spectrum(raw).flux, hdus[0].data)
    assert np.isnan(read_spectrum(raw).flux[6])
    assert verdict(bytes(raw), PLAIN) == (Check.SCIENCE, FailureKind.NOT_FINITE)


@pytest.mark.parametrize("shape", [(300,), (1, 300), (1, 1, 300)])
def test_further_axes_may_be_there_if_they_have_one_pixel(shape: tuple[int, ...]) -> None:
    assert accepted(image(FLUX.reshape(shape)), PLAIN).points == 300


def test_an_image_may_be_an_extension() -> None:
    extension = fits.ImageHDU(FLUX)
    extension.header.update(SCALE)
    assert accepted(written(fits.PrimaryHDU(), extension), PLAIN).points == 300


def test_a_table_goes_before_an_image() -> None:
    body = spectrum_file()
    thumbnail = written(fits.PrimaryHDU(), fits.ImageHDU(np.ones(5)))[2880:]
    assert accepted(body + thumbnail).points == 300


@pytest.mark.parametrize(
    ("cards", "unit"),
    [
        ({"CUNIT1": None, "CDELT1": (0.25, "[Angstrom] per pixel")}, "Angstrom"),
        ({"CUNIT1": None, "WAT1_001": "wtype=linear label=Wavelength units=angstroms"}, "angstroms"),
    ],
)
def test_the_unit_may_stand_where_older_files_have_it(cards: dict[str, Any], unit: str) -> None:
    body = image(**cards)
    assert read_spectrum(body).unit == unit
    assert accepted(body, PLAIN).wave_min == pytest.approx(6.2821e-7)


def test_a_unit_that_no_file_names_comes_from_the_profile() -> None:
    body = image(CUNIT1=None)
    assert "spectral_unit in the archive's profile" in refused(body, PLAIN).detail
    assert accepted(body, replace(PLAIN, conventions=ANGSTROM)).wave_min == pytest.approx(6.2821e-7)
    assert accepted(image(), replace(PLAIN, conventions=FileConventions("nm"))).wave_min == pytest.approx(6.2821e-7), (
        "the file goes first"
    )


def test_so_does_that_of_a_table_of_one_row_with_arrays() -> None:
    body = spectrum_file(unit=None, one_row=True, utypes=False, names=("WAVELENGTH", "FLUX"))
    expected = replace(PLAIN, conventions=ANGSTROM)
    assert accepted(body, expected).wave_max == pytest.approx(6.7329e-7)
    assert read_spectrum(body, ANGSTROM).unit == "Angstrom"
    assert verdict(body, PLAIN) == (Check.SCIENCE, FailureKind.UNREADABLE)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (image(CTYPE1="WAVE-F2W"), "WAVE-F2W"),
        (image(CTYPE1="FREQ"), "is a frequency by its name, but its unit 'Angstrom' is of wavelength"),
        (image(CTYPE1="VELO"), "VELO"),
        (image(CTYPE1="PIXEL"), "an axis of pixels"),
        (image(**{"DC-FLAG": 1}), "declares a log scale"),
        (image(CRPIX1=None), "reference_pixel in the archive's profile"),
        (image(CRVAL1=3.58, CDELT1=1e-4), "like log10 of wavelengths; say what it is with spectral_scale"),
        (image(CRVAL1=None), "no scale of wavelengths"),
        (image(CDELT1=0.0), "no scale of wavelengths"),
        (image(np.ones((3, 100))), "nor an image of one row"),
    ],
)
def test_what_is_on_no_such_scale_is_refused_in_words(body: bytes, words: str) -> None:
    rejected = refused(body, PLAIN)
    assert rejected.kind is FailureKind.UNREADABLE
    assert words in rejected.detail.replace("table, or an image", "table, nor an image")


def test_the_science_gate_judges_images_as_it_judges_tables() -> None:
    flux = FLUX.copy()
    flux[7] = np.nan
    assert verdict(image(flux), PLAIN)[1] is FailureKind.NOT_FINITE
    assert verdict(image(np.zeros(300)), PLAIN)[1] is FailureKind.ZERO_FLUX
    assert verdict(image(CRVAL1=-1.0), PLAIN)[1] is FailureKind.INVALID_AXIS
    assert verdict(image(), ANY) == (Check.IDENTITY, FailureKind.NO_IDENTIFIER)
    assert accepted(image(DS_IDPUB=DID)).points == 300


def test_the_originals_of_the_demo_archive_are_such_images() -> None:
    observation = observe(next(listed_dids(1)))
    proved = accepted(original_fits(observation), Expectation(identity_card=None))
    assert proved.points == observation.points
    assert proved.wave_min == pytest.approx(observation.wave_limits[0] * 1e-10)
    assert proved.object_name == observation.star.name


@pytest.mark.parametrize(
    ("cards", "unit"),
    [
        (["CDELT1  = 1.0 / [nm] step", "CRVAL1  = 400.0 / [Angstrom] first"], "nm"),
        (["CRVAL1  = 400.0 / [Angstrom] first", "CDELT1  = 1.0 / [nm] step"], "Angstrom"),
        (["CRVAL1  = 400.0 / first", "CRVAL1  = 400.0 / [nm] again", "CDELT1  = 1.0"], "nm"),
    ],
)
def test_the_first_card_of_the_scale_that_names_a_unit_counts(cards: list[str], unit: str) -> None:
    hdu = fits.PrimaryHDU(FLUX.astype(">f4"))
    body = written(hdu)
    end = body.index(b"END" + b" " * 77)
    more = "".join(card.ljust(80) for card in cards).encode()
    assert read_spectrum(_with(body, end, more), FileConventions(reference_pixel=1.0)).unit == unit


def _with(body: bytes, end: int, more: bytes) -> bytes:
    """``body`` with these cards before its END; its header has room for them."""
    return body[:end] + more + body[end : 2880 - len(more)] + body[2880:]

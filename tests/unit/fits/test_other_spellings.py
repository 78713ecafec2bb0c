"""What other archives spell or arrange otherwise is read as the same spectrum, and never as another one in silence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from harvester.fits.errors import InvalidSpectrumError
from harvester.fits.flux_unit import flux_unit
from harvester.fits.observation import observation_of
from harvester.fits.reader import read_spectrum
from harvester.fits.spectrum import Spectrum, angstroms
from harvester.model.conventions import FileConventions
from harvester.model.expectation import Expectation
from harvester.model.outcomes import FailedCheck, VerifiedSpectrum
from harvester.model.target import SpectrumId
from harvester.verify import verify_spectrum
from tests.support.spectral_files import ERROR, FLUX, POINTS, WAVE, Array, image, table, written

SCALE: dict[str, Any] = {"CRVAL1": 5000.0, "CDELT1": 0.5, "CRPIX1": 1.0, "CUNIT1": "Angstrom"}
LOG10 = {"CRVAL1": np.log10(5000.0), "CD1_1": 1e-5, "CRPIX1": 1.0, "CUNIT1": "Angstrom"}
BAD = np.arange(POINTS) < 7


def column(name: str, array: Any, unit: str | None = None, form: str = "D") -> fits.Column:
    return fits.Column(name, form, unit, array=array)


def tables(*hdus: fits.BinTableHDU) -> bytes:
    return written(fits.PrimaryHDU(), *hdus)


def points(*more: fits.Column, flux_unit: str | None = None, **cards: Any) -> bytes:
    """Return a table of wavelength and flux with further columns."""
    return tables(table(column("WAVE", WAVE, "Angstrom"), column("FLUX", FLUX, flux_unit), *more, **cards))


def images(*named: tuple[str, Array], **cards: Any) -> bytes:
    """Return images with these names, each with the same cards, behind an empty primary HDU."""
    header = fits.Header(list(cards.items()))
    return written(fits.PrimaryHDU(), *(fits.ImageHDU(data, header, name=name) for name, data in named))


def same(body: bytes, conventions: FileConventions | None = None, wave: Array = WAVE) -> Spectrum:
    """Return the spectrum in ``body``, whose wavelengths and flux are the usual ones."""
    spectrum = read_spectrum(body, conventions or FileConventions())
    np.testing.assert_allclose(angstroms(spectrum), wave, rtol=1e-12)
    np.testing.assert_array_equal(spectrum.flux, FLUX)
    return spectrum


def refusal(body: bytes) -> str:
    with pytest.raises(InvalidSpectrumError) as refused:
        read_spectrum(body)
    return str(refused.value)


# ---- uncertainties and masks


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("STDEV", ERROR), ("ERR_FLUX", ERROR), ("flux_unc", ERROR), ("FLUXERR", ERROR), ("ERRDATA", ERROR),
        ("FLUX_VAR", ERROR**2), ("variance", ERROR**2), ("STAT", ERROR**2),
        ("FLUX_IVAR", ERROR**-2), ("inv_var", ERROR**-2),
    ],
)  # fmt: skip
def test_uncertainties_have_many_names(name: str, values: Array) -> None:
    uncertainty = same(points(column(name, values))).uncertainty
    assert uncertainty is not None
    np.testing.assert_allclose(uncertainty, ERROR, rtol=1e-12)


@pytest.mark.parametrize(
    ("flux", "unit", "name", "values"),
    [
        ("erg/s/cm2/Angstrom", "ERG/CM2/S/A", "ERR", ERROR),
        ("1e-17 erg/s/cm2/Angstrom", "erg/cm2/s/AA", "ERR", ERROR * 1e-17),
        ("Jy", "mJy", "ERR", ERROR * 1e3),
        ("Jy", "mJy2", "VAR", ERROR**2 * 1e6),
        ("Jy", "1/mJy2", "IVAR", ERROR**-2 * 1e-6),
        ("Jy", "no unit at all", "VAR", ERROR**2),
    ],
)
def test_uncertainties_are_converted_to_the_unit_of_flux(flux: str, unit: str, name: str, values: Array) -> None:
    uncertainty = same(points(column(name, values, unit), flux_unit=flux)).uncertainty
    assert uncertainty is not None
    np.testing.assert_allclose(uncertainty, ERROR, rtol=1e-12)


def test_an_uncertainty_of_something_else_is_left_out_and_said() -> None:
    spectrum = same(points(column("ERR", ERROR, "%"), flux_unit="Jy"))
    assert spectrum.uncertainty is None
    assert spectrum.remarks == ("column 'err' is left out: its unit '%' is not that of the flux, 'Jy'",)
    wrong = fits.ImageHDU(ERROR, fits.Header([("BUNIT", "K")]), name="ERR")
    assert same(written(image(**SCALE, BUNIT="Jy"), wrong)).uncertainty is None


def test_a_mask_of_exactly_the_points_with_an_uncertainty_means_the_good_ones() -> None:
    """PypeIt's ``mask`` is such a one."""
    inverse = np.where(BAD, 0, ERROR**-2)
    for mask in (BAD, ~BAD):
        spectrum = same(points(column("ivar", inverse), column("mask", mask.astype(np.int32), None, "J")))
        assert spectrum.mask is not None
        np.testing.assert_array_equal(spectrum.mask, BAD)


@pytest.mark.parametrize(
    "unit", ["JY", "erg/s/cm2/AA", "erg cm-2 s-1 A-1", "ergs/s/cm^2/Angstroms", "photons/s/cm2/keV", "cts/s", "W/m2/um"]
)
def test_units_of_flux_are_understood_without_ampere(unit: str) -> None:
    found, notes = flux_unit(unit)
    assert notes == []
    assert "A" not in found.decompose().to_string().split()


def test_the_unit_of_flux_may_stand_in_the_first_hdu_which_only_describes() -> None:
    first = fits.PrimaryHDU()
    first.header["BUNIT"] = "1E-17 erg/cm^2/s/Ang"
    hdu = table(column("flux", FLUX), column("loglam", np.log10(WAVE)), column("ivar", ERROR**-2), name="COADD")
    assert same(written(first, hdu)).flux_unit == "1E-17 erg/cm^2/s/Ang"


# ---- which table, column or image


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("wavelength_nm", WAVE / 10), ("lambda_um", WAVE / 1e4), ("wave_angstrom", WAVE),
        ("energy_keV", 12.398419843320026 / WAVE),
    ],
)  # fmt: skip
def test_a_unit_behind_the_name_of_a_column_counts(name: str, values: Array) -> None:
    same(tables(table(column(name, values), column("flux", FLUX))))


def test_utypes_of_the_older_data_model_count() -> None:
    hdu = table(
        column("a", FLUX), column("b", WAVE, "Angstrom"),
        TUTYP1="sed:Segment.Points.Flux.Value", TUTYP2="sed:Segment.Points.SpectralCoord.Value",
    )  # fmt: skip
    same(tables(hdu))


def decoy(size: int, name: str = "", **cards: Any) -> fits.BinTableHDU:
    return table(column("WAVE", WAVE[:size], "nm"), column("FLUX", FLUX[:size] * 3), name=name, **cards)


@pytest.mark.parametrize("size", [5, 20])
def test_a_small_table_is_not_the_spectrum_whatever_describes_it(size: int) -> None:
    real = table(column("WAVE", WAVE, "Angstrom"), column("FLUX", FLUX), name="DATA")
    described = decoy(
        size, "BANDS", TUTYP1="spec:Data.SpectralAxis.Value", TUTYP2="spec:Data.FluxAxis.Value", TUCD1="em.wl"
    )
    remark = "the table DATA is read; others have wavelengths and flux, too: BANDS"
    for hdus in ((described, real), (real, described)):
        assert same(tables(*hdus)).remarks == (remark,)
    same(written(image(**SCALE), decoy(size, "LINELIST")))


def test_images_beside_the_table_that_is_read_are_named() -> None:
    hdu = table(column("WAVE", WAVE, "Angstrom"), column("FLUX", FLUX))
    remark = "a table is read; images on a spectral scale are left out: without a name"
    assert same(written(image(FLUX * 5, **SCALE), hdu)).remarks == (remark,)


@pytest.mark.parametrize("first", ["MODEL", "RESPONSE", "SKY", "CONTINUUM"])
def test_the_image_that_is_called_flux_goes_before_another_in_front_of_it(first: str) -> None:
    same(images((first, FLUX * 3), ("FLUX", FLUX), **SCALE))


def test_images_belong_together_by_extver() -> None:
    hdus = []
    for version in (1, 2):
        for name, data in (("FLUX", FLUX * version), ("ERR", ERROR * version), ("WAVE", WAVE + 200 * (version - 1))):
            hdu = fits.ImageHDU(data, name=name)
            hdu.ver = version
            if name == "WAVE":
                hdu.header["BUNIT"] = "Angstrom"
            hdus.append(hdu)
    spectrum = read_spectrum(written(fits.PrimaryHDU(), *hdus))
    assert spectrum.lengths == (POINTS, POINTS)
    np.testing.assert_array_equal(spectrum.wave, np.concatenate([WAVE, WAVE + 200]))
    assert spectrum.uncertainty is not None
    np.testing.assert_array_equal(spectrum.uncertainty, np.concatenate([ERROR, ERROR * 2]))
    for hdu in hdus:
        hdu.ver = 1
    assert "2 images 'WAVE' of one EXTVER" in refusal(written(fits.PrimaryHDU(), *hdus))


def test_an_image_of_wavelengths_goes_before_pixels_and_must_not_contradict_a_scale() -> None:
    wavelengths = fits.ImageHDU(WAVE, fits.Header([("BUNIT", "Angstrom")]), name="WAVE_AIR")
    pixels = {"CRVAL1": 1.0, "CDELT1": 1.0, "CRPIX1": 1.0}
    spectrum = same(written(image(**pixels), wavelengths), FileConventions(medium="vacuum"))
    assert observation_of(spectrum).medium == "Air", "by the name of the image, before the profile"
    same(written(image(**SCALE), wavelengths))
    assert "contradict each other" in refusal(written(image(**SCALE | {"CRVAL1": 6000.0}), wavelengths))


# ---- scales


@pytest.mark.parametrize(
    "cards",
    [
        LOG10 | {"WFITTYPE": "LOG-LINEAR"},
        LOG10 | {"DC-FLAG": 1.0},
        LOG10 | {"CTYPE1": "LOG-LAMBDA"},
        {"COEFF0": np.log10(5000.0), "COEFF1": 1e-5},
    ],
)
def test_logarithmic_scales_are_flagged_in_several_ways(cards: dict[str, Any]) -> None:
    same(written(image(**cards)), wave=10 ** (np.log10(5000.0) + 1e-5 * np.arange(POINTS)))


def test_the_step_of_an_axis_is_that_of_all_its_cards() -> None:
    same(written(image(**SCALE | {"CDELT1": 0.25}, PC1_1=2.0)))
    same(written(image(**SCALE | {"CDELT1": 1.0}, CD1_1=0.5)))
    detail = "CD1_1 = 0.5 and CDELT1 = 0.25 contradict each other about the axis's step"
    assert detail in refusal(written(image(**SCALE | {"CDELT1": 0.25}, CD1_1=0.5)))


def test_two_cards_of_a_scale_must_agree() -> None:
    hdu = image(**SCALE)
    hdu.header.append(("CRVAL1", 5000.0))
    same(written(hdu))
    hdu.header.append(("CRVAL1", 6000.0))
    assert "the header has several CRVAL1 cards with different values" in refusal(written(hdu))


def test_iue_high_dispersion_begins_where_its_columns_say() -> None:
    flux = np.concatenate([np.full(49, -1.0), FLUX, np.full(51, -1.0)])
    hdu = table(
        column("NPOINTS", [POINTS], None, "I"), column("WAVELENGTH", [5000.0], "ANGSTROM"),
        column("STARTPIX", [50], None, "I"), column("DELTAW", [0.5], "ANGSTROM"),
        column("ABS_CAL", flux[np.newaxis], "ERG/CM2/S/A", f"{flux.size}D"),
    )  # fmt: skip
    same(tables(hdu))


def test_a_count_of_pixels_across_the_slit_does_not_cut_the_spectrum() -> None:
    arrays = column("WAVE", WAVE[np.newaxis], "Angstrom", f"{POINTS}D"), column("FLUX", [FLUX], None, f"{POINTS}D")
    same(tables(table(*arrays, column("NPIX", [7], None, "I"))))


def test_ends_that_a_header_rounds_are_no_fault_unless_the_archive_promises_more() -> None:
    body = points(TDMIN1=5000.0, TDMAX1=5149.6)
    tolerant = Expectation(identity_card=None, strict=False)
    assert isinstance(verify_spectrum(body, SpectrumId("ivo://a/b"), tolerant), VerifiedSpectrum)
    strict = verify_spectrum(body, SpectrumId("ivo://a/b"), Expectation(identity_card=None))
    assert isinstance(strict, FailedCheck)
    assert "TDMAX1" in strict.detail


# ---- air and vacuum


@pytest.mark.parametrize(
    ("comment", "profile", "medium"),
    [
        ("converted from air to vacuum", "air", "Vacuum"),
        ("(vacuum)", "air", "Vacuum"),
        ("wavelengths in air.", "vacuum", "Air"),
        ("corrected for air mass", "vacuum", "Vacuum"),
        ("air or vacuum?", "vacuum", "Vacuum"),
    ],
)
def test_a_comment_names_the_medium_as_a_sentence_does(comment: str, profile: str, medium: str) -> None:
    hdu = table(column("WAVE", WAVE, "Angstrom"), column("FLUX", FLUX))
    hdu.header.comments["TTYPE1"] = comment
    assert observation_of(same(tables(hdu), FileConventions(medium=profile))).medium == medium


def test_a_wavelength_from_a_frequency_is_of_vacuum_whatever_the_profile_says() -> None:
    body = tables(table(column("FREQ", 299_792_458.0 / (WAVE * 1e-10), "Hz"), column("FLUX", FLUX)))
    assert observation_of(same(body, FileConventions(medium="air"))).medium == "Vacuum"

"""Every form that archives serve is read as the numbers that it was made of; what is in doubt is refused in words."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from harvester.fits.errors import InvalidSpectrumError
from harvester.fits.observation import observation_of
from harvester.fits.reader import read_spectrum
from harvester.fits.spectrum import ArrayMeaning, Spectrum, angstroms
from harvester.model.conventions import FileConventions
from harvester.model.expectation import Expectation
from harvester.model.outcomes import VerifiedSpectrum
from harvester.model.target import SpectrumId
from harvester.model.units import spectral_unit
from harvester.specutils import as_specutils
from harvester.verify import verify_spectrum
from tests.support.spectral_files import ERROR, FLUX, FORMS, POINTS, WAVE, image, table, written

TOLERANT = Expectation(identity_card=None, step_tolerance=None, strict=False)
SCALE: dict[str, Any] = {"CRVAL1": 5000.0, "CDELT1": 0.5, "CRPIX1": 1.0}


def column(name: str, array: Any, unit: str | None = None, form: str = "D") -> fits.Column:
    return fits.Column(name, form, unit, array=array)


def refusal(body: bytes, conventions: FileConventions | None = None) -> str:
    with pytest.raises(InvalidSpectrumError) as refused:
        read_spectrum(body, conventions or FileConventions())
    assert str(refused.value).isprintable()
    return str(refused.value)


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_read_as_what_it_was_made_of(form: str) -> None:
    made = FORMS[form]
    spectrum = read_spectrum(made.body)
    np.testing.assert_allclose(angstroms(spectrum), made.wave, rtol=made.rtol)
    np.testing.assert_array_equal(spectrum.flux, made.flux)
    if made.error is None:
        assert spectrum.uncertainty is None
    else:
        assert spectrum.uncertainty is not None
        np.testing.assert_allclose(spectrum.uncertainty, made.error, rtol=1e-12)
    proved = verify_spectrum(made.body, SpectrumId("ivo://a/b"), TOLERANT)
    assert isinstance(proved, VerifiedSpectrum)
    assert (proved.points, proved.segments, proved.invalid) == (made.wave.size, 1, 0)
    assert proved.wave_min == pytest.approx(made.wave.min() * 1e-10)


@pytest.mark.parametrize("form", ["frequency", "energy", "wavenumber", "SDSS", "DC-FLAG"])
def test_the_axis_that_the_file_has_is_kept_beside_the_wavelengths(form: str) -> None:
    spectrum = read_spectrum(FORMS[form].body)
    assert spectrum.original is not None
    assert spectrum.unit == "Angstrom"
    with fits.open(io.BytesIO(FORMS[form].body)) as hdus:
        if form != "DC-FLAG":
            column = hdus[1].data.field(spectrum.axis - 1)
            np.testing.assert_array_equal(spectrum.original.values, column)
    assert any("converted to Angstrom" in remark for remark in spectrum.remarks)


@pytest.mark.parametrize("ctype", ["WAVE", "AWAV", "WAVE-LOG", "AWAV-LOG", "FREQ", "FREQ-LOG", "ENER", "WAVN"])
@pytest.mark.parametrize("reference", [1.0, 151.5])
def test_fits_own_axes_are_those_of_astropys_wcs(ctype: str, reference: float) -> None:
    """Energies are in joule here: WCSLIB's electron volt is that of 1986, 8e-8 off the exact one of the SI of 2019."""
    first, step, unit = {
        "WAVE": (5e-7, 1e-10, "m"), "AWAV": (500.0, 0.05, "nm"), "FREQ": (5e14, 1e11, "Hz"),
        "ENER": (4e-19, 1e-22, "J"),
        "WAVN": (2e6, 100.0, "1/m"),
    }[ctype[:4]]  # fmt: skip
    body = written(image(CRVAL1=first, CDELT1=step, CRPIX1=reference, CTYPE1=ctype, CUNIT1=unit))
    with warnings.catch_warnings(), fits.open(io.BytesIO(body)) as hdus:
        warnings.simplefilter("ignore")
        wcs = WCS(hdus[0].header)
        theirs = wcs.all_pix2world(np.arange(POINTS), 0)[0]
        si = {"FREQ": 299_792_458.0 / theirs, "ENER": 6.62607015e-34 * 299_792_458.0 / theirs, "WAVN": 1 / theirs}
    spectrum = read_spectrum(body)
    np.testing.assert_allclose(angstroms(spectrum), si.get(ctype[:4], theirs) * 1e10, rtol=1e-12)
    assert observation_of(spectrum).medium == ("Air" if ctype.startswith("AWAV") else "Vacuum")


def test_the_main_flux_goes_before_another() -> None:
    columns = column("W", WAVE, "Angstrom"), column("F_RED", FLUX * 50), column("F", FLUX)
    hdu = table(
        *columns,
        TUTYP1="spec:Data.SpectralAxis.Value",
        TUTYP2="eso:Data.FluxAxis.Value",
        TUTYP3="spec:Data.FluxAxis.Value",
        TUCD2="phot.flux.density;em.wl;src.net;stat.uncalib",
        TUCD3="phot.flux.density;em.wl;src.net;meta.main",
    )
    np.testing.assert_array_equal(read_spectrum(written(fits.PrimaryHDU(), hdu)).flux, FLUX)
    hdu.header["TUCD2"], hdu.header["TUCD3"] = "phot.flux.density;meta.main", "phot.flux.density;stat.uncalib"
    np.testing.assert_array_equal(read_spectrum(written(fits.PrimaryHDU(), hdu)).flux, FLUX * 50)


def test_a_choice_among_equal_columns_is_remarked() -> None:
    hdu = table(
        column("W", WAVE, "nm"), column("ONE", FLUX), column("TWO", FLUX * 2),
        TUCD1="em.wl", TUCD2="phot.flux", TUCD3="phot.flux",
    )  # fmt: skip
    spectrum = read_spectrum(written(fits.PrimaryHDU(), hdu))
    np.testing.assert_array_equal(spectrum.flux, FLUX)
    assert spectrum.remarks == ("2 columns may be the flux (one, two); the first is read",)


@pytest.mark.parametrize(
    ("spectral", "flux"), [("1", "2"), ("COL1", "col2"), ("col1", "2")], ids=["numbers", "names", "both"]
)
def test_columns_without_a_meaning_are_those_that_the_profile_names(spectral: str, flux: str) -> None:
    body = written(fits.PrimaryHDU(), table(column("col1", WAVE, "Angstrom"), column("col2", FLUX)))
    assert "spectral_column and flux_column in the archive's profile" in refusal(body)
    spectrum = read_spectrum(body, FileConventions(spectral_column=spectral, flux_column=flux))
    np.testing.assert_array_equal(spectrum.wave, WAVE)
    np.testing.assert_array_equal(spectrum.flux, FLUX)


def test_what_the_profile_names_goes_before_utypes_and_must_be_there() -> None:
    body = FORMS["ivoa utypes"].body
    np.testing.assert_array_equal(read_spectrum(body, FileConventions(flux_column="a")).flux, ERROR)
    assert "'flux2', as flux_column in the archive's profile says" in refusal(
        body, FileConventions(flux_column="flux2")
    )


def test_a_unit_in_the_name_of_a_column_counts() -> None:
    body = written(fits.PrimaryHDU(), table(column("Lambda (A)", WAVE), column("Relative flux", FLUX)))
    spectrum = read_spectrum(body)
    np.testing.assert_array_equal(angstroms(spectrum), WAVE)
    np.testing.assert_array_equal(spectrum.flux, FLUX)


def test_what_a_file_says_about_each_array_is_kept() -> None:
    ucds = read_spectrum(FORMS["ucds"].body).meanings
    assert (ucds["wave"].ucd, ucds["flux"].ucd) == ("em.wl", "phot.flux.density;em.wl")
    assert ucds["uncertainty"] == ArrayMeaning("a", "stat.error;phot.flux.density;em.wl", "")
    utypes = read_spectrum(FORMS["ivoa utypes"].body).meanings
    assert utypes["flux"] == ArrayMeaning("b", "", "spec:data.fluxaxis.value")
    assert "mask" not in utypes
    assert as_specutils(read_spectrum(FORMS["ucds"].body)).meta["meanings"]["wave"]["ucd"] == "em.wl"


def test_words_that_are_no_units_are_refused_without_a_search_for_similar_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    def search(text: str) -> None:
        raise AssertionError(f"{text} was parsed, which takes up to 25 ms where it is no unit")

    monkeypatch.setattr("astropy.units.Unit", search)
    assert spectral_unit("ooaeoiuo e uu u") is None
    assert spectral_unit("rAos/nnmrAnsnA/mAmg") is None
    with pytest.raises(AssertionError, match="10 fm was parsed"):
        spectral_unit("10 fm")


def segments(spectrum: Spectrum) -> list[tuple[float, float, int]]:
    return [(part.wave[0], part.wave[-1], part.wave.size) for part in spectrum.split()]


def test_further_spectra_in_a_file_are_segments() -> None:
    arms = [
        table(column("WAVE", start + 0.5 * np.arange(200), "nm"), column("FLUX", FLUX[:200]), name=name)
        for name, start in (("UVB", 300), ("VIS", 560))
    ]
    spectrum = read_spectrum(written(fits.PrimaryHDU(), *arms))
    assert segments(spectrum) == [(300.0, 399.5, 200), (560.0, 659.5, 200)]
    assert spectrum.remarks == ("several spectra in one file: 2 tables (UVB, VIS) are read as segments",)


def test_spectra_of_several_objects_are_refused_and_counted() -> None:
    sources = [
        table(column("WAVELENGTH", WAVE, "um"), column("FLUX", FLUX), name="EXTRACT1D", SOURCEID=number)
        for number in (1, 2, 3)
    ]
    assert "3 spectra of 3 objects, by their SOURCEID cards" in refusal(written(fits.PrimaryHDU(), *sources))
    rows = table(
        column("TARGET", ["one", "two"], None, "4A"),
        column("WAVE", [WAVE, WAVE], "nm", f"{POINTS}D"),
        column("FLUX", [FLUX, FLUX], None, f"{POINTS}D"),
    )
    assert "2 spectra of 2 objects, by its column 'target'" in refusal(written(fits.PrimaryHDU(), rows))
    fibres = image(np.array([FLUX, FLUX]), **SCALE, CUNIT1="Angstrom", APNUM1="1 1", APNUM2="2 2")
    assert "2 spectra of the same wavelengths" in refusal(written(fibres))


def test_orders_that_overlap_are_segments_and_disorder_is_refused() -> None:
    wave = np.concatenate([WAVE, WAVE + 100])
    hdu = table(column("Wavelength", wave, "Angstrom"), column("Intensity", np.tile(FLUX, 2)))
    body = written(fits.PrimaryHDU(), hdu)
    assert segments(read_spectrum(body)) == [(5000.0, 5149.5, 300), (5100.0, 5249.5, 300)]
    assert isinstance(verify_spectrum(body, SpectrumId("ivo://a/b"), TOLERANT), VerifiedSpectrum)
    shuffled = np.random.default_rng(1).permutation(WAVE)
    body = written(fits.PrimaryHDU(), table(column("WAVE", shuffled, "Angstrom"), column("FLUX", FLUX)))
    outcome = verify_spectrum(body, SpectrumId("ivo://a/b"), TOLERANT)
    assert not isinstance(outcome, VerifiedSpectrum)
    assert outcome.kind == "not_monotonic"


def test_echelle_orders_of_multispec_are_segments() -> None:
    hdu = image(np.array([FLUX, FLUX]), WCSDIM=2, WAT0_001="system=multispec", WAT1_001="units=angstroms")
    text = f'wtype=multispec spec1 = "1 40 0 5000. 0.5 {POINTS} 0. 1. 2." spec2 = "2 39 0 5140. 0.5 250 0. 3. 4."'
    for number in range(0, len(text), 68):
        hdu.header[f"WAT2_{number // 68 + 1:03}"] = text[number : number + 68]
    assert segments(read_spectrum(written(hdu))) == [(5000.0, 5149.5, 300), (5140.0, 5264.5, 250)]


@pytest.mark.parametrize("function", [1, 2])
def test_nonlinear_multispec_is_that_of_numpys_polynomials(function: int) -> None:
    coefficients = [5100.0, 75.0, 1.5, -0.2]
    spec = f"1 1 2 5000. 0.5 {POINTS} 0.001 1. 2. 1. 0. {function} 4 1. {POINTS}. {' '.join(map(str, coefficients))}"
    text = f'wtype=multispec spec1 = "{spec}"'
    hdu = image(FLUX, WCSDIM=2, WAT0_001="system=multispec", WAT1_001="units=angstroms")
    for number in range(0, len(text), 68):
        hdu.header[f"WAT2_{number // 68 + 1:03}"] = text[number : number + 68]
    kind = np.polynomial.Chebyshev if function == 1 else np.polynomial.Legendre
    theirs = kind(coefficients, domain=[1, POINTS])(np.arange(1, POINTS + 1)) / 1.001
    np.testing.assert_allclose(angstroms(read_spectrum(written(hdu))), theirs, rtol=1e-12)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (written(image(**SCALE | {"CRPIX1": None}, CUNIT1="Angstrom")), "has no CRPIX1"),
        (written(image(CRVAL1=1.0, CDELT1=1.0, CRPIX1=1.0)), "CRVAL1 = 1 and a step of 1 at pixel 1 count pixels"),
        (
            written(image(np.array([WAVE, FLUX]), **SCALE, CUNIT1="Angstrom")),
            "row 1 of the image looks like a spectral axis",
        ),
        (written(image(**SCALE, CTYPE1="PIXEL")), "CTYPE1 = 'PIXEL': an axis of pixels"),
        (written(image(CRVAL1=3.58, CDELT1=1e-4, CRPIX1=1, CUNIT1="Angstrom")), "like log10 of wavelengths"),
        (written(image(CRVAL1=8.3, CDELT1=1e-4, CRPIX1=1, CUNIT1="Angstrom")), "like ln of wavelengths"),
        (written(image(CRVAL1=-500.0, CDELT1=1.0, CRPIX1=1, CUNIT1="km/s")), "unit 'km/s'"),
        (written(image(np.ones((7, 300)), **SCALE, CUNIT1="Angstrom")), "the image has 7 rows of 300 pixels"),
        (
            written(image(np.array([FLUX, WAVE + 9]), **SCALE, CUNIT1="Angstrom", ROW1="Flux", ROW2="Wavelength")),
            "they contradict each other",
        ),
        (
            written(fits.PrimaryHDU(), table(column("loglam", WAVE, "Angstrom"), column("TEMPLATE", FLUX))),
            "no flux column by utype, UCD or name; its columns: loglam, template",
        ),
        (
            written(fits.PrimaryHDU(), table(column("FREQUENCY", WAVE, "nm"), column("FLUX", FLUX))),
            "column 'frequency' is a frequency by its name, but its unit 'nm' is of wavelength",
        ),
    ],
)
def test_what_is_in_doubt_is_refused_with_field_and_value(body: bytes, words: str) -> None:
    if "CRPIX1" in words:
        body = body.replace(b"CRPIX1  =", b"CRPIXX  =")
    assert words in refusal(body)


def test_the_profile_settles_what_is_in_doubt() -> None:
    body = written(image(CRVAL1=3.58, CDELT1=1e-4, CRPIX1=1, CUNIT1="Angstrom"))
    logarithms = 3.58 + 1e-4 * np.arange(POINTS)
    for scale, wave in (("log10", 10**logarithms), ("ln", np.exp(logarithms)), ("linear", logarithms)):
        spectrum = read_spectrum(body, FileConventions(spectral_scale=scale))
        np.testing.assert_allclose(angstroms(spectrum), wave, rtol=1e-12)


def test_points_without_flux_are_counted_and_too_many_are_refused() -> None:
    for invalid, accepted in ((100, True), (290, False)):
        flux = FLUX.copy()
        flux[:invalid] = np.nan
        body = written(fits.PrimaryHDU(), table(column("WAVE", WAVE, "nm"), column("FLUX", flux)))
        outcome = verify_spectrum(body, SpectrumId("ivo://a/b"), TOLERANT)
        assert isinstance(outcome, VerifiedSpectrum) == accepted
        if isinstance(outcome, VerifiedSpectrum):
            assert outcome.invalid == invalid
        else:
            assert "only 10 of 300 values of flux are finite" in outcome.detail


def test_padding_without_wavelength_is_left_out_but_flux_without_wavelength_is_refused() -> None:
    wave, flux = WAVE.copy(), FLUX.copy()
    wave[-20:] = flux[-20:] = 0
    spectrum = read_spectrum(written(fits.PrimaryHDU(), table(column("WAVE", wave, "nm"), column("FLUX", flux))))
    assert (spectrum.wave.size, spectrum.remarks) == (280, ("20 points without wavelength and flux are left out",))
    flux[-1] = 5.0
    body = written(fits.PrimaryHDU(), table(column("WAVE", wave, "nm"), column("FLUX", flux)))
    assert "1 of 300 points have a value of flux, but no wavelength" in refusal(body)


def test_masks_say_which_points_are_bad() -> None:
    bad = np.arange(POINTS) % 7 == 0
    for name, values in (("DQ", bad.astype(np.int16)), ("GOOD", (~bad).astype(np.int16))):
        hdu = table(column("WAVE", WAVE, "nm"), column("FLUX", FLUX), column(name, values, None, "I"))
        spectrum = read_spectrum(written(fits.PrimaryHDU(), hdu))
        assert spectrum.mask is not None
        np.testing.assert_array_equal(spectrum.mask, bad)
    hdu = table(column("WAVE", WAVE, "nm"), column("FLUX", FLUX), column("IVAR", np.where(bad, 0, ERROR**-2)))
    spectrum = read_spectrum(written(fits.PrimaryHDU(), hdu))
    assert spectrum.mask is not None
    assert spectrum.uncertainty is not None
    np.testing.assert_array_equal(spectrum.mask, bad)
    np.testing.assert_array_equal(np.isnan(spectrum.uncertainty), bad)


def test_a_response_is_not_the_spectrum_and_a_coadd_goes_before_its_exposures() -> None:
    short = table(column("WAVE", WAVE[:5], "nm"), column("FLUX", FLUX[:5]))
    named = table(column("WAVE", WAVE, "nm"), column("FLUX", FLUX * 3), name="RESPONSE")
    real = table(column("WAVE", WAVE, "nm"), column("FLUX", FLUX), name="DATA")
    for decoy in (short, named):
        np.testing.assert_array_equal(read_spectrum(written(fits.PrimaryHDU(), decoy, real)).flux, FLUX)
    coadd = table(column("flux", FLUX), column("loglam", np.log10(WAVE)), name="COADD")
    exposures = [table(column("flux", FLUX), column("loglam", np.log10(WAVE)), name=f"B1-{n}") for n in range(2)]
    spectrum = read_spectrum(written(fits.PrimaryHDU(), coadd, *exposures))
    assert spectrum.lengths == ()
    assert "2 further spectra in the file are left out: its table COADD is read" in spectrum.remarks

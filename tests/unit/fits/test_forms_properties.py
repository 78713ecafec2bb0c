"""Mutated files of every form never crash the reader; any columns, units and scales are read as they were written."""

from __future__ import annotations

import astropy.units as u
import numpy as np
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from harvester.fits.errors import InvalidSpectrumError
from harvester.fits.observation import observation_of
from harvester.fits.reader import read_spectrum
from harvester.fits.spectrum import angstroms
from harvester.model.conventions import FileConventions
from harvester.model.expectation import Expectation
from harvester.model.outcomes import FailedCheck, Level, VerifiedSpectrum
from harvester.model.target import SpectrumId
from harvester.verify import verify_spectrum
from tests.support.spectral_files import ERROR, FLUX, FORMS, POINTS, table, written

DID = SpectrumId("ivo://a/b")
TOLERANT = Expectation(identity_card=None, step_tolerance=None, strict=False)
ANYTHING = Expectation(identity_card=None, step_tolerance=None, strict=False, require=Level.STRUCTURE)
STRICT = Expectation(identity_card=None)
BODIES = st.sampled_from(sorted(FORMS))
SENSIBLE = b" '=/0123456789.-+DEFTAIJKTNAXISFORM&()[]"
KEYWORDS = (
    "NAXIS", "NAXIS1", "NAXIS2", "NAXIS3", "BITPIX", "PCOUNT", "GCOUNT", "TFIELDS", "THEAP", "TFORM1", "TFORM2",
    "TTYPE1", "TTYPE2", "TUNIT1", "TUNIT2", "TUTYP1", "TUCD1", "TSCAL1", "TZERO2", "TNULL1", "TBCOL1", "CTYPE1",
    "CUNIT1", "CRVAL1", "CDELT1", "CD1_1", "CRPIX1", "BSCALE", "BLANK", "DC-FLAG", "WAT0_001", "WAT1_001", "WAT2_001",
    "EXTNAME", "ZIMAGE", "ZCMPTYPE", "ZNAXIS1", "ZTILE1", "ROW1", "BANDID1", "OBJECT", "RA", "DEC", "EQUINOX",
    "DATE-OBS", "MJD-OBS", "EXPTIME", "VACUUM", "LTV1", "LTM1_1", "COEFF0", "COEFF1", "APNUM1", "TDMIN1",
)  # fmt: skip
VALUE_TEXTS = (
    "'D'", "'1PD(9)'", "'1QD'", "'300D'", "'E'", "'A'", "'WAVE'", "'FLUX'", "'loglam'", "'Hz'", "'km/s'", "'AWAV'",
    "'WAVE-LOG'", "'PIXEL'", "T", "F", "1e308", "-1", "'12:30:45'", "'2020-02-30T25:00:00'", "'system=multispec'",
    "'multispec'", "'RICE_1'", "'GZIP_2'", "'HCOMPRESS_1'", "nan",
)  # fmt: skip
VALUES = st.one_of(
    st.integers(-2, 400).map(str),
    st.floats().map(str),
    st.sampled_from(VALUE_TEXTS),
    st.text('spec1="0123456789 .-+eE', max_size=60).map("'{}'".format),
)


def judged(body: bytes) -> None:
    """Whatever comes, it is an outcome in words; what is accepted has as many numbers as it says."""
    for expected in (TOLERANT, ANYTHING, STRICT):
        outcome = verify_spectrum(body, DID, expected)
        if isinstance(outcome, FailedCheck):
            assert outcome.detail.isprintable()
            assert len(outcome.detail) < 1000
        else:
            assert isinstance(outcome, VerifiedSpectrum)
            assert all(remark.isprintable() for remark in outcome.remarks)
    try:
        spectrum = read_spectrum(body)
    except InvalidSpectrumError:
        return
    assert spectrum.wave.shape == spectrum.flux.shape
    assert sum(spectrum.lengths) in (0, spectrum.wave.size)
    for array in (spectrum.uncertainty, spectrum.mask):
        assert array is None or array.shape == spectrum.flux.shape
    observation_of(spectrum)


@given(
    BODIES,
    st.lists(
        st.tuples(st.integers(0, 2880 * 5), st.sampled_from(SENSIBLE) | st.integers(0, 255)), min_size=1, max_size=6
    ),
)
def test_flipped_bytes_never_crash_the_reader(form: str, flips: list[tuple[int, int]]) -> None:
    mutant = bytearray(FORMS[form].body)
    for offset, byte in flips:
        mutant[offset % len(mutant)] = byte
    judged(bytes(mutant))


@given(BODIES, st.integers(0, 200), st.sampled_from(KEYWORDS), VALUES)
def test_exchanged_cards_never_crash_the_reader(form: str, place: int, keyword: str, value: str) -> None:
    body = FORMS[form].body
    cards = [at for at in range(0, len(body), 80) if body[at + 8 : at + 10] == b"= " and body[at : at + 8].isascii()]
    known = [at for at in cards if body[at : at + 8] == keyword.ljust(8).encode()]
    offset = known[0] if known else cards[place % len(cards)]
    card = f"{keyword:8}= {value}".encode("ascii", "replace")[:80].ljust(80)
    judged(body[:offset] + card + body[offset + 80 :])


@given(BODIES, st.integers(0, 40_000), st.integers(0, 40_000))
def test_cut_and_doubled_files_never_crash_the_reader(form: str, first: int, second: int) -> None:
    body = FORMS[form].body
    judged(body[: first % len(body)])
    judged(body + body[2880 * (second % (len(body) // 2880)) :])


UNITS = {
    "Angstrom": u.AA, "Ang": u.AA, "A": u.AA, "ANGSTROMS": u.AA, "AA": u.AA, "0.1 nm": u.AA, "10**(-10)m": u.AA,
    "nm": u.nm, "nanometers": u.nm, "um": u.um, "microns": u.um, "Micron": u.um, "mm": u.mm, "m": u.m, "pm": u.pm,
    "Hz": u.Hz, "GHz": u.GHz, "THz": u.THz, "eV": u.eV, "keV": u.keV, "erg": u.erg, "cm-1": u.cm**-1, "1/um": u.um**-1,
}  # fmt: skip


@given(
    st.sampled_from(sorted(UNITS)),
    st.sampled_from(["D", "E"]),
    st.sampled_from(["linear", "log10", "ln"]),
    st.booleans(),
    st.floats(1500, 30_000),
    st.floats(0.01, 5),
    st.integers(2, 400),
    st.booleans(),
)
def test_any_unit_scale_and_shape_is_read_as_astropy_converts_it(
    spelled: str, form: str, scale: str, falls: bool, first: float, step: float, points: int, one_row: bool
) -> None:
    wave = first + step * np.arange(points)
    quantity = (wave * u.AA).to_value(UNITS[spelled], u.spectral())
    stored = {"linear": quantity, "log10": np.log10(quantity), "ln": np.log(quantity)}[scale]
    stored = (stored[::-1] if falls else stored).astype(np.float64 if form == "D" else np.float32)
    unit = spelled if scale == "linear" else f"{scale}({spelled})"
    shape = (1, points) if one_row else (points,)
    columns = [
        fits.Column("spectral", f"{points}{form}" if one_row else form, array=stored.reshape(shape)),
        fits.Column("flux", f"{points}D" if one_row else "D", array=np.arange(1.0, points + 1).reshape(shape)),
    ]
    values = stored.astype(float)
    linear = 10.0**values if scale == "log10" else np.exp(values) if scale == "ln" else values
    theirs = (linear * UNITS[spelled]).to_value(u.AA, u.spectral())
    spectrum = read_spectrum(written(fits.PrimaryHDU(), table(*columns, TUNIT1=unit)), FileConventions("", scale))
    np.testing.assert_allclose(angstroms(spectrum)[: spectrum.wave.size], theirs, rtol=1e-12)
    np.testing.assert_array_equal(spectrum.flux, np.arange(1.0, points + 1))


NAMES = {
    "wave": ("WAVE", "wavelength", "Lambda", "OPT_WAVE", "WAVELENGTH (A)", "waveobs"),
    "flux": ("FLUX", "flux_density", "Intensity", "SPEC", "COUNTS", "FLAM"),
    "error": ("ERR", "e_flux", "SIGMA", "flux_err", "STATERROR", "FLUX_ERROR"),
    "other": ("SKY", "BACKGROUND", "SNR", "FWHM", "WDISP", "EXPTIME_MAP"),
}


@given(st.tuples(*(st.sampled_from(names) for names in NAMES.values())), st.permutations(range(4)))
def test_columns_are_known_by_the_fields_names_in_any_order(names: tuple[str, ...], order: list[int]) -> None:
    arrays = (5000.0 + np.arange(POINTS), FLUX, ERROR, FLUX * 7)
    columns = [fits.Column(names[n], "D", "nm" if n == 0 else None, array=arrays[n]) for n in order]
    spectrum = read_spectrum(written(fits.PrimaryHDU(), table(*columns)))
    np.testing.assert_array_equal(spectrum.wave, arrays[0])
    np.testing.assert_array_equal(spectrum.flux, FLUX)
    assert spectrum.uncertainty is not None
    np.testing.assert_array_equal(spectrum.uncertainty, ERROR)

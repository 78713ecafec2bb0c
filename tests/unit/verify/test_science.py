"""The science gate: numbers that can be the spectrum asked for."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from harvester.ledger.damage import damage_of
from harvester.ledger.schema import open_for_writing
from harvester.model.band import Band
from harvester.model.expectation import Expectation
from harvester.model.failures import FailureKind as Kind
from harvester.model.outcomes import Check
from harvester.verify.checks import _median
from tests.support.fits_files import (
    DID,
    FLUX,
    WAVE,
    Array,
    accepted,
    primary,
    recard,
    refused,
    spectrum_file,
    verdict,
    written,
)

GOOD = spectrum_file()
NORMALIZED = Expectation(normalized=True)


def changed(values: Array, row: int, value: float) -> Array:
    copy = values.copy()
    copy[row] = value
    return copy


@pytest.mark.parametrize("points", [0, 1])
def test_a_spectrum_has_two_points(points: int) -> None:
    assert verdict(spectrum_file(WAVE[:points], FLUX[:points])) == (Check.SCIENCE, Kind.NO_ROWS)
    accepted(spectrum_file(WAVE[:2], FLUX[:2]))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_every_value_is_finite(value: float) -> None:
    outcome = refused(spectrum_file(WAVE, changed(FLUX, 7, value)))
    assert (outcome.check, outcome.kind) == (Check.SCIENCE, Kind.NOT_FINITE)
    assert "1 of 300 values of flux" in outcome.detail
    assert "of 300 wavelengths" in refused(spectrum_file(changed(WAVE, 7, value), FLUX)).detail


def test_a_null_is_not_finite() -> None:
    flux = fits.Column("flux", "J", array=np.array([1, -99, 3]), null=-99)
    wave = fits.Column("spectral", "D", "Angstrom", array=WAVE[:3])
    table = fits.BinTableHDU.from_columns([wave, flux])
    table.header["DS_IDPUB"] = DID
    assert verdict(written(primary(), table)) == (Check.SCIENCE, Kind.NOT_FINITE)


def test_wavelengths_rise_or_fall_all_the_way() -> None:
    outcome = refused(spectrum_file(changed(WAVE, 99, WAVE[98]), FLUX))
    assert (outcome.check, outcome.kind) == (Check.SCIENCE, Kind.NOT_MONOTONIC)
    assert "do not rise at row 100 of 300" in outcome.detail
    falling = WAVE[::-1]
    assert "do not fall at row 100" in refused(spectrum_file(changed(falling, 99, falling[98]), FLUX)).detail
    assert verdict(spectrum_file(np.full(300, 6500.0), FLUX)) == (Check.SCIENCE, Kind.NOT_MONOTONIC)


def test_the_spectrum_lies_in_the_band() -> None:
    outcome = refused(GOOD, Expectation(band=Band(6.5e-7, 6.6e-7)))
    assert (outcome.check, outcome.kind) == (Check.SCIENCE, Kind.WRONG_BAND)
    assert "6282.1 Angstrom to 6732.9 Angstrom; requested was 6500 to 6600 Angstrom" in outcome.detail
    for band in (Band(6.2822e-7, 6.7328e-7), Band(-np.inf, 6.733e-7), Band(1e-7, np.inf)):
        accepted(GOOD, Expectation(band=band))


def test_what_is_verified_is_possible_in_a_ledger(tmp_path: Path) -> None:
    outcome = refused(spectrum_file(np.linspace(1.4, 1.5, 300), FLUX, unit="Hz"))  # GHz are meant
    assert (outcome.check, outcome.kind) == (Check.SCIENCE, Kind.UNREADABLE)
    assert "a wavelength of 2.1413747e+18 Angstrom" in outcome.detail
    found = accepted(spectrum_file(np.linspace(300.0, 301.0, 300), FLUX, unit="Hz"))
    path = tmp_path / "ledger.sqlite"
    with closing(open_for_writing(path)) as ledger:
        row = ("a", "a", "a", "saved", found.wave_min, found.wave_max)
        ledger.execute("INSERT INTO entry(did, name, folded, status, wave_min, wave_max) VALUES(?, ?, ?, ?, ?, ?)", row)
    assert damage_of(path) is None


def test_the_ends_are_as_declared() -> None:
    outcome = refused(spectrum_file(WAVE + 1.0, FLUX, declared=(WAVE[0] * 1e-10, WAVE[-1] * 1e-10)))
    assert (outcome.check, outcome.kind) == (Check.SCIENCE, Kind.INVALID_AXIS)
    assert "6283.1 Angstrom stands where TDMIN1 declares 6.2821e-07" in outcome.detail
    stretched = np.linspace(WAVE[0], WAVE[-1] + 0.1, 300)
    body = spectrum_file(stretched, FLUX, declared=(WAVE[0] * 1e-10, WAVE[-1] * 1e-10))
    assert "TDMAX1" in refused(body).detail


def test_ends_in_single_precision_or_in_the_columns_unit_are_as_good() -> None:
    low, high = (float(np.float32(end * 1e-10)) for end in (WAVE[0], WAVE[-1]))
    accepted(spectrum_file(declared=(low, high)))
    accepted(spectrum_file(declared=(6282.1, 6732.9)))


def test_steps_are_as_declared() -> None:
    outcome = refused(spectrum_file(changed(WAVE, 100, WAVE[100] + 0.1), FLUX))
    assert (outcome.check, outcome.kind) == (Check.SCIENCE, Kind.INVALID_AXIS)
    assert "step after row 10" in outcome.detail
    assert "an even 1.5076923 Angstrom" in outcome.detail
    missing = np.delete(WAVE, 150)
    assert verdict(spectrum_file(missing, FLUX[1:])) == (Check.SCIENCE, Kind.INVALID_AXIS)


def test_uneven_steps_pass_where_the_profile_or_the_header_promises_none() -> None:
    uneven = np.geomspace(4000, 9000, 300)
    assert verdict(spectrum_file(uneven, FLUX)) == (Check.SCIENCE, Kind.INVALID_AXIS)
    accepted(spectrum_file(uneven, FLUX), Expectation(step_tolerance=None))
    accepted(spectrum_file(uneven / 10, FLUX, unit="nm"))


def test_wavelengths_are_positive() -> None:
    body = spectrum_file(WAVE - WAVE[10], FLUX, unit="nm")
    assert verdict(body) == (Check.SCIENCE, Kind.INVALID_AXIS)


def test_flux_that_is_all_zero() -> None:
    assert verdict(spectrum_file(WAVE, FLUX * 0)) == (Check.SCIENCE, Kind.ZERO_FLUX)
    assert verdict(spectrum_file(WAVE, FLUX * 0), NORMALIZED) == (Check.SCIENCE, Kind.ZERO_FLUX)
    accepted(spectrum_file(WAVE, changed(FLUX * 0, 3, 1.0)))


@pytest.mark.parametrize("level", [0.1, 2500.0, -1.0])
def test_counts_are_not_normalized(level: float) -> None:
    outcome = refused(spectrum_file(WAVE, FLUX * 0 + level), NORMALIZED)
    assert (outcome.check, outcome.kind) == (Check.SCIENCE, Kind.NOT_NORMALIZED)
    assert f"the median flux is {level:g}, outside 0.2 to 5" in outcome.detail
    accepted(spectrum_file(WAVE, FLUX * 0 + level))


def test_strong_lines_are_normalized_all_the_same() -> None:
    accepted(spectrum_file(WAVE, changed(FLUX, 150, 80.0)), NORMALIZED)


@pytest.mark.parametrize("card", ["TUNIT1  = 'kg'", "TUNIT1  = ''", "COMMENT"])
def test_the_axis_has_a_spectral_unit(card: str) -> None:
    assert verdict(recard(GOOD, "TUNIT1", card)) == (Check.SCIENCE, Kind.UNREADABLE)


def test_another_quantity_than_the_limits_declare_is_refused() -> None:
    assert verdict(recard(GOOD, "TUNIT1", "TUNIT1  = 'Hz'")) == (Check.SCIENCE, Kind.INVALID_AXIS)


@pytest.mark.parametrize(
    "body",
    [
        spectrum_file(names=("x", "flux"), utypes=False),
        spectrum_file(names=("wave", "y"), utypes=False),
        recard(GOOD, "TFORM1", "TFORM1  = '8A'"),
        recard(GOOD, "TFORM1", "TFORM1  = '2E'"),
        recard(GOOD, "TFORM1", "TFORM1  = '1PD(3)'"),
    ],
)
def test_tables_without_a_readable_spectrum_are_malformed(body: bytes) -> None:
    assert verdict(body) == (Check.SCIENCE, Kind.UNREADABLE)


@pytest.mark.parametrize("points", [1, 2, 3, 300, 301])
def test_the_median_is_numpys(points: int) -> None:
    values = np.random.default_rng(points).random(points)
    assert _median(values) == np.median(values)

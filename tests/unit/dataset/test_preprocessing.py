"""What is done to a spectrum before it is exported, against computations that share nothing with it."""

from __future__ import annotations

import math
from decimal import Decimal, getcontext

import numpy as np
import pytest
from astropy.convolution import Gaussian1DKernel, convolve
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from harvester.dataset.preprocessing import Axis, Grid, Recipe, axis_of, parse_grid, smoothed, vacuum_of
from harvester.dataset.samples import MissingMetadataError, NotCoveredError, Sample
from harvester.fits.observation import Observation
from harvester.fits.reader import read_spectrum
from harvester.model.target import SpectrumId
from tests.support.paths import SHARED

GENUINE = SHARED / "real" / "fits"
Array = NDArray[np.float64]

AIR: Array = np.linspace(6282.125, 6732.125, 1801)
FLUX: Array = 1 + 0.3 * np.exp(-0.5 * ((AIR - 6562.8) / 3) ** 2) + 0.01 * np.sin(AIR)


def sample(wave: Array = AIR, flux: Array = FLUX, medium: str = "Air") -> Sample:
    return Sample(SpectrumId("ivo://a/s"), "s", {}, Observation(medium=medium), wave, flux, "", None, None)


def notebook(wave: Array, flux: Array) -> Array:
    """The old preprocessing, by astropy and by decimal arithmetic: vacuum, sigma 7, 140 points from 6519 to 6732."""
    vacuum = np.array([float(decimal_vacuum(value)) for value in wave])
    smooth: Array = convolve(flux, Gaussian1DKernel(7), boundary="extend")
    return np.interp(np.linspace(6519, 6732, 140), vacuum, smooth)


def decimal_vacuum(air: float) -> Decimal:
    """The VALD database's air-to-vacuum conversion in 40 digits."""
    getcontext().prec = 40
    square = (Decimal(10) ** 4 / Decimal(air)) ** 2
    one, two = Decimal("0.02408926869968"), Decimal("0.0001599740894897")
    index = 1 + Decimal("0.00008336624212083") + one / (Decimal("130.1065924522") - square)
    return Decimal(air) * (index + two / (Decimal("38.92568793293") - square))


def test_vacuum_wavelengths_are_those_of_forty_digits() -> None:
    air = np.linspace(2000, 30000, 500)
    exact = [float(decimal_vacuum(value)) for value in air]
    np.testing.assert_allclose(vacuum_of(air), exact, rtol=4e-16)


def test_h_alpha_gets_where_the_tables_have_it() -> None:
    assert vacuum_of(np.array([6562.80]))[0] == pytest.approx(6564.61, abs=0.005)  # as NIST has both
    assert vacuum_of(np.array([1215.67]))[0] == 1215.67, "below 2000 Angstrom all wavelengths are of vacuum"


def test_the_way_back_by_the_published_formula_ends_where_it_began() -> None:
    air = np.linspace(2000, 30000, 500)
    square = (1e4 / vacuum_of(air)) ** 2
    index = 1 + 8.34254e-5 + 2.406147e-2 / (130 - square) + 1.5998e-4 / (38.9 - square)  # Morton 2000, equation 8
    np.testing.assert_allclose(vacuum_of(air) / index, air, rtol=1e-8)


@given(st.floats(0.05, 40), st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=300))
def test_smoothing_is_astropys_with_the_ends_going_on(sigma: float, values: list[float]) -> None:
    flux = np.array(values)
    expected = convolve(flux, Gaussian1DKernel(sigma), boundary="extend")
    np.testing.assert_allclose(smoothed(flux, sigma), expected, rtol=0, atol=1e-12 * (1 + np.abs(flux).max()))


def test_all_together_are_the_old_notebooks_preprocessing() -> None:
    done = Recipe(vacuum=True, sigma=7, grid=parse_grid("6519 6732 140")).apply(sample())
    np.testing.assert_array_equal(done.wave, np.linspace(6519, 6732, 140))
    np.testing.assert_allclose(done.flux, notebook(AIR, FLUX), rtol=1e-12)
    assert done.observation.medium == "Vacuum"


@pytest.mark.skipif(not GENUINE.is_dir(), reason="the genuine files are not here")
def test_so_they_are_for_genuine_spectra() -> None:
    recipe = Recipe(vacuum=True, sigma=7, grid=parse_grid("6519 6732 140"))
    files = sorted(GENUINE.glob("*.fits"))
    assert files
    for file in files:
        spectrum = read_spectrum(file.read_bytes())
        done = recipe.apply(sample(spectrum.wave, spectrum.flux))
        np.testing.assert_allclose(done.flux, notebook(spectrum.wave, spectrum.flux), rtol=1e-12)


def test_a_spectrum_that_begins_at_its_red_end_is_resampled_alike() -> None:
    recipe = Recipe(vacuum=True, sigma=2.5, grid=Grid(6500, 6600, 50))
    np.testing.assert_allclose(
        recipe.apply(sample(AIR[::-1], FLUX[::-1])).flux, recipe.apply(sample()).flux, rtol=1e-12
    )


def test_a_spectrum_that_does_not_cover_the_grid_is_left_out_and_says_what_it_has() -> None:
    recipe = Recipe(grid=Grid(6519, 6732, 140))
    assert recipe.apply(sample()).wave.size == 140
    with pytest.raises(NotCoveredError, match=r"6282\.12 to 6731\.88 Angstrom"):
        Recipe(grid=Grid(6519, 6732, 140)).apply(sample(AIR[:-1], FLUX[:-1]))
    with pytest.raises(NotCoveredError):
        Recipe(grid=Grid(6282, 6500, 10)).apply(sample())
    assert Recipe(vacuum=True, grid=Grid(6519, 6733.5, 10)).apply(sample()), "it is judged in vacuum"


def test_vacuum_wavelengths_stay_and_unknown_ones_are_not_guessed() -> None:
    np.testing.assert_array_equal(Recipe(vacuum=True).apply(sample(medium="Vacuum")).wave, AIR)
    with pytest.raises(MissingMetadataError):
        Recipe(vacuum=True).apply(sample(medium=""))
    np.testing.assert_array_equal(Recipe().apply(sample(medium="")).wave, AIR)


@given(st.floats(100, 1e5), st.floats(1e-3, 10), st.integers(2, 3000))
def test_an_axis_rebuilds_its_wavelengths_to_the_last_bit_or_is_none(start: float, step: float, count: int) -> None:
    wave = np.linspace(start, start + step * count, count)
    axis = axis_of(wave)
    if axis is not None:
        np.testing.assert_array_equal(axis.start + axis.step * np.arange(axis.count), wave)
    wave[-1] = math.nextafter(wave[-1], math.inf)
    assert axis_of(wave) != axis or axis is None


def test_wavelengths_that_are_not_evenly_spaced_have_no_axis() -> None:
    assert axis_of(AIR) == Axis(6282.125, 0.25, 1801)
    assert axis_of(vacuum_of(AIR)) is None
    assert axis_of(np.linspace(6519, 6732, 140)) == Axis(6519, 213 / 139, 140)


@pytest.mark.parametrize(
    ("text", "grid"),
    [
        ("6519 6732 140", Grid(6519, 6732, 140)),
        ("651.9 673.2 140 nm", Grid(6519, 6732, 140)),
        ("6.519e-7 6.732e-7 140 m", Grid(6519, 6732, 140)),
    ],
)
def test_a_grid_is_reported_in_angstrom_or_with_its_unit(text: str, grid: Grid) -> None:
    assert parse_grid(text) == grid


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("6519 6732", "two limits and a number of points"),
        ("6519 6732 1", "not a number of points"),
        ("6519 6732 14.5", "not a number of points"),
        ("6519 6732 ²", "not a number of points"),
        ("6732 6519 140", "reversed"),
        ("6519 +Inf 140", "two ends"),
        ("6519 6732 140 kg", "not a unit of length"),
        ("x 6732 140", "not a number"),
    ],
)
def test_what_is_no_grid_is_said_to_be_none(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_grid(text)

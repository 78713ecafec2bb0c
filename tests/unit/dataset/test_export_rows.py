"""Uncertainties, masks and segments on their way through a recipe into Parquet and HDF5."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import QTable, Table
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from harvester.dataset.contents import FirstPass, summary_of
from harvester.dataset.h_alpha import around_h_alpha, has_emission
from harvester.dataset.hdf5 import hdf5_file
from harvester.dataset.parquet import parquet_file
from harvester.dataset.preprocessing import Grid, Recipe
from harvester.dataset.samples import NotCoveredError, Sample, build_sample
from harvester.dataset.schema import ExportSchema, inverse_variance
from harvester.dataset.stored_files import StoredFile
from harvester.fits.header import Header
from harvester.fits.observation import Observation
from harvester.fits.spectrum import Spectrum
from harvester.model.target import SpectrumId

WAVE = np.array([5000.0, 5001, 5002.5, 5003, 5004])


def sample(name: str, **more: Any) -> Sample:
    flux = more.pop("flux", np.arange(1.0, 6))
    did = SpectrumId(f"ivo://a/{name}")
    return Sample(did, name, {}, Observation(), WAVE, flux, more.pop("flux_unit", ""), None, None, **more)


def written(path: Path, *samples: Sample, **schema: Any) -> Path:
    """Write ``samples`` as an export does, with the columns that they need."""
    first = ExportSchema((), **schema)
    look = FirstPass(first)
    for one in samples:
        look.add(summary_of(one))
    chosen = ExportSchema((), wave="explicit", contents=look.contents("explicit", None), **schema)
    with parquet_file(path, chosen, {}) as write:
        for one in samples:
            write(one, None)
    return path


def test_uncertainties_become_inverse_variances_and_flags_a_mask(tmp_path: Path) -> None:
    with_all = sample("a", uncertainty=np.array([1, 2, np.nan, 0, np.inf]), mask=np.arange(5) == 3, lengths=(2, 3))
    path = written(tmp_path / "x.parquet", with_all, sample("b"))
    first, second = parquet.read_table(path).to_pylist()
    assert first["ivar"] == [1.0, 0.25, 0.0, 0.0, 0.0]
    assert first["mask"] == [False, False, False, True, False]
    assert first["segment_lengths"] == [2, 3]
    assert (second["ivar"], second["mask"], second["segment_lengths"]) == (None, None, None)
    assert len(Table.read(path)) == 2


def test_long_spectra_are_written_in_smaller_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harvester.dataset.parquet.POINTS", 12)
    path = written(tmp_path / "x.parquet", *(sample(name) for name in "abcdefg"))
    metadata = parquet.read_metadata(path)
    assert [metadata.row_group(at).num_rows for at in range(metadata.num_row_groups)] == [3, 3, 1]
    assert [row["name"] for row in parquet.read_table(path).to_pylist()] == list("abcdefg")


def test_the_unit_of_flux_is_that_of_the_column_where_all_share_one(tmp_path: Path) -> None:
    unit = "erg/cm**2/s/Angstrom"
    table = Table.read(written(tmp_path / "x.parquet", sample("a", flux_unit=unit), sample("b", flux_unit=unit)))
    assert table["flux"].unit is not None
    assert set(table["flux_unit"]) == {unit}
    mixed = Table.read(written(tmp_path / "y.parquet", sample("a", flux_unit=unit), sample("b", flux_unit="adu")))
    assert mixed["flux"].unit is None
    odd = Table.read(written(tmp_path / "z.parquet", sample("a", flux_unit="no such unit")))
    assert odd["flux"].unit is None
    assert list(odd["flux_unit"]) == ["no such unit"]


@given(st.lists(st.floats(), min_size=1))
def test_an_inverse_variance_is_a_finite_number(uncertainties: list[float]) -> None:
    found = inverse_variance(np.array(uncertainties))
    assert np.isfinite(found).all()
    assert (found >= 0).all()


def test_uncertainties_follow_flux_through_smoothing_and_resampling() -> None:
    """Against a Monte Carlo estimate of what both do to independent noise."""
    rng = np.random.default_rng(1)
    sigma = np.linspace(0.5, 1.5, 5)
    for recipe in (Recipe(sigma=0.7), Recipe(grid=Grid(5000, 5004, 9)), Recipe(sigma=0.5, grid=Grid(5000.3, 5003, 5))):
        prepared = recipe.apply(sample("a", uncertainty=sigma))
        trials = [recipe.apply(sample("a", flux=rng.normal(0, sigma))).flux for _ in range(4000)]
        inner = slice(1, -1)  # beyond its ends flux continues flat, so the outermost points are not independent
        assert prepared.uncertainty is not None
        if recipe.sigma is None:
            np.testing.assert_allclose(prepared.uncertainty, np.std(trials, axis=0), rtol=0.06)
        else:
            np.testing.assert_allclose(prepared.uncertainty[inner], np.std(trials, axis=0)[inner], rtol=0.25)


def test_a_point_that_uses_a_masked_one_is_masked() -> None:
    flagged = sample("a", mask=np.arange(5) == 1)
    resampled = Recipe(grid=Grid(5000, 5004, 5)).apply(flagged).mask
    assert resampled is not None
    assert resampled.tolist() == [False, True, True, False, False]
    smoothed = Recipe(sigma=0.25).apply(flagged).mask
    assert smoothed is not None
    assert smoothed.tolist() == [True, True, True, False, False]


def test_a_spectrum_of_several_segments_is_not_resampled_across_their_borders() -> None:
    with pytest.raises(NotCoveredError, match="2 segments"):
        Recipe(grid=Grid(5000, 5004, 5)).apply(sample("a", lengths=(2, 3)))
    assert Recipe().apply(sample("a", lengths=(2, 3))).lengths == (2, 3)


def test_hdf5_has_uncertainties_and_masks_beside_the_spectra(tmp_path: Path) -> None:
    with hdf5_file(tmp_path / "x.h5", ExportSchema(()), {}) as write:
        write(sample("a", uncertainty=np.ones(5), mask=np.arange(5) == 3), None)
        write(sample("b"), None)
    with h5py.File(tmp_path / "x.h5") as file:
        np.testing.assert_array_equal(file["uncertainty/a"], np.ones(5))
        np.testing.assert_array_equal(file["mask/a"], np.arange(5) == 3)
        assert list(file["spectra"]) == ["a", "b"]
        assert list(file["uncertainty"]) == ["a"]


def stored_fits(**columns: Any) -> StoredFile:
    """A stored FITS table that astropy wrote, with these columns."""
    hdus = fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(QTable(columns))])
    file = io.BytesIO()
    hdus.writeto(file)
    return StoredFile(SpectrumId("ivo://a/x"), "x", Path("x.fits"), file.getvalue, {})


def test_a_files_own_uncertainties_and_flags_come_out_as_they_went_in(tmp_path: Path) -> None:
    flux, error = np.linspace(2, 3, 50), np.linspace(0.1, 0.2, 50)
    flags = np.zeros(50, np.int16)
    flags[7] = 4
    unit = u.Unit("erg / (s cm2 Angstrom)")
    stored = stored_fits(WAVE=np.linspace(5000, 5100, 50) * u.AA, FLUX=flux * unit, ERR=error * unit, MASK=flags)
    table = Table.read(written(tmp_path / "x.parquet", build_sample(stored, None)))
    np.testing.assert_allclose(table["ivar"][0], error**-2.0, rtol=1e-14)
    np.testing.assert_array_equal(table["flux"][0], flux)
    np.testing.assert_array_equal(table["mask"][0], flags != 0)
    assert table["flux"].unit.is_equivalent(unit)
    assert (1 * table["flux"].unit).to_value(unit) == pytest.approx(1)


def test_an_ampere_is_never_the_unit_of_a_flux(tmp_path: Path) -> None:
    table = Table.read(written(tmp_path / "x.parquet", sample("a", flux_unit="erg/s/cm2/A")))
    assert table["flux"].unit.is_equivalent(u.Unit("erg / (s cm2 Angstrom)"))
    assert list(table["flux_unit"]) == ["erg/s/cm2/A"]


def test_h_alpha_is_found_in_the_segment_that_covers_it() -> None:
    """Two orders, the red one first: joined they neither rise nor fall."""
    red, blue = np.linspace(6700, 6900, 400), np.linspace(6500, 6650, 600)
    line = 1 + 2 * np.exp(-0.5 * ((blue - 6562.8) / 3) ** 2)
    header = Header(b"")
    both = Spectrum(
        np.concatenate([red, blue]), "Angstrom", np.concatenate([np.ones(400), line]), "", 1, header, header,
        lengths=(400, 600),
    )  # fmt: skip
    row = around_h_alpha(both, 6562.8)
    assert row is not None
    assert has_emission(row[None, :]).tolist() == [True]
    assert around_h_alpha(both.take(slice(0, 400)), 6562.8) is None

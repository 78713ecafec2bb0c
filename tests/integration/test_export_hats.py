"""A HATS collection as LSDB opens it: partitions, nested spectra, names, neighbours across edges."""

from __future__ import annotations

import asyncio
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner

import harvester
from harvester.cli import commands
from harvester.config.loading import load
from harvester.dataset.card import card
from harvester.dataset.catalog_columns import ColumnTypes
from harvester.dataset.contents import EXPLICIT, FirstPass, summary_of
from harvester.dataset.documents import write_documents
from harvester.dataset.export import export
from harvester.dataset.hats import hats_collection
from harvester.dataset.options import Dataset, ExportOptions
from harvester.dataset.sample_builder import NO_POSITION
from harvester.dataset.samples import Sample
from harvester.dataset.schema import ExportSchema
from harvester.demo import listed_dids
from harvester.errors import UsageError
from harvester.fits.observation import Observation
from harvester.model.target import SpectrumId
from tests.support.harvests import harvest_demo

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # LSDB sets an option of pandas that is deprecated
    import lsdb

COUNT = 40
SUFFIXES = ("_a", "_b")

pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")  # of what LSDB calls


@pytest.fixture(scope="module")
def collection(harvested: Path) -> Any:
    target = harvested.parent / "stars.hats"
    write(harvested, target)
    return lsdb.open_catalog(target)


def write(out: Path, target: Path, catalog: Path | None = None) -> Dataset:
    configuration = load({"out": str(out), "archive": "demo", "catalog": str(catalog) if catalog else None})
    return export(configuration, ExportOptions(target), lambda *_: None, card, None, write_documents)


def rows_of(catalog: Any) -> Any:
    return catalog.compute(progress_bar=False)


def test_lsdb_opens_every_spectrum_with_its_arrays(collection: Any, harvested: Path) -> None:
    rows = rows_of(collection)
    assert len(rows) == COUNT
    assert {"object_id", "ra", "dec", "label", "mjd", "spectrum"} <= set(rows.columns)
    assert list(rows["spectrum"].nest.columns) == ["lambda", "flux"]
    for _, row in rows.iterrows():
        stored = fits.getdata(harvested / f"{row['name']}.fits", 1)
        np.testing.assert_array_equal(row["spectrum"]["flux"], stored["flux"])
        np.testing.assert_allclose(row["spectrum"]["lambda"], stored["spectral"])
    assert set(rows["object_id"]) == {one.did for one in harvester.open_harvest(harvested)}


def test_a_partition_has_the_spectra_of_its_part_of_the_sky(collection: Any) -> None:
    pixels = collection.get_healpix_pixels()
    assert len(pixels) > 1
    by_partition = [set(rows_of(collection.pixel_search([pixel]))["object_id"]) for pixel in pixels]
    assert sum(map(len, by_partition)) == COUNT
    assert len(set().union(*by_partition)) == COUNT
    assert np.all(np.diff(rows_of(collection).index.to_numpy()) >= 0)
    star = rows_of(collection).iloc[0]
    near = rows_of(collection.cone_search(star["ra"], star["dec"], radius_arcsec=5))
    assert set(near["object"]) == {star["object"]}


def test_a_flux_is_had_by_its_nested_name(collection: Any, harvested: Path) -> None:
    flux = rows_of(collection)["spectrum.flux"]
    assert len(flux) == sum(len(one.flux) for one in harvester.open_harvest(harvested))


def test_the_same_harvest_gives_the_same_bytes_and_replaces_the_collection(harvested: Path, tmp_path: Path) -> None:
    write(harvested, tmp_path / "a.hats")
    first = contents(tmp_path / "a.hats")
    assert len(first) > 10
    write(harvested, tmp_path / "a.hats")
    assert contents(tmp_path / "a.hats") == first
    assert "lsdb.open_catalog" in first[Path("README.md")].decode()
    assert b"`spectrum.lambda`" in first[Path("README.md")]
    assert {path.name for path in tmp_path.iterdir()} == {"a.hats"}


def contents(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_columns_of_a_catalog_never_take_the_names_that_hats_has(harvested: Path, tmp_path: Path) -> None:
    """``object_id`` would have been there twice, and ``_healpix_29`` ended the export with a traceback."""
    catalog = tmp_path / "named.csv"
    rows_of_catalog = "".join(f"{did},theirs,7,5,x\n" for did in listed_dids(COUNT))
    catalog.write_text(f"id,object_id,Spectrum,_healpix_29,lambda\n{rows_of_catalog}")
    write(harvested, tmp_path / "named.hats", catalog)
    rows = rows_of(lsdb.open_catalog(tmp_path / "named.hats"))
    assert len(rows) == COUNT
    assert set(rows["catalog_object_id"]) == {"theirs"}
    assert set(rows["catalog_Spectrum"]) == {7}
    assert set(rows["catalog__healpix_29"]) == {5}
    assert set(rows["lambda"]) == {"x"}
    assert all(did.startswith("ivo://") for did in rows["object_id"])
    card_text = (tmp_path / "named.hats" / "README.md").read_text()
    assert "| `catalog_object_id` |" in card_text


def test_the_command_line_writes_it(harvested: Path, tmp_path: Path) -> None:
    arguments = ["export", "b.hats", "--archive", "demo", "--out", str(harvested), "--split", "0.5,0.5"]
    done = CliRunner().invoke(commands, arguments, standalone_mode=False)
    assert done.return_value == 0, done.exception
    assert f"b.hats/: {COUNT} spectra" in done.output
    assert set(rows_of(lsdb.open_catalog(tmp_path / "b.hats"))["split"]) == {"train", "test"}


def test_a_spectrum_without_a_position_is_left_out_and_named(tmp_path: Path) -> None:
    out = tmp_path / "out"
    asyncio.run(harvest_demo(out, 3))
    (lost, *_) = sorted(out.glob("*.fits"))
    (out / ".harvester" / "ledger.sqlite").unlink()
    without_position(lost)
    assert harvester.verify_store(out, fix=True, archive="demo").sound == 3
    dataset = write(out, tmp_path / "c.hats")
    assert dataset.result.left_out == [(lost.stem, NO_POSITION)]
    assert dataset.result.written == 2
    for path in out.glob("*.fits"):
        without_position(path)
    (out / ".harvester" / "ledger.sqlite").unlink()
    harvester.verify_store(out, fix=True, archive="demo")
    with pytest.raises(UsageError, match=r"d.hats: no spectrum has a position; "):
        write(out, tmp_path / "d.hats")
    assert not (tmp_path / "d.hats").exists()


def without_position(path: Path) -> None:
    with fits.open(path, mode="update") as file:
        for hdu in file:
            for key in ("RA", "DEC", "RA_TARG", "DEC_TARG", "STC_RA", "STC_DEC"):
                with suppress(KeyError):
                    del hdu.header[key]


# Samples at chosen positions


def sample(number: int, ra: float, dec: float, **rest: Any) -> Sample:
    did, wave = SpectrumId(f"ivo://x/{number}"), np.linspace(6500, 6600, 5 + number)
    observation = Observation(ra=ra, dec=dec, object_name=f"star {number}")
    return Sample(did, f"s{number}", {}, observation, wave, wave * 0 + number, "", None, None, **rest)


def write_samples(folder: Path, samples: Sequence[Sample]) -> Any:
    schema = ExportSchema(tuple(ColumnTypes().columns(frozenset())))
    look = FirstPass(schema)
    for one in samples:
        look.add(summary_of(one))
    schema = ExportSchema((), contents=look.contents(EXPLICIT, None))
    folder.mkdir()
    with hats_collection(folder, "made", schema, {}, {}) as put:
        for one in samples:
            put(one, None)
    return lsdb.open_catalog(folder)


def test_the_margin_cache_finds_neighbours_across_an_edge(tmp_path: Path) -> None:
    """The meridian of 90 degrees divides two of HEALPix's base pixels."""
    arcsecond = 1 / 3600
    east, west, far = sample(1, 90 + arcsecond, 60), sample(2, 90 - arcsecond, 60), sample(3, 200, -30)
    catalog = write_samples(tmp_path / "edge", [east, west, far])
    assert len(catalog.get_healpix_pixels()) == 3
    assert sorted(rows_of(catalog.margin)["object_id"]) == [east.did, west.did]
    pairs = rows_of(
        catalog.crossmatch(catalog, radius_arcsec=5, n_neighbors=3, suffixes=SUFFIXES, suffix_method="all_columns")
    )
    assert set(zip(pairs["object_id_a"], pairs["object_id_b"], strict=True)) == {
        (one.did, other.did) for one, other in ((east, east), (east, west), (west, east), (west, west), (far, far))
    }


def test_what_only_some_spectra_have_is_filled_for_the_others(tmp_path: Path) -> None:
    full = sample(1, 10, 10, uncertainty=np.full(6, 0.5), mask=np.array([True] + 5 * [False]))
    rows = rows_of(write_samples(tmp_path / "mixed", [full, sample(2, 10, 10.1)])).set_index("object_id")
    assert list(rows.loc[full.did]["spectrum"]["ivar"]) == [4.0] * 6
    assert list(rows.loc[full.did]["spectrum"]["mask"]) == [True] + 5 * [False]
    assert list(rows.loc["ivo://x/2"]["spectrum"]["ivar"]) == [0.0] * 7
    assert not any(rows.loc["ivo://x/2"]["spectrum"]["mask"])


def test_crowded_parts_of_the_sky_are_divided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harvester.dataset.hats.ROWS", 4)
    monkeypatch.setattr("harvester.dataset.parquet.ROWS", 3)
    samples = [sample(number, 10 + number, 10 + number / 2) for number in range(12)]
    catalog = write_samples(tmp_path / "crowded", samples)
    assert max(len(rows_of(catalog.pixel_search([pixel]))) for pixel in catalog.get_healpix_pixels()) <= 4
    assert len(rows_of(catalog)) == 12


def test_without_the_library_it_says_what_to_install(harvested: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hats", None)
    with pytest.raises(UsageError, match=r"pip install 'specharvest\[hats\]'"):
        write(harvested, Path("e.hats"))


def test_wavelengths_are_never_compact(harvested: Path) -> None:
    options = ExportOptions(Path("f.hats"), wave="compact")
    with pytest.raises(UsageError, match="leave --wave compact out"):
        export(load({"out": str(harvested), "archive": "demo"}), options, lambda *_: None)

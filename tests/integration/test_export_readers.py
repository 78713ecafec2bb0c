"""A Parquet file that `export` writes, as astropy, DuckDB and the others read it: units, types, lengths, no nulls."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits, votable
from astropy.table import Table
from pyarrow import parquet

import harvester
from harvester.config.loading import load
from harvester.dataset.export import export
from harvester.dataset.options import Dataset, ExportOptions
from harvester.dataset.preprocessing import Grid, Recipe
from harvester.demo import listed_dids
from tests.support.file_server import file_server
from tests.support.fits_files import spectrum_file
from tests.support.harvests import harvest_demo

COUNT = 6
SHARED = 6500 + 0.25 * np.arange(400, dtype=np.float64)
ON_ONE_GRID = {name: spectrum_file(SHARED, SHARED / 7000) for name in "abc"} | {
    "d": spectrum_file(SHARED[:-1], SHARED[:-1] / 7000)
}
UNITS = {"ra": "deg", "dec": "deg", "mjd": "d", "exposure": "s", "wave": "Angstrom"}

Export = Callable[..., Dataset]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("harvested") / "out"
    asyncio.run(harvest_demo(folder, COUNT))
    return folder


@pytest.fixture
def export_to(out: Path) -> Export:
    def run(name: str, **options: Any) -> Dataset:
        return export(load({"out": str(out), "archive": "demo"}), ExportOptions(Path(name), **options), lambda *_: None)

    return run


def flux_of(out: Path, name: str) -> Any:
    return fits.getdata(out / f"{name}.fits", 1)["flux"]


@pytest.mark.parametrize("form", [None, "parquet", "parquet.votable"])
def test_astropys_first_line_reads_it_with_units(form: str | None, export_to: Export, out: Path) -> None:
    export_to("stars.parquet")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = Table.read("stars.parquet", format=form)
    assert len(table) == COUNT
    assert {name: str(table[name].unit) for name in UNITS} == UNITS
    assert "right ascension" in table["ra"].description
    for row in table:
        np.testing.assert_array_equal(row["flux"], flux_of(out, row["name"]))
        assert len(row["wave"]) == len(row["flux"])
    assert table["id"].dtype.kind == "U"


def test_the_votable_in_it_describes_its_columns(export_to: Export) -> None:
    export_to("stars.parquet")
    text = parquet.read_schema("stars.parquet").metadata[b"IVOA.VOTable-Parquet.content"]
    assert parquet.read_schema("stars.parquet").metadata[b"IVOA.VOTable-Parquet.version"] == b"1.0"
    Path("header.xml").write_bytes(text)
    (table,) = votable.parse("header.xml", verify="exception").iter_tables()
    fields = {field.name: field for field in table.fields}
    names = parquet.read_schema("stars.parquet").names
    assert list(fields) == names, "a reader discards the whole VOTable where the columns differ (VOParquet, 2.3)"
    assert {field.ID for field in table.fields} - set(names) == {f"votable_{1 + names.index('time')}"}
    assert (fields["time"].datatype, fields["time"].unit) == ("long", u.ms)
    assert (fields["ra"].ucd, fields["ra"].unit, fields["ra"].ref) == ("pos.eq.ra;meta.main", u.deg, "ICRS")
    assert (fields["flux"].datatype, fields["flux"].arraysize) == ("double", "*")


def test_the_votable_describes_columns_with_any_name(out: Path, tmp_path: Path) -> None:
    catalog = tmp_path / "named.csv"
    rows = "".join(f"{did},1.5,2,<b>\n" for did in listed_dids(COUNT))
    catalog.write_text(f'id,radial velocity,"a ""b"" & <c>",Δλ\n{rows}', encoding="utf-8")
    config = load({"out": str(out), "archive": "demo", "catalog": str(catalog)})
    export(config, ExportOptions(Path("named.parquet")), lambda *_: None)
    Path("header.xml").write_bytes(parquet.read_schema("named.parquet").metadata[b"IVOA.VOTable-Parquet.content"])
    (described,) = votable.parse("header.xml", verify="exception").iter_tables()
    assert [field.name for field in described.fields] == parquet.read_schema("named.parquet").names
    for form in ("parquet", "parquet.votable"):
        table = Table.read("named.parquet", format=form)
        assert set(table["radial velocity"]) == {1.5}
        assert set(table["Δλ"]) == {"<b>"}
        assert table["ra"].unit == u.deg


def test_no_column_is_without_any_value(export_to: Export) -> None:
    """Normalized flux has no unit, and all wavelengths are written: neither flux_unit nor wave_start is there."""
    export_to("stars.parquet")
    table = parquet.read_table("stars.parquet")
    assert {"flux_unit", "wave_start", "wave_count", "ivar", "mask", "segment_lengths"}.isdisjoint(table.column_names)
    assert all(column.null_count < COUNT for column in table.columns)


def test_duckdb_reads_it(export_to: Export, out: Path) -> None:
    export_to("stars.parquet")
    query = "SELECT name, len(wave), len(flux), list_sum(flux), year(time) FROM 'stars.parquet' ORDER BY name"
    rows = duckdb.connect().execute(query).fetchall()
    assert len(rows) == COUNT
    for name, waves, points, total, year in rows:
        flux = flux_of(out, name)
        assert waves == points == len(flux)
        assert total == pytest.approx(flux.sum())
        assert year > 1990


def test_a_common_grid_is_written_as_lists_of_a_fixed_size(export_to: Export) -> None:
    import pandas as pd
    import polars

    export_to("grid.parquet", recipe=Recipe(grid=Grid(6520, 6600, 81)), wave="explicit", flux="float32")
    assert str(parquet.read_schema("grid.parquet").field("flux").type) == "fixed_size_list<element: float>[81]"
    for form in ("parquet", "parquet.votable"):
        table = Table.read("grid.parquet", format=form)
        assert table["flux"].shape == (COUNT, 81)
        assert table["wave"].unit == u.AA
    np.testing.assert_array_equal(table["wave"][0], np.linspace(6520, 6600, 81))
    assert polars.read_parquet("grid.parquet")["flux"].dtype == polars.Array(polars.Float32, 81)
    assert np.stack(pd.read_parquet("grid.parquet")["flux"].to_list()).shape == (COUNT, 81)
    assert duckdb.connect().execute("SELECT DISTINCT len(flux) FROM 'grid.parquet'").fetchall() == [(81,)]


def test_wavelengths_are_compact_only_on_the_one_grid_of_resample(export_to: Export) -> None:
    export_to("own.parquet")
    assert "wave" in parquet.read_schema("own.parquet").names
    dataset = export_to("grid.parquet", recipe=Recipe(grid=Grid(6520, 6600, 81)))
    assert dataset.schema.wave == "compact"
    table = parquet.read_table("grid.parquet")
    assert "wave" not in table.column_names
    (start,), (step,), (count,) = (set(table[f"wave_{name}"].to_pylist()) for name in ("start", "step", "count"))
    np.testing.assert_array_equal(start + step * np.arange(count), np.linspace(6520, 6600, 81))


@pytest.mark.parametrize(
    ("files", "columns"),
    [("abc", {"wave_start", "wave_step", "wave_count", "flux"}), ("abcd", {"wave", "flux"}), ("d", {"wave", "flux"})],
    ids=["one grid", "several grids", "one spectrum"],
)
def test_wavelengths_are_compact_where_all_spectra_happen_to_share_one_grid(
    files: str, columns: set[str], tmp_path: Path
) -> None:
    harvest_files({name: ON_ONE_GRID[name] for name in files}, tmp_path)
    for name, rows in (("own.parquet", "own.parquet"), ("own/", "own/data/train-00000-of-00001.parquet")):
        export(load({"out": "out", "archive": "p.toml"}), ExportOptions(Path(name)), lambda *_: None)
        schema = parquet.read_schema(rows)
        assert {column for column in schema.names if column.startswith(("wave", "flux"))} == columns
        assert str(schema.field("flux").type).startswith("fixed_size_list") == ("wave" not in columns)
        for row in parquet.read_table(rows).to_pylist():
            axis = (row[f"wave_{part}"] for part in ("start", "step", "count")) if "wave" not in row else ()
            wave = rebuilt(*axis) if axis else row["wave"]
            np.testing.assert_array_equal(wave, SHARED if row["name"] in "abc" else SHARED[:-1])
            assert len(row["flux"]) == len(wave)


def rebuilt(start: float, step: float, count: int) -> Any:
    return start + step * np.arange(count)


def harvest_files(files: dict[str, bytes], folder: Path) -> None:
    with file_server(files) as server:
        server.list_in(folder)
        harvested = harvester.harvest_sync("all.csv", out="out", archive="p.toml", progress="none")
    assert harvested.complete


def test_hugging_face_datasets_makes_tensors_of_it(
    export_to: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    import datasets

    export_to("grid.parquet", recipe=Recipe(grid=Grid(6520, 6600, 81)), wave="explicit", flux="float32")
    read = datasets.Dataset.from_parquet("grid.parquet", cache_dir=str(tmp_path / "cache")).with_format("numpy")
    assert read["flux"][:].shape == read["wave"][:].shape == (COUNT, 81)

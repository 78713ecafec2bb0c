"""What `export` writes, as those read it who will: pyarrow, polars, pandas, Hugging Face datasets, the notebooks."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from errno import ENOSPC
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from astropy.io import fits
from astropy.time import Time
from pyarrow import parquet

from harvester.archive.profile import ArchiveProfile
from harvester.config.loading import load
from harvester.dataset import samples, spool, stored_files
from harvester.dataset.card import card
from harvester.dataset.export import export
from harvester.dataset.options import Dataset, ExportOptions
from harvester.dataset.preprocessing import Grid, Recipe
from harvester.dataset.split import Split
from harvester.dataset.stored_files import StoredFile
from harvester.demo import DemoArchive, listed_dids, serve
from harvester.demo.observations import observe
from harvester.errors import StoreError, UsageError
from harvester.fits.spectrum import Spectrum
from tests.support.harvests import harvest_from

COUNT = 30

Export = Callable[..., Dataset]


async def harvest_crowd(out: Path) -> None:
    """Harvest the spectra of the stars that the demo archive observed most often."""
    dids = list(listed_dids(1000))
    stars = {did: observe(did).star.name for did in dids}
    often = Counter(stars.values())
    async with serve(DemoArchive(count=1000)) as archive:
        await harvest_from(archive, out, sorted(dids, key=lambda did: (-often[stars[did]], stars[did]))[:COUNT])


@pytest.fixture(scope="module")
def harvested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("harvested") / "out"
    asyncio.run(harvest_crowd(folder))
    return folder


@pytest.fixture
def out(harvested: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(harvested, tmp_path / "out"))


@pytest.fixture
def export_to(out: Path) -> Export:
    def run(name: str, catalog: Path | None = None, **order: Any) -> Dataset:
        flags = {"out": str(out), "archive": "demo", "catalog": str(catalog) if catalog else None}
        return export(load(flags), ExportOptions(Path(name), **order), lambda done, total: None)

    return run


@pytest.mark.parametrize(("room", "reads"), [(True, 1), (False, 2)], ids=["with room", "without room"])
def test_each_file_is_read_once_where_there_is_room_for_what_was_read(
    room: bool, reads: int, export_to: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times: Counter[str] = Counter()
    read = stored_files.read_stored

    def counting(stored: StoredFile) -> Spectrum:
        times[stored.name] += 1
        return read(stored)

    expected = export_to(str(tmp_path / "expected.parquet"))
    monkeypatch.setattr(samples, "read_stored", counting)
    monkeypatch.setattr(spool, "LEFT_FREE", 1 if room else 10**9)
    found = export_to(str(tmp_path / "found.parquet"))
    assert set(times.values()) == {reads}
    assert (tmp_path / "found.parquet").read_bytes() == (tmp_path / "expected.parquet").read_bytes()
    assert found.result == expected.result


@pytest.mark.parametrize("room", [True, False], ids=["with room", "without room"])
def test_damaged_files_are_listed_once(
    room: bool, out: Path, export_to: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "LEFT_FREE", 1 if room else 10**9)
    harmed, *_ = sorted(out.glob("*.fits"))
    harmed.write_bytes(harmed.read_bytes()[:-1] + b"x")
    result = export_to(str(tmp_path / "x.parquet")).result
    assert [name for name, _ in result.damaged] == [harmed.stem]
    assert result.written == COUNT - 1


def files_in(out: Path) -> dict[str, tuple[Any, Any]]:
    """Header and data of each stored file, by name, as astropy reads them."""
    found = {}
    for path in out.glob("*.fits"):
        with fits.open(path) as hdus:
            found[path.stem] = (hdus[1].header.copy(), hdus[1].data.copy())
    return found


def test_a_row_has_all_of_a_spectrum(export_to: Export, out: Path) -> None:
    export_to("all.parquet", wave="compact")
    rows = parquet.read_table("all.parquet").to_pylist()
    files = files_in(out)
    assert [row["name"] for row in rows] == sorted(files)
    for row in rows:
        header, data = files[row["name"]]
        wave = row["wave_start"] + row["wave_step"] * np.arange(row["wave_count"])
        np.testing.assert_array_equal(wave, data["spectral"])
        np.testing.assert_array_equal(row["flux"], data["flux"])
        assert (row["id"], row["object"]) == (header["DS_IDPUB"], header["OBJECT"])
        assert (row["ra"], row["dec"]) == (header["RA"], header["DEC"])
        assert (row["mjd"], row["exposure"]) == (header["TMID"], header["TELAPSE"])
        middle = Time(header["TMID"], format="mjd").to_datetime(timezone=UTC)
        assert abs((row["time"] - middle).total_seconds()) <= 0.0005
        assert "wave" not in row
        assert row["medium"] == "Air"
        assert row["label"] in range(4)


def test_columns_carry_units_and_the_file_its_provenance(export_to: Export) -> None:
    export_to("all.parquet", recipe=Recipe(sigma=7))
    schema = parquet.read_schema("all.parquet")
    assert schema.field("wave").metadata[b"unit"] == b"Angstrom"
    assert schema.field("mjd").metadata[b"unit"] == b"d"
    assert b"TMID" in schema.field("mjd").metadata[b"description"]
    shown = json.loads(schema.metadata[b"harvester"])
    assert shown["requested"] == "FLUXCALIB=normalized, FORMAT=application/fits"
    assert [server.startswith("http://127.0.0.1:") for server in shown["servers"]] == [True]
    assert len(shown["runs"]) == 1
    assert "sigma = 7 pixels" in shown["prepared"][0]


@pytest.mark.parametrize("name", ["old.parquet", "old.h5"])
def test_what_is_no_text_in_an_old_ledger_is_replaced_where_all_can_see_it(
    name: str, export_to: Export, out: Path
) -> None:
    shown = {"label": "a\0b", "note": "\ud800", "x\0": "1", "n" * 70_000: "2"}
    with closing(sqlite3.connect(out / ".harvester" / "ledger.sqlite")) as ledger, ledger:
        ledger.execute("UPDATE entry SET columns = ?", (json.dumps(shown),))
    dataset = export_to(name, split=Split((0.5, 0.5)))
    assert "a\ufffdb" in card(dataset)
    if name.endswith(".h5"):
        with h5py.File(name) as file:
            rows = [dict(data.attrs) for data in file["spectra"].values()]
    else:
        rows = parquet.read_table(name).to_pylist()
    assert len(rows) == COUNT
    for row in rows:
        assert (row["label"], row["note"], row["x\ufffd"], row["n" * 200]) == ("a\ufffdb", "\ufffd", 1, 2)


@pytest.mark.parametrize("name", ["all.parquet", "all.h5"])
def test_a_card_that_finds_no_room_leaves_the_old_data_set(name: str, out: Path) -> None:
    def full(dataset: Dataset) -> str:
        raise OSError(ENOSPC, "No space left on device")

    Path(name).write_text("of old")
    with pytest.raises(StoreError, match=rf"{name}\.md"):
        export(load({"out": str(out), "archive": "demo"}), ExportOptions(Path(name)), lambda done, total: None, full)
    assert Path(name).read_text() == "of old"
    assert {path.name for path in Path().iterdir()} <= {"out", "out.csv", name}


def test_flux_is_split_into_byte_streams(export_to: Export) -> None:
    export_to("all.parquet")
    group = parquet.ParquetFile("all.parquet").metadata.row_group(0)
    columns = {group.column(at).path_in_schema: group.column(at) for at in range(group.num_columns)}
    assert "BYTE_STREAM_SPLIT" in columns["flux.list.element"].encodings
    assert {column.compression for column in columns.values()} == {"ZSTD"}


def test_single_precision_is_there_for_the_asking(export_to: Export, out: Path) -> None:
    export_to("all.parquet", flux="float32")
    table = parquet.read_table("all.parquet")
    assert str(table.schema.field("flux").type.value_type) == "float"
    files = files_in(out)
    for row in table.to_pylist():
        np.testing.assert_array_equal(np.float32(row["flux"]), files[row["name"]][1]["flux"].astype("f4"))
    with pytest.raises(UsageError, match="too coarse for wavelengths"):
        export_to("all.h5", flux="float32")


def test_polars_reads_it(export_to: Export) -> None:
    import polars

    export_to("all.parquet", recipe=Recipe(vacuum=True), split=Split((0.5, 0.5)))
    frame = polars.read_parquet("all.parquet")
    assert frame.shape[0] == COUNT
    assert set(frame["split"]) == {"train", "test"}
    assert frame["flux"].list.len().to_list() == frame["wave"].list.len().to_list()
    assert "wave_start" not in frame.columns, "wavelengths in vacuum are not evenly spaced"
    assert frame["time"].dtype == polars.Datetime("ms", "UTC")


def test_pandas_reads_it(export_to: Export) -> None:
    import pandas as pd

    export_to("all.parquet")
    frame = pd.read_parquet("all.parquet")
    assert frame["label"].value_counts().sum() == COUNT
    assert frame["label"].dtype == np.int64
    assert frame["flux"].iloc[0].dtype == np.float64
    assert frame["time"].iloc[0].year > 1990


def test_hugging_face_datasets_reads_it(export_to: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    datasets = pytest.importorskip("datasets")
    export_to("all.parquet", recipe=Recipe(vacuum=True, sigma=7, grid=Grid(6519, 6732, 140)), flux="float32")
    read = datasets.Dataset.from_parquet("all.parquet", cache_dir=str(tmp_path / "cache"))
    assert read.num_rows == COUNT
    assert read.with_format("numpy")["flux"][:].shape == (COUNT, 140)
    assert str(read.features["flux"].feature.dtype) == "float32"


def test_the_notebooks_loop_runs_on_the_hdf5_file(export_to: Export, out: Path) -> None:
    """What the old notebooks do with their file: items by name, wavelengths and flux by number, the label."""
    export_to("all.h5")
    files = files_in(out)
    with h5py.File("all.h5") as file:
        spectra = file["spectra"]
        labels = np.zeros(len(spectra), np.int8)
        for at, (name, data) in enumerate(spectra.items()):
            header, table = files[name]
            np.testing.assert_array_equal(data[0], table["spectral"])
            np.testing.assert_array_equal(data[1], table["flux"])
            assert data.shape == (2, len(table))
            assert data.dtype == np.float64
            assert (data.attrs["ra"], data.attrs["dec"]) == (header["RA"], header["DEC"])
            labels[at] = data.attrs["label"]
        assert len(spectra) == COUNT
        assert set(labels) == {0, 1, 2, 3}


def test_the_date_in_hdf5_is_when_the_star_was_seen_in_the_notebooks_spelling(export_to: Export, out: Path) -> None:
    export_to("all.h5")
    files = files_in(out)
    with h5py.File("all.h5") as file:
        for name, data in file["spectra"].items():
            header = files[name][0]
            shown = datetime.strptime(data.attrs["date"], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
            middle = Time(header["TMID"], format="mjd").to_datetime(timezone=UTC)
            assert abs((middle - shown).total_seconds()) <= 0.5
            assert data.attrs["date"] != header["DATE"]


@pytest.mark.parametrize("name", ["one.parquet", "one.h5"])
def test_the_same_harvest_gives_the_same_bytes(name: str, export_to: Export, out: Path, tmp_path: Path) -> None:
    options = {"recipe": Recipe(vacuum=True, sigma=7), "split": Split((0.8, 0.1, 0.1), 4)}
    dataset = export_to(name, **options)
    first = Path(name).read_bytes(), card(dataset)
    (tmp_path / "later").mkdir()
    again = export_to(f"later/{name}", **options)
    assert (Path(f"later/{name}").read_bytes(), card(again)) == first


@pytest.mark.parametrize("name", ["all.parquet", "all.h5"])
def test_an_export_that_fails_leaves_what_was_there(name: str, export_to: Export, out: Path, tmp_path: Path) -> None:
    export_to(name)
    before = Path(name).read_bytes(), sorted(tmp_path.iterdir())
    files = sorted(out.glob("*.fits"))
    files[20].unlink()
    files[20].mkdir()  # a fault of the disk, after twenty spectra were written
    with pytest.raises(StoreError, match=files[20].name):
        export_to(name)
    assert (Path(name).read_bytes(), sorted(tmp_path.iterdir())) == before


def test_no_star_is_on_two_sides_and_the_card_counts_them(export_to: Export) -> None:
    dataset = export_to("all.parquet", split=Split((0.6, 0.2, 0.2), 1))
    rows = parquet.read_table("all.parquet", columns=["object", "split", "label"]).to_pylist()
    stars = {row["object"] for row in rows}
    assert len(stars) < COUNT, "some stars have several spectra"
    assert len({(row["object"], row["split"]) for row in rows}) == len(stars)
    text = card(dataset)
    for label in range(4):
        parts = ("train", "validation", "test")
        counted = [sum(row["label"] == label and row["split"] == part for row in rows) for part in parts]
        assert f"| {label} | {' | '.join(map(str, counted))} | {sum(counted)} |" in text


def test_a_catalog_chooses_and_brings_its_own_columns(export_to: Export, out: Path) -> None:
    dids = sorted(header["DS_IDPUB"] for header, _ in files_in(out).values())
    chosen = Path("chosen.csv")
    chosen.write_text("id,class,ra,note\n" + "".join(f"{did},{at}.5,{at},\n" for at, did in enumerate(dids[:5])))
    dataset = export_to("chosen.parquet", chosen, label="class", split=Split((0.5, 0.5)))
    rows = {row["id"]: row for row in parquet.read_table("chosen.parquet").to_pylist()}
    assert set(rows) == set(dids[:5])
    for at, did in enumerate(dids[:5]):
        assert (rows[did]["class"], rows[did]["catalog_ra"]) == (at + 0.5, at)
        assert "note" not in rows[did], "a column without any value"
        assert rows[did]["ra"] != at
    assert dataset.result.absent == 0
    export_to("chosen.h5", chosen, label="class")
    with h5py.File("chosen.h5") as file:
        assert {data.attrs["label"] for data in file["spectra"].values()} == {0.5, 1.5, 2.5, 3.5, 4.5}


def test_the_setting_says_which_column_has_the_class(export_to: Export, out: Path) -> None:
    dids = sorted(header["DS_IDPUB"] for header, _ in files_in(out).values())
    Path("chosen.csv").write_text("id,class\n" + "".join(f"{did},{at % 2}\n" for at, did in enumerate(dids)))
    Path("config.toml").write_text('[labels]\ncolumn = "class"\n')
    dataset = export_to("chosen.parquet", Path("chosen.csv"))
    assert {label for label, _ in dataset.result.classes} == {"0", "1"}
    Path("config.toml").write_text('[labels]\ncolumn = "clas"\n')
    with pytest.raises(UsageError, match=r"^labels.column 'clas': .* they have class; did you mean class\?$"):
        export_to("chosen.parquet", Path("chosen.csv"))


def relabelling(out: Path) -> Callable[[int, int], None]:
    """Between the look at all labels and the writing of them, a label becomes one that its column cannot hold."""
    looks = itertools.count(1)

    def relabel(_done: int, _total: int) -> None:
        if next(looks) == COUNT:  # the first of two passes ends
            with closing(sqlite3.connect(out / ".harvester" / "ledger.sqlite")) as ledger, ledger:
                ledger.execute("UPDATE entry SET columns = ?", (json.dumps({"label": "absorption"}),))

    return relabel


def test_a_ledger_that_changes_meanwhile_is_noticed(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "LEFT_FREE", 10**9)  # what was read cannot be kept: all is read again
    order = ExportOptions(Path("all.parquet"), split=Split((0.5, 0.5)))
    with pytest.raises(UsageError, match="its ledger changed during the export"):
        export(load({"out": str(out), "archive": "demo"}), order, relabelling(out))
    assert not Path("all.parquet").exists()


def test_a_data_set_has_what_was_stored_when_all_was_read(out: Path, export_to: Export) -> None:
    order = ExportOptions(Path("all.parquet"), split=Split((0.5, 0.5)))
    expected = export_to("expected.parquet", split=Split((0.5, 0.5)))
    export(load({"out": str(out), "archive": "demo"}), order, relabelling(out))
    assert Path("all.parquet").read_bytes() == Path("expected.parquet").read_bytes()
    assert expected.result.written == COUNT


def test_the_card_is_one_that_hugging_face_reads(export_to: Export) -> None:
    huggingface_hub = pytest.importorskip("huggingface_hub")
    text = card(export_to("all.parquet"))
    read = huggingface_hub.DatasetCard(text)
    assert read.data.license == "other"
    assert read.data.size_categories == ["n<1K"]
    assert read.data.configs == [{"config_name": "default", "data_files": "all.parquet"}]
    assert "TMID" in read.text


@pytest.mark.parametrize("name", ["all.parquet", "all.h5"])
def test_the_cards_line_gets_one_part_of_a_split(
    name: str, export_to: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    datasets = pytest.importorskip("datasets")
    dataset = export_to(name, split=Split((0.5, 0.5)))
    (line,) = re.findall(r"```python\n(.*)\n```", card(dataset))
    found = eval(line, {"datasets": datasets, "h5py": h5py})
    assert len(found) == sum(n for (_, part), n in dataset.result.classes.items() if part == "train")


def test_the_card_of_a_split_calls_no_file_train(export_to: Export) -> None:
    huggingface_hub = pytest.importorskip("huggingface_hub")
    read = huggingface_hub.DatasetCard(card(export_to("all.parquet", split=Split((0.5, 0.5)))))
    assert read.data.configs[0]["data_files"] == [{"split": "whole", "path": "all.parquet"}]


def test_the_card_thanks_the_archive_that_the_spectra_are_from(export_to: Export) -> None:
    words = "Based on data of a demo archive."
    dataset = export_to("all.parquet")
    own = replace(dataset, profile=ArchiveProfile("a", "A demo archive", "", acknowledgement=words))
    assert words in card(own)
    assert "# Spectra of A demo archive" in card(own)
    unknown = card(replace(dataset, profile=None))
    assert f"# Spectra of {dataset.origin.archive}" in unknown
    assert "ask its operators how they wish to be cited" in unknown
    for text in (card(own), unknown):
        assert "rights of the archive's data are the archive's" in text


def test_a_profile_no_one_named_tells_nothing_of_another_archives_spectra(out: Path) -> None:
    """They were harvested at an address; Ondrejov, the default, is not theirs."""
    dataset = export(load({"out": str(out)}), ExportOptions(Path("all.h5")), lambda done, total: None)
    assert dataset.profile is None
    named = export(load({"out": str(out), "archive": "demo"}), ExportOptions(Path("all.h5")), lambda done, total: None)
    assert named.profile is not None

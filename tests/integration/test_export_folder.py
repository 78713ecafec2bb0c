"""`export DIR/`: a data set folder, as Hugging Face, Croissant, RO-Crate and citation readers take it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyarrow import parquet

from harvester.archive.profile import ArchiveProfile
from harvester.config.loading import load
from harvester.dataset import folder as folder_module
from harvester.dataset.card import card
from harvester.dataset.documents import write_documents
from harvester.dataset.export import export
from harvester.dataset.options import Dataset, ExportOptions
from harvester.dataset.split import Split
from harvester.demo import listed_dids
from harvester.errors import StoreError, UsageError
from harvester.storage.atomic import HOST
from harvester.vo.data_origin import DataOrigin
from tests.support.harvests import harvest_demo

COUNT = 40

Export = Callable[..., Dataset]


@pytest.fixture(scope="module")
def harvested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("harvested") / "out"
    asyncio.run(harvest_demo(folder, COUNT))
    return folder


@pytest.fixture
def export_to(harvested: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Export:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))

    def run(name: str, document: Any = write_documents, **options: Any) -> Dataset:
        config = load({"out": str(harvested), "archive": "demo"})
        return export(config, ExportOptions(Path(name), **options), lambda *_: None, card, None, document)

    return run


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_hugging_face_loads_the_splits(export_to: Export) -> None:
    import datasets

    dataset = export_to("stars", split=Split((0.5, 0.25, 0.25)))
    loaded = datasets.load_dataset("./stars")
    assert {name: part.num_rows for name, part in loaded.items()} == {
        name: dataset.result.in_part(name) for name in ("train", "validation", "test")
    }
    assert sum(part.num_rows for part in loaded.values()) == COUNT
    stars = [set(part["object"]) for part in loaded.values()]
    assert not set.intersection(*stars)
    for name, part in loaded.items():
        assert set(part["split"]) == {name}


def test_without_a_split_everything_is_train(export_to: Export) -> None:
    import datasets

    export_to("stars")
    assert datasets.load_dataset("./stars", split="train").num_rows == COUNT


def test_each_fold_is_a_configuration_that_tests_on_it_alone(export_to: Export) -> None:
    import datasets

    dataset = export_to("stars", split=Split.into_folds(3, seed=1))
    tested: list[str] = []
    for fold in dataset.parts:
        loaded = datasets.load_dataset("./stars", fold)
        assert set(loaded["test"]["fold"]) == {fold}
        assert fold not in set(loaded["train"]["fold"])
        assert loaded["train"].num_rows + loaded["test"].num_rows == COUNT
        assert set(loaded["train"]["object"]).isdisjoint(loaded["test"]["object"])
        tested += loaded["test"]["id"]
    assert len(set(tested)) == len(tested) == COUNT
    assert datasets.load_dataset("./stars", split="train").num_rows == COUNT


def test_a_large_part_is_in_several_files(export_to: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(folder_module, "ROWS_OF_A_FILE", 15)
    dataset = export_to("stars")
    names = [f"data/train-{at:05d}-of-00003.parquet" for at in range(3)]
    assert dataset.result.files == dict(zip(names, (14, 14, 12), strict=True))
    assert [parquet.read_metadata(Path("stars", name)).num_rows for name in names] == [14, 14, 12]
    assert datasets.load_dataset("./stars", split="train").num_rows == COUNT


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # those that mlcroissant gets from rdflib and pandas
def test_the_documents_are_read_by_their_own_readers(export_to: Export) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    rocrate = pytest.importorskip("rocrate.rocrate")
    export_to("stars", split=Split((0.5, 0.5)))
    croissant = mlcroissant.Dataset("stars/croissant.json")
    assert croissant.metadata.issues.errors == set()
    (first, *rest) = croissant.records("train-00000-of-00001")
    row = parquet.read_table("stars/data/train-00000-of-00001.parquet").to_pylist()[0]
    assert first["train-00000-of-00001/id"].decode() == row["id"]
    assert list(first["train-00000-of-00001/flux"]) == row["flux"]
    assert len(rest) + 1 == parquet.read_metadata("stars/data/train-00000-of-00001.parquet").num_rows
    crate = rocrate.ROCrate("stars")
    files = {entity.id for entity in crate.get_entities() if entity.type == "File"}
    assert files == set(contents(Path("stars"))) - {"ro-crate-metadata.json"}
    assert crate.root_dataset["publisher"]["name"] == "the demo archive"
    citation = yaml.safe_load(Path("stars/CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "dataset"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # those that mlcroissant gets from rdflib and pandas
def test_croissant_reads_columns_with_any_name(harvested: Path, tmp_path: Path) -> None:
    """An @id with a blank in it made the whole document invalid."""
    mlcroissant = pytest.importorskip("mlcroissant")
    catalog = tmp_path / "named.csv"
    rows = "".join(f"{did},1.5,2,<b>\n" for did in listed_dids(COUNT))
    catalog.write_text(f"id,radial velocity,radial_velocity,Δλ\n{rows}", encoding="utf-8")
    config = load({"out": str(harvested), "archive": "demo", "catalog": str(catalog)})
    export(config, ExportOptions(Path("stars")), lambda *_: None, card, None, write_documents)
    croissant = mlcroissant.Dataset("stars/croissant.json")
    assert croissant.metadata.issues.errors == set()
    first = next(iter(croissant.records("train-00000-of-00001")))
    velocities = {name.partition("/")[2]: value for name, value in first.items() if "velocity" in name}
    assert velocities == {"radial_velocity~2": 1.5, "radial_velocity": 2}


def test_the_provenance_has_the_digest_of_each_file(export_to: Export) -> None:
    export_to("stars", split=Split((0.5, 0.5)))
    provenance = json.loads(Path("stars/provenance.json").read_text())
    assert provenance["spectra"] == COUNT
    assert provenance["requested"] == "FLUXCALIB=normalized, FORMAT=application/fits"
    files = contents(Path("stars"))
    for file in provenance["files"]:
        assert hashlib.sha256(files[file["path"]]).hexdigest() == file["sha256"]
        assert len(files[file["path"]]) == file["bytes"]
    assert sum(file["spectra"] for file in provenance["files"]) == COUNT


def test_the_same_harvest_gives_the_same_folder(export_to: Export) -> None:
    export_to("stars", split=Split((0.5, 0.5)))
    before = contents(Path("stars"))
    export_to("stars", split=Split((0.5, 0.5)))
    assert contents(Path("stars")) == before


def test_a_folder_with_other_files_is_never_replaced(export_to: Export) -> None:
    Path("mine").mkdir()
    Path("mine", "thesis.tex").write_text("mine")
    with pytest.raises(UsageError, match="mine: the folder has other files in it"):
        export_to("mine")
    assert contents(Path("mine")) == {"thesis.tex": b"mine"}


def test_a_folder_whose_documents_fail_is_left_as_it_was(export_to: Export, tmp_path: Path) -> None:
    def full(dataset: Dataset, folder: Path) -> None:
        raise OSError(28, "No space left on device")

    export_to("stars")
    before = contents(tmp_path)
    with pytest.raises(StoreError, match="stars"):
        export_to("stars", document=full)
    assert contents(tmp_path) == before


def test_what_a_killed_export_left_is_removed_by_the_next(export_to: Export, tmp_path: Path) -> None:
    gone = os.fork()
    if gone == 0:
        os._exit(0)
    os.waitpid(gone, 0)
    left = tmp_path / f".stars.{HOST}.{gone}.abc0.part"
    left.mkdir()
    (left / "README.md").write_text("half")
    other = shutil.copytree(left, tmp_path / f".others.{HOST}.{gone}.abc0.part")
    export_to("stars")
    assert not left.exists()
    assert other.exists(), "another data set's"


def test_rights_and_citation_are_the_archives(export_to: Export, tmp_path: Path) -> None:
    origin = DataOrigin(
        publisher="The observatory",
        creator="Doe, J.; Roe, R.",
        citation="10.1234/spectra",
        rights="CC BY 4.0",
        rights_uri="https://spdx.org/licenses/CC-BY-4.0",
        reference_url="https://example.org/spectra",
    )
    profile = ArchiveProfile("a", "An archive", "", acknowledgement="Based on data of an archive.", origin=origin)
    dataset = replace(export_to("stars"), profile=profile)
    text = card(dataset)
    for stated in ("Based on data of an archive.", "10.1234/spectra", "CC BY 4.0", "Doe, J.; Roe, R."):
        assert stated in text
    write_documents(dataset, Path("stars"))
    citation = yaml.safe_load(Path("stars/CITATION.cff").read_text())
    assert [author["name"] for author in citation["authors"]] == ["Doe, J.", "Roe, R."]
    assert (citation["doi"], citation["url"]) == ("10.1234/spectra", "https://example.org/spectra")
    assert citation["message"] == "Based on data of an archive."
    assert citation["license"] == "CC-BY-4.0"
    assert yaml.safe_load(text.split("---")[1])["license"] == "cc-by-4.0"
    croissant = json.loads(Path("stars/croissant.json").read_text())
    assert croissant["license"] == "https://spdx.org/licenses/CC-BY-4.0"
    crate = json.loads(Path("stars/ro-crate-metadata.json").read_text())
    (root,) = [entity for entity in crate["@graph"] if entity["@id"] == "./"]
    assert root["license"] == {"@id": "https://spdx.org/licenses/CC-BY-4.0"}
    assert ArchiveProfile(**_parsed(profile.as_toml())).origin == origin


def test_hostile_text_of_an_archive_stays_text_in_every_document(export_to: Export) -> None:
    evil = '"x": [y]\n---\n# <script>alert(1)</script> | `c` [l](javascript:a) \u202e![p](http://e/x.png) 10.1/a" }'
    origin = DataOrigin(**dict.fromkeys(("publisher", "creator", "citation", "rights", "reference_url"), evil))
    origin = replace(origin, rights_uri='https://e.example/a b"<c>')
    profile = ArchiveProfile("a", evil, "", acknowledgement=evil, origin=origin)
    dataset = replace(export_to("stars"), profile=profile, origin=replace(export_to("stars").origin, archives=("a",)))
    text = card(dataset)
    about, body = yaml.safe_load(text.split("---\n")[1]), text.split("---\n", 2)[2]
    assert (about["license"], about["license_name"]) == ("other", "rights-of-the-archive")
    assert [line for line in body.splitlines() if line.startswith("# ")] == [body.splitlines()[1]]
    for forbidden in ("<script>", "](javascript:", "](http", "\u202e"):
        assert forbidden not in body
    write_documents(dataset, Path("stars"))
    citation = yaml.safe_load(Path("stars/CITATION.cff").read_text())
    assert {"doi", "url", "license", "license-url"}.isdisjoint(citation)
    assert "\n" not in citation["title"]
    crate = json.loads(Path("stars/ro-crate-metadata.json").read_text())["@graph"]
    assert all(" " not in entity["@id"] for entity in crate)


def _parsed(text: str) -> dict[str, Any]:
    import tomllib

    values = tomllib.loads(text)
    return {**values, "origin": DataOrigin(**values["origin"])}

"""Spectra that an archive has as VOTables, from the request to the export; and what the stored run's profile is for."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import harvester
from harvester.cli import commands
from harvester.errors import UsageError
from tests.support.file_server import file_server
from tests.support.spectral_files import FLUX, WAVE, image, written
from tests.support.votable_files import spectrum_votable, votable

OPTIONS = ("--archive", "p.toml", "--out", "out")
RUN = ("run", *OPTIONS, "--catalog", "all.csv", "--progress", "none")
FITS = written(image(FLUX, CRVAL1=5000.0, CDELT1=0.5, CRPIX1=1.0, CUNIT1="Angstrom"))


def said(*arguments: str) -> tuple[Any, str]:
    done = CliRunner().invoke(commands, arguments, standalone_mode=False)
    if done.exception:
        raise done.exception
    return done.return_value, done.output


def stored(folder: str = "out") -> set[str]:
    return {str(path.relative_to(folder)) for path in Path(folder).rglob("*.*") if ".harvester" not in path.parts} - {
        "SHA256SUMS"
    }


@pytest.mark.parametrize("layout", ["flat", "hashed"])
def test_votables_are_stored_verified_read_and_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    monkeypatch.chdir(tmp_path)
    files = {
        "text": spectrum_votable(), "packed": gzip.compress(spectrum_votable("binary")),
        "arrays": spectrum_votable("binary2", one_row=True), "image": FITS,
    }  # fmt: skip
    with file_server(files) as server:
        server.list_in(tmp_path)
        assert said(*RUN, "--layout", layout)[0] == 0
        names = {"text.vot", "packed.vot", "arrays.vot", "image.fits"}
        assert {Path(name).name for name in stored()} == names
        assert {line.split()[1].rpartition("/")[2] for line in Path("out/SHA256SUMS").read_text().splitlines()} == names
        assert said(*RUN)[0] == 0
        assert server.requests == len(files), "nothing is requested twice"
    code, found = said("verify", *OPTIONS, "--json")
    assert (code, json.loads(found)["sound"]) == (0, len(files))
    spectrum = harvester.open_harvest("out")["ivo://a/packed"]
    assert spectrum.path.name == "packed.vot"
    np.testing.assert_array_equal(spectrum.wave, WAVE)
    assert spectrum.uncertainty is not None
    assert harvester.open_harvest("out")["text.vot"].spectrum().spectral_axis.unit == "Angstrom"
    assert "HD 50975" in said("preview", "arrays", *OPTIONS)[1]
    assert "4 spectra" in said("export", "all.parquet", *OPTIONS)[1]
    assert said("report", *OPTIONS)[0] == 0


@pytest.mark.parametrize("did", ["http://h.example/get?id=1&x=a b", "1234567", "a/b.fits", "ivo:no path"])
def test_any_identifier_of_the_catalog_will_do_for_preview_and_python(
    did: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with file_server({"star": spectrum_votable()}) as server:
        server.list_in(tmp_path)
        Path("all.csv").write_text(f'id,access_url\n"{did}",http://127.0.0.1:{server.server_port}/star\n')
        assert said(*RUN)[0] == 0
    assert "HD 50975" in said("preview", did, *OPTIONS)[1]
    assert harvester.open_harvest("out")[did].spectrum().meta["did"] == did
    with pytest.raises(UsageError, match="no spectrum is called 'nothing'"):
        said("preview", "nothing", *OPTIONS)


def test_a_damaged_votable_is_found_and_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with file_server({"star": spectrum_votable(), "other": spectrum_votable("binary")}) as server:
        server.list_in(tmp_path)
        assert said(*RUN)[0] == 0
        Path("out/star.vot").write_bytes(spectrum_votable()[:-200])
        assert json.loads(said("verify", *OPTIONS, "--json")[1])["damaged"][0]["id"] == "ivo://a/star"
        assert said("verify", *OPTIONS, "--fix")[0] == 3
        assert not Path("out/star.vot").exists()
        assert said(*RUN)[0] == 0
        assert Path("out/star.vot").read_bytes() == spectrum_votable()


def test_a_spectrum_that_has_another_format_by_now_has_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with file_server({"star": spectrum_votable()}) as server:
        server.list_in(tmp_path)
        assert said(*RUN)[0] == 0
        server.files["star"] = FITS
        assert said(*RUN, "--refresh")[0] == 0
    assert stored() == {"star.fits"}
    assert said("verify", *OPTIONS)[0] == 0


def test_preview_reads_by_the_profile_of_the_run_that_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with file_server({"star": votable({"x": WAVE / 10, "y": FLUX})}) as server:
        server.list_in(tmp_path, 'spectral_unit = "nm"\nspectral_column = "1"\nflux_column = "y"\n')
        assert said(*RUN)[0] == 0
    code, drawn = said("preview", "star", "--out", "out")
    assert code == 0
    assert "5000" in drawn.replace(",", ""), "in Angstrom, of nanometres that only the profile names"

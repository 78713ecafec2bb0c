"""What an astronomer does, against the genuine server software: discover it, list it, fetch it, while it falls over."""

from __future__ import annotations

import csv
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import pyvo
from astropy.io import fits
from numpy.typing import NDArray

from harvester.catalog.reader import read_catalog
from harvester.config.profiles import load_profile
from harvester.demo import listed_dids
from harvester.demo.observations import observe
from harvester.demo.synthesis import Calibration, synthesize
from harvester.model.target import SpectrumId
from tests.dachs.conftest import COUNT
from tests.dachs.harvests import Harvest, harvester, harvesting
from tests.dachs.witness import Witness
from tests.support.harvests import fits_names, leftovers, write_catalog

DIDS = list(listed_dids(COUNT))
Start = Callable[..., AbstractContextManager[Harvest]]
FLUXCALIBS = {
    "none": Calibration.UNCALIBRATED,
    "UNCALIBRATED": Calibration.UNCALIBRATED,
    "relative": Calibration.RELATIVE,
    "normalized": Calibration.NORMALIZED,
}


@pytest.fixture(scope="module")
def discovered(witness: Witness, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where ``discover`` wrote genuine.toml and genuine.csv."""
    folder = tmp_path_factory.mktemp("discovered")
    files = ["-o", f"{folder}/genuine.toml", "--catalog", f"{folder}/genuine.csv"]
    found = harvester("discover", witness.ssap, *files)
    assert found.returncode == 0, found.stderr
    assert f"{COUNT} spectra ({2 * COUNT} rows)" in found.stdout
    return folder


def flags(discovered: Path, catalog: Path, *more: str) -> list[str]:
    return ["--archive", f"{discovered}/genuine.toml", "--catalog", str(catalog), "--out", "out", *more]


@pytest.fixture
def start(discovered: Path, tmp_path: Path) -> Start:
    """Starts a harvest of these spectra, with flags."""

    def harvest(dids: list[SpectrumId], *more: str) -> AbstractContextManager[Harvest]:
        return harvesting(*flags(discovered, write_catalog(tmp_path / "some.csv", dids), *more))

    return harvest


def spectrum_of(did: SpectrumId) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    with fits.open(Path("out") / f"{did.rpartition('/')[2]}.fits") as hdus:
        return np.array(hdus[1].data["spectral"]), np.array(hdus[1].data["flux"])


def csv_rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


# --- discovery


def test_the_profile_says_what_the_archive_offers(witness: Witness, discovered: Path) -> None:
    profile, demo = load_profile(f"{discovered}/genuine.toml"), load_profile("demo")
    assert (profile.endpoint, profile.ssap, profile.mode) == (witness.dlget, witness.ssap, "soda")
    assert profile.parameters == demo.parameters == ("ID", "FLUXCALIB", "BAND", "FORMAT")
    assert set(profile.fluxcalibs) == set(demo.fluxcalibs) == {"relative", "UNCALIBRATED", "normalized"}
    assert set(profile.formats) == set(demo.formats)


@pytest.mark.parametrize("service", ["dlget", "dlmeta"])
def test_one_spectrum_tells_as_much(witness: Witness, discovered: Path, service: str) -> None:
    found = harvester("discover", f"{getattr(witness, service)}?ID={DIDS[0]}", "-o", "one.toml")
    assert found.returncode == 0, found.stderr
    one, all_ = load_profile("one.toml"), load_profile(f"{discovered}/genuine.toml")
    assert (one.endpoint, one.parameters, one.fluxcalibs) == (all_.endpoint, all_.parameters, all_.fluxcalibs)


def test_the_list_has_each_spectrum_once_and_what_is_known_of_it(discovered: Path) -> None:
    file = f"{discovered}/genuine.csv"
    assert {row.did for row in read_catalog(file).rows} == set(DIDS)
    rows = {row["id"]: row for row in csv_rows(Path(file))}
    row, seen = rows[DIDS[7]], observe(DIDS[7])
    assert row["object"] == seen.star.name
    assert float(row["ra"]) == pytest.approx(seen.star.ra, abs=1e-8)
    assert float(row["time"]) == seen.mid_time
    assert float(row["wave_min"]) == pytest.approx(seen.wave_limits[0] * 1e-10, rel=1e-6)
    assert row["format"] == "image/fits"


def test_tap_lists_the_same_as_ssap_and_leads_to_the_same_service(witness: Witness, discovered: Path) -> None:
    found = harvester("discover", witness.tap, "-o", "tap.toml", "--catalog", "tap.csv")
    assert found.returncode == 0, found.stderr
    by_tap, by_ssap = load_profile("tap.toml"), load_profile(f"{discovered}/genuine.toml")
    assert (by_tap.endpoint, by_tap.fluxcalibs) == (by_ssap.endpoint, by_ssap.fluxcalibs)
    rows = [{row["id"]: row for row in csv_rows(file)} for file in (Path("tap.csv"), discovered / "genuine.csv")]
    assert set(rows[0]) == set(rows[1]) == set(DIDS)
    for name in ("object", "time", "wave_min", "wave_max"):
        assert all(rows[0][did][name] == rows[1][did][name] for did in DIDS), name


@pytest.mark.parametrize("service", ["ssap", "tap"])
def test_constraints_reach_the_archive(witness: Witness, service: str) -> None:
    star = observe(DIDS[12]).star
    around = ["--pos", f"{star.ra} {star.dec}", "--size", "0.2"]
    assert harvester("discover", getattr(witness, service), "--catalog", "few.csv", *around).returncode == 0
    assert {row.did for row in read_catalog("few.csv").rows} == {did for did in DIDS if observe(did).star == star}


# --- harvest


def test_the_whole_archive_arrives_verified(discovered: Path) -> None:
    with harvesting(*flags(discovered, discovered / "genuine.csv")) as harvest:
        assert harvest.end() == 0
    assert harvest.events[-1]["summary"]["requests"] == COUNT, "each was asked for once"
    assert len(fits_names(Path("out"))) == COUNT
    assert harvester("verify", "--out", "out").returncode == 0


@pytest.mark.parametrize("fluxcalib", FLUXCALIBS)
def test_each_calibration_brings_the_flux_it_says(start: Start, fluxcalib: str) -> None:
    with start(DIDS[:6], "--fluxcalib", fluxcalib) as harvest:
        assert harvest.end() == 0
    for did in DIDS[:6]:
        expected = synthesize(observe(did), FLUXCALIBS[fluxcalib])
        wave, flux = spectrum_of(did)
        assert np.array_equal(wave, expected.wave)
        assert np.array_equal(flux, expected.flux)


def test_a_band_brings_that_band(start: Start) -> None:
    with start(DIDS[:6], "--band", "6500 6600 AA") as harvest:
        assert harvest.end() == 0
    for did in DIDS[:6]:
        wave, _ = spectrum_of(did)
        assert 6500 <= wave[0] < wave[-1] <= 6600


def test_a_band_without_data_is_the_requests_fault_and_found_at_once(start: Start) -> None:
    with start(DIDS[:12], "--band", "4000 5000 AA") as harvest:
        assert harvest.end() == 7
    assert harvest.failures() == {}, "no spectrum is blamed"
    summary = harvest.events[-1]["summary"]
    assert "204 no data for this request" in summary["reason"]
    assert summary["requests"] <= 12


def test_what_the_archive_does_not_know_is_named_and_the_rest_comes(start: Start) -> None:
    unknown = [SpectrumId(f"{DIDS[0]}x"), SpectrumId(DIDS[1].upper()), SpectrumId("ivo://elsewhere/a")]
    with start([*DIDS[:6], *unknown]) as harvest:
        assert harvest.end() == 3
    assert harvest.failures() == {"not_found": len(unknown)}
    assert len(fits_names(Path("out"))) == 6


def test_what_is_not_offered_is_refused_before_the_first_request(start: Start) -> None:
    with start(DIDS[:3], "--fluxcalib", "absolute") as harvest:
        assert harvest.end() == 2
    assert not harvest.events


@pytest.mark.filterwarnings("ignore:The unit 'Angstrom' has been deprecated in the VOUnit standard")
def test_pyvo_lists_the_same_and_gets_the_same_spectrum(witness: Witness, start: Start) -> None:
    rows = pyvo.dal.SSAService(f"{witness.ssap}?").search(format="image/fits")
    assert {row["ssa_pubDID"] for row in rows} == set(DIDS)
    by_tap = pyvo.dal.TAPService(witness.tap).search("SELECT ssa_pubdid FROM ccd700.data", maxrec=4 * COUNT)
    assert {row["ssa_pubDID"] for row in by_tap} == set(DIDS)
    record = next(row for row in rows if row["ssa_pubDID"] == DIDS[3])
    asked = {"FLUXCALIB": "normalized", "FORMAT": "application/fits"}
    with start([DIDS[3]]) as harvest:
        assert harvest.end() == 0
    assert record.processed(**asked).read() == (Path("out") / f"{DIDS[3].rpartition('/')[2]}.fits").read_bytes()


# --- while it falls over


@contextmanager
def without_database(witness: Witness) -> Iterator[None]:
    witness.stop_database()
    try:
        yield
    finally:
        witness.start_database()


@contextmanager
def without_server(witness: Witness, how: signal.Signals) -> Iterator[None]:
    witness.stop(how)
    try:
        yield
    finally:
        witness.start()


FALLS: dict[str, Callable[[Witness], AbstractContextManager[None]]] = {
    "the database stops": without_database,
    "the server stops": partial(without_server, how=signal.SIGTERM),
    "the server is killed": partial(without_server, how=signal.SIGKILL),
}


@pytest.mark.parametrize("fall", FALLS)
def test_nothing_is_lost_when_the_archive_goes_away_in_mid_harvest(witness: Witness, start: Start, fall: str) -> None:
    dids = DIDS[:80]
    with start(dids) as harvest:
        harvest.until("spectrum_saved", 10)
        with FALLS[fall](witness):
            harvest.until("harvest_paused")
        assert harvest.end() == 0
    assert len(fits_names(Path("out"))) == len(dids)
    assert not leftovers(Path("out"))
    assert not harvest.failures()
    assert harvester("verify", "--out", "out").returncode == 0


def test_maintenance_is_waited_for_as_long_as_the_operator_asks(witness: Witness, start: Start) -> None:
    dids = DIDS[:40]
    with start(dids) as harvest:
        harvest.until("spectrum_saved", 5)
        with witness.in_maintenance("Back on Monday"):
            harvest.until("harvest_paused")
    paused = harvest.events[-1]
    times = [datetime.fromisoformat(paused[name]) for name in ("time", "until")]
    assert (paused["kind"], times[1] - times[0] >= timedelta(hours=1)) == ("retry_after", True)
    assert "Back on Monday" in paused["reason"]
    with start(dids) as harvest:
        assert harvest.end() == 0
    assert len(fits_names(Path("out"))) == len(dids)

"""harvester as a library: the same harvest as the command line's, as values, in a coroutine or a plain call."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import QTable, Table

import harvester
from harvester import events as ev
from harvester.api import LIMITS
from harvester.demo import DemoArchive, FaultPlan, Planned, listed_dids, serve
from harvester.ledger.queries import FailureRecord
from harvester.model.limits import Limits
from harvester.results import EXAMPLES, SPARKLINES
from harvester.storage.directory import DirectoryStore
from harvester.storage.lock import acquire_lock
from tests.support.harvests import QUICK, fits_names, leftovers, plan_faults, write_catalog

DIDS = list(listed_dids(100))


def names(dids: list[Any]) -> list[str]:
    return sorted(did.rpartition("/")[2] for did in dids)


async def quick(out: Path, wanted: Any, faults: FaultPlan | None = None, **rest: Any) -> harvester.Harvest:
    """Harvest ``wanted`` from a demo archive that has ``faults``."""
    async with serve(DemoArchive(faults=faults or FaultPlan())) as archive:
        return await harvester.harvest(wanted, out=out, archive=archive.dlget, limits=QUICK, **rest)


# The result


async def test_a_list_of_dids_becomes_spectra_by_name_and_by_did(tmp_path: Path) -> None:
    result = await quick(tmp_path / "out", DIDS[:6])
    assert (result.complete, result.exit_code, result.reason, len(result)) == (True, 0, "complete", 6)
    assert [spectrum.name for spectrum in result] == names(DIDS[:6])
    first = result[DIDS[0]]
    assert first.path == tmp_path / "out" / f"{first.name}.fits"
    assert result[first.name].did == result[first.name.upper()].did == DIDS[0]
    with fits.open(first.path) as hdus:
        np.testing.assert_array_equal(first.wave, hdus[1].data["spectral"])
        np.testing.assert_array_equal(first.flux, hdus[1].data["flux"])
        assert first.observation.object_name == hdus[1].header["OBJECT"]


async def test_what_is_not_stored_is_a_key_error_that_says_where(tmp_path: Path) -> None:
    result = await quick(tmp_path / "out", DIDS[:2])
    assert DIDS[0] in result
    assert DIDS[5] not in result
    with pytest.raises(KeyError, match=r"vega: no such spectrum is stored in .*out"):
        result["vega"]


async def test_failures_are_records_with_their_catalog_columns(tmp_path: Path) -> None:
    catalog = write_catalog(tmp_path / "labels.csv", DIDS[:6])
    result = await quick(tmp_path / "out", catalog, plan_faults(n3="http_404", n4="empty"))
    assert (result.exit_code, result.complete, len(result)) == (3, False, 4)
    empty, unknown = result.failures
    assert isinstance(unknown, FailureRecord)
    assert (unknown.did, unknown.kind, unknown.blame, unknown.attempts) == (DIDS[3], "not_found", "spectrum", 1)
    assert unknown.columns == {"label": "3"}
    assert (empty.kind, empty.blame, empty.attempts) == ("empty", "archive", 6)
    assert result.summary["failures"] == {"empty": 1, "not_found": 1}


async def test_only_what_failed_is_requested_again(tmp_path: Path) -> None:
    catalog = write_catalog(tmp_path / "labels.csv", DIDS[:6])
    out = tmp_path / "out"
    await quick(out, catalog, plan_faults(n3="http_404"))
    again = await quick(out, catalog, only_failed=True)
    assert (again.complete, again.failures, len(again), again.summary["requests"]) == (True, [], 6, 1)


async def test_a_result_is_of_its_own_catalog_while_the_directory_holds_more(tmp_path: Path) -> None:
    out = tmp_path / "out"
    await quick(out, DIDS[:6], plan_faults(n5="http_404"))
    result = await quick(out, DIDS[:2])
    assert (len(result), [one.did for one in result], result.failures) == (2, sorted(DIDS[:2]), [])
    assert DIDS[4] not in result
    whole = harvester.open_harvest(out)
    assert (len(whole), whole.reason, whole.summary["listed"]) == (5, "complete", 2)
    assert [failure.did for failure in whole.failures] == [DIDS[5]]


async def test_a_spectrum_that_changed_on_disk_is_not_handed_out(tmp_path: Path) -> None:
    result = await quick(tmp_path / "out", DIDS[:1])
    path = result[DIDS[0]].path
    path.write_bytes(path.read_bytes().replace(b"OBJECT", b"OBJEKT"))
    with pytest.raises(harvester.DamagedError, match="SHA-256 differs"):
        _ = result[DIDS[0]].flux


def test_a_directory_without_a_harvest_is_reported_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(harvester.UsageError, match=r"no ledger.* give a harvest's directory, or make a ledger"):
        harvester.open_harvest(tmp_path)


# Its table, and what a notebook shows of it


async def test_the_table_joins_what_was_proved_with_the_catalog(tmp_path: Path) -> None:
    wanted = [
        {"id": DIDS[0], "label": 3, "seeing": 1.5, "observer": "007", "name": "a"},
        {"id": DIDS[1], "label": None, "seeing": float("nan"), "observer": "8", "name": "b"},
    ]
    table = (await quick(tmp_path / "out", wanted)).table()
    assert list(table["did"]) == DIDS[:2]
    assert table["label"].tolist() == [3, None]
    assert table["seeing"].tolist() == [1.5, None]
    assert table["observer"].tolist() == ["007", "8"]
    assert table["catalog_name"].tolist() == ["a", "b"]
    assert table["wave_min"].unit == u.AA
    assert 3000 * u.AA < table["wave_min"][0] < table["wave_max"][0] < 10_000 * u.AA


async def test_the_table_has_positions_times_and_exposures_with_units(tmp_path: Path) -> None:
    result = await quick(tmp_path / "out", DIDS[:2])
    damaged = result[1].path
    damaged.write_bytes(damaged.read_bytes()[:-1])
    table = result.table()
    assert isinstance(table, QTable)
    header = fits.getheader(result[0].path, 1)
    assert (table["ra"][0], table["dec"][0]) == (header["RA"] * u.deg, header["DEC"] * u.deg)
    assert float(table["time"].mjd[0]) == pytest.approx(header["TMID"])
    assert table["exposure"][0] == header["TELAPSE"] * u.s
    assert table["medium"][0] == "Air"
    assert np.isnan(table["ra"][1])
    assert bool(table["time"].mask[1])
    assert table.meta["damaged"] == [result[1].name]
    assert table.meta["request"] == "FLUXCALIB=normalized, FORMAT=application/fits"
    assert "ra" not in result.table(observations=False).colnames


async def test_spectra_have_quantities_positions_and_times(tmp_path: Path) -> None:
    spectrum = (await quick(tmp_path / "out", DIDS[:1]))[0]
    header = fits.getheader(spectrum.path, 1)
    assert spectrum.spectral_axis.unit == u.AA
    assert spectrum.flux_quantity.unit == u.dimensionless_unscaled
    assert spectrum.coord is not None
    assert spectrum.coord.separation(SkyCoord(header["RA"] * u.deg, header["DEC"] * u.deg)) < 1e-6 * u.arcsec
    assert spectrum.time is not None
    assert spectrum.time.mjd == pytest.approx(header["TMID"])


async def test_a_result_has_positions_slices_and_file_names(tmp_path: Path) -> None:
    result = await quick(tmp_path / "out", DIDS[:5])
    names = [spectrum.name for spectrum in result]
    assert [result[at].name for at in range(5)] == names
    assert (result[-1].name, result[np.int64(1)].name) == (names[-1], names[1])
    assert [spectrum.name for spectrum in result[1:4]] == names[1:4]
    assert [spectrum.name for spectrum in result[::-2]] == names[::-2]
    assert result[100:] == []
    assert result[f"{names[2]}.fits"].name == names[2]
    assert result[0] in result
    for position in (5, -6):
        with pytest.raises(IndexError, match="has 5 spectra"):
            result[position]


async def test_labels_have_their_types(tmp_path: Path) -> None:
    wanted = [{"id": DIDS[0], "label": 3, "seeing": 1.5, "observer": "007", "note": None}]
    spectrum = (await quick(tmp_path / "out", wanted))[0]
    assert spectrum.label == 3
    assert spectrum.values == {"label": 3, "seeing": 1.5, "observer": "007", "note": None}


async def test_a_notebook_shows_sparklines(tmp_path: Path) -> None:
    result = await quick(tmp_path / "out", DIDS[:7])
    path = result[1].path
    path.write_bytes(path.read_bytes()[:-1])
    shown = result._repr_html_()
    assert shown.count("<svg") == SPARKLINES - 1
    assert "SHA-256 differs" in shown
    assert 'stroke="currentColor"' in shown
    assert len(shown) < 30_000


async def test_all_spectra_are_a_spectrum_list(tmp_path: Path) -> None:
    specutils = pytest.importorskip("specutils")
    found = (await quick(tmp_path / "out", DIDS[:2])).spectrum_list()
    assert isinstance(found, specutils.SpectrumList)
    assert [one.meta["did"] for one in found] == sorted(DIDS[:2])


def test_the_repr_of_a_plan_is_a_line(tmp_path: Path) -> None:
    planned = harvester.plan_harvest(list(listed_dids(1000)), out=tmp_path / "out")
    assert repr(planned) == "<Preparation: 1 000 spectra to download, <HarvestPlan: listed 1000, missing 1000>>"


@pytest.mark.parametrize(
    ("band", "text"),
    [
        ((6500 * u.AA, 6600 * u.AA), "6.5e-07 6.6e-07"),
        ([0.65, 0.66] * u.um, "6.5e-07 6.6e-07"),
        ((None, 6600 * u.AA), "-Inf 6.6e-07"),
        ((6.5e-7, 6.6e-7), "6.5e-07 6.6e-07"),
    ],
)
def test_a_band_may_be_quantities(band: Any, text: str, tmp_path: Path) -> None:
    planned = harvester.plan_harvest(DIDS[:1], out=tmp_path / "out", band=band)
    assert str(planned.configuration.settings.band) == text
    with pytest.raises(harvester.UsageError, match=r"band: .* are not two wavelengths"):
        harvester.plan_harvest(DIDS[:1], out=tmp_path / "out", band=(1 * u.s, 2 * u.s))


async def test_the_table_of_nothing_has_its_columns(tmp_path: Path) -> None:
    result = await quick(tmp_path / "out", DIDS[:1], plan_faults(n0="http_404"))
    assert (len(result.table()), result.table().colnames[0]) == (0, "did")


async def test_a_notebook_shows_what_is_missing_and_nothing_that_a_server_slips_in(tmp_path: Path) -> None:
    out = tmp_path / "<out>"
    faults = FaultPlan({did: Planned("http_404") for did in DIDS[1 : EXAMPLES + 3]})
    served_first = [
        DIDS[EXAMPLES + 2],
        *DIDS[: EXAMPLES + 2],
    ]  # an archive that serves nothing would be at fault itself
    shown = (await quick(out, served_first, faults))._repr_html_()
    assert f"<strong>1 spectrum of {EXAMPLES + 3} in the catalog</strong>" in shown
    assert "&lt;out&gt;" in shown
    assert "<out>" not in shown
    assert f"not_found {EXAMPLES + 2} 404, unknown to the archive" in re.sub(r"(<[^>]*>)+", " ", shown)
    assert shown.count("ivo://") >= EXAMPLES
    assert f"the first {EXAMPLES} of {EXAMPLES + 2}" in shown
    assert shown.count("<div") == shown.count("</div>")
    complete = (await quick(tmp_path / "out", DIDS[:1]))._repr_html_()
    assert "<table" not in complete


# What can be listed


async def test_a_table_is_a_catalog(tmp_path: Path) -> None:
    catalog = Table({"label": [1, 2, 3], "id": DIDS[:3]})
    result = await quick(tmp_path / "out", catalog)
    assert [spectrum.columns for spectrum in result] == [{"label": str(label)} for label in (1, 2, 3)]


@pytest.mark.parametrize("package", ["pandas", "polars"])
async def test_a_data_frame_is_a_catalog(package: str, tmp_path: Path) -> None:
    frames = pytest.importorskip(package)
    catalog = frames.DataFrame({"did": DIDS[:3], "label": ["a", None, "c"]})
    result = await quick(tmp_path / "out", catalog, id_column="did")
    assert [spectrum.columns["label"] for spectrum in result] == ["a", "", "c"]


async def test_a_generator_is_a_catalog(tmp_path: Path) -> None:
    assert (await quick(tmp_path / "out", (did for did in DIDS[:3]))).complete


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ([], "^catalog: the list is empty; give DIDs, dicts, or a table$"),
        (["http://vega"], "line 2: id 'http://vega' is not a publisher DID"),
        ([{"did": DIDS[0]}], "no column 'id' among 'did'"),
        ({"id": DIDS[0]}, "a dict is not a list of spectra"),
        (7, "a int is not a list of spectra"),
        ("labels.csv", "labels.csv: No such file"),
    ],
)
def test_what_is_no_catalog_gets_the_sentence_of_a_csv(wanted: Any, sentence: str) -> None:
    with pytest.raises(harvester.UsageError, match=sentence):
        harvester.plan_harvest(wanted)


# Settings


def test_settings_are_keywords_limits_with_or_without_their_table(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "rate": 2,
        "limits": {"concurrency": 3},
        "band": None,
        "fluxcalib": None,
        "out": tmp_path / "out",
    }
    planned = harvester.plan_harvest(DIDS[:4], **settings)
    chosen = planned.configuration.settings
    assert chosen.limits == Limits(rate=2, concurrency=3)
    assert (chosen.band, chosen.fluxcalib) == (None, None)
    assert (planned.wanted, planned.eta, planned.plan.counts()["missing"]) == (4, 2.0, 4)
    assert not (tmp_path / "out").exists()


def test_no_limit_hides_a_setting() -> None:
    assert not LIMITS & set(harvester.plan_harvest(DIDS[:1]).configuration.settings.model_dump())


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"fluxcalb": "none"}, "^fluxcalb = 'none': there is no such setting; did you mean fluxcalib"),
        ({"concurency": 3}, "^concurency = 3: there is no such setting; did you mean limits.concurrency"),
        ({"rate": -1}, "^limits.rate = -1: it should be greater than or equal to 0"),
        ({"archive": "ondrejof"}, "^archive ondrejof: no such profile; did you mean ondrejov"),
        ({"band": "6600 6500 AA"}, "^band = '6600 6500 AA'"),
        ({"config": "nowhere.toml"}, "^config nowhere.toml: No such file"),
    ],
)
async def test_what_is_wrong_with_a_call_is_one_sentence(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(harvester.UsageError, match=sentence) as caught:
        await harvester.harvest(DIDS[:1], **settings)
    assert caught.value.exit_code == 2


async def test_a_directory_that_another_harvest_holds_is_left_alone(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "out")
    store.prepare()
    with (
        acquire_lock(store.lock, "another"),
        pytest.raises(harvester.DirectoryHeldError, match="another run is using this directory"),
    ):
        await quick(tmp_path / "out", DIDS[:2])
    assert not fits_names(tmp_path / "out")


# Watching


async def test_every_event_reaches_the_caller_in_order(tmp_path: Path) -> None:
    seen: list[ev.Event] = []
    await quick(tmp_path / "out", DIDS[:3], on_event=seen.append)
    assert isinstance(seen[0], ev.HarvestStarted)
    assert isinstance(seen[-1], ev.HarvestEnded)
    assert sum(isinstance(event, ev.SpectrumSaved) for event in seen) == 3


async def test_a_caller_that_raises_is_dropped_and_named(tmp_path: Path) -> None:
    def watch(event: ev.Event) -> None:
        raise LookupError("what was that?")

    result = await quick(tmp_path / "out", DIDS[:3], on_event=watch)
    assert result.complete
    assert any("what was that?" in note for note in result.notes)


async def test_nothing_is_shown_unless_it_is_requested(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await quick(tmp_path / "quiet", DIDS[:3])
    assert capsys.readouterr() == ("", "")
    await quick(tmp_path / "plain", DIDS[:3], progress="auto")
    assert "3 in the catalog, 0 already stored, 3 to download" in capsys.readouterr().out


# Stopping


async def test_a_cancelled_harvest_drains_and_the_same_call_goes_on(tmp_path: Path) -> None:
    out, seen = tmp_path / "out", list[ev.Event]()

    def watch(event: ev.Event) -> None:
        seen.append(event)
        if isinstance(event, ev.SpectrumSaved) and not running.cancelling():  # a second time, it waits for no request
            running.cancel()

    async with serve(DemoArchive()) as archive:
        asked: dict[str, Any] = {"out": out, "archive": archive.dlget, "limits": QUICK}
        running = asyncio.create_task(harvester.harvest(DIDS[:40], on_event=watch, **asked))
        with pytest.raises(asyncio.CancelledError):
            await running
        begun = harvester.open_harvest(out)
        assert begun.reason == "stopped by its caller"
        assert 0 < len(begun) < 40
        assert isinstance(seen[-1], ev.HarvestEnded)
        assert len(fits_names(out)) == len(begun)
        assert not leftovers(out)
        assert (await harvester.harvest(DIDS[:40], **asked)).complete
        assert archive.log.requests == 40


async def test_cancelled_twice_it_waits_for_no_request(tmp_path: Path) -> None:
    def watch(event: ev.Event) -> None:
        if isinstance(event, ev.SpectrumSaved | ev.HarvestDraining):
            running.cancel()

    faults = FaultPlan({DIDS[1]: Planned("stall")})
    async with asyncio.timeout(60), serve(DemoArchive(faults=faults)) as archive:
        limits = {**QUICK, "grace": 3600}
        asked: dict[str, Any] = {"out": tmp_path / "out", "archive": archive.dlget, "limits": limits}
        running = asyncio.create_task(harvester.harvest(DIDS[:30], on_event=watch, **asked))
        with pytest.raises(asyncio.CancelledError):
            await running
    assert not leftovers(tmp_path / "out")


async def test_the_plain_call_works_while_a_loop_runs(tmp_path: Path) -> None:
    asyncio.get_running_loop()
    result = harvester.harvest_sync(DIDS[:3], archive="demo", out=tmp_path / "out", limits=QUICK)
    assert result.complete


def in_a_loop_of_ones_own(**settings: Any) -> harvester.Harvest:
    return asyncio.run(harvester.harvest(**settings))


@pytest.fixture
def heard_sigint() -> Iterator[None]:
    """Let SIGINT raise KeyboardInterrupt as in a program of its own: workers of pytest-xdist ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard_sigint")
@pytest.mark.parametrize("call", [harvester.harvest_sync, in_a_loop_of_ones_own])
def test_ctrl_c_drains_before_it_is_raised(call: Callable[..., harvester.Harvest], tmp_path: Path) -> None:
    saved = []

    def watch(event: ev.Event) -> None:
        if isinstance(event, ev.SpectrumSaved):
            saved.append(event.outcome.target.did)
            if len(saved) == 1:
                os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)  # on a busy machine, 300 may be stored before the main thread gets a turn

    with pytest.raises(KeyboardInterrupt):
        call(archive="demo", out=tmp_path / "out", limits=QUICK, on_event=watch)
    begun = harvester.open_harvest(tmp_path / "out")
    assert (begun.exit_code, begun.reason) == (130, "stopped by its caller")
    assert sorted(saved) == [spectrum.did for spectrum in begun]
    assert 0 < len(begun) < 300
    assert not leftovers(tmp_path / "out")


def test_a_plain_call_that_is_wrong_says_so_to_its_caller() -> None:
    with pytest.raises(harvester.UsageError, match="no catalog"):
        harvester.harvest_sync()


# What is on disk, and what the package lends


async def test_what_is_on_disk_can_be_proved_again(tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = await quick(out, DIDS[:4])
    assert (await asyncio.to_thread(harvester.verify_store, out)).sound == 4
    result[DIDS[0]].path.write_bytes(b"")
    stock = await asyncio.to_thread(harvester.verify_store, out, fix=True)
    assert ([fault.did for fault in stock.faults], stock.set_aside) == ([DIDS[0]], 1)
    assert len(result) == 3
    assert (result.exit_code, result.complete) == (0, False), "what was stored and is gone makes it incomplete again"


def test_all_that_is_promised_is_there() -> None:
    assert {name: getattr(harvester, name).__name__ for name in harvester.__all__} == {n: n for n in harvester.__all__}
    assert set(harvester.__all__) <= set(dir(harvester))
    with pytest.raises(AttributeError, match="harvset"):
        _ = harvester.harvset  # type: ignore[attr-defined]  # that is the point


def test_advice_in_python_names_arguments_and_no_options(tmp_path: Path) -> None:
    (tmp_path / "named.csv").write_text(f"star\n{next(iter(listed_dids(1)))}\n")
    for catalog, advice in (("missing.csv", "give the path of a CSV file"), ("named.csv", "id_column='star'")):
        with pytest.raises(harvester.UsageError, match=advice) as caught:
            harvester.harvest_sync(catalog, archive="demo")
        assert "--" not in str(caught.value)

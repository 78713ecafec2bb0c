"""The main job as stories: a catalog becomes verified files, whatever single spectra do."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from astropy.io import fits

from harvester import events as ev
from harvester.demo import DemoArchive, FaultPlan, listed_dids, parse_faults, serve
from harvester.engine.engine import WORKERS_PER_REQUEST_SLOT
from harvester.engine.shutdown import Shutdown
from harvester.ledger.queries import failures, last_run
from harvester.model.exit_codes import StopReason
from harvester.model.failures import FailureKind
from harvester.model.target import SpectrumId
from tests.support.harvests import QUICK, fits_names, harvest_demo, harvest_from, leftovers, plan_faults


async def test_every_listed_spectrum_is_on_disk_under_its_name_and_is_itself(tmp_path: Path) -> None:
    shown = await harvest_demo(tmp_path / "out", 20)
    stats = shown.report.stats
    assert (stats.listed, stats.saved, stats.failed, stats.remaining, stats.exit_code) == (20, 20, 0, 0, 0)
    for did in listed_dids(20):
        name = did.rpartition("/")[2]
        with fits.open(tmp_path / "out" / f"{name}.fits") as hdus:
            assert hdus[1].header["DS_IDPUB"] == did
    assert not leftovers(tmp_path)


async def test_a_second_run_asks_for_nothing(tmp_path: Path) -> None:
    async with serve(DemoArchive(count=20)) as archive:
        await harvest_from(archive, tmp_path / "out", listed_dids(20))
        before = archive.log.requests
        shown = await harvest_from(archive, tmp_path / "out", listed_dids(20))
        assert archive.log.requests == before == 20
    assert shown.report.stats.present == 20
    assert shown.report.stats.exit_code == 0


@pytest.mark.parametrize(
    ("fault", "kind", "requests"),
    [
        ("http_404", FailureKind.NOT_FOUND, 1),
        ("http_410", FailureKind.GONE, 1),
        ("no_data", FailureKind.NO_DATA, 1),
        ("http_401", FailureKind.FORBIDDEN, 1),
        ("http_403", FailureKind.FORBIDDEN, 1),
        ("http_422", FailureKind.REFUSED_REQUEST, 1),
        ("too_large", FailureKind.TOO_LARGE, 1),
        ("http_500", FailureKind.SERVER_ERROR, 3),
        ("http_502", FailureKind.SERVER_ERROR, 3),
        ("empty", FailureKind.EMPTY, 3),
        ("html", FailureKind.NOT_FITS, 3),
        ("html_typed", FailureKind.NOT_FITS, 3),
        ("votable_error", FailureKind.NOT_FITS, 3),
        ("traceback", FailureKind.TRAILING_BYTES, 3),
        ("truncated", FailureKind.TRUNCATED, 3),
        ("torn", FailureKind.TRUNCATED, 3),
        ("cut_off", FailureKind.CONNECTION_LOST, 3),
        ("wrong_spectrum", FailureKind.WRONG_SPECTRUM, 3),
        ("garbled", FailureKind.PROTOCOL_ERROR, 3),
        ("no_rows", FailureKind.NO_ROWS, 2),
        ("nan", FailureKind.NOT_FINITE, 2),
        ("not_monotonic", FailureKind.NOT_MONOTONIC, 2),
        ("zero_flux", FailureKind.ZERO_FLUX, 2),
        ("counts", FailureKind.NOT_NORMALIZED, 2),
    ],
)
async def test_one_bad_spectrum_fails_alone_by_its_kind(
    tmp_path: Path, fault: str, kind: FailureKind, requests: int
) -> None:
    bad = list(listed_dids(6))[2]
    shown = await harvest_demo(tmp_path / "out", 6, plan_faults(n2=fault), limits={"attempts": 3})
    assert shown.report.stats.failures == {kind: 1}
    assert shown.archive.log.by_did[bad] == requests
    assert len(fits_names(tmp_path / "out")) == 5
    assert f"{bad.rpartition('/')[2]}.fits" not in fits_names(tmp_path / "out")
    assert shown.report.stats.exit_code == (4 if kind.transient else 3)
    assert not leftovers(tmp_path)


async def test_a_connection_that_dies_before_the_headers_is_counted_as_often_as_it_was_asked(tmp_path: Path) -> None:
    shown = await harvest_demo(tmp_path / "out", 3, plan_faults(n1="disconnect"), limits={"attempts": 2})
    assert shown.report.stats.failures == {FailureKind.CONNECTION_LOST: 1}
    bad = list(listed_dids(2))[1]
    assert shown.archive.log.by_did[bad] == 4  # aiohttp asks twice for each of our asks
    assert shown.report.stats.requests == shown.archive.log.requests


async def test_an_archive_that_falls_silent_is_given_up_in_time(tmp_path: Path) -> None:
    faults = plan_faults(n0="stall", n1="stall_in_body")
    shown = await harvest_demo(tmp_path / "out", 3, faults, limits={"attempts": 1, "read_timeout": 0.3})
    assert shown.report.stats.failures == {FailureKind.TIMEOUT: 2}
    assert shown.report.stats.saved == 1


async def test_passing_faults_are_outlived(tmp_path: Path) -> None:
    names = ("http_500", "truncated", "html", "cut_off", "wrong_spectrum", "empty", "garbled", "disconnect")
    faults = plan_faults(**{f"n{number}": (name, 1) for number, name in enumerate(names)})
    shown = await harvest_demo(tmp_path / "out", 12, faults)
    assert shown.report.stats.saved == 12
    assert shown.report.stats.exit_code == 0
    assert len(fits_names(tmp_path / "out")) == 12


async def test_a_band_that_the_archive_ignores_is_no_spectrum_of_ours(tmp_path: Path) -> None:
    shown = await harvest_demo(tmp_path / "out", 3, plan_faults(n1="wrong_band"), band="6500 6600 AA")
    assert shown.report.stats.failures == {FailureKind.WRONG_BAND: 1}
    assert shown.report.stats.saved == 2


async def test_retry_after_holds_everybody_and_is_reported(tmp_path: Path) -> None:
    shown = await harvest_demo(tmp_path / "out", 4, plan_faults(n0=("http_503", 1)), limits={"concurrency": 1})
    (pause,) = shown.of(ev.HarvestPaused)
    after = [event.time for event in shown.of(ev.RequestSent) if event.time > pause.time]
    assert min(after) >= pause.until - 0.05
    assert shown.report.stats.saved == 4


async def test_a_request_that_the_archive_refuses_as_such_stops_the_run(tmp_path: Path) -> None:
    shown = await harvest_demo(tmp_path / "out", 50, fluxcalib="bogus")
    assert shown.report.stats.exit_code == 7
    assert shown.archive.log.requests < 15
    assert "'bogus' is not a valid value for FLUXCALIB" in shown.report.stats.reason


async def test_an_archive_that_is_not_there_is_reported_apart_from_spectra_that_are_not(tmp_path: Path) -> None:
    async with serve(DemoArchive(count=3)) as archive:
        gone = archive
    shown = await harvest_from(gone, tmp_path / "out", listed_dids(30), limits={"attempts": 2, "max_outage": 1.5})
    assert (shown.report.stats.failed, shown.report.stats.remaining) == (0, 30)
    assert shown.report.stats.exit_code == 5
    assert "the archive was unavailable for" in shown.report.stats.reason
    assert shown.report.stats.requests == 0


async def test_files_that_cannot_be_spectra_are_set_aside_and_fetched_again(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    names = [did.rpartition("/")[2] for did in listed_dids(4)]
    (out / f"{names[0]}.fits").write_bytes(b"")
    (out / f"{names[1]}.fits").write_bytes(b"<html>not today</html>")
    (out / "stranger.fits").write_bytes(b"x" * 2880)
    shown = await harvest_demo(out, 4)
    assert shown.report.stats.saved == 4
    kept = {path.name for path in (out / ".harvester" / "quarantine").iterdir()}
    assert kept == {f"{name}.suspect.{end}" for name in names[:2] for end in ("body", "json")}
    assert (out / "stranger.fits").exists()


async def test_what_fails_a_gate_is_kept_with_its_headers_and_the_reason(tmp_path: Path) -> None:
    out = tmp_path / "out"
    await harvest_demo(out, 2, plan_faults(n0="html"), limits={"attempts": 1})
    name = next(iter(listed_dids(1))).rpartition("/")[2]
    body = out / ".harvester" / "quarantine" / f"{name}.not_fits.body"
    assert b"Please log in" in body.read_bytes()
    reason = json.loads(body.with_suffix(".json").read_text())
    assert reason["gate"] == "structure"
    assert "Please log in" in reason["detail"]
    assert reason["headers"]["Server"].startswith("DaCHS")
    assert reason["url"].startswith(f"http://127.0.0.1:{port_of(reason['url'])}/ccd700/q/sdl/dlget?ID=ivo%3A%2F%2F")


def port_of(url: str) -> str:
    return url.split(":")[2].partition("/")[0]


class _StopAfter:
    """A watcher that stops the harvest once so many spectra are saved."""

    def __init__(self, stop: Shutdown, saved: int, times: int = 1) -> None:
        self.stop, self.left, self.times = stop, saved, times

    def __call__(self, event: ev.Event) -> None:
        if isinstance(event, ev.SpectrumSaved):
            self.left -= 1
            if self.left == 0:
                for _ in range(self.times):
                    self.stop.interrupt(StopReason("stopped by Ctrl-C", 130))


@pytest.mark.parametrize("signals", [1, 2])
async def test_an_interrupted_harvest_leaves_whole_files_and_goes_on_where_it_stopped(
    tmp_path: Path, signals: int
) -> None:
    out = tmp_path / "out"
    async with serve(DemoArchive(count=60, latency=0.02)) as archive:
        stop = Shutdown()
        first = await harvest_from(archive, out, listed_dids(60), stop=stop, watchers=[_StopAfter(stop, 15, signals)])
        stats = first.report.stats
        assert stats.exit_code == 130
        assert stats.listed == stats.saved + stats.remaining
        assert 15 <= stats.saved < 60
        assert len(fits_names(out)) == stats.saved
        assert not leftovers(tmp_path)
        await asyncio.sleep(0.1)  # what the archive still computes for the aborted ones
        second = await harvest_from(archive, out, listed_dids(60))
        assert second.report.stats.present == stats.saved
        assert second.report.stats.exit_code == 0
        twice = sum(count > 1 for count in archive.log.by_did.values())
        assert twice <= (0 if signals == 1 else 4)  # an abort costs at most what was in flight
    assert len(fits_names(out)) == 60


async def test_a_drain_during_a_long_pause_does_not_wait_it_out(tmp_path: Path) -> None:
    stop = Shutdown()

    def stop_when_paused(event: ev.Event) -> None:
        if isinstance(event, ev.HarvestPaused):
            stop.interrupt(StopReason("stopped by Ctrl-C", 130))

    faults = FaultPlan(parse_faults("http_503=1.0").by_did, parse_faults("http_503=1.0").shares)
    async with asyncio.timeout(5):
        shown = await harvest_demo(tmp_path / "out", 30, faults, stop=stop, watchers=[stop_when_paused])
    assert shown.report.stats.exit_code == 130
    assert shown.report.stats.saved == 0


async def test_limit_leaves_the_rest_for_another_run(tmp_path: Path) -> None:
    shown = await harvest_demo(tmp_path / "out", 10, limit=4)
    stats = shown.report.stats
    assert (stats.saved, stats.remaining, stats.exit_code) == (4, 6, 4)


async def test_only_failed_asks_for_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "out"
    async with serve(DemoArchive(count=6, faults=plan_faults(n1=("http_500", 2)))) as archive:
        await harvest_from(archive, out, listed_dids(6), limits={"attempts": 2}, limit=4)
        shown = await harvest_from(archive, out, listed_dids(6), only_failed=True)
    assert shown.report.stats.saved == 1
    assert shown.report.stats.remaining == 2


async def test_ledger_summary_and_event_log_tell_the_same_story(tmp_path: Path) -> None:
    out = tmp_path / "out"
    shown = await harvest_demo(out, 8, plan_faults(n1="http_404", n2=("http_500", 1)))
    summary = json.loads((shown.report.folder / "summary.json").read_text())
    assert summary["listed"] == 8 == summary["present"] + summary["saved"] + summary["failed"] + summary["remaining"]
    assert summary["failures"] == {"not_found": 1}
    assert summary["requests"] == shown.archive.log.requests == 9
    events = [json.loads(line) for line in (shown.report.folder / "events.jsonl").read_text().splitlines()]
    assert [event["event"] for event in events].count("spectrum_saved") == 7
    assert events[-1]["event"] == "harvest_ended"
    ledger = out / ".harvester" / "ledger.sqlite"
    (failed,) = failures(ledger)
    assert (failed.kind, failed.http_status, failed.columns) == (FailureKind.NOT_FOUND, 404, {"label": "1"})
    record = last_run(ledger)
    assert record is not None
    assert record.summary["saved"] == 7
    assert record.ended is not None


async def test_deleting_the_ledger_loses_no_spectrum(tmp_path: Path) -> None:
    out = tmp_path / "out"
    async with serve(DemoArchive(count=5)) as archive:
        await harvest_from(archive, out, listed_dids(5))
        for path in (out / ".harvester").glob("ledger.sqlite*"):
            path.unlink()
        shown = await harvest_from(archive, out, listed_dids(5))
        assert archive.log.requests == 5
    assert shown.report.stats.present == 5


async def test_a_watcher_that_breaks_costs_nothing_but_itself(tmp_path: Path) -> None:
    def clumsy(event: ev.Event) -> None:
        if isinstance(event, ev.SpectrumSaved):
            raise ZeroDivisionError("oops")

    shown = await harvest_demo(tmp_path / "out", 5, watchers=[clumsy])
    assert shown.report.stats.saved == 5
    assert [lost.partition(": ")[2] for lost in shown.report.warnings] == ["ZeroDivisionError: oops"]
    assert "clumsy" in json.loads((shown.report.folder / "summary.json").read_text())["watchers_lost"][0]


async def test_two_spectra_with_the_same_last_segment_get_two_names(tmp_path: Path) -> None:
    same = [SpectrumId("ivo://asu.cas.cz/stel/ccd700/ua160034"), SpectrumId("ivo://asu.cas.cz/stel/ccd700/UA160034")]
    async with serve(DemoArchive(count=1, knows_any=True)) as archive:
        shown = await harvest_from(archive, tmp_path / "out", same)
    assert shown.report.stats.saved == 2
    folded = {name.casefold() for name in fits_names(tmp_path / "out")}
    assert len(folded) == 2


async def test_the_archive_learns_who_asks(tmp_path: Path) -> None:
    shown = await harvest_demo(tmp_path / "out", 1, contact="me@observatory.example")
    (entry,) = shown.archive.log.entries
    assert entry.user_agent.startswith("harvester/")
    assert "(IVOA-copy; mailto:me@observatory.example)" in entry.user_agent


async def test_a_full_disk_ends_the_run_and_charges_no_spectrum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    from harvester.storage import atomic

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic, "_write", full)
    shown = await harvest_demo(tmp_path / "out", 10)
    stats = shown.report.stats
    assert (stats.exit_code, stats.failed, stats.remaining) == (6, 0, 10)
    assert "the disk is full" in stats.reason
    assert shown.archive.log.requests <= WORKERS_PER_REQUEST_SLOT * QUICK["concurrency"]

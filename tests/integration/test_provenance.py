"""Where a harvest came from: a PROV document that an independent library reads, and a view of the ledger."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import prov.model

from harvester import events as ev
from harvester.config.loading import load
from harvester.demo import DemoArchive, listed_dids, serve
from harvester.engine.shutdown import Shutdown
from harvester.model.exit_codes import StopReason
from harvester.model.expectation import Expectation
from harvester.run.provenance import profile_text
from harvester.verify import verify_spectrum
from tests.support.fault_server import Fault, ok, says, serving_faults
from tests.support.harvests import Harvested, harvest_demo, harvest_from, plan_faults

COUNT = 6
DIDS = list(listed_dids(COUNT))
LAST = "Connection: close"


def account(shown: Harvested) -> prov.model.ProvDocument:
    """The run's document, as the independent reader understands it."""
    return prov.model.ProvDocument.deserialize(str(shown.report.folder / "provenance.json"))


def element(document: prov.model.ProvDocument, name: str) -> Mapping[str, Any]:
    """The attributes of the element ``run:name``, by their local names."""
    (record,) = document.get_record(f"run:{name}")
    return {attribute.localpart: value for attribute, value in record.attributes}


def asked(out: Path) -> dict[str, dict[str, Any]]:
    """What the ledger tells of each spectrum's origin."""
    with closing(sqlite3.connect(out / ".harvester" / "ledger.sqlite")) as ledger:
        ledger.row_factory = sqlite3.Row
        return {row["did"]: dict(row) for row in ledger.execute("SELECT * FROM provenance")}


async def test_an_independent_library_reads_who_did_what_with_what(tmp_path: Path) -> None:
    shown = await harvest_demo(tmp_path / "out", COUNT, contact="me@observatory.example")
    document = account(shown)
    said = {line.strip() for line in document.get_provn().splitlines()}
    assert {
        "used(run:harvest, run:catalog, -)",
        "used(run:harvest, run:profile, -)",
        "used(run:harvest, run:service, -)",
        "wasAttributedTo(run:collection, run:archive)",
        "wasAssociatedWith(run:harvest, run:harvester, run:settings)",
        "wasDerivedFrom(run:collection, run:service, -, -, -)",
        "actedOnBehalfOf(run:harvester, run:user, -)",
    } <= said
    assert any(line.startswith("wasGeneratedBy(run:collection, run:harvest, 20") for line in said)
    assert element(document, "service")["location"] == shown.archive.dlget
    assert "mailto:me@observatory.example" in element(document, "harvester")["user_agent"]
    harvest = element(document, "harvest")
    assert (harvest["fluxcalib"], harvest["saved"], harvest["exit_code"]) == ("normalized", COUNT, 0)
    assert harvest["startTime"] <= harvest["endTime"]


async def test_digests_of_what_went_in_are_those_of_the_files(tmp_path: Path) -> None:
    shown = await harvest_demo(tmp_path / "out", COUNT)
    document = account(shown)
    catalog = hashlib.sha256((tmp_path / "out.csv").read_bytes()).hexdigest()
    profile = hashlib.sha256((shown.report.folder / "profile.toml").read_bytes()).hexdigest()
    assert (element(document, "catalog")["sha256"], element(document, "catalog")["listed"]) == (catalog, COUNT)
    assert element(document, "profile")["sha256"] == profile
    assert {row["profile_sha256"] for row in asked(tmp_path / "out").values()} == {profile}


async def test_the_collections_digests_follow_from_the_files_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    shown = await harvest_demo(out, COUNT)
    collection = element(account(shown), "collection")
    files, contents = "", ""
    for did in sorted(DIDS):
        proof = verify_spectrum((out / f"{did.rpartition('/')[2]}.fits").read_bytes(), did, Expectation())
        files += f"{proof.sha256}  {did}\n"  # type: ignore[union-attr]
        contents += f"{proof.content_digest}  {did}\n"  # type: ignore[union-attr]
    assert collection["sha256"] == hashlib.sha256(files.encode()).hexdigest()
    assert collection["content_sha256"] == hashlib.sha256(contents.encode()).hexdigest()
    assert collection["spectra"] == COUNT
    assert collection["bytes"] == sum(path.stat().st_size for path in out.glob("*.fits"))


async def test_two_harvests_of_the_same_spectra_have_the_same_content(tmp_path: Path) -> None:
    one, other = await harvest_demo(tmp_path / "one", COUNT), await harvest_demo(tmp_path / "other", COUNT)
    again = await harvest_demo(tmp_path / "one", COUNT)
    digests = {element(account(shown), "collection")["content_sha256"] for shown in (one, other, again)}
    assert len(digests) == 1


async def test_an_interrupted_run_gives_its_account_too(tmp_path: Path) -> None:
    stop = Shutdown()

    def interrupt(event: ev.Event) -> None:
        if isinstance(event, ev.SpectrumSaved):
            stop.interrupt(StopReason("stopped by Ctrl-C", 130))

    shown = await harvest_demo(tmp_path / "out", 50, stop=stop, watchers=[interrupt])
    harvest, collection = element(account(shown), "harvest"), element(account(shown), "collection")
    assert (harvest["reason"], harvest["exit_code"]) == ("stopped by Ctrl-C", 130)
    assert collection["spectra"] == shown.report.stats.saved < 50


async def test_an_account_that_cannot_be_written_costs_nothing_but_itself(tmp_path: Path) -> None:
    def stand_in_its_way(event: ev.Event) -> None:
        if isinstance(event, ev.HarvestStarted):
            (tmp_path / "out" / ".harvester" / "runs" / event.run / "provenance.json").mkdir()

    shown = await harvest_demo(tmp_path / "out", COUNT, watchers=[stand_in_its_way])
    assert (shown.report.stats.exit_code, shown.report.stats.reason) == (0, "complete")
    (lost,) = shown.report.warnings
    assert lost.startswith("provenance: ")
    assert json.loads((shown.report.folder / "summary.json").read_text())["watchers_lost"] == [lost]


async def test_the_document_stays_small_however_many_spectra_there_are(tmp_path: Path) -> None:
    few, many = await harvest_demo(tmp_path / "few", 2), await harvest_demo(tmp_path / "many", 60)
    sizes = [(shown.report.folder / "provenance.json").stat().st_size for shown in (few, many)]
    assert sizes[1] - sizes[0] < 100


# ---- each spectrum


async def test_the_ledger_tells_what_was_requested_each_spectrum_of_whom_and_when(tmp_path: Path) -> None:
    out = tmp_path / "out"
    shown = await harvest_demo(out, COUNT, plan_faults(n2="http_404"), contact="me@observatory.example")
    (started,), (ended,) = shown.of(ev.HarvestStarted), shown.of(ev.HarvestEnded)
    rows = asked(out)
    assert rows.keys() == set(DIDS)
    for did, row in rows.items():
        assert row["url"].startswith(shown.archive.dlget)
        assert (row["run"], row["endpoint"]) == (started.run, shown.archive.dlget)
        assert row["shape"] == "FLUXCALIB=normalized, FORMAT=application/fits"
        assert "mailto:me@observatory.example" in row["user_agent"]
        when = datetime.fromisoformat(row["asked"]).timestamp()
        assert started.time - 0.001 <= when <= ended.time
        assert row["status"] == ("failed" if did == DIDS[2] else "saved")


async def test_what_the_server_calls_a_version_is_kept_where_it_says_so(tmp_path: Path) -> None:
    faults: dict[str, Fault] = {
        DIDS[0]: says(lambda body: ok(body, 'ETag: "v1"', "last-modified: Tue, 17 May 2022 10:00:00 GMT", LAST)),
        DIDS[1]: says(lambda body: ok(body, f"ETag: {1000 * 'x'}", LAST)),
    }
    async with serving_faults(faults) as server:
        await harvest_from(server.archive, tmp_path / "out", DIDS[:3])
    rows = asked(tmp_path / "out")
    assert [rows[did]["etag"] for did in DIDS[:3]] == ['"v1"', None, None]
    assert [rows[did]["last_modified"] for did in DIDS[:3]] == ["Tue, 17 May 2022 10:00:00 GMT", None, None]


async def test_a_later_run_does_not_take_the_credit_for_what_an_earlier_one_brought(tmp_path: Path) -> None:
    out = tmp_path / "out"
    async with serve(DemoArchive(count=COUNT)) as archive:
        first = await harvest_from(archive, out, DIDS[:4])
        second = await harvest_from(archive, out, DIDS)
    runs = [shown.of(ev.HarvestStarted)[0].run for shown in (first, second)]
    rows = asked(out)
    assert [rows[did]["run"] for did in DIDS] == [runs[0]] * 4 + [runs[1]] * 2


def test_a_webhook_that_a_profile_names_is_not_kept_in_the_runs_folder(tmp_path: Path) -> None:
    profile = tmp_path / "mine.toml"
    lines = ['name = "mine"', 'title = "mine"', 'endpoint = "http://127.0.0.1:9/dlget"', "[settings]"]
    profile.write_text("\n".join([*lines, 'notify = "https://hooks.example/T0/secret"', ""]))
    shown = profile_text(load({"archive": str(profile)}))
    assert "secret" not in shown
    assert 'notify = "https://hooks.example/***"' in shown

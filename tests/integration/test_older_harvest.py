"""A harvest that version 0.1.0 made before the restructuring: read, resumed, verified and exported by this version.

``tests/data/harvest-0.1.0.zip`` was made by its demo archive: two stored spectra, one failure each of ``cut_off``,
``garbled``, ``not_fits``, ``truncated`` and ``not_found``, one spectrum that ``--limit`` left, two quarantined bodies.
"""

from __future__ import annotations

import json
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from pyarrow import parquet

from harvester.cli import commands
from harvester.demo import DemoArchive, listed_dids, serve
from harvester.errors import StoreError
from harvester.ledger import history, queries
from harvester.ledger.schema import RENAMED_KINDS, VERSION
from tests.support.harvests import Harvested, fits_names, harvest_from
from tests.support.paths import REPOSITORY

COUNT = 8
DIDS = list(listed_dids(COUNT))
BAND = "6.55e-07 6.58e-07"
PROFILE = 'name = "kept"\ntitle = "an archive of 2026"\nendpoint = "{}"\n'


@pytest.fixture
def out(tmp_path: Path) -> Path:
    with zipfile.ZipFile(REPOSITORY / "tests/data/harvest-0.1.0.zip") as archive:
        archive.extractall(tmp_path / "out")
    return tmp_path / "out"


def ledger_of(out: Path) -> Path:
    return out / ".harvester" / "ledger.sqlite"


def typed(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(commands, list(map(str, arguments)), standalone_mode=False, catch_exceptions=False)
    return done.return_value or 0, done.output


async def resumed(out: Path, tmp_path: Path) -> tuple[Harvested, set[str]]:
    """A run on it, and what it requested."""
    async with serve(DemoArchive(count=COUNT)) as archive:
        (tmp_path / "archive.toml").write_text(PROFILE.format(archive.dlget))
        profile = str(tmp_path / "archive.toml")
        shown = await harvest_from(archive, out, DIDS, profile=profile, band=BAND)
        return shown, set(archive.log.by_did)


def test_it_is_read_before_any_run_and_left_as_it_is(out: Path) -> None:
    before = ledger_of(out).read_bytes()
    run = queries.last_run(ledger_of(out))
    assert run is not None
    assert (run.archive, run.summary["saved"], run.summary["exit_code"]) == ("kept", 2, 4)
    assert [failure.kind for failure in queries.failures(ledger_of(out))] == [
        "connection_lost", "protocol_error", "not_fits", "not_found", "truncated",
    ]  # fmt: skip
    assert sorted(queries.stored_dids(ledger_of(out))) == DIDS[:2]
    assert queries.conflicts(ledger_of(out)) == []
    assert [run.request_key for run in history.runs(ledger_of(out))] == [
        "FLUXCALIB=normalized, BAND=6.55e-07 6.58e-07, FORMAT=application/fits"
    ]
    code, said = typed("failures", "--json", "--out", out)
    assert [(one["kind"], one["blame"]) for one in json.loads(said)][:2] == [
        ("connection_lost", "network"), ("protocol_error", "archive"),
    ]  # fmt: skip
    assert json.loads(typed("status", "--json", "--out", out)[1])["state"] == "ended"
    code, said = typed("verify", "--json", "--band", BAND, "--out", out)
    assert (code, json.loads(said)["sound"]) == (0, 2)
    assert ledger_of(out).read_bytes() == before


async def test_it_is_resumed_and_no_stored_spectrum_is_requested_again(out: Path, tmp_path: Path) -> None:
    bytes_before = {path.name: path.read_bytes() for path in out.glob("*.fits")}
    shown, requested = await resumed(out, tmp_path)
    assert requested == set(DIDS[2:])
    assert (shown.report.stats.present, shown.report.stats.saved, shown.report.stats.exit_code) == (2, 6, 0)
    assert all((out / name).read_bytes() == body for name, body in bytes_before.items())
    assert len(fits_names(out)) == COUNT
    with closing(sqlite3.connect(ledger_of(out))) as ledger:
        assert ledger.execute("PRAGMA user_version").fetchone() == (VERSION,)
    assert len(history.runs(ledger_of(out))) == 2
    assert typed("verify", "--band", BAND, "--out", out)[0] == 0


@pytest.mark.parametrize("resume", [False, True], ids=["as it is", "resumed"])
async def test_it_is_exported_and_reported(out: Path, tmp_path: Path, resume: bool) -> None:
    if resume:
        await resumed(out, tmp_path)
    code, _ = typed("export", tmp_path / "spectra.parquet", "--out", out)
    table = parquet.read_table(tmp_path / "spectra.parquet")
    assert (code, table.num_rows) == ((0, COUNT) if resume else (3, 2)), "its run left spectra for another one"
    assert set(table["id"].to_pylist()) == set(DIDS if resume else DIDS[:2])
    assert typed("report", "--out", out, "-o", tmp_path / "report.html")[0] == 0
    assert "an archive of 2026" in (tmp_path / "report.html").read_text()


def test_fix_brings_its_ledger_up_to_date_and_says_so(out: Path) -> None:
    code, said = typed("verify", "--fix", "--json", "--band", BAND, "--out", out)
    assert (code, json.loads(said)["notes"]) == (0, ["the ledger was converted from schema 2 to 4"])
    with closing(sqlite3.connect(ledger_of(out))) as ledger:
        kinds = {kind for (kind,) in ledger.execute("SELECT kind FROM spectrum WHERE kind NOT NULL")}
    assert {"connection_lost", "protocol_error"} <= kinds
    assert not kinds & RENAMED_KINDS.keys()


@pytest.mark.parametrize(("old", "new"), RENAMED_KINDS.items())
def test_each_kind_has_its_new_name(out: Path, old: str, new: str) -> None:
    with closing(sqlite3.connect(ledger_of(out))) as ledger, ledger:
        ledger.execute("UPDATE spectrum SET kind = ? WHERE did = ?", (old, DIDS[4]))
    assert {failure.did: failure.kind for failure in queries.failures(ledger_of(out))}[DIDS[4]] == new


def test_an_unknown_kind_is_a_damaged_ledger(out: Path) -> None:
    with closing(sqlite3.connect(ledger_of(out))) as ledger, ledger:
        ledger.execute("UPDATE spectrum SET kind = 'cut_ofg' WHERE did = ?", (DIDS[4],))
    with pytest.raises(StoreError, match=r"the ledger cannot be used \(a failure of an unknown kind\); a run, or"):
        queries.failures(ledger_of(out))
    code, said = typed("verify", "--json", "--band", BAND, "--out", out)
    assert (code, json.loads(said)["sound"]) == (3, 2)
    assert "an impossible value in the table spectrum" in said

"""A catalog is enrolled beside the harvest: cut short at any time, the ledger tells nothing wrong, and the next run
completes it."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from harvester import events as ev
from harvester.catalog.plan import HarvestPlan, LedgerEntry, make_plan
from harvester.catalog.reader import Catalog
from harvester.demo import DemoArchive, listed_dids, serve
from harvester.events.stats import HarvestStats
from harvester.ledger import catalog_import, queries, writer
from harvester.ledger.catalog_import import CatalogImport
from harvester.ledger.repair import release_names
from harvester.ledger.schema import open_for_writing
from harvester.ledger.writer import LedgerWriter, Statement
from harvester.model.failures import Failure, FailureKind
from harvester.model.outcomes import Failed
from harvester.model.target import SpectrumId, Target
from tests.support.harvests import fits_names, harvest_from, plan_faults, write_catalog
from tests.support.paths import REPOSITORY

HERE = REPOSITORY
COUNT = 40
SIZE = 2880
SLOW = """
import time
from harvester.ledger import catalog_import
catalog_import.ROWS_PER_TRANSACTION = 1
write_next = catalog_import.CatalogImport.write_next
def slowly(self, connection):
    time.sleep(0.1)
    write_next(self, connection)
catalog_import.CatalogImport.write_next = slowly
from harvester.cli import main
main()
"""


@pytest.fixture(autouse=True)
def few_rows_a_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_import, "ROWS_PER_TRANSACTION", 3)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(open_for_writing(tmp_path / "ledger.sqlite")) as connection:
        yield connection


def did(name: str) -> SpectrumId:
    return SpectrumId(f"ivo://org/{name}")


def listed(names: str) -> Catalog:
    return Catalog("a list", list(map(did, names)), [f'{{"label": "{name}"}}' for name in names])


def planned(names: str, present: str = "") -> tuple[HarvestPlan, Catalog]:
    receipts = {name: LedgerEntry(did(name), SIZE) for name in present}
    return make_plan(listed(names), dict.fromkeys(present, SIZE), receipts), listed(names)


def enrolled(ledger: sqlite3.Connection, names: str, present: str = "") -> CatalogImport:
    """The ledger once everything is enrolled."""
    work = CatalogImport(ledger, *planned(names, present))
    while not work.complete:
        work.write_next(ledger)
    return work


def rows(ledger: sqlite3.Connection) -> list[tuple[str, str, str]]:
    return ledger.execute("SELECT folded, columns, status FROM spectrum ORDER BY did").fetchall()


def test_whatever_the_order_of_the_catalog_every_row_is_written(ledger: sqlite3.Connection) -> None:
    enrolled(ledger, "hbkcaegjfdi", present="cgd")
    assert rows(ledger) == [
        (name, f'{{"label": "{name}"}}', "present" if name in "cgd" else "wanted") for name in "abcdefghijk"
    ]


def test_an_empty_plan_is_enrolled_at_once(ledger: sqlite3.Connection) -> None:
    assert enrolled(ledger, "").complete
    assert rows(ledger) == []


def test_the_same_again_touches_no_row(ledger: sqlite3.Connection) -> None:
    enrolled(ledger, "hbkcaegjfdi", present="cgd")
    before = ledger.total_changes
    enrolled(ledger, "hbkcaegjfdi", present="cgd")
    assert ledger.total_changes == before


def test_a_name_passes_to_another_spectrum_however_far_apart_the_two_are(ledger: sqlite3.Connection) -> None:
    ledger.execute("INSERT INTO entry(did, name, folded, status) VALUES('ivo://org/k', 'a', 'a', 'wanted')")
    enrolled(ledger, "abcdefghijk")
    assert [folded for folded, _, _ in rows(ledger)] == list("abcdefghijk")


@pytest.mark.parametrize("status", ["wanted", "failed"])
def test_a_name_passes_to_another_spectrum_also_from_one_whose_identifier_is_that_name(
    ledger: sqlite3.Connection, status: str
) -> None:
    ledger.execute("INSERT INTO entry(did, name, folded, status) VALUES('a', 'a', 'a', ?)", (status,))
    enrolled(ledger, "a")
    assert ledger.execute("SELECT did FROM spectrum WHERE folded = 'a'").fetchall() == [(did("a"),)]
    release_names(ledger)
    assert ledger.execute("SELECT did FROM spectrum WHERE folded = 'a'").fetchall() == []


@pytest.mark.parametrize("status", ["saved", "failed", "retry"])
def test_what_happened_before_a_row_s_turn_came_stays_and_gets_its_columns(
    ledger: sqlite3.Connection, status: str
) -> None:
    work = CatalogImport(ledger, *planned("abcdefghijk"))
    work.write_next(ledger)
    work.seen.add(did("k"))
    ledger.execute("INSERT INTO entry(did, name, folded, status) VALUES(?1, 'k', ?1, ?2)", (did("k"), status))
    while not work.complete:
        work.write_next(ledger)
    name, columns, now = rows(ledger)[-1]
    assert (name, json.loads(columns), now) == ("k", {"label": "k"}, status)


def test_rows_are_there_ahead_of_the_spectra_however_many_of_them_come(ledger: sqlite3.Connection) -> None:
    wanted = "kjihgfedcba"
    work = CatalogImport(ledger, *planned(wanted))
    for number, name in enumerate(wanted):
        work.write_next(ledger)
        assert name in {folded for folded, _, _ in rows(ledger)}, f"the spectrum of place {number} comes now"
        work.seen.add(did(name))


def kill_in_mid_run(command: list[str], ledger: Path) -> None:
    """Kill -9 once the ledger knows of a failure and a few spectra."""
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(HERE)}) as process:
        deadline = time.monotonic() + 60
        while not (ledger.exists() and queries.failures(ledger) and len(list(queries.stored_dids(ledger))) > 5):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.kill()


async def test_a_harvest_of_a_part_enrols_the_whole(tmp_path: Path) -> None:
    out, dids = tmp_path / "out", list(listed_dids(COUNT))
    async with serve(DemoArchive(count=COUNT)) as archive:
        await harvest_from(archive, out, dids, limit=5)
        await harvest_from(archive, out, dids)
    with closing(sqlite3.connect(out / ".harvester/ledger.sqlite")) as ledger:
        assert {status for _, _, status in rows(ledger)} == {"saved"}
        assert len(rows(ledger)) == COUNT


@pytest.mark.slow
async def test_killed_in_mid_enrolment_the_ledger_knows_all_that_happened_and_the_next_run_the_rest(
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    path = out / ".harvester/ledger.sqlite"
    dids = list(listed_dids(COUNT))
    catalog = write_catalog(tmp_path / "labels.csv", dids)
    async with serve(DemoArchive(count=COUNT, faults=plan_faults(n2="http_404"))) as archive:
        flags = ["--catalog", str(catalog), "--out", str(out), "--rate", "0", "--progress", "none"]
        command = [sys.executable, "-c", SLOW, "--archive", archive.dlget, *flags]
        await asyncio.to_thread(kill_in_mid_run, command, path)
        shown = queries.failures(path)
        assert [(failure.did, failure.kind) for failure in shown] == [(dids[2], FailureKind.NOT_FOUND)]
        there = set(queries.stored_dids(path))
        assert {f"{each.rpartition('/')[2]}.fits" for each in there} <= fits_names(out)
        asked = archive.log.requests
        await harvest_from(archive, out, dids)
    assert archive.log.requests - asked <= COUNT - len(there)
    with closing(sqlite3.connect(path)) as ledger:
        labels = [columns for _, columns, _ in rows(ledger)]
        assert len(labels) == COUNT
        assert "{}" not in labels


def test_a_list_that_is_sorted_part_by_part_is_whole_and_in_the_order_of_the_ledger(
    ledger: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_import, "SAMPLE_STEP", 2)
    monkeypatch.setattr(catalog_import, "ROWS_PER_SORT", 4)
    names, asked_first = "hbkcaegjfdi\u00e9\u65e5\U0001f52dz", catalog_import.ROWS_PER_TRANSACTION
    ledger.execute("CREATE TABLE shown(name TEXT)")
    ledger.execute("CREATE TRIGGER tell AFTER INSERT ON entry BEGIN INSERT INTO shown VALUES(NEW.name); END")
    plan, catalog = planned(names)
    work = CatalogImport(ledger, plan, catalog)
    while not work.complete:
        work.write_next(ledger)
    shown = [name for (name,) in ledger.execute("SELECT name FROM shown ORDER BY rowid")]
    assert sorted(shown) == sorted(target.name for target in plan.wanted)
    dids = {target.name: target.did for target in plan.wanted}
    rest = [dids[name] for name in shown[asked_first:]]
    assert rest == sorted(rest)


def test_rows_that_no_room_is_left_to_sort_are_written_in_the_order_of_the_requests(
    ledger: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect

    def full(path: str, check_same_thread: bool = True) -> sqlite3.Connection:
        connection = connect(path, check_same_thread=check_same_thread)
        connection.execute("PRAGMA page_size=512").execute("PRAGMA max_page_count=8")
        return connection

    monkeypatch.setattr(sqlite3, "connect", full)
    dids = [did(f"n{number:04}") for number in range(1000, 0, -1)]
    catalog = Catalog("a list", dids, ['{"label": "1"}'] * len(dids))
    work = CatalogImport(ledger, make_plan(catalog, {}), catalog)
    while not work.complete:
        work.write_next(ledger)
    written = ledger.execute("SELECT count(*) FROM spectrum WHERE json_extract(columns, '$.label') = '1'").fetchone()
    assert written == (1000,)


def test_at_a_pace_that_the_disk_cannot_keep_the_harvest_slows_down_and_no_row_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MAX_BACKLOG", 5)
    commit = LedgerWriter._commit

    def slowly(self: LedgerWriter, batch: list[Statement]) -> None:
        time.sleep(0.005)
        commit(self, batch)

    monkeypatch.setattr(LedgerWriter, "_commit", slowly)
    names = [f"n{number:03}" for number in range(300)]
    dids = [did(name) for name in names]
    catalog = Catalog("a list", dids, ["{}"] * len(dids))
    with LedgerWriter(tmp_path / "ledger.sqlite", HarvestStats) as ledger:
        ledger.import_catalog(make_plan(catalog, {}), catalog, "nothing")
        for number, name in enumerate(names):
            failure = Failure(FailureKind.NOT_FOUND, "no such", status=404)
            ledger(ev.SpectrumFailed(float(number), Failed(Target(did(name), name), failure, 1, 0.0, "http://x")))
    assert ledger.fault is None
    assert len(queries.failures(tmp_path / "ledger.sqlite")) == 300

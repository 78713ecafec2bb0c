"""The ledger explains the disk and is never believed against it: lost, broken, old or new, it costs no spectrum."""

from __future__ import annotations

import json
import sqlite3
import stat
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from harvester import events as ev
from harvester.cli import commands
from harvester.demo import DemoArchive, listed_dids, serve
from harvester.engine.shutdown import Shutdown
from harvester.errors import StoreError, UsageError
from harvester.events.bus import Observer
from harvester.events.stats import HarvestStats
from harvester.ledger import queries, schema, writer
from harvester.ledger.bulk import write_rows
from harvester.ledger.repair import ensure_usable
from harvester.ledger.writer import LedgerWriter
from harvester.model.exit_codes import StopReason
from harvester.model.failures import FailureKind
from harvester.model.outcomes import Saved, VerifiedSpectrum
from harvester.model.target import SpectrumId, Target
from tests.support.catalogs import stored_entries
from tests.support.harvests import fits_names, harvest_demo, harvest_from, leftovers, plan_faults, write_catalog

COUNT = 8
DIDS = list(listed_dids(COUNT))
NAMES = [did.rpartition("/")[2] for did in DIDS]


def ledger_of(out: Path) -> Path:
    return out / ".harvester" / "ledger.sqlite"


def rows(out: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(ledger_of(out))) as connection, connection:
        return list(connection.execute(sql))


async def asked_for(out: Path, count: int = COUNT) -> set[str]:
    """What a run asks for; afterwards everything is there."""
    async with serve(DemoArchive(count=count)) as archive:
        shown = await harvest_from(archive, out, listed_dids(count))
        assert shown.report.stats.exit_code == 0
        assert len(fits_names(out)) == count
        assert not leftovers(out)
        return set(archive.log.by_did)


# ---- lost and broken


def _delete(ledger: Path) -> None:
    ledger.unlink()


def _truncate(ledger: Path) -> None:
    ledger.write_bytes(ledger.read_bytes()[: ledger.stat().st_size // 2])


def _forget_half(ledger: Path) -> None:
    with closing(sqlite3.connect(ledger)) as connection, connection:
        connection.execute("DELETE FROM entry WHERE name IN (?, ?)", (NAMES[0], NAMES[3]))


@pytest.mark.parametrize(
    "harm",
    [
        _delete,
        _truncate,
        _forget_half,
        lambda ledger: ledger.write_bytes(b""),
        lambda ledger: ledger.write_bytes(b"x"),
        lambda ledger: ledger.write_bytes(b"no database at all " * 500),
        lambda ledger: ledger.write_bytes(b"SQLite format 3\0" + b"\xff" * 8000),
        lambda ledger: ledger.with_name("ledger.sqlite-wal").write_bytes(b"torn" * 3000),
    ],
    ids=["deleted", "cut in half", "half its rows", "empty", "a byte", "garbage", "a header only", "a torn log"],
)
async def test_whatever_became_of_the_ledger_no_spectrum_is_requested_again(
    out: Path, harm: Callable[[Path], object]
) -> None:
    harm(ledger_of(out))
    assert await asked_for(out) == set()
    assert rows(out, "SELECT count(*) FROM spectrum WHERE status IN ('present', 'saved')") == [(COUNT,)]


async def test_a_folder_in_place_of_the_ledger_is_reported_in_one_sentence(out: Path) -> None:
    ledger_of(out).unlink()
    ledger_of(out).mkdir()
    with pytest.raises(StoreError, match="the ledger cannot be read") as caught:
        await harvest_demo(out, COUNT)
    assert "\n" not in str(caught.value)
    assert len(fits_names(out)) == COUNT


async def test_a_ledger_older_than_the_disk_learns_the_newer_files(tmp_path: Path) -> None:
    out = tmp_path / "out"
    async with serve(DemoArchive(count=COUNT)) as archive:
        await harvest_from(archive, out, DIDS, limit=3)
        older = ledger_of(out).read_bytes()
        await harvest_from(archive, out, DIDS)
    ledger_of(out).write_bytes(older)
    assert await asked_for(out) == set()
    assert rows(out, "SELECT count(*) FROM spectrum WHERE sha256 NOT NULL") == [(COUNT,)]


async def test_a_ledger_newer_than_the_disk_is_not_believed(out: Path) -> None:
    for name in NAMES[2:5]:
        (out / f"{name}.fits").unlink()
    assert await asked_for(out) == set(DIDS[2:5])


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-2880]),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(path.read_bytes() + b"\0" * 2880),
    ],
    ids=["deleted", "emptied", "cut at a block", "cut by a byte", "a block more"],
)
async def test_a_file_deleted_or_cut_by_a_user_is_fetched_again_and_no_other(
    out: Path, harm: Callable[[Path], object]
) -> None:
    good = (out / f"{NAMES[4]}.fits").stat().st_size
    harm(out / f"{NAMES[4]}.fits")
    assert await asked_for(out) == {DIDS[4]}
    assert (out / f"{NAMES[4]}.fits").stat().st_size == good


# ---- schema versions


def columns(path: Path) -> dict[str, list[str]]:
    """Every table with its columns."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: [row[1] for row in connection.execute(f"PRAGMA table_info({name})")] for name in tables}


OLDER = {
    0: "",  # a file that SQLite made and no one wrote to
    1: """
CREATE TABLE run(
    run TEXT PRIMARY KEY, started REAL NOT NULL, ended REAL, host TEXT NOT NULL, pid INTEGER NOT NULL,
    version TEXT NOT NULL, archive TEXT NOT NULL, summary TEXT NOT NULL DEFAULT '{}'
) WITHOUT ROWID;
CREATE TABLE spectrum(
    did TEXT PRIMARY KEY, name TEXT NOT NULL, folded TEXT NOT NULL UNIQUE, columns TEXT NOT NULL DEFAULT '{}',
    status TEXT NOT NULL CHECK(status IN ('wanted', 'present', 'saved', 'retry', 'failed')),
    attempts INTEGER NOT NULL DEFAULT 0, due REAL, bytes INTEGER, sha256 TEXT, content_digest TEXT,
    points INTEGER, wave_min REAL, wave_max REAL, object TEXT,
    kind TEXT, detail TEXT, http_status INTEGER, last_tried REAL, saved REAL, elapsed REAL, url TEXT, run TEXT
) WITHOUT ROWID;
CREATE INDEX spectrum_status ON spectrum(status);
CREATE TABLE request(shape TEXT NOT NULL);
CREATE TABLE event(time REAL NOT NULL, run TEXT NOT NULL, name TEXT NOT NULL, fields TEXT NOT NULL)
""",
    2: """
CREATE TABLE run(
    number INTEGER PRIMARY KEY, run TEXT NOT NULL UNIQUE, started REAL NOT NULL, ended REAL, host TEXT NOT NULL,
    pid INTEGER NOT NULL, version TEXT NOT NULL, archive TEXT NOT NULL, summary TEXT NOT NULL DEFAULT '{}',
    endpoint TEXT, shape TEXT, user_agent TEXT, profile_sha256 TEXT
);

CREATE TABLE spectrum(
    did TEXT PRIMARY KEY, name TEXT NOT NULL, folded TEXT NOT NULL UNIQUE, columns TEXT NOT NULL DEFAULT '{}',
    status TEXT NOT NULL CHECK(status IN ('wanted', 'present', 'saved', 'retry', 'failed')),
    attempts INTEGER NOT NULL DEFAULT 0, due REAL, bytes INTEGER, sha256 TEXT, content_digest TEXT,
    points INTEGER, wave_min REAL, wave_max REAL, object TEXT,
    kind TEXT, detail TEXT, http_status INTEGER, last_tried REAL, saved REAL, elapsed REAL, url TEXT,
    etag TEXT, last_modified TEXT, run INTEGER
) WITHOUT ROWID;

CREATE INDEX spectrum_status ON spectrum(status);

CREATE TABLE past(
    did TEXT NOT NULL, since INTEGER, until INTEGER NOT NULL, sha256 TEXT NOT NULL, content_digest TEXT,
    PRIMARY KEY(did, until)
) WITHOUT ROWID;

CREATE TRIGGER spectrum_past AFTER UPDATE OF run ON spectrum
WHEN OLD.status IN ('present', 'saved') AND OLD.sha256 NOT NULL AND OLD.run IS NOT NEW.run AND NEW.run NOT NULL
    AND NOT EXISTS (SELECT 1 FROM past WHERE did = OLD.did AND until = NEW.run)
BEGIN INSERT INTO past VALUES(OLD.did, OLD.run, NEW.run, OLD.sha256, OLD.content_digest); END;

CREATE VIEW provenance AS
SELECT did, name, status, attempts, http_status, strftime('%Y-%m-%dT%H:%M:%fZ', asked, 'unixepoch') AS asked, url,
    etag, last_modified, sha256, content_digest, run.run, archive, endpoint, shape, user_agent, profile_sha256, version
FROM (SELECT *, run AS number, last_tried - coalesce(elapsed, 0) AS asked FROM spectrum
    WHERE status IN ('saved', 'failed', 'retry')) LEFT JOIN run USING (number);

CREATE TABLE request(shape TEXT NOT NULL);

CREATE TABLE event(time REAL NOT NULL, run TEXT NOT NULL, name TEXT NOT NULL, fields TEXT NOT NULL)
""",
    3: """
CREATE TABLE run(
    number INTEGER PRIMARY KEY, run TEXT NOT NULL UNIQUE, started REAL NOT NULL, ended REAL, host TEXT NOT NULL,
    pid INTEGER NOT NULL, version TEXT NOT NULL, archive TEXT NOT NULL, summary TEXT NOT NULL DEFAULT '{}',
    endpoint TEXT, shape TEXT, user_agent TEXT, profile_sha256 TEXT
);

CREATE TABLE spectrum(
    did TEXT PRIMARY KEY, name TEXT NOT NULL, folded TEXT NOT NULL UNIQUE, columns TEXT NOT NULL DEFAULT '{}',
    status TEXT NOT NULL CHECK(status IN ('wanted', 'present', 'saved', 'retry', 'failed')),
    attempts INTEGER NOT NULL DEFAULT 0, due REAL, bytes INTEGER, sha256 TEXT, content_digest TEXT,
    points INTEGER, wave_min REAL, wave_max REAL, object TEXT,
    kind TEXT, detail TEXT, http_status INTEGER, last_tried REAL, saved REAL, elapsed REAL, url TEXT,
    etag TEXT, last_modified TEXT, run INTEGER, checksum INTEGER
) WITHOUT ROWID;

CREATE INDEX spectrum_status ON spectrum(status);

CREATE TABLE past(
    did TEXT NOT NULL, since INTEGER, until INTEGER NOT NULL, sha256 TEXT NOT NULL, content_digest TEXT,
    PRIMARY KEY(did, until)
) WITHOUT ROWID;

CREATE TRIGGER spectrum_past AFTER UPDATE OF run ON spectrum
WHEN OLD.status IN ('present', 'saved') AND OLD.sha256 NOT NULL AND OLD.run IS NOT NEW.run AND NEW.run NOT NULL
    AND NOT EXISTS (SELECT 1 FROM past WHERE did = OLD.did AND until = NEW.run)
BEGIN INSERT INTO past VALUES(OLD.did, OLD.run, NEW.run, OLD.sha256, OLD.content_digest); END;

CREATE VIEW provenance AS
SELECT did, name, status, attempts, http_status, strftime('%Y-%m-%dT%H:%M:%fZ', asked, 'unixepoch') AS asked, url,
    etag, last_modified, sha256, content_digest, run.run, archive, endpoint, shape, user_agent, profile_sha256, version
FROM (SELECT *, run AS number, last_tried - coalesce(elapsed, 0) AS asked FROM spectrum
    WHERE status IN ('saved', 'failed', 'retry')) LEFT JOIN run USING (number);

CREATE TABLE request(shape TEXT NOT NULL);

CREATE TABLE event(time REAL NOT NULL, run TEXT NOT NULL, name TEXT NOT NULL, fields TEXT NOT NULL)
;

CREATE TABLE conflict(
    did TEXT NOT NULL, column_name TEXT NOT NULL, kept TEXT NOT NULL, other TEXT NOT NULL
);

CREATE INDEX spectrum_lost ON spectrum(name) WHERE status NOT IN ('present', 'saved') AND sha256 NOT NULL
""",
}
"""What a ledger of each earlier version was made by. A new VERSION adds its predecessor's SCHEMA here."""


@pytest.mark.parametrize("version", OLDER)
async def test_a_ledger_of_every_earlier_version_is_brought_up_to_date(tmp_path: Path, version: int) -> None:
    assert set(OLDER) == set(range(schema.VERSION)), "each earlier version is in OLDER"
    old, new = tmp_path / "old", tmp_path / "new"
    with closing(sqlite3.connect(old)) as connection:
        connection.executescript(OLDER[version] + f";PRAGMA user_version={version}")
    for path in (old, new):
        schema.open_for_writing(path).close()
    assert columns(old) == columns(new)


OF_VERSION_1 = """
INSERT INTO run VALUES('20260102T200000-bbbb', 200.0, 260.0, 'h', 7, '0.1.0', 'demo', '{{
    "listed": 3, "present": 1, "saved": 1, "failed": 0, "remaining": 1, "requests": 2, "bytes": 2880, "seconds": 60}}');
INSERT INTO run VALUES('20260101T200000-aaaa', 100.0, NULL, 'h', 6, '0.1.0', 'demo', '{{}}');
INSERT INTO request VALUES('FLUXCALIB=normalized, FORMAT=application/fits');
INSERT INTO spectrum(did, name, folded, status, bytes, sha256, content_digest, last_tried, saved, elapsed, url, run)
    VALUES('{0}', 'x', 'x', 'saved', 2880, 'ab', 'cd', 210.0, 210.0, 2.5, 'http://a/x', '20260102T200000-bbbb');
INSERT INTO spectrum(did, name, folded, status, attempts, due, kind, detail, last_tried, run)
    VALUES('{1}', 'y', 'y', 'retry', 2, 900.0, 'busy', '503', 150.0, '20260101T200000-aaaa');
INSERT INTO spectrum(did, name, folded, status, bytes, sha256) VALUES('{2}', 'z', 'z', 'present', 5760, 'ef');
"""


def test_nothing_that_a_version_1_ledger_remembers_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as old:
        old.executescript(OLDER[1] + ";" + OF_VERSION_1.format(*DIDS) + "PRAGMA user_version=1")
    with pytest.raises(StoreError, match=r"written by an older harvester \(schema 1\); a run, or .*verify --fix"):
        queries.last_run(path)
    assert ensure_usable(path) == "the ledger was converted from schema 1 to 4", "as every run begins"
    assert ensure_usable(path) is None
    assert {name: known.did for name, known in stored_entries(path).items()} == {"x": DIDS[0], "z": DIDS[2]}
    assert queries.retries(path) == {DIDS[1]: (2, 900.0)}
    assert list(queries.digests(path)) == [("x.fits", "ab"), ("z.fits", "ef")]
    latest = queries.last_run(path)
    assert latest is not None
    assert (latest.run, latest.summary["saved"]) == ("20260102T200000-bbbb", 1)
    with closing(sqlite3.connect(path)) as new:
        runs = list(new.execute("SELECT number, run FROM run ORDER BY number"))
        origins = {did: row for did, *row in new.execute("SELECT did, run, asked, url, endpoint FROM provenance")}
    assert runs == [(1, "20260101T200000-aaaa"), (2, "20260102T200000-bbbb")], "numbered in their order"
    assert origins[DIDS[0]] == ["20260102T200000-bbbb", "1970-01-01T00:03:27.500Z", "http://a/x", None]
    assert DIDS[2] not in origins, "what was never asked for has no origin that we know of"


OF_VERSION_3 = """
INSERT INTO run(number, run, started, host, pid, version, archive, endpoint, shape)
    VALUES(1, '20260102T200000-bbbb', 200.0, 'h', 7, '0.1.0', 'demo', 'http://a/dlget', 'FLUXCALIB=normalized');
INSERT INTO spectrum(did, name, folded, status, bytes, sha256, content_digest, last_tried, saved, elapsed, url, run)
    VALUES('ivo://a/x', 'X', 'x', 'saved', 2880, lower(hex(randomblob(32))), lower(hex(randomblob(32))), 210.0, 210.0,
        2.5, 'http://a/dlget?ID=ivo%3A%2F%2Fa%2Fx', 1);
INSERT INTO spectrum(did, name, folded, status, attempts, kind, detail, last_tried, url, run)
    VALUES('ivo://a/y', 'y', 'y', 'failed', 2, 'not_found', '404', 150.0, 'http://a/dlget?ID=ivo%3A%2F%2Fa%2Fy', 1);
INSERT INTO spectrum(did, name, folded, columns, status) VALUES('ivo://a/z', 'z', 'z', '{"label":"1"}', 'wanted')
"""


def test_a_ledger_of_version_3_shows_the_same_in_less_space(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    views = ("spectrum", "provenance")
    with closing(sqlite3.connect(path)) as ledger:
        ledger.executescript(f"{OLDER[3]};{OF_VERSION_3};PRAGMA user_version=3")
        before = [list(ledger.execute(f"SELECT * FROM {view} ORDER BY did")) for view in views]
        old = list(queries.stored(path))
        assert ensure_usable(path) == "the ledger was converted from schema 3 to 4"
        assert [list(ledger.execute(f"SELECT * FROM {view} ORDER BY did")) for view in views] == before
        kinds = set(ledger.execute("SELECT typeof(sha256), length(sha256) FROM entry WHERE status = 'saved'"))
    assert kinds == {("blob", 32)}
    assert [tuple(row) for row in queries.stored(path)] == [tuple(row) for row in old]
    assert ensure_usable(path) is None, "its checksums hold"


async def test_urls_that_follow_from_the_run_are_kept_once(tmp_path: Path) -> None:
    shown = await harvest_demo(tmp_path / "out", COUNT, plan_faults(n1="http_404"))
    saved, failed = shown.of(ev.SpectrumSaved), shown.of(ev.SpectrumFailed)
    expected = [(event.outcome.target.did, event.outcome.url) for event in saved]
    expected = sorted([*expected, *((event.outcome.target.did, event.outcome.url) for event in failed)])
    assert sorted(rows(tmp_path / "out", "SELECT did, url FROM spectrum")) == expected
    assert sorted(rows(tmp_path / "out", "SELECT did, url FROM provenance")) == expected
    explicit = rows(tmp_path / "out", "SELECT count(*) FROM entry WHERE typeof(url) = 'text'")[0][0]
    assert explicit in (0, 1), "the one that failed, if no other had been saved before it"


@pytest.mark.parametrize("version", [0, schema.VERSION])
async def test_tables_that_are_not_ours_are_moved_aside_and_the_files_proved_again(out: Path, version: int) -> None:
    rows(out, "DROP TABLE entry")
    rows(out, "DROP VIEW spectrum")
    rows(out, "CREATE TABLE spectrum(did TEXT PRIMARY KEY, path TEXT)")
    rows(out, f"PRAGMA user_version={version}")
    assert await asked_for(out) == set()
    assert len(list(ledger_of(out).parent.glob("ledger.sqlite.damaged-*Z"))) == 1
    assert rows(out, "SELECT count(*) FROM spectrum WHERE status = 'present'") == [(COUNT,)]


async def test_a_ledger_of_a_newer_harvester_is_kept_aside_by_a_run_and_left_as_it_is_by_readers(out: Path) -> None:
    rows(out, "PRAGMA user_version = 999")
    before = ledger_of(out).read_bytes()
    done = CliRunner().invoke(commands, ["failures", "--out", str(out)], standalone_mode=False)
    assert isinstance(done.exception, StoreError)
    assert "written by a newer harvester (schema 999); update harvester, or let a run" in str(done.exception)
    assert ledger_of(out).read_bytes() == before
    assert await asked_for(out) == set()
    (aside,) = ledger_of(out).parent.glob("ledger.sqlite.damaged-*Z")
    assert aside.read_bytes() == before


# ---- used by several, on bad disks


async def test_readers_in_other_threads_are_never_disturbed_and_never_disturb(tmp_path: Path) -> None:
    out, done, saved = tmp_path / "out", threading.Event(), [0]
    faults: list[Exception] = []

    def watch() -> None:
        while not done.is_set():
            try:
                record = queries.last_run(ledger_of(out))
                saved.append(record.summary.get("saved", 0) if record else 0)
                list(queries.digests(ledger_of(out)))
                queries.failures(ledger_of(out))
            except Exception as fault:  # noqa: BLE001 - whatever it is, the test must see it
                faults.append(fault)
                return

    watchers = [threading.Thread(target=watch) for _ in range(2)]
    for watcher in watchers:
        watcher.start()
    shown = await harvest_demo(out, 100, limits={"rate": 100})
    done.set()
    for watcher in watchers:
        watcher.join()
    assert faults == []
    assert shown.report.warnings == []
    assert shown.report.stats.saved == 100
    assert queries.last_run(ledger_of(out)).summary["saved"] == 100  # type: ignore[union-attr]


async def test_a_disk_that_breaks_under_the_ledger_costs_history_and_no_spectrum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    monkeypatch.setattr(writer, "COMMIT_INTERVAL", 0.01)

    def broken(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    def break_it(event: ev.Event) -> None:
        if isinstance(event, ev.HarvestStarted):
            patch.setattr(LedgerWriter, "_commit", broken)

    with monkeypatch.context() as patch:
        shown = await harvest_demo(out, COUNT, watchers=[break_it])
    assert shown.report.stats.saved == COUNT
    assert any("disk I/O error" in lost for lost in shown.report.warnings)
    assert any("disk I/O error" in str(lost) for lost in shown.report.summary["watchers_lost"])  # type: ignore[attr-defined]
    assert await asked_for(out) == set()


async def test_on_a_network_file_system_there_is_no_shared_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "is_on_network", lambda path: True)
    out = tmp_path / "out"
    seen: set[str] = set()

    def look(event: ev.Event) -> None:
        seen.update(path.name for path in (out / ".harvester").iterdir())

    shown = await harvest_demo(out, COUNT, watchers=[look])
    assert shown.report.stats.saved == COUNT
    assert not {"ledger.sqlite-wal", "ledger.sqlite-shm"} & seen
    with closing(schema.open_for_writing(ledger_of(out))) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("truncate",)
    assert await asked_for(out) == set()


@pytest.mark.parametrize(("kind", "network"), [("nfs4", True), ("fuse.sshfs", True), ("xfs", False), ("", False)])
def test_network_file_systems_are_reported_by_their_kind(
    kind: str, network: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "file_system", lambda path: kind)
    assert schema.is_on_network(tmp_path) is network


async def test_what_we_remember_is_private_to_the_user(tmp_path: Path) -> None:
    out = tmp_path / "out"
    modes: dict[str, int] = {}

    def look(event: ev.Event) -> None:
        for path in (out / ".harvester").iterdir():
            modes[path.name] = stat.S_IMODE(path.stat().st_mode)

    shown = await harvest_demo(out, 3, plan_faults(n1="html"), watchers=[look], limits={"attempts": 1})
    assert stat.S_IMODE((out / ".harvester").stat().st_mode) == 0o700
    assert {modes[name] for name in ("ledger.sqlite", "ledger.sqlite-wal", "lock")} == {0o600}
    assert modes["quarantine"] == 0o700
    assert stat.S_IMODE(shown.report.folder.stat().st_mode) == 0o700


# ---- what it remembers


def stop_at_first(kind: type[ev.Event], stop: Shutdown) -> Observer:
    def watch(event: ev.Event) -> None:
        if isinstance(event, kind):
            stop.interrupt(StopReason("stopped by Ctrl-C", 130))

    return watch


async def test_attempts_and_due_times_outlive_the_run(tmp_path: Path) -> None:
    out, bad = tmp_path / "out", DIDS[1]
    limits = {"attempts": 3, "first_wait": 40, "max_wait": 40}
    async with serve(DemoArchive(count=3, faults=plan_faults(n1="http_500"))) as archive:
        stop = Shutdown()
        watchers = [stop_at_first(ev.RetryScheduled, stop)]
        first = await harvest_from(archive, out, DIDS[:3], stop=stop, watchers=watchers, limits=limits)
        (scheduled,) = first.of(ev.RetryScheduled)
        assert queries.retries(ledger_of(out)) == {bad: (1, scheduled.due)}
        second = await harvest_from(archive, out, DIDS[:3], limits={"attempts": 3})
        assert archive.log.by_did[bad] == 3
    (failed,) = second.of(ev.SpectrumFailed)
    assert (failed.outcome.attempts, failed.outcome.failure.kind) == (3, FailureKind.SERVER_ERROR)
    assert queries.retries(ledger_of(out)) == {}


async def test_spectra_of_another_shape_are_not_mixed_in(out: Path) -> None:
    with pytest.raises(UsageError, match=r"contains spectra requested with FLUXCALIB=normalized.*choose another --out"):
        await harvest_demo(out, COUNT, fluxcalib="relative")
    for path in out.glob("*.fits"):
        path.unlink()
    shown = await harvest_demo(out, COUNT, fluxcalib="relative")
    assert (shown.report.stats.saved, shown.report.stats.exit_code) == (COUNT, 0)
    assert queries.request_parameters(ledger_of(out)) == "FLUXCALIB=relative, FORMAT=application/fits"


ANOTHER = 'name = "{}"\ntitle = "Another archive"\nendpoint = "http://{}/dlget"\n'


@pytest.mark.parametrize("asked", [["run"], ["plan"], ["run", "--refresh"]], ids=" ".join)
@pytest.mark.parametrize("listed", [DIDS, [f"{did}-b" for did in DIDS]], ids=["the same spectra", "others"])
def test_spectra_of_another_archive_are_not_mixed_in(
    asked: list[str], listed: list[str], out: Path, tmp_path: Path
) -> None:
    (tmp_path / "b.toml").write_text(ANOTHER.format("b", "b.example:8080"))
    catalog = str(write_catalog(tmp_path / "b.csv", listed))
    given = [*asked, "--archive", str(tmp_path / "b.toml"), "--catalog", catalog, "--out", str(out)]
    with pytest.raises(
        UsageError, match=r"of 127.0.0.1 \(127.0.0.1:\d+\); you request b \(b.example:8080\): "
    ) as caught:
        CliRunner().invoke(commands, given, standalone_mode=False, catch_exceptions=False)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("name", "moved"), [("127.0.0.1", True), ("renamed", False)], ids=["it moved", "its profile was renamed"]
)
def test_an_archive_is_the_same_by_its_name_or_by_where_it_answers(
    name: str, moved: bool, out: Path, tmp_path: Path
) -> None:
    ((endpoint,),) = rows(out, "SELECT endpoint FROM run")
    there = "moved.example" if moved else urlsplit(str(endpoint)).netloc
    (tmp_path / "same.toml").write_text(ANOTHER.format(name, there))
    catalog = str(write_catalog(tmp_path / "same.csv", DIDS))
    given = ["plan", "--archive", str(tmp_path / "same.toml"), "--catalog", catalog, "--out", str(out)]
    assert CliRunner().invoke(commands, given, standalone_mode=False, catch_exceptions=False).return_value == 0


def test_where_nothing_is_left_of_an_archive_another_may_come(out: Path, tmp_path: Path) -> None:
    for path in out.glob("*.fits"):
        path.unlink()
    (tmp_path / "b.toml").write_text(ANOTHER.format("b", "b.example"))
    catalog = str(write_catalog(tmp_path / "b.csv", DIDS))
    given = ["plan", "--archive", str(tmp_path / "b.toml"), "--catalog", catalog, "--out", str(out)]
    assert CliRunner().invoke(commands, given, standalone_mode=False, catch_exceptions=False).return_value == 10


def test_a_later_catalog_adds_to_what_an_earlier_one_reported_and_erases_none_of_it(out: Path, tmp_path: Path) -> None:
    """And the one who says nothing new has no row rewritten."""
    rows(out, "CREATE TABLE rewritten(did TEXT)")
    rows(
        out,
        "CREATE TRIGGER rewriting AFTER UPDATE ON entry BEGIN INSERT INTO rewritten VALUES(NEW.did); END",
    )

    def enrol(catalog: str) -> tuple[object, int]:
        """The columns of the first spectrum once ``catalog`` was harvested, and how many rows that rewrote."""
        (tmp_path / "listed.csv").write_text(catalog, encoding="utf-8")
        asked = ["run", "--archive", "http://127.0.0.1:9/dlget", "--catalog", str(tmp_path / "listed.csv")]
        done = CliRunner().invoke(commands, [*asked, "--out", str(out), "--progress", "none"], standalone_mode=False)
        assert done.return_value == 0
        ((columns,),) = rows(out, f"SELECT columns FROM spectrum WHERE did = '{DIDS[0]}'")
        touched = len(rows(out, "SELECT * FROM rewritten"))
        rows(out, "DELETE FROM rewritten")
        return json.loads(str(columns)), touched

    assert enrol("\n".join(["id", *DIDS])) == ({"label": "0"}, 0)
    assert enrol(f'id,star,label\n{DIDS[0]},"α ""Cen""",7\n') == ({"label": "7", "star": 'α "Cen"'}, 1)
    assert enrol(f'id,star\n{DIDS[0]},"α ""Cen"""\n') == ({"label": "7", "star": 'α "Cen"'}, 0)


def test_a_sound_ledger_needs_nothing(out: Path) -> None:
    before = ledger_of(out).read_bytes()
    assert ensure_usable(ledger_of(out)) is None
    assert ledger_of(out).read_bytes() == before


@pytest.mark.parametrize("run", ["second", "never begun"])
def test_a_row_whose_past_is_reported_already_or_can_not_be_reported_is_written_all_the_same(
    tmp_path: Path, run: str
) -> None:
    target = Target(SpectrumId("ivo://org/a"), "a")
    proof = VerifiedSpectrum(5760, "n" * 64, "d" * 64, 2, 6e-7, 7e-7, "")
    with closing(schema.open_for_writing(tmp_path / "ledger.sqlite")) as ledger:
        begun = "INSERT INTO run(run, started, host, pid, version, archive) VALUES(?, 0, '', 1, '', '')"
        ledger.executemany(begun, [("first",), ("second",)])
        stored = "INSERT INTO entry(did, name, folded, status, sha256, run) VALUES(?, 'a', 'a', 'saved', 'o', 1)"
        ledger.execute(stored, (target.did,))
        ledger.execute("INSERT INTO past VALUES('ivo://org/a', 1, 2, 'o', NULL)")
        event = ev.SpectrumSaved(1.0, Saved(target, proof, 1, 0.1, "http://archive"))
        for statement, row in writer.statements(event, run):
            write_rows(ledger, statement, [row])
        assert ledger.execute("SELECT sha256, folded FROM spectrum").fetchall() == [("n" * 64, "a")]
        assert ledger.execute("SELECT sha256 FROM past").fetchall() == [("o",)]


def test_a_ledger_that_another_program_holds_to_the_end_is_reported_and_still_takes_its_rows_when_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its thread alone closes the connection: closed under it, SQLite crashes the whole process."""
    monkeypatch.setattr(writer, "CLOSE_TIMEOUT", 0.2)
    path = tmp_path / "ledger.sqlite"
    target = Target(SpectrumId("ivo://org/a"), "a")
    saved = Saved(target, VerifiedSpectrum(5760, "n" * 64, "d" * 64, 2, 6e-7, 7e-7, ""), 1, 0.1, "http://archive")
    ledger = LedgerWriter(path, HarvestStats)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        with ledger:
            other.execute("BEGIN EXCLUSIVE")
            ledger(ev.SpectrumSaved(1.0, saved))
        assert "another program" in str(ledger.fault)
        assert not ledger.finishing
        other.execute("COMMIT")
        ledger._thread.join()
        assert other.execute("SELECT did, status FROM spectrum").fetchall() == [("ivo://org/a", "saved")]


def test_what_keeps_a_sound_ledger_from_being_used_is_no_reason_to_make_a_new_one(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="another program holds it: end that"), schema.using(tmp_path):
        raise sqlite3.OperationalError("database is locked")
    with pytest.raises(StoreError, match="make room and run again"), schema.using(tmp_path):
        raise sqlite3.OperationalError("database or disk is full")
    with pytest.raises(StoreError, match="verify --fix"), schema.using(tmp_path):
        raise sqlite3.DatabaseError("file is not a database")
    with pytest.raises(StoreError, match="verify --fix"), schema.using(tmp_path):
        raise PermissionError(13, "Permission denied", "/data/full/locked")

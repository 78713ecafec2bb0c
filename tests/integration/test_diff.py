"""What changed: between runs, directories, the disk and the archive; by content, whatever became of the bytes."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from harvester import events as ev
from harvester.catalog.reader import read_catalog
from harvester.cli import commands
from harvester.demo import listed_dids
from harvester.demo.fits import spectrum_fits
from harvester.demo.observations import observe
from harvester.demo.synthesis import Calibration, SyntheticSpectrum, synthesize
from harvester.diff import Change, compare
from harvester.errors import UsageError
from harvester.ledger import history, queries
from harvester.model.findings import Content
from harvester.model.target import SpectrumId
from tests.support.fault_server import Exchange, Fault, FaultServer, head, ok, says, serving_faults
from tests.support.harvests import Harvested, harvest_demo, harvest_from
from tests.support.paths import REPOSITORY

HERE = REPOSITORY
COUNT = 6
DIDS = list(listed_dids(COUNT))
NAMES = [did.rpartition("/")[2] for did in DIDS]
LAST = "Connection: close"
MISSING = head(LAST, "Content-Length: 0", status="404 Not Found")


def brighter(spectrum: SyntheticSpectrum) -> SyntheticSpectrum:
    return SyntheticSpectrum(spectrum.wave, spectrum.flux * 1.01)


@dataclass
class ReducedArchive:
    """An archive whose spectra have versions: 0 for as at first, 1, 2 ... for reduced again; None for withdrawn.

    ``today`` goes into each answer, as genuine servers write it.
    """

    versions: dict[str, int | None] = field(default_factory=dict)
    today: date = date(2024, 5, 17)

    async def answer(self, exchange: Exchange) -> None:
        version = self.versions.get(exchange.did, 0)
        if version is None:
            await exchange.say(MISSING)
            return
        observation = observe(SpectrumId(exchange.did))
        spectrum = synthesize(observation, Calibration.NORMALIZED)
        for _ in range(version):
            spectrum = brighter(spectrum)
        body = spectrum_fits(observation, Calibration.NORMALIZED, spectrum, today=self.today)
        await exchange.say(ok(body, LAST))

    @property
    def faults(self) -> dict[str, Fault]:
        return dict.fromkeys(map(str, DIDS), self.answer)


def run_name(shown: Harvested) -> str:
    return shown.of(ev.HarvestStarted)[0].run


def diff(*arguments: object) -> tuple[int, dict[str, Any]]:
    """The exit code and the JSON of ``harvester diff``, of versions that need no archive."""
    asked = ["diff", *map(str, arguments), "--json", "--processes", "1"]
    done = CliRunner().invoke(commands, asked, standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return done.return_value, json.loads(done.stdout)


async def diff_archive(
    server: FaultServer, out: Path, *arguments: str, interrupt: asyncio.Event | None = None
) -> tuple[int, dict[str, Any], str]:
    """The same for those that ask it: in a process of its own, since the server lives in this one."""
    asked = ["diff", *arguments, "--out", str(out), "--archive", server.archive.dlget, "--rate", "0", "--json"]
    done = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "harvester", *asked,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=out.parent,
        env={**os.environ, "PYTHONPATH": str(HERE), "HARVESTER_LIMITS__FIRST_WAIT": "0.01"},
    )  # fmt: skip
    if interrupt is not None:
        await interrupt.wait()
        done.send_signal(signal.SIGINT)
    said, errors = await done.communicate()
    assert done.returncode is not None
    return done.returncode, json.loads(said), errors.decode()


def changes(shown: dict[str, Any]) -> dict[str, list[str]]:
    return {change.value: shown[change.value] for change in Change if shown[change.value]}


# ---- the comparison itself

contents = st.dictionaries(
    st.sampled_from(["ivo://a/1", "ivo://a/2", "ivo://a/3", "ivo://a/4"]),
    st.tuples(st.sampled_from("xyz"), st.sampled_from(["p", "q", None])),
)


def in_order(known: dict[str, tuple[str, str | None]]) -> list[Content]:
    return [Content(SpectrumId(did), *known[did]) for did in sorted(known)]


@given(contents, contents)
def test_every_spectrum_of_either_side_is_counted_once_and_rightly(
    before: dict[str, tuple[str, str | None]], after: dict[str, tuple[str, str | None]]
) -> None:
    difference = compare(in_order(before), in_order(after))
    both = before.keys() & after.keys()
    assert set(difference.changes[Change.ADDED]) == after.keys() - before.keys()
    assert set(difference.changes[Change.GONE]) == before.keys() - after.keys()
    assert difference.same == sum(before[did][0] == after[did][0] for did in both)
    for did in difference.changes[Change.HEADER_ONLY]:
        assert before[did][0] != after[did][0]
        assert before[did][1] == after[did][1] is not None
    listed = [did for dids in difference.changes.values() for did in dids]
    assert len(listed) == len(set(listed)) == len(before.keys() | after.keys()) - difference.same


# ---- runs


async def test_what_a_run_brought_is_added_and_what_was_there_is_the_same(tmp_path: Path) -> None:
    out = tmp_path / "out"
    async with serving_faults({}) as server:
        first = await harvest_from(server.archive, out, DIDS[:4])
        second = await harvest_from(server.archive, out, DIDS)
    code, shown = diff("previous", "last", "--out", out)
    assert (code, shown["same"], changes(shown)) == (3, 4, {"added": sorted(DIDS[4:])})
    assert diff(run_name(first), run_name(second), "--out", out) == (code, shown)
    assert changes(diff("last", "previous", "--out", out)[1]) == {"gone": sorted(DIDS[4:])}
    assert diff("last", "last", "--out", out)[0] == 0


async def test_a_spectrum_reduced_again_has_changed_and_one_of_another_day_has_not(tmp_path: Path) -> None:
    out, reduced = tmp_path / "out", ReducedArchive()
    async with serving_faults(reduced.faults) as server:
        await harvest_from(server.archive, out, DIDS)
        reduced.today, reduced.versions = date(2024, 6, 1), {DIDS[2]: 1, DIDS[3]: None}
        shown = await harvest_from(server.archive, out, DIDS, refresh=True)
    assert (shown.report.stats.present, shown.report.stats.saved, shown.report.stats.exit_code) == (0, COUNT - 1, 3)
    assert (out / f"{NAMES[3]}.fits").is_file(), "what cannot be had any more stays"
    code, found = diff("previous", "last", "--out", out)
    others = sorted(did for did in DIDS if did not in (DIDS[2], DIDS[3]))
    assert (code, found["same"]) == (3, 1)
    assert changes(found) == {"changed": [DIDS[2]], "header_only": others}
    assert diff("last", "disk", "--out", out)[0] == 0


async def test_headers_alone_are_no_difference(tmp_path: Path) -> None:
    out, reduced = tmp_path / "out", ReducedArchive()
    async with serving_faults(reduced.faults) as server:
        await harvest_from(server.archive, out, DIDS)
        reduced.today = date(2024, 6, 1)
        await harvest_from(server.archive, out, DIDS, refresh=True)
    code, found = diff("previous", "last", "--out", out)
    assert (code, changes(found)) == (0, {"header_only": sorted(DIDS)})


async def test_runs_that_change_nothing_cost_the_ledger_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for _ in range(3):
        await harvest_demo(out, COUNT)
    with closing(sqlite3.connect(out / ".harvester" / "ledger.sqlite")) as ledger:
        assert list(ledger.execute("SELECT count(*) FROM past")) == [(0,)]
        assert list(ledger.execute("SELECT DISTINCT run FROM spectrum")) == [(1,)]
    assert diff("previous", "last", "--out", out)[0] == 0


@pytest.mark.parametrize("seed", range(4))
async def test_the_ledger_knows_what_there_was_at_the_end_of_every_run_whatever_happened(
    tmp_path: Path, seed: int
) -> None:
    out, reduced, chance = tmp_path / "out", ReducedArchive(), Random(seed)
    after_each: list[list[Content]] = []
    async with serving_faults(reduced.faults) as server:
        for day in range(1, 7):
            reduced.today = date(2024, 6, day)
            reduced.versions = {did: chance.choice([0, 1, None]) for did in DIDS}
            files = sorted(out.glob("*.fits"))
            for path in chance.sample(files, chance.randint(0, len(files) // 2)):
                if chance.random() < 0.5:
                    path.unlink()
                else:
                    path.write_bytes(b"")
            if chance.random() < 0.3 and after_each:
                CliRunner().invoke(commands, ["verify", "--fix", "--out", str(out), "--processes", "1"])
            await harvest_from(server.archive, out, DIDS, refresh=chance.random() < 0.5, limits={"attempts": 1})
            after_each.append(_digested(out))
    path = out / ".harvester" / "ledger.sqlite"
    shown = [list(history.contents_at(path, run.number)) for run in reversed(history.runs(path))]
    assert shown == after_each


def _digested(out: Path) -> list[Content]:
    """What lies there, by the proofs of an audit that knows no ledger."""
    from harvester.audit.files import verify_folder
    from harvester.model.expectation import Expectation
    from harvester.model.findings import FileToCheck, Sound

    found = verify_folder(out, (FileToCheck(path.stem) for path in out.glob("*.fits")), Expectation())
    sound = [finding for finding in found if isinstance(finding, Sound) and finding.did]
    return sorted(Content(f.did, f.verified.sha256, f.verified.content_digest) for f in sound if f.did)


# ---- disk and directories


@pytest.fixture
def out(tmp_path: Path) -> Path:
    asyncio.run(harvest_demo(tmp_path / "out", COUNT))
    return tmp_path / "out"


def test_the_disk_is_read_and_not_the_ledger_believed(out: Path) -> None:
    (out / f"{NAMES[0]}.fits").unlink()
    body = bytearray((out / f"{NAMES[1]}.fits").read_bytes())
    at = body.index(b"OBJECT  = '") + 11
    body[at : at + 3] = b"XYZ"
    (out / f"{NAMES[1]}.fits").write_bytes(body)
    code, shown = diff("last", "disk", "--out", out)
    assert (code, shown["same"]) == (3, COUNT - 2)
    assert changes(shown) == {"gone": [DIDS[0]], "changed": [DIDS[1]]}


def test_a_damaged_file_is_neither_gone_nor_changed_but_cannot_be_compared(out: Path) -> None:
    (out / f"{NAMES[0]}.fits").write_bytes(b"")
    code, shown = diff("last", "disk", "--out", out)
    assert (code, shown["same"], changes(shown)) == (4, COUNT - 1, {})
    assert shown["unsettled"] == [{"id": DIDS[0], "detail": "the response has no bytes"}]


def test_a_colleagues_directory_is_compared_with_and_without_its_ledger(out: Path, tmp_path: Path) -> None:
    theirs = Path(shutil.copytree(out, tmp_path / "theirs"))
    (out / f"{NAMES[0]}.fits").unlink()
    assert changes(diff("disk", theirs, "--out", out)[1]) == {"added": [DIDS[0]]}
    shutil.rmtree(theirs / ".harvester")
    (theirs / f"{NAMES[1]}.fits").unlink()
    assert changes(diff(theirs, "disk", "--out", out)[1]) == {"gone": [DIDS[0]], "added": [DIDS[1]]}


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (
            ("nonsense", "disk"),
            r"'nonsense' is neither a directory nor a run of .* \(latest: 2.*; give its name, last, disk, archive or",
        ),
        (("last", "./nowhere"), "nowhere: no such folder"),
        (("previous", "last"), "has only one run; give last, disk, archive or a directory"),
        (("archive", "archive"), "one of them has to be"),
    ],
)
def test_versions_that_are_none_are_reported_in_one_sentence(out: Path, names: tuple[str, str], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint) as caught:
        diff(*names, "--out", out)
    assert "\n" not in str(caught.value)


async def test_a_beginning_that_several_runs_have_is_no_name(out: Path) -> None:
    await harvest_demo(out, COUNT)
    with pytest.raises(UsageError, match=r"2 runs of .* begin with '20'"):
        diff("20", "disk", "--out", out)


def test_people_read_counts_examples_and_what_to_do_next(out: Path, tmp_path: Path) -> None:
    theirs = Path(shutil.copytree(out, tmp_path / "theirs"))
    (out / f"{NAMES[0]}.fits").unlink()
    found = str(tmp_path / "new.csv")
    asked = ["diff", "disk", str(theirs), "--out", str(out), "--csv", found]
    done = CliRunner().invoke(commands, asked, standalone_mode=False)
    assert f"{COUNT - 1}  identical" in done.stdout
    assert f"1  added: only after\n    {DIDS[0]}\n" in done.stdout
    assert f"python -m harvester --out {out} --catalog {found} --refresh" in done.stdout
    catalog = read_catalog(found)
    assert (list(catalog.dids), list(catalog.columns)) == ([DIDS[0]], ['{"label": "0"}'])


def test_what_is_to_be_typed_next_asks_the_same_archive_in_the_same_way(out: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('id_column = "did"\n')
    theirs = shutil.copytree(out, tmp_path / "theirs")
    (out / f"{NAMES[0]}.fits").unlink()
    given = ["--config", str(tmp_path / "mine.toml"), "--archive", "demo", "--rate", "2", "--contact", "me@x.example"]
    asked = ["diff", "disk", str(theirs), "--out", str(out), *given, "--limit", "1", "--csv", "changed.csv"]
    shown = CliRunner().invoke(commands, asked, standalone_mode=False).stdout
    command = shown.rpartition("to download them: ")[2].split()
    harvest = ["--config", str(tmp_path / "mine.toml"), "--out", str(out), "--archive", "demo"]
    manners = ["--contact", "me@x.example", "--rate", "2"]
    chosen = ["--catalog", "changed.csv", "--id-column", "id", "--refresh"]
    assert command == ["python", "-m", "harvester", *harvest, *manners, *chosen]


# ---- the archive


def test_where_nothing_changed_there_is_nothing_to_fetch(out: Path) -> None:
    asked = ["diff", "last", "disk", "--out", str(out), "--csv", "new.csv"]
    done = CliRunner().invoke(commands, asked, standalone_mode=False)
    assert done.stdout.endswith("\nnothing to download: new.csv is not written\n")
    assert not Path("new.csv").exists()


def everything_in(folder: Path) -> dict[str, tuple[int, bytes]]:
    """All but the memory that SQLite's readers share."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith("-shm")]
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


async def test_the_archive_is_compared_with_what_is_held_and_nothing_is_written(tmp_path: Path) -> None:
    out, reduced = tmp_path / "out", ReducedArchive()
    async with serving_faults(reduced.faults) as server:
        await harvest_from(server.archive, out, DIDS[:5])
        reduced.today, reduced.versions = date(2024, 6, 1), {DIDS[1]: 1, DIDS[2]: None}
        server.asked.clear()
        before = everything_in(out)
        code, shown, _ = await diff_archive(server, out, "disk", "archive", "--csv", "changed.csv")
        assert everything_in(out) == before
        assert server.asked == dict.fromkeys(DIDS[:5], 1)
    assert code == 3
    assert changes(shown) == {"gone": [DIDS[2]], "changed": [DIDS[1]], "header_only": sorted([DIDS[0], *DIDS[3:5]])}
    assert list(read_catalog(str(tmp_path / "changed.csv")).dids) == [DIDS[1]]


async def test_a_sample_is_by_chance_and_the_same_chance_again(tmp_path: Path) -> None:
    out = tmp_path / "out"
    async with serving_faults({}) as server:
        await harvest_from(server.archive, out, DIDS)
        asked: list[Iterable[str]] = []
        for seed in ("1", "1", "2"):
            server.asked.clear()
            code, shown, _ = await diff_archive(server, out, "last", "archive", "--sample", "3", "--seed", seed)
            assert (code, shown["same"]) == (0, 3)
            asked.append(frozenset(server.asked))
        server.asked.clear()
        await diff_archive(server, out, "archive", "last", "--limit", "2")
    assert asked[0] == asked[1] != asked[2]
    assert sorted(server.asked) == sorted(DIDS)[:2]


async def test_an_answer_that_is_no_spectrum_is_not_taken_for_a_change(tmp_path: Path) -> None:
    out = tmp_path / "out"
    faults: dict[str, Fault] = {}
    async with serving_faults(faults) as server:
        await harvest_from(server.archive, out, DIDS)
        faults[DIDS[0]] = says(lambda body: ok(body[:2880], LAST))
        code, shown, _ = await diff_archive(server, out, "disk", "archive", "--attempts", "2")
    assert (code, shown["same"], changes(shown)) == (4, COUNT - 1, {})
    assert [each["id"] for each in shown["unsettled"]] == [DIDS[0]]
    assert shown["unsettled"][0]["detail"].startswith("truncated: ")


async def test_an_archive_that_is_away_is_no_difference(tmp_path: Path) -> None:
    out = tmp_path / "out"
    async with serving_faults({}) as server:
        await harvest_from(server.archive, out, DIDS)
    code, shown, errors = await diff_archive(server, out, "disk", "archive", "--max-outage", "1s")
    assert (code, shown["same"], changes(shown), len(shown["unsettled"])) == (5, 0, {}, COUNT)
    assert "harvester: the archive was unavailable" in errors


async def test_ctrl_c_tells_what_is_known_so_far(tmp_path: Path) -> None:
    out, reached = tmp_path / "out", asyncio.Event()
    faults: dict[str, Fault] = {}
    others = sorted(DIDS)[1:]

    async def interrupted(exchange: Exchange) -> None:
        reached.set()
        await exchange.hush()

    async with serving_faults(faults) as server:
        await harvest_from(server.archive, out, DIDS)
        faults.update(dict.fromkeys(others, interrupted))
        asked = ("disk", "archive", "--concurrency", "1", "--config", "grace.toml")
        (tmp_path / "grace.toml").write_text("[limits]\ngrace = 0.1\n")
        code, shown, errors = await diff_archive(server, out, *asked, interrupt=reached)
    assert (code, shown["same"], [each["id"] for each in shown["unsettled"]]) == (130, 1, others)
    assert "harvester: stopped by Ctrl-C" in errors


async def test_a_long_comparison_gives_signs_of_life(tmp_path: Path) -> None:
    out, dids = tmp_path / "out", list(listed_dids(120))
    async with serving_faults({}) as server:
        await harvest_from(server.archive, out, dids)
        code, shown, errors = await diff_archive(server, out, "disk", "archive")
    assert (code, shown["same"]) == (0, 120)
    assert "requested 50 % (60 of 120)" in errors


async def test_what_was_requested_as_something_else_is_not_compared(out: Path) -> None:
    with pytest.raises(UsageError, match=r"requested with FLUXCALIB=normalized.*the other with FLUXCALIB=relative"):
        diff("last", "archive", "--out", out, "--archive", "demo", "--fluxcalib", "relative")


# ---- run --refresh


async def test_a_refresh_that_fails_leaves_file_and_ledger_as_they_were(tmp_path: Path) -> None:
    out, reduced = tmp_path / "out", ReducedArchive()
    async with serving_faults(reduced.faults) as server:
        await harvest_from(server.archive, out, DIDS)
        held, files = list(history.contents_at(out / ".harvester" / "ledger.sqlite")), _digested(out)
        reduced.versions = dict.fromkeys(map(str, DIDS[1:]))  # not all: the archive itself would be at fault then
        shown = await harvest_from(server.archive, out, DIDS, refresh=True)
        assert (shown.report.stats.failed, shown.report.stats.exit_code) == (COUNT - 1, 3)
        assert list(history.contents_at(out / ".harvester" / "ledger.sqlite")) == held
        assert _digested(out) == files
        server.asked.clear()
        again = await harvest_from(server.archive, out, DIDS)
    assert (again.report.stats.present, again.report.stats.exit_code, sum(server.asked.values())) == (COUNT, 0, 0)


async def test_what_is_missing_is_requested_before_what_is_refreshed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    async with serving_faults({}) as server:
        await harvest_from(server.archive, out, DIDS[:4])
        server.asked.clear()
        shown = await harvest_from(server.archive, out, DIDS, refresh=True, limit=3)
    assert set(DIDS[4:]) < set(server.asked)
    stats = shown.report.stats
    assert (stats.listed, stats.present, stats.saved, stats.remaining) == (COUNT, 3, 3, 0)


@pytest.mark.parametrize("first", [["verify"], ["verify", "--fix"], []])
async def test_what_a_killed_refresh_replaced_is_learned_and_not_taken_for_damaged(
    first: list[str], tmp_path: Path
) -> None:
    out, reduced = tmp_path / "out", ReducedArchive()
    ledger = out / ".harvester" / "ledger.sqlite"
    async with serving_faults(reduced.faults) as server:
        await harvest_from(server.archive, out, DIDS)
        before = ledger.read_bytes()
        reduced.versions = {DIDS[2]: 1}
        killed = await harvest_from(server.archive, out, DIDS, refresh=True)
        ledger.write_bytes(before)  # it knew that the run had begun, and of none of its files
        with closing(sqlite3.connect(ledger)) as connection, connection:
            connection.execute(
                "INSERT INTO run SELECT number + 1, ?, ?, NULL, host, pid, version, archive, summary, endpoint, shape, "
                "user_agent, profile_sha256, url_before, url_behind FROM run",
                (killed.report.stats.run, killed.report.stats.started),
            )
        if first:
            assert await asyncio.to_thread(verify, out, *first[1:]) == (0, [])
        server.asked.clear()
        again = await harvest_from(server.archive, out, DIDS)
        assert (again.report.stats.present, sum(server.asked.values())) == (COUNT, 0)
    digests = dict(line.split("  ")[::-1] for line in (out / "SHA256SUMS").read_text().splitlines())
    assert digests == {f"{name}.fits": sha256((out / f"{name}.fits").read_bytes()).hexdigest() for name in NAMES}
    assert dict(queries.digests(ledger)) == digests


async def test_a_file_damaged_since_a_run_was_killed_is_still_damaged(tmp_path: Path) -> None:
    out = tmp_path / "out"
    ledger = out / ".harvester" / "ledger.sqlite"
    async with serving_faults({}) as server:
        await harvest_from(server.archive, out, DIDS)
        with closing(sqlite3.connect(ledger)) as connection, connection:
            connection.execute("UPDATE run SET ended = NULL")
            connection.execute("UPDATE entry SET run = NULL")
        (out / f"{NAMES[1]}.fits").write_bytes((out / f"{NAMES[2]}.fits").read_bytes())
    assert await asyncio.to_thread(verify, out) == (3, [f"{NAMES[1]}.fits"])


def verify(out: Path, *flags: str) -> tuple[int, list[str]]:
    """The exit code, and which files are at fault."""
    asked = ["verify", "--json", "--out", str(out), "--archive", "demo", *flags]
    done = CliRunner().invoke(commands, asked, standalone_mode=False)
    return done.return_value, [Path(fault["path"]).name for fault in json.loads(done.stdout)["damaged"]]

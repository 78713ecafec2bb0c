"""The audit: whatever happens to files behind our back is found and named, mended where asked, and healed by a run."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from harvester.audit.check_store import StoreCheck, check_store
from harvester.audit.files import verify_folder
from harvester.catalog.names import slug_name
from harvester.config.configuration import Configuration
from harvester.config.loading import load
from harvester.demo import listed_dids
from harvester.errors import DirectoryHeldError, UsageError
from harvester.fits.hdu import read_hdus
from harvester.model.expectation import Expectation
from harvester.model.findings import Damaged, FileToCheck, Sound
from harvester.model.target import SpectrumId
from harvester.storage.lock import acquire_lock
from tests.support.harvests import fits_names, harvest_demo

COUNT = 16
DIDS = list(listed_dids(COUNT))
NAMES = [did.rpartition("/")[2] for did in DIDS]
VICTIM, OTHER = NAMES[3], NAMES[5]


def configured(out: Path, **flags: object) -> Configuration:
    return load({"archive": "demo", "out": str(out), **flags})


def checked(out: Path, *, fix: bool = False, processes: int = 1, **flags: object) -> StoreCheck:
    return check_store(configured(out, **flags), fix=fix, processes=processes, progress=lambda done, total: None)


def rows(out: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(out / ".harvester" / "ledger.sqlite")) as connection:
        return connection.execute(sql).fetchall()


def flip_flux(path: Path) -> None:
    """Change the last byte of a value of flux: so little that the science gate cannot mind."""
    body = bytearray(path.read_bytes())
    table = read_hdus(bytes(body))[-1]
    body[table.start + 15] ^= 1
    path.write_bytes(body)


def redate(path: Path) -> None:
    """Write another day into the primary header, as the server does in each answer."""
    body = path.read_bytes()
    place = body.index(b"DATE    = '") + len("DATE    = '")
    path.write_bytes(body[:place] + b"2031" + body[place + 4 :])


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 2880)


def become_other(path: Path) -> None:
    shutil.copyfile(path.with_name(f"{OTHER}.fits"), path)


def become_empty(path: Path) -> None:
    path.write_bytes(b"")


def become_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def become_link(path: Path) -> None:
    path.unlink()
    path.symlink_to(f"{OTHER}.fits")


HARMS: list[tuple[Callable[[Path], None], str, str]] = [
    (cut, "structure", "the FITS file ends after"),
    (become_empty, "structure", "no bytes"),
    (become_folder, "structure", "it is not a file"),
    (become_link, "structure", "it is not a file"),
    (become_other, "identity", "another spectrum came"),
    (flip_flux, "digest", "not what was saved"),
    (Path.unlink, "presence", "the ledger has it as stored"),
]


def test_what_was_harvested_is_sound_and_listed_for_sha256sum(out: Path) -> None:
    stock = checked(out)
    assert (stock.checked, stock.sound, stock.faults, stock.redated) == (COUNT, COUNT, [], 0)
    if shutil.which("sha256sum"):
        done = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=out, capture_output=True, text=True, check=True)
        assert done.stdout == "".join(f"{name}.fits: OK\n" for name in sorted(NAMES))


@pytest.mark.parametrize(("harm", "gate", "words"), HARMS)
def test_each_harm_is_found_alone_and_reported_by_its_gate(
    out: Path, harm: Callable[[Path], None], gate: str, words: str
) -> None:
    harm(out / f"{VICTIM}.fits")
    stock = checked(out)
    assert [(fault.name, fault.did, fault.check) for fault in stock.faults] == [(VICTIM, DIDS[3], gate)]
    assert words in stock.faults[0].detail
    assert stock.sound == COUNT - 1
    assert VICTIM not in (out / "SHA256SUMS").read_text()


@pytest.mark.parametrize(("harm", "gate", "words"), HARMS)
async def test_fix_and_the_next_run_heal_each_harm(
    out: Path, harm: Callable[[Path], None], gate: str, words: str
) -> None:
    harm(out / f"{VICTIM}.fits")
    there = os.path.lexists(out / f"{VICTIM}.fits")
    stock = checked(out, fix=True)
    assert stock.faults[0].check == gate
    assert not os.path.lexists(out / f"{VICTIM}.fits")
    assert os.path.lexists(out / ".harvester" / "quarantine" / f"{VICTIM}.suspect.body") == there
    if there:
        reason = json.loads((out / ".harvester" / "quarantine" / f"{VICTIM}.suspect.json").read_text())
        assert (reason["id"], reason["gate"]) == (DIDS[3], gate)
        assert words in reason["detail"]
    assert rows(out, "SELECT did FROM spectrum WHERE status = 'wanted'") == [(DIDS[3],)]
    shown = await harvest_demo(out, COUNT)
    assert shown.report.summary["saved"] == 1
    healed = checked(out)
    assert (healed.sound, healed.faults) == (COUNT, [])


def test_a_file_fetched_again_on_another_day_is_sound_and_fix_learns_its_new_digest(out: Path) -> None:
    redate(out / f"{VICTIM}.fits")
    assert checked(out).redated == 1
    mended = checked(out, fix=True)
    assert (mended.sound, mended.redated, mended.faults) == (COUNT, 1, [])
    assert checked(out).redated == 0
    assert rows(out, f"SELECT status FROM spectrum WHERE name = '{VICTIM}'") == [("present",)]


def test_what_has_no_record_is_judged_by_its_own_identity_card(out: Path) -> None:
    (out / ".harvester" / "ledger.sqlite").unlink()
    become_other(out / f"{VICTIM}.fits")
    (out / f"{NAMES[7]}.fits").rename(out / f"{slug_name(SpectrumId(DIDS[7]))}.fits")
    stock = checked(out)
    assert [(fault.name, fault.did, fault.check) for fault in stock.faults] == [(VICTIM, None, "identity")]
    assert DIDS[5] in stock.faults[0].detail
    assert stock.sound == COUNT - 1


def test_someone_elses_files_are_counted_and_left_alone(out: Path) -> None:
    for name in ("my notes", "nul", "a\nb", "ünder"):
        (out / f"{name}.fits").write_bytes(b"anything")
    stock = checked(out, fix=True)
    assert (stock.strays, stock.faults) == (4, [])
    assert (out / "my notes.fits").read_bytes() == b"anything"


@pytest.mark.parametrize("garbage", [b"no database at all " * 500, b"SQLite format 3\0" + b"\xff" * 8000])
async def test_a_damaged_ledger_is_found_moved_aside_and_made_again_from_the_files(out: Path, garbage: bytes) -> None:
    ledger = out / ".harvester" / "ledger.sqlite"
    ledger.write_bytes(garbage)
    stock = checked(out)
    assert ([fault.check for fault in stock.faults], stock.sound) == (["ledger"], COUNT)
    assert ledger.read_bytes() == garbage, "without --fix nothing is changed"
    assert [fault.check for fault in checked(out, fix=True).faults] == ["ledger"]
    assert [path.read_bytes() for path in ledger.parent.glob("ledger.sqlite.damaged-*Z")] == [garbage]
    assert checked(out).faults == []
    known = rows(out, "SELECT did, name, status, length(sha256), length(content_digest), points > 0 FROM spectrum")
    assert sorted(known) == sorted((did, name, "present", 64, 64, 1) for did, name in zip(DIDS, NAMES, strict=True))
    shown = await harvest_demo(out, COUNT)
    assert (shown.report.summary["present"], shown.report.summary["requests"]) == (COUNT, 0)


def test_a_page_lost_in_the_middle_of_the_ledger_is_damage_too(out: Path) -> None:
    ledger = out / ".harvester" / "ledger.sqlite"
    with closing(sqlite3.connect(ledger)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    body = bytearray(ledger.read_bytes())
    body[4096 * 2 :] = os.urandom(len(body) - 4096 * 2)
    ledger.write_bytes(body)
    assert [fault.check for fault in checked(out, fix=True).faults] == ["ledger"]
    assert checked(out).faults == []


@pytest.mark.parametrize("left", [None, b"", b"x"])  # SQLite itself takes a file of a byte for a new one
def test_a_lost_ledger_is_no_damage_and_fix_writes_it_again(out: Path, left: bytes | None) -> None:
    ledger = out / ".harvester" / "ledger.sqlite"
    ledger.unlink()
    if left is not None:
        ledger.write_bytes(left)
    assert checked(out).faults == []
    assert ledger.exists() == (left is not None)
    stock = checked(out, fix=True)
    assert stock.faults == []
    assert stock.notes == (["there was no ledger: a new one is made from the files"] if left is None else [])
    assert rows(out, "SELECT count(*) FROM spectrum WHERE status = 'present'") == [(COUNT,)]


@pytest.mark.parametrize("fix", [False, True])
def test_the_ledger_of_a_newer_harvester_is_a_damaged_one_and_kept(out: Path, fix: bool) -> None:
    rows(out, "PRAGMA user_version = 999")
    before = (out / ".harvester" / "ledger.sqlite").read_bytes()
    stock = checked(out, fix=fix)
    assert [(fault.check, stock.sound) for fault in stock.faults] == [("ledger", COUNT)]
    assert "written by a newer harvester, schema 999" in stock.faults[0].detail
    kept = next((out / ".harvester").glob("ledger.sqlite.damaged-*Z" if fix else "ledger.sqlite"))
    assert kept.read_bytes() == before
    assert len(checked(out).faults) == (not fix)


def test_a_wrong_setting_does_not_empty_a_folder(out: Path) -> None:
    stock = checked(out, fix=True, band="4000 4100 AA")
    assert {fault.check for fault in stock.faults} == {"science"}
    assert (len(stock.spared), stock.set_aside) == (COUNT, 0)
    assert len(fits_names(out)) == COUNT
    assert checked(out).faults == []


def test_fix_waits_for_no_harvest_and_looking_needs_no_lock(out: Path) -> None:
    with acquire_lock(out / ".harvester" / "lock", "another"):
        with pytest.raises(DirectoryHeldError, match="run another"):
            checked(out, fix=True)
        assert checked(out).sound == COUNT


def test_a_folder_that_is_not_there_is_reported_not_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        checked(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_cannot_be_read_is_reported_and_left_where_it_is(out: Path) -> None:
    (out / f"{VICTIM}.fits").chmod(0)
    assert [fault.check for fault in checked(out, fix=True).faults] == ["reading"]
    assert (out / f"{VICTIM}.fits").exists()


def test_a_bad_sector_and_a_bug_of_ours_are_reported_and_damage_nothing(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = iter([OSError(5, "Input/output error"), ZeroDivisionError("oops")])
    monkeypatch.setattr("harvester.audit.files._judge", lambda *_: (_ for _ in ()).throw(next(faults)))
    found = list(verify_folder(out, [FileToCheck(NAMES[0]), FileToCheck(NAMES[1])], Expectation()))
    assert [getattr(fault, "check", "") for fault in found] == ["reading", "reading"]
    assert "Input/output error" in str(found[0])
    assert "an internal error" in str(found[1])


def test_several_processes_find_the_same_in_the_same_order_as_one(out: Path) -> None:
    cut(out / f"{VICTIM}.fits")
    become_other(out / f"{NAMES[9]}.fits")
    work = [FileToCheck(name) for name in NAMES]
    expected = configured(out).expectation
    alone = list(verify_folder(out, work, expected, 1, chunk=3))
    assert list(verify_folder(out, work, expected, 3, chunk=3)) == alone
    assert [type(finding) for finding in alone].count(Damaged) == 2
    assert [type(finding) for finding in alone].count(Sound) == COUNT - 2


def test_work_is_taken_only_as_fast_as_it_is_done(out: Path) -> None:
    taken = 0

    def endless() -> object:
        nonlocal taken
        while True:
            taken += 1
            yield FileToCheck(NAMES[0])

    findings = verify_folder(out, endless(), configured(out).expectation, 2, chunk=5)  # type: ignore[arg-type]
    assert isinstance(next(findings), Sound)
    assert taken <= 5 * 2 * 2 * 2
    findings.close()

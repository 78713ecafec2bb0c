"""A directory in 256 folders: every command finds its way, and moving there and back loses and repeats nothing."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import harvester
from harvester.audit.check_store import StoreCheck, check_store
from harvester.cli import commands
from harvester.config.loading import load
from harvester.demo import DemoArchive, listed_dids, serve
from harvester.errors import StoreError, UsageError
from harvester.storage import layout as layouts
from harvester.storage.atomic import HOST
from harvester.storage.directory import DirectoryStore
from harvester.storage.layout import FOLDERS, Layout, folder_of, layout_of
from tests.support.harvests import harvest_from
from tests.support.paths import REPOSITORY

HERE = REPOSITORY
COUNT = 20
NAMES = {did.rpartition("/")[2] for did in listed_dids(COUNT)}


def lying(out: Path) -> set[str]:
    """Every FITS file, relative to the directory."""
    return {str(path.relative_to(out)) for path in out.rglob("*.fits") if ".harvester" not in path.parts}


def places(layout: Layout) -> set[str]:
    return {layout.relative_path(name) for name in NAMES}


def proved(out: Path, fix: bool = False) -> StoreCheck:
    configuration = load({"out": str(out), "archive": "demo"})
    return check_store(configuration, fix=fix, processes=1, progress=lambda done, total: None)


def said(*arguments: str) -> Result:
    return CliRunner().invoke(commands, arguments, catch_exceptions=False, standalone_mode=False)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A flat harvest of twenty, to be copied."""
    out = tmp_path_factory.mktemp("kept") / "out"
    harvester.harvest_sync(list(listed_dids(COUNT)), archive="demo", out=out, rate=0)
    return out


@pytest.fixture
def flat(kept: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(kept, tmp_path / "out"))


def harvested(out: Path, **settings: Any) -> harvester.Harvest:
    return harvester.harvest_sync(list(listed_dids(COUNT)), archive="demo", out=out, rate=0, **settings)


def test_the_folder_of_a_name_is_its_digest_whatever_its_case() -> None:
    assert folder_of("na010010") == folder_of("NA010010")
    shown = subprocess.run(["b2sum", "-l", "8"], input=b"na010010", capture_output=True, check=True).stdout
    assert shown.split()[0].decode() == folder_of("na010010")
    assert {folder_of(f"n{number}") for number in range(5000)} == set(FOLDERS)


def test_a_hashed_harvest_needs_no_flag_but_at_its_first_run(tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = harvested(out, layout="hashed", limit=15)
    assert (first.exit_code, len(first)) == (4, 15)
    assert all((out / folder).is_dir() for folder in FOLDERS)
    result = harvested(out)
    assert result.complete
    assert lying(out) == places(Layout.HASHED)
    assert proved(out).faults == []
    assert subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=out, check=False).returncode == 0
    assert {str(one.path.relative_to(out)) for one in harvester.open_harvest(out)} == places(Layout.HASHED)
    assert next(iter(harvester.open_harvest(out))).flux.size > 0
    again = harvested(out, layout="hashed")
    assert (again.complete, again.summary["requests"]) == (True, 0)


@pytest.mark.parametrize(
    "command",
    [
        ("status",),
        ("failures",),
        ("verify",),
        ("verify", "--fix"),
        ("report",),
        ("diff", "last", "disk"),
        ("preview", "na010010"),
        ("plan", "--catalog", "wanted.csv"),
        ("export", "stars.parquet"),
    ],
    ids=" ".join,
)
def test_every_command_finds_its_way_in_a_hashed_directory(flat: Path, command: tuple[str, ...]) -> None:
    harvested(flat, layout="hashed")
    assert lying(flat) == places(Layout.HASHED)
    Path("wanted.csv").write_text("\n".join(["id", *listed_dids(COUNT)]))
    assert said(*command, "--out", str(flat), "--archive", "demo").return_value in (0, None)


def test_the_report_tells_the_digest_of_the_sums_as_they_are(flat: Path) -> None:
    harvested(flat, layout="hashed")
    proved(flat)
    shown = json.loads(said("report", "--json", "--out", str(flat)).output)
    assert shown["digest"] == hashlib.sha256((flat / "SHA256SUMS").read_bytes()).hexdigest()


def test_what_is_damaged_is_reported_by_its_place_and_fetched_again_to_the_same(flat: Path) -> None:
    harvested(flat, layout="hashed")
    damaged = flat / Layout.HASHED.relative_path("na010010")
    damaged.write_bytes(damaged.read_bytes()[:-2880])
    (fault,) = proved(flat).faults
    assert proved(flat).path(fault) == str(damaged)
    assert proved(flat, fix=True).set_aside == 1
    assert (flat / ".harvester/quarantine/na010010.suspect.body").is_file()
    assert lying(flat) == places(Layout.HASHED) - {Layout.HASHED.relative_path("na010010")}
    assert harvested(flat).summary["saved"] == 1
    assert lying(flat) == places(Layout.HASHED)


async def test_moving_there_and_back_asks_the_archive_for_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    async with serve(DemoArchive(count=COUNT)) as archive:
        await harvest_from(archive, out, listed_dids(COUNT))
        asked, before = archive.log.requests, {path.name: path.read_bytes() for path in out.glob("*.fits")}
        for layout in (Layout.HASHED, Layout.FLAT, Layout.HASHED):
            ended = await harvest_from(archive, out, listed_dids(COUNT), layout=layout.value)
            assert ended.report.stats.exit_code == 0
            assert ended.report.stats.present == COUNT
            assert lying(out) == places(layout)
        assert archive.log.requests == asked
    assert {path.name: path.read_bytes() for path in out.rglob("*.fits")} == before


def test_the_sums_tell_where_spectra_lie_also_of_a_run_that_only_moved_them(flat: Path) -> None:
    for layout in ("hashed", "flat"):
        assert harvested(flat, layout=layout).summary["saved"] == 0
        checked = subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=flat, check=False)
        assert checked.returncode == 0


def test_the_folders_go_with_the_layout_unless_someone_keeps_something_there(flat: Path) -> None:
    harvested(flat, layout="hashed")
    (flat / "ab" / "notes.txt").write_text("mine")
    harvested(flat, layout="flat")
    assert [folder for folder in FOLDERS if (flat / folder).exists()] == ["ab"]
    assert (flat / "ab" / "notes.txt").read_text() == "mine"


def test_what_is_not_ours_stays_where_it_is(flat: Path) -> None:
    (flat / "notes.txt").write_text("mine")
    (flat / "average.fits").write_bytes(b"SIMPLE" * 480)
    (flat / "other").mkdir()
    shutil.copy(flat / "na010010.fits", flat / "other")
    shutil.copy(flat / "na010010.fits", flat / "copy.fits")
    harvested(flat, layout="hashed")
    own = {"average.fits", "other/na010010.fits", "copy.fits"}
    assert lying(flat) == places(Layout.HASHED) | own
    assert (flat / "notes.txt").exists()
    harvested(flat, layout="flat")
    assert lying(flat) == places(Layout.FLAT) | own


def test_a_plan_moves_nothing_and_says_what_a_run_will_do(flat: Path) -> None:
    Path("wanted.csv").write_text("\n".join(["id", *listed_dids(COUNT)]))
    flags = ["--catalog", "wanted.csv", "--out", str(flat), "--archive", "demo", "--layout", "hashed"]
    shown = said("plan", *flags)
    assert "its layout is flat: a run moves its spectra, for --layout hashed" in shown.output
    assert lying(flat) == places(Layout.FLAT)
    ran = subprocess.run(
        [sys.executable, "-m", "harvester", *flags, "--progress", "plain"], capture_output=True, text=True, check=True
    )
    assert f"moved {COUNT} spectra into {flat}/ab/, 256 folders" in ran.stdout
    assert layout_of(flat) is Layout.HASHED


@pytest.mark.parametrize("there", Layout)
@pytest.mark.parametrize("moves", [0, 1, 7, COUNT])
def test_a_move_that_is_cut_short_is_understood_by_all_and_finished_by_the_next_run(
    flat: Path, there: Layout, moves: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if there is Layout.FLAT:
        harvested(flat, layout="hashed")

    class Killed(BaseException):
        pass

    rename, left = Path.rename, iter(range(moves))

    def cut(path: Path, target: Path) -> Path:
        if path.suffix == ".fits" and next(left, None) is None:
            raise Killed
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", cut)
        patch.setattr(layouts, "sync_moves", _killed(Killed))
        with pytest.raises(BaseException):  # noqa: B017, PT011 - whatever becomes of it on its way through a thread
            harvested(flat, layout=there.value)
    assert len(lying(flat) & places(there)) == moves
    store = DirectoryStore(flat)
    assert set(store.sizes()) == NAMES
    assert len(store.sizes()) == COUNT
    stock = proved(flat)
    assert (stock.sound, stock.faults) == (COUNT, [])
    assert subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=flat, check=False).returncode == 0
    assert sum(1 for one in harvester.open_harvest(flat) if one.flux.size) == COUNT
    result = harvested(flat)
    assert (result.summary["present"], result.summary["requests"]) == (COUNT, 0)
    assert lying(flat) == places(there)


def _killed(error: type[BaseException]) -> Any:
    def killed(*arguments: object) -> None:
        raise error

    return killed


def test_kills_at_any_moment_of_a_move_lose_nothing(flat: Path) -> None:
    slow = (
        "import time\nfrom pathlib import Path\nrename = Path.rename\n"
        "def slowly(path, target):\n    time.sleep(0.01)\n    return rename(path, target)\nPath.rename = slowly\n"
        "from harvester.cli import main\nmain()"
    )
    Path("wanted.csv").write_text("\n".join(["id", *listed_dids(COUNT)]))
    flags = ["--catalog", "wanted.csv", "--out", str(flat), "--archive", "demo", "--progress", "none", "--layout"]
    chance = random.Random(3)
    for layout in (Layout.HASHED, Layout.FLAT, Layout.HASHED):
        process = subprocess.Popen(
            [sys.executable, "-c", slow, *flags, layout], env={**os.environ, "PYTHONPATH": str(HERE)}
        )
        while process.poll() is None and not lying(flat) & places(layout):
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.15))
        process.kill()
        process.wait()
        assert {Path(name).stem for name in lying(flat)} == NAMES
        assert len(lying(flat)) == COUNT
    result = harvested(flat)
    assert (result.summary["present"], result.summary["requests"]) == (COUNT, 0)
    assert lying(flat) == places(Layout.HASHED)


def test_a_place_that_is_taken_is_never_written_over(flat: Path) -> None:
    harvested(flat, layout="hashed")
    place = flat / Layout.HASHED.relative_path("na010010")
    (flat / "na010010.fits").write_bytes(b"another tool's")
    before = place.read_bytes()
    assert harvested(flat).summary["present"] == COUNT
    assert (place.read_bytes(), len(DirectoryStore(flat).sizes())) == (before, COUNT)
    assert (flat / "na010010.fits").read_bytes() == b"another tool's"


def test_without_any_memory_the_folders_tell_and_nothing_is_fetched_again(flat: Path) -> None:
    harvested(flat, layout="hashed")
    shutil.rmtree(flat / ".harvester")
    result = harvested(flat)
    assert (result.summary["present"], result.summary["requests"]) == (COUNT, 0)
    assert lying(flat) == places(Layout.HASHED)


def test_spectra_that_no_ledger_knows_are_moved_if_they_say_what_they_are(flat: Path) -> None:
    shutil.rmtree(flat / ".harvester")
    result = harvested(flat, layout="hashed")
    assert (result.summary["present"], result.summary["requests"]) == (COUNT, 0)
    assert lying(flat) == places(Layout.HASHED)


def test_leftovers_are_swept_in_every_folder(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path, Layout.HASHED)
    store.prepare()
    store.prepare_for_writing()
    child = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    for folder in ("", "00", "ff"):
        (tmp_path / folder / f".one.fits.{HOST}.{int(child.stdout)}.abcd1234.part").touch()
    store.prepare_for_writing()
    assert not list(tmp_path.rglob("*.part"))


def test_a_file_that_is_moved_while_it_is_looked_for_is_found(flat: Path) -> None:
    reader = DirectoryStore(flat)
    harvested(flat, layout="hashed")
    assert reader.read("na010010") == (flat / Layout.HASHED.relative_path("na010010")).read_bytes()
    assert set(reader.sizes()) == NAMES


def test_a_folder_that_went_away_is_made_again(flat: Path) -> None:
    harvested(flat, layout="hashed")
    gone = folder_of("na010010")
    shutil.rmtree(flat / gone)
    assert harvested(flat).complete
    assert lying(flat) == places(Layout.HASHED)


def test_a_link_or_a_file_in_the_place_of_a_folder_is_reported(flat: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (flat / "ab").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match=r"out/ab: --layout hashed needs a plain folder there; move away"):
        harvested(flat, layout="hashed")
    assert lying(flat) == places(Layout.FLAT)


@pytest.mark.parametrize("mark", [b"spiral\n", b"", b"hash\x85d\n", b"flat\0"])
@pytest.mark.parametrize("layout", list(Layout))
def test_a_damaged_layout_mark_is_read_from_the_folders_and_written_again(
    flat: Path, layout: Layout, mark: bytes
) -> None:
    harvested(flat, layout=layout.value)
    (flat / ".harvester/layout").write_bytes(mark)
    assert DirectoryStore(flat).layout is layout
    assert harvested(flat).summary["requests"] == 0
    assert lying(flat) == places(layout)
    assert (flat / ".harvester/layout").read_text() == f"{layout}\n"


def test_a_damaged_layout_mark_is_said_in_one_sentence(flat: Path) -> None:
    (flat / ".harvester/layout").write_text("spiral\n")
    store = DirectoryStore(flat)
    store.prepare_for_writing()
    assert store.warning == f"{flat}/.harvester/layout was damaged: it was written again, as flat"


def test_an_object_store_has_no_folders() -> None:
    configuration = load({"out": "s3://bucket/there", "layout": "hashed"})
    with pytest.raises(UsageError, match="--layout hashed: s3://bucket/there has no folders that could fill up"):
        configuration.open_store()


def test_another_word_than_flat_or_hashed_is_refused() -> None:
    with pytest.raises(UsageError, match="--layout 'nested': it should be 'flat' or 'hashed'"):
        load({"layout": "nested"})

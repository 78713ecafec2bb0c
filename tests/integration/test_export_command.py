"""``export`` as its users meet it: words, exit codes, what is left out, and how much memory it takes."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import h5py
import pytest
from pyarrow import parquet

from harvester.demo import listed_dids
from harvester.demo.fits import spectrum_fits
from harvester.demo.observations import observe
from harvester.demo.synthesis import Calibration
from harvester.model.invocation import install_line
from tests.support.harvests import harvest_demo, plan_faults, write_catalog
from tests.support.paths import REPOSITORY

HERE = REPOSITORY
COUNT = 8
PEAK = "import sys; print(*[line for line in open('/proc/self/status') if 'VmHWM' in line], file=sys.stderr)"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    asyncio.run(harvest_demo(tmp_path / "out", COUNT, plan_faults(n2="http_404")))
    return tmp_path / "out"


def harvester(*arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
    program = f"{code}\nfrom harvester.cli import main\ntry:\n main()\nfinally:\n {PEAK}"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "PYTHONPATH": str(HERE)},
    )


def export(*arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
    return harvester("export", "--out", "out", *arguments, code=code)


def words(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What a command said on standard error, but for its progress."""
    return [line for line in done.stderr.splitlines() if line and not line.startswith(("VmHWM", "exported"))]


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of a command that ended with a usage error and left nothing."""
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = words(done)
    return line


def test_it_says_what_it_wrote_and_puts_a_card_beside_it(out: Path) -> None:
    done = export("stars.parquet", "--split", "0.5,0.5", "--vacuum", "--smooth", "7", "--resample", "6519 6732 140")
    assert done.returncode == 0
    assert done.stdout.startswith(f"stars.parquet: {COUNT - 1} spectra, ")
    assert re.search(r"train \d, test \d", done.stdout)
    card = Path("stars.parquet.md").read_text()
    assert card.startswith("---\npretty_name: ")
    for shown in ("train", "to vacuum", "sigma = 7", "6519 to 6732 Angstrom, 140 points", "FLUXCALIB=normalized"):
        assert shown in card
    assert parquet.read_metadata("stars.parquet").num_rows == COUNT - 1
    assert {path.name for path in Path().iterdir()} == {"out", "out.csv", "stars.parquet", "stars.parquet.md"}


def test_two_labels_of_one_spectrum_are_a_doubt_in_summary_and_card(out: Path) -> None:
    first, second, third, *_ = list(listed_dids(COUNT))[3:]
    Path("two.csv").write_text(f"id,label\n{first},3\n{second},0\n{third},1\n{first},1\n")
    done = export("stars.parquet", "--catalog", "two.csv")
    assert done.returncode == 0
    assert f"1 spectrum is listed with different labels, the first one counts: {first} (3, then 1)" in done.stdout
    assert f"- `{first}`: 3, then 1\n" in Path("stars.parquet.md").read_text()
    labels = {row["id"]: row["label"] for row in parquet.read_table("stars.parquet").to_pylist()}
    assert labels[first] == 3


def test_a_class_that_a_part_lacks_is_reported(out: Path) -> None:
    first, *rest = list(listed_dids(COUNT))[3:]
    Path("rare.csv").write_text(f"id,label\n{first},3\n" + "".join(f"{did},0\n" for did in rest))
    done = export("stars.parquet", "--catalog", "rare.csv", "--split", "0.5,0.5")
    assert done.returncode == 0
    (said,) = re.findall(r"^  (no spectrum of class 3 in (?:train|test) \(1 star\))$", done.stdout, re.MULTILINE)
    assert f"- {said}\n" in Path("stars.parquet.md").read_text()


@pytest.mark.parametrize("name", ["stars.parquet", "stars.h5"])
def test_a_damaged_file_is_left_out_and_named(name: str, out: Path) -> None:
    first, second, *_ = sorted(out.glob("*.fits"))
    first.unlink()
    body = bytearray(second.read_bytes())
    body[-2000] ^= 1
    second.write_bytes(body)
    done = export(name, "--split", "0.5,0.5")
    assert done.returncode == 3
    assert f"{name}: {COUNT - 3} spectra" in done.stdout
    assert f"{first.stem}: the file is gone" in done.stdout
    assert re.search(f"{second.stem}: .*SHA-256 differs", done.stdout)
    assert "python -m harvester verify --out out --fix" in done.stdout
    assert f"`{second.stem}`: damaged" in Path(f"{name}.md").read_text()
    if name.endswith(".h5"):
        with h5py.File(name) as file:
            assert len(file["spectra"]) == COUNT - 3


def test_what_the_catalog_lists_and_the_harvest_lacks_is_reported(out: Path) -> None:
    write_catalog(Path("three.csv"), list(listed_dids(COUNT))[1:4])
    done = export("stars.parquet", "--catalog", "three.csv")
    assert done.returncode == 3
    assert "stars.parquet: 2 spectra" in done.stdout
    assert "1 spectrum of the catalog missing; for the reasons: python -m harvester failures --out out\n" in done.stdout


def test_what_is_to_be_typed_next_has_what_export_was_given(out: Path) -> None:
    """Without the archive another would be asked, without the catalog none would be listed."""
    write_catalog(Path("my three.csv"), list(listed_dids(COUNT))[1:4])
    Path("given.toml").write_text("")
    did = list(listed_dids(COUNT))[1]
    (out / f"{did.rpartition('/')[2]}.fits").write_bytes(b"")
    given = ["--config", "given.toml", "--archive", "demo", "--catalog", "my three.csv", "--id-column", "id"]
    shown = export("stars.parquet", *given).stdout
    harvest = "--config given.toml --out out --archive demo"
    assert f"python -m harvester verify {harvest} --fix\n" in shown
    assert f"for the reasons: python -m harvester failures {harvest}\n" in shown
    assert f"python -m harvester {harvest} --catalog 'my three.csv' --id-column id, then export again\n" in shown


def _stated_origin(out: Path) -> str:
    assert export("stars.parquet").returncode in (0, 3)
    return Path("stars.parquet.md").read_text().partition("## Where they come from")[2].partition("\n## ")[0]


def test_the_card_names_the_archives_that_the_spectra_came_from_and_not_the_last_one_asked(out: Path) -> None:
    with closing(sqlite3.connect(out / ".harvester" / "ledger.sqlite")) as ledger, ledger:
        ledger.execute(
            "INSERT INTO run(run, started, host, pid, version, archive) VALUES('99990101T000000', 9e9, '', 1, '', 'b')"
        )
    assert "- archive: 127.0.0.1\n" in _stated_origin(out)
    with closing(sqlite3.connect(out / ".harvester" / "ledger.sqlite")) as ledger, ledger:
        ledger.execute(
            "UPDATE entry SET run = (SELECT max(number) FROM run) "
            "WHERE did = (SELECT max(did) FROM spectrum WHERE status = 'saved')"
        )
    assert "- archive: 127.0.0.1 and b\n" in _stated_origin(out)
    assert "# Spectra of 127.0.0.1 and b\n" in Path("stars.parquet.md").read_text()


def test_the_card_says_where_no_one_recorded_the_archive(out: Path) -> None:
    shutil.rmtree(out / ".harvester")
    assert harvester("verify", "--archive", "demo", "--out", "out", "--fix").returncode == 0
    assert "- archive: not on record: the ledger was rebuilt from the files\n" in _stated_origin(out)


def test_spectra_that_do_not_cover_the_grid_are_counted_and_named(out: Path) -> None:
    ends = {}
    for path in out.glob("*.fits"):
        wave = observe(next(did for did in listed_dids(COUNT) if did.endswith(path.stem))).wave_limits
        ends[path.stem] = wave[1]
    middle = sorted(ends.values())[3]
    done = export("stars.h5", "--resample", f"6519 {middle!r} 140")
    short = {name for name, end in ends.items() if end < middle}
    assert done.returncode == 0
    assert f"{len(short)} left out, whose wavelengths do not cover the grid" in done.stdout
    assert set(re.findall(r"^    (\w+): ", done.stdout, re.MULTILINE)) == short
    with h5py.File("stars.h5") as file:
        assert {data.shape for data in file["spectra"].values()} == {(2, 140)}
        assert set(file["spectra"]) == set(ends) - short


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["stars.csv"], "export stars.csv: give a file that ends in .parquet, .h5 or .hdf5"),
        (["no/stars.h5"], "export no/stars.h5: there is no directory no; create it first"),
        (["stars.h5", "--flux", "float32"], "too coarse for wavelengths"),
        (["stars.h5", "--resample", "6519 6732"], "--resample '6519 6732': two limits and a number of points"),
        (["stars.h5", "--resample", "1000 2000 10"], "--resample: no spectrum covers that grid"),
        (["stars.h5", "--smooth", "0"], "--smooth 0: a sigma in pixels"),
        (["stars.h5", "--smooth", "nan"], "--smooth nan: a sigma in pixels"),
        (["stars.h5", "--split", "0.8,0.1"], "--split: the shares add up to 0.9, not to 1"),
        (["stars.h5", "--seed", "7"], "--seed 7: a seed needs a split; give one with --split SHARES"),
        (["stars.h5", "--catalog", "absent.csv"], "absent.csv"),
        (
            ["stars.h5", "--split", "0.5,0.5", "--label-column", "lable"],
            "--label-column 'lable': no spectrum has such a column of its catalog; they have label; "
            "did you mean label?",
        ),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing(arguments: list[str], said: str, out: Path) -> None:
    before = sorted(Path().iterdir())
    assert said in sentence(export(*arguments))
    assert sorted(Path().iterdir()) == before


def test_a_folder_in_the_place_of_the_card_is_said_before_anything_is_replaced(out: Path) -> None:
    Path("stars.parquet").write_text("of old")
    Path("stars.parquet.md").mkdir()
    assert "stars.parquet.md: a folder has the name of the card" in sentence(export("stars.parquet"))
    assert Path("stars.parquet").read_text() == "of old"


@pytest.mark.parametrize("name", ["stars.parquet", "stars.h5"])
def test_what_a_killed_export_left_is_swept_by_the_next(name: str, out: Path) -> None:
    kill = "import os; os.fsync = lambda descriptor: os.kill(os.getpid(), 9)"
    assert export(name, code=kill).returncode == -9
    assert [path.suffix for path in Path().glob(".*")] == [".part", ".part"], "of the data set and of its card"
    assert export(name).returncode == 0
    assert {path.name for path in Path().iterdir()} == {"out", "out.csv", name, f"{name}.md"}


@pytest.mark.parametrize(("library", "name"), [("pyarrow", "stars.parquet"), ("h5py", "stars.h5")])
def test_a_missing_library_is_one_sentence(library: str, name: str, out: Path) -> None:
    done = export(name, code=f"import sys; sys.modules[{library!r}] = None")
    extra = "parquet" if library == "pyarrow" else "hdf5"
    assert f"needs {library}: {install_line(f'specharvest[{extra}]')}" in sentence(done)


@pytest.mark.parametrize("name", ["stars.parquet", "stars.h5"])
def test_a_disk_that_refuses_is_one_sentence_and_leaves_nothing(name: str, out: Path) -> None:
    before = sorted(Path().iterdir())
    done = export(name, code="import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))")
    assert done.returncode == 6
    assert words(done) == [f"harvester: {name}: the file size limit is reached (ulimit -f)"]
    assert sorted(Path().iterdir()) == before


def test_a_folder_without_a_harvest_is_said_to_be_none(tmp_path: Path) -> None:
    assert "no ledger" in sentence(export("stars.h5"))


def test_air_is_not_taken_for_granted(out: Path) -> None:
    for path in out.glob("*.fits"):
        path.write_bytes(path.read_bytes().replace(b"Air", b"Any").replace(b"air", b"any"))
    shutil.rmtree(out / ".harvester")
    assert harvester("verify", "--out", "out", "--fix").returncode == 0
    assert 'medium = "air"' in sentence(export("stars.h5", "--vacuum"))
    Path("ours.toml").write_text('name = "ours"\ntitle = "Ours"\nendpoint = "http://127.0.0.1/dlget"\nmedium = "air"\n')
    assert export("stars.h5", "--vacuum", "--archive", "ours.toml").returncode == 0


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3,000 spectra with a ledger, made without an archive."""
    folder = tmp_path_factory.mktemp("many")
    for did in listed_dids(3000):
        seen = observe(did)
        (folder / f"{seen.name}.fits").write_bytes(spectrum_fits(seen, Calibration.NORMALIZED))
    done = harvester("verify", "--out", str(folder), "--fix", "--archive", "demo")
    assert "3 000 spectra checked" in done.stdout
    return folder


def test_what_the_last_run_left_for_another_one_is_missing(out: Path) -> None:
    asyncio.run(harvest_demo(out, COUNT + 4, limit=1))
    done = export("stars.parquet")
    assert done.returncode == 3
    assert "4 spectra missing, which the last run left for another one" in done.stdout
    (run,) = re.findall(r"runs/(.+?)/config.toml, then export again", done.stdout)
    assert (out / ".harvester/runs" / run).is_dir()


@pytest.mark.parametrize("name", ["all.parquet", "all.h5"])
def test_memory_does_not_grow_with_the_number_of_spectra(name: str, many: Path) -> None:
    """Ten times the spectra, 2,700 of them at 28 kB, may take what buffers take until they are full, not 76 MB."""
    peaks = []
    for count in (300, 3000):
        write_catalog(Path("some.csv"), listed_dids(count))
        done = harvester("export", name, "--out", str(many), "--catalog", "some.csv", "--split", "0.8,0.1,0.1")
        assert done.returncode == 0
        peaks.append(int(re.findall(r"VmHWM:\s+(\d+)", done.stderr)[0]) / 1000)
    assert peaks[1] - peaks[0] < 65


def test_stored_files_that_a_killed_run_did_not_record_are_not_left_out_silently(out: Path) -> None:
    with closing(sqlite3.connect(out / ".harvester" / "ledger.sqlite")) as ledger, ledger:
        ledger.execute("DELETE FROM entry WHERE name = 'na010010'")
        ledger.execute("UPDATE entry SET status = 'wanted' WHERE name = 'na010011'")

    done = export("stars.parquet", code="from harvester.cli import progress; progress.FEW = 0")

    assert done.returncode == 3
    assert "2 stored files left out, without a ledger entry" in done.stdout
    assert "verify --out out --fix, then export again" in done.stdout
    assert "- 2 whose files are stored, but not in the ledger" in (out.parent / "stars.parquet.md").read_text()
    assert f"of {COUNT - 3})" in done.stderr  # n2 is missing; each spectrum counts once, though it is read twice

    assert harvester("verify", "--fix", "--out", "out").returncode == 0
    again = export("stars.parquet")
    assert again.returncode == 0
    assert parquet.read_table(out.parent / "stars.parquet").num_rows == COUNT - 1

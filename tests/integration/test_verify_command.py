"""``verify`` as its users and their scripts meet it: words, JSON, exit codes, signals."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.harvests import fits_names
from tests.support.paths import PROGRAM, REPOSITORY

HERE = REPOSITORY
COUNT = 8


def verify(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harvester", "verify", "--archive", "demo", "--out", "out", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(HERE)},
    )


def test_a_sound_folder_is_said_to_be_sound_and_listed(out: Path) -> None:
    done = verify()
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{COUNT} spectra checked in out" in done.stdout
    assert "all valid" in done.stdout
    assert len((out / "SHA256SUMS").read_text().splitlines()) == COUNT


def test_damage_is_named_with_what_to_do_next_and_fix_does_it(out: Path) -> None:
    victim = sorted(fits_names(out))[2]
    (out / victim).write_bytes(b"")
    looked = verify()
    assert looked.returncode == 3
    assert f"out/{victim}: " in looked.stdout
    assert f"{PROGRAM} verify --out out --archive demo --fix" in looked.stdout
    fixed = verify("--fix")
    assert fixed.returncode == 3
    assert "1 file moved to out/.harvester/quarantine" in fixed.stdout
    assert f"{PROGRAM} --out out --archive demo\n" in fixed.stdout
    assert victim not in fits_names(out)


def test_what_is_to_be_typed_next_has_what_this_command_was_given(out: Path) -> None:
    (out / sorted(fits_names(out))[0]).write_bytes(b"")
    shown = verify("--fluxcalib", "normalized", "--band", "6500 6600 AA", "--processes", "1", "--fix")
    assert f"{PROGRAM} --out out --archive demo --fluxcalib normalized --band '6500 6600 AA'\n" in shown.stdout


def test_json_is_one_object_with_what_scripts_rely_on(out: Path) -> None:
    first, second = sorted(fits_names(out))[:2]
    shutil.copyfile(out / second, out / first)
    done = verify("--json", "--processes", "1")
    shown = json.loads(done.stdout)
    assert done.returncode == 3
    assert (shown["checked"], shown["sound"]) == (COUNT, COUNT - 1)
    (damage,) = shown["damaged"]
    assert damage["id"].endswith(first.removesuffix(".fits"))
    assert (damage["path"], damage["gate"]) == (f"out/{first}", "identity")
    assert "another spectrum came" in damage["detail"]


def test_a_long_list_of_damage_is_cut_short(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from harvester.cli import commands, verify

    monkeypatch.setattr(verify, "EXAMPLES", 3)
    for path in out.glob("*.fits"):
        path.write_bytes(b"")
    done = CliRunner().invoke(commands, ["verify", "--archive", "demo", "--out", "out"], standalone_mode=False)
    assert done.output.count("no bytes") == 3
    assert f"and {COUNT - 3} more (--json lists all)" in done.output


def test_a_folder_that_is_not_there_is_a_fault_of_usage(out: Path) -> None:
    shutil.rmtree(out)
    done = verify()
    assert done.returncode == 2
    assert "no such folder" in done.stderr


@pytest.mark.parametrize("more", [[], ["--fix"], ["--json"]], ids=["look", "fix", "json"])
def test_a_folder_without_spectra_and_ledger_is_not_called_sound(more: list[str], out: Path) -> None:
    shutil.rmtree(out)
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    done = verify(*more)
    assert (done.returncode, done.stdout) == (2, "")
    assert "out: no spectrum and no ledger here" in done.stderr
    assert [path.name for path in out.iterdir()] == ["notes.txt"]


def test_many_files_on_several_cores_tell_how_far_it_is(out: Path) -> None:
    source = sorted(out.glob("*.fits"))[0]
    for number in range(1200):
        os.link(source, out / f"copy{number}.fits")
    done = verify("--processes", "2", "--json")
    assert json.loads(done.stdout)["checked"] == COUNT + 1200
    assert "verified 30 % (400 of 1208)" in done.stderr

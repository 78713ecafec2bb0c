"""What a new user types in the first hour, and an operator every day: real processes against a demo archive."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from harvester.cli import COMMANDS, commands
from harvester.demo import DemoArchive, FaultPlan, listed_dids, serve
from tests.integration.test_command_line import demo, run
from tests.support.harvests import fits_names, harvest_from, plan_faults, write_catalog
from tests.support.paths import PROGRAM, REPOSITORY

COUNT = 12


@pytest.fixture(scope="module")
def archive() -> Iterator[str]:
    with demo("--count", str(COUNT)) as url:
        yield url


@pytest.fixture
def profile(tmp_path: Path, archive: str) -> Path:
    """A profile whose SSAP service lists the archive."""
    path = tmp_path / "mine.toml"
    ssap = archive.replace("/sdl/dlget", "/ssa/ssap.xml")
    path.write_text(f'name = "mine"\ntitle = "Mine"\nendpoint = "{archive}"\nssap = "{ssap}"\n')
    return path


def test_a_catalog_is_enough_for_a_command(tmp_path: Path, archive: str) -> None:
    write_catalog(tmp_path / "labels.csv", listed_dids(3))
    done = run("labels.csv", "--archive", archive, "--out", "o", "--rate", "0", cwd=tmp_path)
    assert (done.returncode, len(fits_names(tmp_path / "o"))) == (0, 3), done.stderr
    missing = run("labls.csv", "--archive", archive, cwd=tmp_path)
    assert (missing.returncode, "catalog labls.csv: No such file" in missing.stderr) == (2, True)


def test_all_of_an_archive_is_one_command_that_keeps_its_list(tmp_path: Path, profile: Path) -> None:
    asked = ["--all", "--archive", str(profile), "--rate", "0"]
    assert "has not been listed yet" in run("plan", *asked, cwd=tmp_path).stderr
    done = run("run", *asked, cwd=tmp_path)
    assert (done.returncode, len(fits_names(tmp_path / "data/mine"))) == (0, COUNT), done.stderr
    assert len((tmp_path / "data/mine/.harvester/all.csv").read_text().splitlines()) == COUNT + 1
    planned = run("plan", *asked, "--json", cwd=tmp_path)
    assert (planned.returncode, json.loads(planned.stdout)["present"]) == (0, COUNT)


def test_a_list_that_cannot_be_refreshed_is_used_as_it_was(tmp_path: Path, profile: Path) -> None:
    asked = ["--all", "--archive", str(profile), "--rate", "0"]
    assert run("run", *asked, cwd=tmp_path).returncode == 0
    listing = tmp_path / "data/mine/.harvester/all.csv"
    before = listing.read_bytes()
    profile.write_text(profile.read_text().replace("/ssa/ssap.xml", "/ssa/nothing.xml"))
    done = run("run", *asked, cwd=tmp_path)
    assert (done.returncode, "the list of an earlier run is used" in done.stderr) == (0, True), done.stderr
    assert listing.read_bytes() == before
    listing.unlink()
    assert run("run", *asked, cwd=tmp_path).returncode == 5


def test_discover_takes_a_profile_in_place_of_an_address(tmp_path: Path, profile: Path) -> None:
    done = run("discover", str(profile), "--catalog", "all.csv", "--rate", "0", "--no-sample", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "all.csv").read_text().splitlines()) == COUNT + 1
    profile.write_text("".join(line for line in profile.read_text().splitlines(True) if "ssap" not in line))
    refused = run("discover", str(profile), cwd=tmp_path)
    assert (refused.returncode, "neither `tap` nor `ssap`" in refused.stderr) == (2, True)


def test_all_of_an_archive_needs_a_service_that_lists_it(tmp_path: Path, archive: str, profile: Path) -> None:
    refused = run("run", "--all", "--archive", archive, cwd=tmp_path)
    assert (refused.returncode, "neither `tap` nor `ssap`" in refused.stderr) == (2, True)
    both = run("run", "--all", "--catalog", "x.csv", "--archive", str(profile), cwd=tmp_path)
    assert (both.returncode, both.stderr) == (2, "harvester: --all --catalog x.csv: give one of the two\n")


@pytest.mark.parametrize("output", ["closed", "broken pipe"])
def test_a_complete_run_keeps_its_exit_code_when_the_terminal_is_gone(
    output: str, tmp_path: Path, archive: str
) -> None:
    write_catalog(tmp_path / "labels.csv", listed_dids(3))
    command = f"{PROGRAM} labels.csv --archive {archive} --out o --rate 0"
    shell = f"{command} >&-" if output == "closed" else f'{{ {command}; echo "code $?" >&2; }} | true'
    done = subprocess.run(
        ["bash", "-c", shell], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    code = done.returncode if output == "closed" else int(done.stderr.rpartition("code ")[2])
    assert code == 0, done.stderr
    (log,) = (tmp_path / "o/.harvester/runs").glob("*/harvester.log")
    assert "standard output cannot be written" in log.read_text()
    assert "3 new" in log.read_text()


@pytest.mark.parametrize("package", ["aiofiles", "click", "pydantic"])
def test_a_package_that_is_missing_is_one_sentence(package: str, tmp_path: Path) -> None:
    code = f"import sys; sys.modules[{package!r}] = None; from harvester.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--archive", "demo"], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert f"lacks the package {package.replace('_', '-')}" in done.stderr.replace("_", "-")
    assert "pip install" in done.stderr
    assert "harvester[" not in done.stderr, "that name leads to another project"


def test_a_plan_says_how_much_space_is_needed_and_free(tmp_path: Path, archive: str) -> None:
    write_catalog(tmp_path / "labels.csv", listed_dids(10))
    asked = ["labels.csv", "--archive", archive, "--out", "o", "--rate", "0"]
    unknown = run("plan", "--catalog", *asked, "--json", cwd=tmp_path)
    assert "needed_bytes" not in json.loads(unknown.stdout)
    assert run(*asked, "--limit", "5", cwd=tmp_path).returncode == 4
    planned = json.loads(run("plan", "--catalog", *asked, "--json", cwd=tmp_path).stdout)
    stored = sum(path.stat().st_size for path in (tmp_path / "o").glob("*.fits"))
    assert planned["needed_bytes"] == pytest.approx(stored, rel=0.01), "five of ten are stored"
    assert planned["free_bytes"] > 0
    assert "needed," in run("plan", "--catalog", *asked, cwd=tmp_path).stdout


async def test_a_refresh_resumes_where_its_last_run_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(DemoArchive(count=10)) as archive:
        first = await harvest_from(archive, tmp_path / "o", listed_dids(10))
        assert first.report.stats.saved == 10

        async def refresh(**more: Any) -> tuple[int, int | None]:
            said = await harvest_from(archive, tmp_path / "o", listed_dids(10), refresh=True, **more)
            assert said.report.stats.exit_code == (4 if said.report.refresh_left else 0)
            assert said.report.summary["refresh_left"] == said.report.refresh_left
            return said.report.stats.requests, said.report.refresh_left

        assert await refresh(limit=4) == (4, 6)
        assert await refresh(limit=3) == (3, 3)
        assert await refresh() == (3, 0), "only those that the two runs before did not reach"
        assert await refresh() == (10, 0), "that refresh was finished: this is the next one"
        assert await refresh(limit=4) == (4, 6)
        assert (await harvest_from(archive, tmp_path / "o", listed_dids(10))).report.stats.requests == 0
        assert await refresh() == (6, 0), "a plain run between them changes nothing"
        assert await refresh(limit=4) == (4, 6)
        monkeypatch.setattr("harvester.run.refresh.LONGEST_GAP", 0.0)
        assert await refresh(limit=4) == (4, 6), "what was replaced so long ago is requested again"


async def test_a_refresh_and_what_is_on_disk_are_counted_apart(tmp_path: Path) -> None:
    dids = list(listed_dids(6))
    async with serve(DemoArchive(count=6)) as archive:
        await harvest_from(archive, tmp_path / "o", dids[:4])
        refresh = await harvest_from(archive, tmp_path / "o", dids, refresh=True, limit=4)
    stats = refresh.report.stats
    assert (stats.on_disk, stats.saved, stats.refreshed, refresh.report.refresh_left) == (6, 4, 2, 2)
    shown = run("status", "--out", "o", cwd=tmp_path).stdout.splitlines()
    assert shown[1].startswith("  6 of 6 on disk, 2 of them new")
    assert shown[2:4] == ["  2 of 4 refreshed", "  0 failed, 2 to go, 4 requests"]
    page = refresh.report.page
    assert page is not None
    assert "All 6 spectra on disk; 2 of them refreshed, 2 left for another run." in page.read_text("utf-8")
    async with serve(DemoArchive(count=6, faults=plan_faults(n3="http_404"))) as archive:
        rest = (await harvest_from(archive, tmp_path / "o", dids, refresh=True)).report
    assert (rest.stats.refreshed_before, rest.stats.refreshed, rest.stats.kept, rest.stats.on_disk) == (4, 1, 1, 6)
    assert (rest.stats.exit_code, rest.refresh_left) == (3, 0)
    assert "stay as they are" in rest.stats.reason


async def test_rejected_bodies_are_listed_shown_and_purged(tmp_path: Path) -> None:
    async with serve(DemoArchive(count=4, faults=plan_faults(n1="traceback"))) as archive:
        await harvest_from(archive, tmp_path / "o", listed_dids(4))
    listed = json.loads(run("quarantine", "--out", "o", "--json", cwd=tmp_path).stdout)
    assert [entry["id"] for entry in listed] == [list(listed_dids(4))[1]]
    shown = run("quarantine", "show", "--out", "o", cwd=tmp_path).stdout
    assert "Traceback" in shown
    assert run("quarantine", "show", "nothing", "--out", "o", cwd=tmp_path).returncode == 2
    asked = run("quarantine", "purge", "--out", "o", cwd=tmp_path, stdin="n\n")
    assert (asked.returncode, len(list((tmp_path / "o/.harvester/quarantine").glob("*.body")))) == (130, 1)
    assert run("quarantine", "purge", "--out", "o", "--yes", cwd=tmp_path).returncode == 0
    assert "nothing is in quarantine" in run("quarantine", "--out", "o", cwd=tmp_path).stdout


async def test_a_file_of_the_users_is_purged_only_by_name(tmp_path: Path) -> None:
    (tmp_path / "o").mkdir()
    did = next(iter(listed_dids(1)))
    name = did.rpartition("/")[2]
    (tmp_path / "o" / f"{name}.fits").write_bytes(b"mine")
    async with serve(DemoArchive(count=1, faults=FaultPlan())) as archive:
        await harvest_from(archive, tmp_path / "o", [did])
    assert "nothing to delete" in run("quarantine", "purge", "--out", "o", "--yes", cwd=tmp_path).stdout
    assert "deleted 1 entry" in run("quarantine", "purge", name, "--out", "o", "--yes", cwd=tmp_path).stdout


def test_what_is_gone_stays_visible_until_the_command_that_is_shown_brings_it_back(
    tmp_path: Path, archive: str
) -> None:
    write_catalog(tmp_path / "labels.csv", listed_dids(5))
    asked = ["labels.csv", "--archive", archive, "--out", "o", "--rate", "0"]
    assert run(*asked, cwd=tmp_path).returncode == 0
    assert run(*asked, "--refresh", "--limit", "1", cwd=tmp_path).returncode == 4
    for path in sorted((tmp_path / "o").glob("*.fits"))[:2]:
        path.unlink()
    looked = run("verify", "--out", "o", cwd=tmp_path)
    assert (looked.returncode, "quarantine" in looked.stdout) == (3, False), "there is nothing to quarantine"
    fixed = run("verify", "--out", "o", "--fix", cwd=tmp_path)
    assert fixed.returncode == 3
    shown = run("status", "--out", "o", cwd=tmp_path).stdout
    assert "  3 of 5 on disk (" in shown
    assert "  2 that were stored are gone" in shown
    assert json.loads(run("status", "--out", "o", "--json", cwd=tmp_path).stdout)["on_disk"] == 3
    assert run("export", "x.parquet", "--out", "o", cwd=tmp_path).returncode == 3
    command = fixed.stdout.rpartition("to download what is missing now: ")[2].strip()
    assert looked.stdout.endswith(f"to download what is missing: {command}\n")
    assert run(*shlex.split(command)[3:], cwd=tmp_path).returncode == 0
    assert len(fits_names(tmp_path / "o")) == 5
    assert run("verify", "--out", "o", cwd=tmp_path).returncode == 0
    assert "  5 of 5 on disk, 2 of them new" in run("status", "--out", "o", cwd=tmp_path).stdout
    assert run("export", "x.parquet", "--out", "o", cwd=tmp_path).returncode == 0


def test_the_only_harvest_below_data_is_compared_and_drawn_by_its_own_archive(tmp_path: Path, archive: str) -> None:
    dids = list(listed_dids(4))
    write_catalog(tmp_path / "labels.csv", dids[:3])
    assert run("labels.csv", "--archive", archive, "--out", "data/here", "--rate", "0", cwd=tmp_path).returncode == 0
    compared = run("diff", "disk", "archive", "--rate", "0", cwd=tmp_path)
    assert (compared.returncode, "using data/here" in compared.stderr) == (0, True), compared.stderr
    name = dids[0].rpartition("/")[2]
    drawn = run("fluxcalib", name, "--show", cwd=tmp_path, PYTHONIOENCODING="utf-8")
    assert (drawn.returncode, "using data/here" in drawn.stderr) == (0, True), drawn.stderr
    new = run("preview", dids[3], cwd=tmp_path, PYTHONIOENCODING="utf-8")
    assert new.returncode == 0, new.stderr


def test_an_address_that_serves_no_files_is_named_at_once(tmp_path: Path, archive: str) -> None:
    write_catalog(tmp_path / "labels.csv", listed_dids(12))
    ssap = archive.replace("/sdl/dlget", "/ssa/ssap.xml")
    listing = run("labels.csv", "--archive", ssap, "--out", "o", cwd=tmp_path)
    assert listing.returncode == 2
    assert f"discover {ssap} -o mine.toml`, then give --archive mine.toml" in listing.stderr
    links = archive.replace("/sdl/dlget", "/sdl/dlmeta")
    asked = ["labels.csv", "--archive", links, "--fluxcalib", "none", "--format", "none", "--out", "o", "--rate", "0"]
    documents = json.loads(run(*asked, "--progress", "json", cwd=tmp_path).stdout.splitlines()[-1])["summary"]
    assert documents["exit_code"] == 7
    assert "the archive sends no files, but VOTables" in documents["reason"]
    assert documents["reason"].endswith("a dlget URL, or as a profile that `discover` wrote")
    assert documents["requests"] < 12


def test_a_place_without_a_harvest_or_for_none_is_one_sentence(tmp_path: Path) -> None:
    nothing = run("quarantine", "--out", "nothing", cwd=tmp_path)
    assert nothing.returncode == 2
    assert nothing.stderr.endswith("no harvest in nothing yet; give a harvest's directory with --out DIR\n")
    refused = run("--archive", "demo", "--out", "/proc/x", cwd=tmp_path)
    assert refused.returncode == 6
    assert refused.stderr == "harvester: /proc/x: no such file or directory; check that path, or choose another\n"


def test_config_says_where_each_value_comes_from(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('contact = "me@x.example"\n[limits]\nattempts = 3\n')
    asked = ["config", "--rate", "2", "--notify", "https://hooks.example/secret", "--json"]
    said = run(*asked, cwd=tmp_path, HARVESTER_LIMITS__CONCURRENCY="4")
    rows = json.loads(said.stdout)
    assert rows["limits.rate"] == {"value": 2.0, "source": "--rate"}
    assert rows["limits.concurrency"] == {"value": 4, "source": "environment variable HARVESTER_LIMITS__CONCURRENCY"}
    assert rows["limits.attempts"] == {"value": 3, "source": "config.toml"}
    assert rows["labels.emission"]["source"] == "archive profile"
    assert rows["fluxcalib"] == {"value": "normalized", "source": "default"}
    assert "secret" not in said.stdout
    (tmp_path / "again.toml").write_text(run("config", "--rate", "2", "--toml", cwd=tmp_path).stdout)
    again = json.loads(run("config", "--config", "again.toml", "--json", cwd=tmp_path).stdout)
    assert again["limits.rate"] == {"value": 2.0, "source": "again.toml"}


def test_doctor_finds_a_sound_set_up_and_a_wrong_address(tmp_path: Path, archive: str) -> None:
    sound = run("doctor", "--archive", archive, "--json", cwd=tmp_path)
    checks = {row["check"]: row["state"] for row in json.loads(sound.stdout)}
    assert sound.returncode == 0, sound.stdout
    assert checks["archive"] == checks["disk"] == checks["packages"] == "ok"
    wrong = run("doctor", "--archive", archive.replace("dlget", "nothing"), cwd=tmp_path)
    assert (wrong.returncode, "HTTP 404: no such service" in wrong.stdout) == (3, True)
    silent = run("doctor", "--archive", "http://127.0.0.1:9/x", cwd=tmp_path)
    assert (silent.returncode, "does not respond" in silent.stdout) == (3, True)
    assert list(tmp_path.iterdir()) == [], "it changes nothing"


def test_the_demo_says_what_to_type_next(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "harvester", "demo", "--count", "3"], cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr:
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        words = [process.stderr.readline().strip() for _ in range(3)][1:]
        for command in words:
            assert command.startswith(PROGRAM)
            assert run(*shlex.split(command)[3:], "--rate", "0", cwd=tmp_path).returncode == 0
        process.terminate()
        assert process.wait(10) == 0
    assert len(fits_names(tmp_path / "demo-spectra")) == 3


def examples(name: str) -> list[str]:
    command = commands.get_command(click.Context(commands), name)
    assert command is not None
    _, _, after = (command.help or "").partition("Examples:\n")
    return [line.strip() for line in after.splitlines() if line.strip().startswith("harvester")]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_examples_that_parse(name: str) -> None:
    assert examples(name)
    for line in examples(name):
        program, *words = shlex.split(line.partition(" > ")[0])
        assert program == "harvester"
        context = commands.make_context("harvester", list(words))
        called, command, rest = commands.resolve_command(context, [*context._protected_args, *context.args])
        assert called == name
        assert command is not None
        command.make_context(name, rest, parent=context)


def test_help_is_short_too(tmp_path: Path) -> None:
    assert run("-h", cwd=tmp_path).stdout == run("--help", cwd=tmp_path).stdout
    assert run("plan", "-h", cwd=tmp_path).stdout == run("plan", "--help", cwd=tmp_path).stdout

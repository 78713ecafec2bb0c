"""The command line as its users meet it: real processes, real signals, exit codes."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import pytest

from harvester.demo import listed_dids
from tests.support.harvests import fits_names, leftovers, write_catalog
from tests.support.paths import PROGRAM, REPOSITORY

HARVESTER = [sys.executable, "-m", "harvester"]
HERE = REPOSITORY


def run(*arguments: str, cwd: Path, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*HARVESTER, *arguments],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(HERE), **environment},
    )


def started(*arguments: str, cwd: Path, through: Sequence[str] = ()) -> tuple[subprocess.Popen[str], IO[str], IO[str]]:
    """A run that goes on beside the test and prints its events, with its two outputs."""
    process = subprocess.Popen(
        [*through, *HARVESTER, *arguments, "--progress", "json"],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(HERE)},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    return process, process.stdout, process.stderr


def wait_for_a_spectrum(output: IO[str]) -> None:
    assert any('"spectrum_saved"' in line for line in output)


@contextmanager
def demo(*arguments: str) -> Iterator[str]:
    """A demo archive in a process of its own; gives its dlget URL."""
    process = subprocess.Popen(
        [*HARVESTER, "demo", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(HERE)},
    )
    assert process.stdout is not None
    with process.stdout:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(10)
    assert code == 0


@pytest.fixture(scope="module")
def archive() -> Iterator[str]:
    with demo("--count", "300") as url:
        yield url


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    return write_catalog(tmp_path / "labels.csv", listed_dids(30))


def test_without_a_catalog_three_lines_say_what_to_do(tmp_path: Path) -> None:
    shown = run(cwd=tmp_path)
    assert shown.returncode == 2
    lines = shown.stderr.strip().splitlines()
    assert len(lines) == 3
    assert "--catalog" in lines[0]
    assert "discover" in lines[1]
    assert "--archive demo" in lines[2]
    assert list(tmp_path.iterdir()) == []


def test_the_main_job_from_plan_to_nothing_to_do(tmp_path: Path, archive: str, catalog: Path) -> None:
    asked = ["--archive", archive, "--catalog", str(catalog), "--out", "spectra", "--rate", "0"]
    planned = run("plan", *asked, "--json", cwd=tmp_path)
    assert planned.returncode == 10
    assert json.loads(planned.stdout)["missing"] == 30
    assert not (tmp_path / "spectra").exists()
    done = run(*asked, "--concurrency", "4", "--progress", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["event"] == "harvest_ended"
    assert (last["summary"]["saved"], last["summary"]["requests"]) == (30, 30)
    assert len(fits_names(tmp_path / "spectra")) == 30
    again = run(*asked, cwd=tmp_path)
    assert again.returncode == 0
    assert "nothing to do" in again.stdout
    assert run("plan", *asked, cwd=tmp_path).returncode == 0
    status = json.loads(run("status", "--out", "spectra", "--json", cwd=tmp_path).stdout)
    assert (status["state"], status["present"], status["saved"]) == ("ended", 30, 0)


def test_the_catalog_may_come_from_standard_input(tmp_path: Path, archive: str, catalog: Path) -> None:
    asked = ["--archive", archive, "--out", "spectra", "--rate", "0", "--catalog", "-"]
    assert run(*asked, cwd=tmp_path, stdin=catalog.read_text()).returncode == 0
    assert len(fits_names(tmp_path / "spectra")) == 30


def test_failures_become_a_catalog_that_can_be_run_again(tmp_path: Path, archive: str) -> None:
    dids = [*listed_dids(3), "ivo://asu.cas.cz/stel/ccd700/unknown"]
    catalog = write_catalog(tmp_path / "labels.csv", dids)
    asked = ["--archive", archive, "--out", "spectra", "--rate", "0"]
    done = run(*asked, "--catalog", str(catalog), cwd=tmp_path)
    assert done.returncode == 3
    assert "not_found" in done.stdout
    shown = run("failures", "--out", "spectra", cwd=tmp_path)
    assert "No spectrum with this pubDID known here" in shown.stdout
    (failure,) = json.loads(run("failures", "--out", "spectra", "--json", cwd=tmp_path).stdout)
    assert failure["id"] == dids[-1]
    assert (failure["kind"], failure["blame"], failure["http_status"]) == ("not_found", "spectrum", 404)
    assert run("failures", "--out", "spectra", "--csv", "again.csv", cwd=tmp_path).returncode == 0
    assert (tmp_path / "again.csv").read_text().split() == ["id,label", f"{dids[-1]},3"]
    assert run(*asked, "--catalog", "again.csv", cwd=tmp_path).returncode == 3


@pytest.mark.parametrize("form", [[], ["--json"], ["--csv", "failed.csv"]], ids=["words", "json", "csv"])
def test_failures_of_a_directory_without_a_harvest_are_unknown_and_not_none(form: list[str], tmp_path: Path) -> None:
    shown = run("failures", "--out", "nothing", *form, cwd=tmp_path)
    assert (shown.returncode, shown.stdout) == (2, "")
    assert shown.stderr.strip().endswith("no harvest in nothing yet; give a harvest's directory with --out DIR")
    assert list(tmp_path.iterdir()) == []


def test_failures_are_requested_again_as_they_were_whatever_the_id_column_was(tmp_path: Path, archive: str) -> None:
    (tmp_path / "labels.csv").write_text("did\nivo://asu.cas.cz/stel/ccd700/unknown\n")
    asked = ["--archive", archive, "--out", "spectra", "--rate", "0", "--catalog", "labels.csv", "--id-column", "did"]
    assert run(*asked, cwd=tmp_path).returncode == 3
    shown = run("failures", "--out", "spectra", "--csv", "failed.csv", cwd=tmp_path).stdout
    again = shlex.split(shown.rpartition("again: ")[2])
    assert again[:3] == shlex.split(PROGRAM)
    assert run("plan", *again[3:], "--json", cwd=tmp_path).returncode == 10


@pytest.mark.parametrize(
    ("signals", "code"),
    [
        ([signal.SIGINT], 130),
        ([signal.SIGTERM], 143),
        ([signal.SIGHUP], 129),
        ([signal.SIGINT, signal.SIGINT], 130),
    ],
)
def test_a_signal_leaves_whole_files_balanced_books_and_a_way_on(
    tmp_path: Path, signals: list[signal.Signals], code: int
) -> None:
    catalog = write_catalog(tmp_path / "labels.csv", listed_dids(200))
    with demo("--count", "200", "--latency", "0.05") as url:
        asked = ["--archive", url, "--catalog", str(catalog), "--out", "spectra", "--rate", "0"]
        process, events, _ = started(*asked, cwd=tmp_path)
        wait_for_a_spectrum(events)
        for number in signals:
            process.send_signal(number)
            time.sleep(0.02)
        output, errors = process.communicate(timeout=30)
        assert process.returncode == code, errors
        summary = json.loads(output.splitlines()[-1])["summary"]
        assert summary["listed"] == summary["present"] + summary["saved"] + summary["failed"] + summary["remaining"]
        assert 0 < summary["saved"] < 200
        assert len(fits_names(tmp_path / "spectra")) == summary["saved"]
        assert not leftovers(tmp_path)
        assert f"next     {PROGRAM} --archive {url}" in errors
        assert run(*asked, cwd=tmp_path).returncode == 0
    assert len(fits_names(tmp_path / "spectra")) == 200


def test_a_run_that_nohup_started_survives_the_end_of_its_terminal(tmp_path: Path) -> None:
    catalog = write_catalog(tmp_path / "labels.csv", listed_dids(30))
    with demo("--count", "30", "--latency", "0.05") as url:
        asked = ["--archive", url, "--catalog", str(catalog), "--out", "spectra", "--rate", "0"]
        process, events, _ = started(*asked, cwd=tmp_path, through=["nohup"])
        wait_for_a_spectrum(events)
        process.send_signal(signal.SIGHUP)
        errors = process.communicate(timeout=30)[1]
    assert process.returncode == 0, errors
    assert len(fits_names(tmp_path / "spectra")) == 30


def test_a_second_harvest_in_the_same_directory_learns_who_holds_it(tmp_path: Path) -> None:
    catalog = write_catalog(tmp_path / "labels.csv", listed_dids(30))
    with demo("--count", "30", "--latency", "1") as url:
        asked = ["--archive", url, "--catalog", str(catalog), "--out", "spectra"]
        first, events, errors = started(*asked, cwd=tmp_path)
        with events, errors:
            events.readline()
            second = run(*asked, cwd=tmp_path)
            assert second.returncode == 75
            assert f"process {first.pid}" in second.stderr
            status = run("status", "--out", "spectra", "--json", cwd=tmp_path)
            assert json.loads(status.stdout)["state"] == "running"
            first.kill()
            first.wait()
    assert json.loads(run("status", "--out", "spectra", "--json", cwd=tmp_path).stdout)["state"] == "interrupted"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--catalog", "nowhere.csv"], "catalog nowhere.csv: No such file or directory"),
        (["--catalog", "labels.csv", "--concurrency", "0"], "--concurrency '0'"),
        (["--catalog", "labels.csv", "--rate", "fast"], "--rate 'fast'"),
        (["--catalog", "labels.csv", "--band", "6600 6500 AA"], "--band '6600 6500 AA': the limits are reversed"),
        (["--catalog", "labels.csv", "--band", "6500 6600"], "without a unit they are metres"),
        (["--catalog", "labels.csv", "--archive", "onrejov"], "did you mean ondrejov?"),
        (["--catalog", "labels.csv", "--config", "none.toml"], "--config none.toml"),
        (["--catalog", "labels.csv", "--progress", "loud"], "--progress 'loud'"),
        (["--catalog", "labels.csv", "--concurency", "8"], "--concurrency"),
        (["plna"], "No such command: plna. Did you mean plan?"),
        (["rnu"], "No such command: rnu. Did you mean run?"),
        (["demo", "--port", "99999"], "99999 is not in the range 0<=x<=65535"),
        (["demo", "--count", "x"], "'--count': 'x' is not a valid integer; see "),
        (["verify", "--processes"], "Option '--processes' requires an argument; see "),
        (["export"], "Missing argument 'FILE|DIR/|X.hats'; see "),
    ],
)
def test_who_errs_gets_one_clear_sentence_and_exit_2(
    tmp_path: Path, catalog: Path, arguments: list[str], words: str
) -> None:
    shown = run(*arguments, cwd=tmp_path)
    assert shown.returncode == 2
    assert words in shown.stderr
    assert len(shown.stderr.splitlines()) == 1, shown.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["labels.csv"]


def test_a_port_in_use_is_reported_as_such(tmp_path: Path, archive: str) -> None:
    port = urlsplit(archive).port
    shown = run("demo", "--port", str(port), cwd=tmp_path)
    assert (shown.returncode, shown.stderr) == (
        2,
        f"harvester: --port {port}: address already in use; choose another\n",
    )


def test_the_archive_that_is_served_has_what_the_one_brought_along_lists(tmp_path: Path) -> None:
    with demo() as url:
        found = run(
            "discover", url.replace("/sdl/dlget", "/ssa/ssap.xml"), "--catalog", "all.csv", "--rate", "0", cwd=tmp_path
        )
    planned = run("plan", "--archive", "demo", "--json", cwd=tmp_path)
    assert f"{json.loads(planned.stdout)['listed']} spectra" in found.stdout


def test_the_environment_and_the_file_are_heard(tmp_path: Path, archive: str, catalog: Path) -> None:
    (tmp_path / "config.toml").write_text(f'archive = "{archive}"\ncatalog = "labels.csv"\n[limits]\nrate = 0\n')
    shown = run("--concurrency", "2", cwd=tmp_path, HARVESTER_OUT="elsewhere")
    assert shown.returncode == 0, shown.stderr
    assert len(fits_names(tmp_path / "elsewhere")) == 30


def test_a_directory_that_cannot_be_written_is_one_sentence_and_exit_6(tmp_path: Path, catalog: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    shown = run("--catalog", str(catalog), "--out", "file/spectra", cwd=tmp_path)
    assert shown.returncode == 6
    assert "choose another --out" in shown.stderr
    assert "Traceback" not in shown.stderr


def test_output_that_no_one_reads_does_not_end_in_a_traceback(tmp_path: Path, archive: str, catalog: Path) -> None:
    asked = ["--archive", archive, "--catalog", str(catalog), "--out", "spectra", "--rate", "0"]
    process, events, said = started(*asked, cwd=tmp_path)
    events.close()
    with said:
        errors = said.read()
    process.wait(30)
    assert "Traceback" not in errors
    assert len(fits_names(tmp_path / "spectra")) == 30

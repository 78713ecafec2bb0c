"""The program ends without freeing its memory first, and leaves out nothing else that Python does at its end."""

from __future__ import annotations

import os
import pstats
import subprocess
import sys
from pathlib import Path

import pytest

from harvester import __version__
from tests.support.paths import REPOSITORY

ENDED = """
import atexit, threading, time
atexit.register(print, "ended")
from harvester.__main__ import main, program
"""
SLOW = "threading.Thread(target=lambda: (time.sleep(0.2), print('waited for'))).start()\n"
FREED = "class Last:\n  def __del__(self): print('freed')\nlast = Last()\n"


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "arguments", "code", "said"),
    [
        ("", ["--version"], 0, ["ended"]),
        ("", ["plan", "--catalog", "no.csv"], 2, ["ended"]),
        (SLOW, ["--version"], 0, ["waited for", "ended"]),
    ],
    ids=["as asked", "by an error", "with a thread left"],
)
@pytest.mark.parametrize("entry", ["main", "program"])
def test_the_end_is_that_of_the_interpreter(
    entry: str, before: str, arguments: list[str], code: int, said: list[str]
) -> None:
    done = python("-c", f"{ENDED}{before}{entry}()", *arguments)
    lines = [line for line in done.stdout.splitlines() if __version__ not in line]
    assert (done.returncode, lines) == (code, said)


def test_only_the_process_of_the_program_leaves_its_memory_to_the_system() -> None:
    for entry, said in [("program", []), ("main", ["freed"])]:
        done = python("-c", f"{ENDED}{FREED}{entry}()", "--version")
        assert [line for line in done.stdout.splitlines() if line == "freed"] == said


def test_a_program_that_calls_it_goes_on() -> None:
    done = python("-c", f"{ENDED}try: main()\nexcept SystemExit as error: print('goes on after', error.code)", "-h")
    assert done.stdout.splitlines()[-2:] == ["goes on after 0", "ended"]


def test_a_profiler_around_it_writes_what_it_found(tmp_path: Path) -> None:
    done = python("-m", "cProfile", "-o", str(tmp_path / "profile"), "-m", "harvester", "--version")
    assert done.returncode == 0, done.stderr
    assert pstats.Stats(str(tmp_path / "profile")).total_calls > 0  # type: ignore[attr-defined]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file that is always full")
@pytest.mark.parametrize("buffered", ["", "1"], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize("options", [["config", "--help"], ["--version"], ["config", "--json"]])
def test_output_that_finds_no_room_is_no_success(options: list[str], buffered: str, tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "harvester", *options], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": buffered},
            check=False, text=True, timeout=60,
        )  # fmt: skip
    said = "harvester: standard output: the disk is full; make room and run again\n"
    assert (done.returncode, done.stderr) == (6, said)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file that is always full")
def test_a_run_keeps_its_exit_code_where_its_lines_find_no_room(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "harvester", "--archive", "demo", "--limit", "1", "--rate", "0"],
            cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            check=False, text=True, timeout=60,
        )  # fmt: skip
    assert (done.returncode, "1 new" in done.stderr) == (4, True), done.stderr


def test_another_system_is_named_rather_than_a_package() -> None:
    done = python("-c", f"import sys; sys.modules['resource'] = None{ENDED}main()", "--version")
    said = "harvester: it needs Linux or macOS; on Windows, use it in WSL\n"
    assert (done.returncode, done.stderr) == (2, said)

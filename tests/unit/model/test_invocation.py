"""Printed commands start the program as the user did."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from harvester.model.invocation import _program, command_line, install_line
from tests.support.paths import REPOSITORY

MODULE = str(REPOSITORY / "harvester" / "__main__.py")
RUN = ["--out", "my spectra"]
VENV = [".venv/bin/python", "-m", "harvester"]


@pytest.mark.parametrize(
    ("argv", "orig_argv", "parent", "words"),
    [
        ([MODULE, *RUN], [*VENV, *RUN], "bash", VENV),
        ([MODULE], ["python3", "-X", "dev", "-m", "harvester"], "", ["python3", "-X", "dev", "-m", "harvester"]),
        (["bin/harvester", *RUN], ["python", "bin/harvester", *RUN], "bash", ["bin/harvester"]),
        (["/c/bin/harvester", "plan"], ["python"], "uvx --from x harvester plan", ["uvx", "--from", "x", "harvester"]),
        ([MODULE, "plan"], ["python"], "uv run python -m harvester plan", ["uv", "run", "python", "-m", "harvester"]),
        ([MODULE, "plan"], [*VENV, "plan"], "make plan", VENV),
        (["/usr/lib/ipykernel_launcher.py"], ["python"], "", ["python", "-m", "harvester"]),
        ([""], [""], "", ["python", "-m", "harvester"]),
    ],
)
def test_the_words_are_those_with_which_it_was_started(
    argv: list[str], orig_argv: list[str], parent: str, words: list[str]
) -> None:
    assert list(_program(argv, orig_argv, parent.split())) == words


def test_a_command_that_the_shell_finds_is_named_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "harvester"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    assert _program([str(script)], [], []) == (str(script),)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert _program([str(script)], [], []) == ("harvester",)


def test_arguments_are_quoted() -> None:
    assert shlex.split(command_line(*RUN))[-2:] == RUN
    assert install_line("matplotlib>=3").endswith("-m pip install 'matplotlib>=3'")


@pytest.mark.slow
def test_a_printed_command_runs_when_pasted(tmp_path: Path) -> None:
    """The sentence for a missing catalog names two commands; the demo one is checked by what it plans."""

    def shell(command: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        return subprocess.run(
            command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60
        )

    refused = shell(f"{sys.executable} -m harvester plan")
    assert refused.returncode == 2
    command = refused.stderr.strip().rpartition("first: ")[2]
    assert command.startswith(f"{sys.executable} -m harvester --archive demo")
    done = shell(f"{command} --limit 2 --rate 0")
    assert (done.returncode, len(list(tmp_path.glob("data/demo/*.fits")))) == (4, 2), done.stderr

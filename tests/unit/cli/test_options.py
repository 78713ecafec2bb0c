"""Where commands write: what cannot be written there is reported in the option's own name, before any work is done."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from harvester.cli import commands
from harvester.errors import UsageError

DID = "ivo://asu.cas.cz/stel/ccd700/sh270028"
CLOSED_PORT = "http://127.0.0.1:9/ssap"

WRITERS = {
    "discover -o": (["discover", CLOSED_PORT, "-o"], "-o", "x.toml", "x.json"),
    "discover --catalog": (["discover", CLOSED_PORT, "--catalog"], "--catalog", "x.csv", None),
    "report": (["report", "-o"], "-o", "x.html", "x.txt"),
    "export": (["export"], "export", "x.parquet", "x.csv"),
    "fluxcalib": (["fluxcalib", DID, "--archive", "demo", "-o"], "-o", "x.svg", "x.gif"),
    "preview": (["preview", DID, "--archive", "demo", "--png"], "--png", "x.png", "x.gif"),
    "diff": (["diff", "last", "archive", "--csv"], "--csv", "x.csv", None),
    "failures": (["failures", "--csv"], "--csv", "x.csv", None),
}


def refused(arguments: list[str], file: str) -> str:
    before = sorted(Path().rglob("*"))
    result = CliRunner().invoke(commands, [*arguments, file], standalone_mode=False)
    assert isinstance(result.exception, UsageError), (result.output, result.exception)
    assert sorted(Path().rglob("*")) == before
    return str(result.exception)


@pytest.mark.parametrize("writer", WRITERS)
def test_a_directory_that_is_not_there_is_reported(writer: str) -> None:
    arguments, option, file, _ = WRITERS[writer]
    shown = refused(arguments, f"nodir/{file}")
    assert shown == f"{option} nodir/{file}: there is no directory nodir; create it first, or give another file"


@pytest.mark.parametrize("writer", WRITERS)
def test_a_directory_is_no_file(writer: str) -> None:
    arguments, option, file, _ = WRITERS[writer]
    Path(file).mkdir()
    assert refused(arguments, file) == f"{option} {file}: it is a directory; give a file"


@pytest.mark.parametrize("writer", [name for name, (*_, unfit) in WRITERS.items() if unfit])
def test_an_ending_that_says_something_else_is_reported(writer: str) -> None:
    arguments, option, file, unfit = WRITERS[writer]
    shown = refused(arguments, str(unfit))
    assert shown.startswith(f"{option} {unfit}: give a file that ends in ")
    assert Path(file).suffix in shown

"""A command loads only what it needs: nothing else before its first request, or before it answers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from harvester import events as ev
from harvester.events.stats import HarvestStats
from harvester.ledger.writer import LedgerWriter
from harvester.storage.directory import DirectoryStore
from tests.support.paths import REPOSITORY

WATCHED = """
import os, sys
before = set(sys.modules)

def report():
    print("\\n".join(sorted(set(sys.modules) - before)), file=sys.stderr, flush=True)

def hook(event, arguments):
    if event == "socket.connect":  # the first request is about to be sent
        report()
        os._exit(0)

sys.addaudithook(hook)
from harvester.cli import commands
commands.main(sys.argv[1:], prog_name="harvester", standalone_mode=False)
report()
"""

SETTINGS = {
    "annotated_types",
    "click",
    "platformdirs",
    "pydantic",
    "pydantic_core",
    "typing_extensions",
    "typing_inspection",
}
STORE = {"aiofiles"}
HTTP = {
    *("aiohappyeyeballs", "aiohttp", "aiosignal", "attr", "frozenlist", "idna", "multidict", "propcache", "yarl"),
    *("aiodns", "brotli", "brotlicffi", "cython_runtime"),  # what aiohttp takes where it is installed
}
WRITTEN = {"tomli_w"}  # the settings in the folder of the run

READING = {"archive", "catalog", "cli", "config", "errors", "formatting", "ledger", "model", "storage", "verify", "vo"}
PLANNING = READING | {"audit", "engine", "fits", "run"}
FOREIGN = {
    "status": SETTINGS | STORE,
    "failures": SETTINGS | STORE,
    "plan": SETTINGS | STORE,
    "run": SETTINGS | STORE | HTTP | WRITTEN,
}
OWN = {
    "status": READING,
    "failures": READING | {"engine", "report"},
    "plan": PLANNING,
    "run": PLANNING | {"events", "monitoring", "parallel", "ui"},
}
SLOW = {"concurrent.futures.process", "harvester.verify.spectrum", "http.server", "multiprocessing", "unittest", "xml"}
"""Modules of the standard library, and of ours, that cost more than 5 ms and are needed later, if at all."""


def loaded(arguments: Sequence[str], folder: Path) -> set[str]:
    """The modules that a command has loaded by its first request or, without requests, at its end."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *arguments], cwd=folder, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return {name for name in done.stderr.split() if not name.startswith(("_cython", "_sysconfigdata"))}


ARCHIVE = ["--archive", "http://127.0.0.1:9/dlget", "--out", "o"]
LISTED = ["--catalog", "labels.csv"]


@pytest.fixture(scope="module")
def harvest(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[str]]:
    """A folder with a harvest whose run was killed at its first request, and what that run had loaded."""
    folder = tmp_path_factory.mktemp("start")
    (folder / "labels.csv").write_text("id,label\nivo://asu.cas.cz/stel/ccd700/a1,0\n")
    by_run = loaded(["run", *LISTED, *ARCHIVE], folder)
    with LedgerWriter(DirectoryStore(folder / "o").ledger, HarvestStats) as ledger:  # the kill may have come before
        ledger(ev.HarvestStarted(1e9, "r", "127.0.0.1", "127.0.0.1", "o", 1, 0, 1, 0.0, 8))
    return folder, by_run


@pytest.mark.parametrize("command", sorted(OWN))
def test_a_command_loads_no_module_before_it_is_needed(command: str, harvest: tuple[Path, set[str]]) -> None:
    folder, by_run = harvest
    listed = LISTED if command == "plan" else []
    found = by_run if command == "run" else loaded([command, *listed, *ARCHIVE], folder)
    assert f"harvester.cli.{command}" in found
    assert ("aiohttp" in found) == (command == "run"), "the run came to its first request"
    own = {name.split(".")[1] for name in found if name.startswith("harvester.")} - {"_version", "_built"}
    assert own <= OWN[command]
    foreign = {name.partition(".")[0] for name in found} - sys.stdlib_module_names - {"harvester"}
    assert foreign <= FOREIGN[command]
    assert not found & SLOW

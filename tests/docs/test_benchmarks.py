"""The comparison with peers counts rightly what each left: ours, the notebook's loop, and one that believes all."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import peers
from benchmarks.clients import CLIENTS, Client, Command, Errand
from benchmarks.same_work import is_readable
from benchmarks.wares import make_wares

pytestmark = pytest.mark.slow  # whole runs of several clients

COUNT = 20
HASTY = """
import pathlib, sys, urllib.request
for url in pathlib.Path(sys.argv[1]).read_text().split():
    try:
        body = urllib.request.urlopen(url).read()
    except OSError:
        continue
    except Exception as cut:
        body = cut.partial
    pathlib.Path(sys.argv[2], url.rpartition("/")[2]).write_bytes(body)
"""


def hasty(errand: Errand) -> Command:
    return ["-c", HASTY, errand.listed(errand.urls), str(errand.out)]


BY_NAME = {client.name: client for client in CLIENTS}
HASTY_ONE = Client("hasty", sys.executable, hasty, one_by_one=True)
TAKING_PART = (BY_NAME["harvester"], BY_NAME["the notebook's loop"], HASTY_ONE)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each client left in a round of the faulty scenario: seven of the twenty get one of its faults each."""
    file = tmp_path_factory.mktemp("benchmarks") / "runs.json"
    how = ["--files", str(COUNT), "--runs", "1", "--scenario", "faulty", "--concurrency", "4", "--json", str(file)]
    peers.main(how, TAKING_PART)
    (runs,) = json.loads(file.read_text()).values()
    return {run["client"]: run for run in runs}


def left(run: dict[str, Any]) -> tuple[int, int, int]:
    score = run["score"]
    return score["right"], score["wrong"], score["missing"]


def test_we_leave_every_file_right(shown: dict[str, Any]) -> None:
    assert left(shown["harvester"]) == (COUNT, 0, 0)
    assert shown["harvester"]["ended"] == 0
    assert shown["harvester"]["memory"] > 10, "MB"


def test_a_file_cut_off_an_empty_one_and_a_page_under_a_spectrum_s_name_are_wrong(shown: dict[str, Any]) -> None:
    cut_off, unannounced, empty, page = 1, 1, 1, 1
    assert left(shown["hasty"]) == (13, cut_off + unannounced + empty + page, 3), "500, 503 and reset left nothing"


def test_the_notebook_s_loop_ends_with_the_first_fault(shown: dict[str, Any]) -> None:
    right, wrong, missing = left(shown["the notebook's loop"])
    assert shown["the notebook's loop"]["ended"] == 1
    assert wrong >= 1, "the file was opened before the answer came"
    assert missing >= 1
    assert right + wrong + missing == COUNT


def test_the_same_work_counts_the_check_of_what_others_left(tmp_path: Path) -> None:
    file = tmp_path / "runs.json"
    how = ["--files", "3", "--runs", "1", "--scenario", "delayed", "--concurrency", "2", "--same-work"]
    peers.main([*how, "--json", str(file)], (BY_NAME["harvester"], HASTY_ONE))
    (runs,) = json.loads(file.read_text()).values()
    took = {run["client"]: run["check"] for run in runs}
    assert took["harvester"] == 0.0, "it has done that already"
    assert took["hasty"] > 0.0


def test_files_that_astropy_cannot_read_are_found(tmp_path: Path) -> None:
    sound = make_wares(1, tmp_path / "wares").folder
    (file,) = sound.iterdir()
    assert is_readable(file)
    file.write_bytes(file.read_bytes()[:9000])
    assert not is_readable(file)


def test_the_table_has_a_line_for_each_and_names_who_is_not_installed(capsys: pytest.CaptureFixture[str]) -> None:
    absent = Client("no one has it", "a-program-that-none-has", hasty)
    clients = (BY_NAME["harvester, dashboard"], HASTY_ONE, absent)
    peers.main(["--files", "3", "--runs", "2", "--scenario", "delayed", "--concurrency", "2", "4"], clients)
    table = capsys.readouterr().out
    rows = [line[:30].split("  ")[0] for line in table.splitlines()]
    assert table.count("no one has it          not installed") == 2, "one at each concurrency"
    assert rows.count("harvester, dashboard") == rows.count("hasty") == 2
    assert all(
        line.split()[-4:] == ["3", "0", "0", "0"]
        for line in table.splitlines()
        if line.startswith(("harvester", "hasty"))
    )

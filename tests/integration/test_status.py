"""``status``: one harvest in full, several in a line each, and a run that is watched to its end."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from harvester.cli import browse, failures, status
from harvester.cli.options import load_harvest
from harvester.cli.status import Status, command
from harvester.errors import UsageError
from harvester.ledger.queries import RunRecord
from tests.support.harvests import harvest_demo, plan_faults
from tests.unit.ui.drawing import printed

RECORD = RunRecord(
    "20261122T213000-ab12", 1_795_383_000.0, None, "night", 4711, "ondrejov", None,
    {
        "listed": 13_334, "present": 4113, "saved": 1200, "failed": 13, "remaining": 8008, "requests": 1213,
        "bytes": 45_000_000, "seconds": 600.0, "reason": "running", "exit_code": None,
        "failures": {"not_found": 12, "timeout": 1},
    },
)  # fmt: skip
RUNNING = Status("data/ondrejov", RECORD, "running")
ENDED = Status(
    "data/ondrejov", replace(RECORD, summary={**RECORD.summary, "reason": "complete", "exit_code": 0}), "ended"
)


def typed(*arguments: str, code: int = 0) -> str:
    """What ``harvester status`` prints."""
    result = CliRunner().invoke(command, arguments, standalone_mode=False)
    assert result.exception is None, result.exception
    assert result.return_value == code
    return result.stdout


@pytest.fixture
def two_harvests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    for name in [name for name in os.environ if name.startswith("HARVESTER_")]:
        monkeypatch.delenv(name)


async def test_without_out_every_harvest_below_data_has_a_line(two_harvests: None) -> None:
    assert typed(code=2) == "no harvest in data/ondrejov yet; give a harvest's directory with --out DIR\n"
    assert json.loads(typed("--json", code=2)) == {"state": "none"}
    assert typed("--watch", code=2).startswith("data/ondrejov: no run yet")
    await harvest_demo(Path("data/here").absolute(), 4)
    assert "4 of 4 on disk, 4 of them new" in typed(), "a single one is shown in full"
    await harvest_demo(Path("data/there").absolute(), 5, plan_faults(n1="http_404"))
    assert typed().splitlines() == [
        "data/here   ended        100 %  4 of 4 on disk",
        "data/there  ended         80 %  4 of 5 on disk, 1 failed",
    ]
    there = typed("--out", "data/there")
    assert "  4 of 5 on disk, 4 of them new (" in there
    assert "    1 not_found\n  finished; some spectra are unavailable (exit code 3)" in there
    assert json.loads(typed("--out", "data/here", "--json"))["state"] == "ended"


def test_a_running_harvest_says_how_long_the_rest_takes() -> None:
    lines = status._as_text([RUNNING])
    assert lines[1:3] == [
        "  5 313 of 13 334 on disk, 1 200 of them new (45 MB received in 10 min)",
        "  13 failed, 8 008 to go, 1 213 requests",
    ]
    assert lines[-1] == "  2 a second so far; 1 h 6 min left at that rate"
    early = replace(RECORD, summary={**RECORD.summary, "saved": 3, "failed": 0})
    assert "left at that rate" not in "\n".join(status._as_text([replace(RUNNING, record=early)]))


def test_a_run_that_was_killed_says_what_to_do() -> None:
    assert status._as_text([replace(RUNNING, state="interrupted")])[-1].endswith("run the same command to resume")


@pytest.mark.parametrize("show", [status._print_json, status._print_lines])
def test_watching_ends_with_the_run(
    show: Callable[[Sequence[Status]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    story, naps = iter([[RUNNING], [RUNNING], [ENDED]]), list[float]()
    status._repeat(lambda: next(story), show, 2.0, naps.append)
    first, _, last = capsys.readouterr().out.splitlines()
    assert naps == [2.0, 2.0]
    assert "running" in first
    assert "ended" in last


def test_the_picture_has_a_bar_for_a_single_harvest() -> None:
    bar, first, *_ = printed(status._picture([RUNNING], 80), 80)
    assert (bar.count("━"), len(bar)) == (31, 79)
    assert first.startswith("run 20261122T213000-ab12 of ondrejov: running, started ")
    assert printed(status._picture([RUNNING, ENDED], 80), 80)[0].startswith("data/ondrejov  running ")


def test_ctrl_c_ends_the_watching_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(read: object, as_json: bool) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(status, "_watch", interrupted)
    assert typed("--out", str(tmp_path), "--watch") == ""


async def test_commands_that_read_use_the_only_harvest_below_data(
    two_harvests: None, capsys: pytest.CaptureFixture[str]
) -> None:
    await harvest_demo(Path("data/here").absolute(), 2)
    found = load_harvest({})
    assert found.location == Path("data/here")
    assert capsys.readouterr().err == "no harvest in data/ondrejov; using data/here, the only one below data/\n"
    for reading, arguments in ((failures.command, []), (browse.command, ["--agreement"])):
        result = CliRunner().invoke(reading, arguments, standalone_mode=False)
        assert (result.exception, result.return_value) == (None, 0)
        assert "using data/here" in result.stderr
    await harvest_demo(Path("data/there").absolute(), 2)
    with pytest.raises(UsageError, match="but 2 others: data/here, data/there; give one with --out DIR"):
        load_harvest({})
    assert load_harvest({"out": "data/there"}).location == Path("data/there")

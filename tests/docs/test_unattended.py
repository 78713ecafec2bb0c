"""The unit files and the cron line of the guide: what they name exists, and systemd takes them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
from click.testing import CliRunner

from harvester.cli import commands
from harvester.model.exit_codes import EXIT_CODES
from harvester.model.limits import Limits
from tests.docs.pages import DOCS, blocks, the_block

PAGE = DOCS / "guide" / "unattended.md"
SERVICE, TIMER = (block.text for block in blocks(PAGE, "ini"))
CRON = the_block(PAGE, "cron").rstrip("\n")
TABLE = set(EXIT_CODES)
BY_SIGNAL, OTHER_COMMANDS = {129, 130, 143}, {10}


def parsed(text: str) -> ConfigParser:
    unit = ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # the documented way to keep the case of names
    unit.read_string(text)
    return unit


def codes(name: str) -> set[int]:
    return {int(code) for code in parsed(SERVICE)["Service"][name].split()}


AGAIN, NEVER, FINE = (
    codes(f"{name}ExitStatus") for name in ("RestartForce", "RestartPrevent", "Success")
)  # fmt: skip


def test_every_exit_code_has_its_one_fate_under_systemd() -> None:
    assert AGAIN | NEVER | FINE <= TABLE
    assert not AGAIN & NEVER
    assert not AGAIN & FINE
    assert not NEVER & FINE
    assert TABLE - OTHER_COMMANDS - BY_SIGNAL - {0} <= AGAIN | NEVER | FINE
    assert 143 in FINE, "systemctl stop is no failure"


def test_what_a_person_has_to_mend_is_not_run_again_and_what_passes_is() -> None:
    assert {1, 2, 7} == NEVER
    assert {4, 5, 6, 75} == AGAIN
    assert "--window" in SERVICE, "4 is given when the hours are over: without a window it would go on all day"
    assert "--deadline" not in SERVICE


def test_stopping_has_time_for_what_is_in_flight() -> None:
    assert float(parsed(SERVICE)["Service"]["TimeoutStopSec"]) > 2 * Limits().grace


def test_a_missed_evening_is_made_up_for_and_not_all_come_at_once() -> None:
    timer = parsed(TIMER)["Timer"]
    assert timer["Persistent"] == "true"
    assert timer["RandomizedDelaySec"]
    assert parsed(TIMER)["Install"]["WantedBy"] == "timers.target"


@pytest.mark.parametrize("line", [SERVICE, CRON])
def test_every_flag_they_give_exists(line: str) -> None:
    shown = CliRunner().invoke(commands, ["run", "--help"]).output
    flags = set(re.findall(r" (--[a-z-]+)", line))
    assert {"--catalog", "--progress"} <= flags
    assert all(flag in shown for flag in flags)


def test_the_cron_line_is_one_with_five_times() -> None:
    assert "\n" not in CRON
    assert re.match(r"[\d*/,-]+( [\d*/,-]+){4} cd ", CRON)
    assert "%" not in CRON, "cron would make a line break of it"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze here")
def test_systemd_takes_them(tmp_path: Path) -> None:
    (tmp_path / "harvester.service").write_text(re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={sys.executable}", SERVICE))
    (tmp_path / "harvester.timer").write_text(TIMER)
    units = [str(tmp_path / f"harvester.{kind}") for kind in ("service", "timer")]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False, timeout=60
    )
    ours = [line for line in done.stderr.splitlines() if "harvester." in line]
    assert ours == [], done.stderr
    assert done.returncode == 0


def planned(tmp_path: Path, *hours: str) -> str:
    place = ["plan", "--archive", "demo", "--out", str(tmp_path / "out"), "--rate", "0.005", *hours]
    done = CliRunner().invoke(commands, place, standalone_mode=False)
    assert done.exception is None, done.exception
    return done.output


def test_the_plan_counts_the_nights(tmp_path: Path) -> None:
    assert "16 h 40 min at 0.005 per second\n" in planned(tmp_path)
    assert "that takes" not in planned(tmp_path)
    said = planned(tmp_path, "--window", "20:00-06:00 UTC")
    assert re.search(r"\n  within 20:00-06:00 UTC that takes [23] nights, done \w{3} \d\d:\d\d\n", said)
    assert "\n  with the deadline 5h that takes 4 nights\n" in planned(tmp_path, "--deadline", "5h")
    assert '"nights": 4}' in planned(tmp_path, "--deadline", "5h", "--json")

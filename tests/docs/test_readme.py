"""Documentation that can fail: no setting, event, failure kind or exit code without its row."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
from click.testing import CliRunner

from harvester import events as ev
from harvester.archive.profile import ArchiveProfile
from harvester.cli import COMMANDS, commands
from harvester.config.loading import load, setting_names
from harvester.errors import HarvestError
from harvester.model.exit_codes import EXIT_CODE_PRIORITY
from harvester.model.failures import FailureKind
from harvester.model.target import SpectrumId, Target
from tests.support.paths import REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
ROWS = {line.split("|")[1].strip(): line for line in README.splitlines() if line.startswith("|")}


@pytest.mark.parametrize("name", setting_names())
def test_every_setting_has_its_row(name: str) -> None:
    assert f"`{name}`" in ROWS


@pytest.mark.parametrize("kind", list(FailureKind))
def test_every_failure_kind_has_its_row_and_it_is_right(kind: FailureKind) -> None:
    row = ROWS[f"`{kind}`"]
    assert kind.meaning in row
    assert f"| {kind.blame} |" in row
    assert f"| {'yes' if kind.transient else 'no'} |" in row
    assert kind.advice in row


@pytest.mark.parametrize("event", ev.EVENTS)
def test_every_event_has_its_row(event: type[ev.Event]) -> None:
    assert ROWS[f"`{event.event_name()}`"].endswith("| yes |" if event.logged else "| no |")


def test_every_exit_code_has_its_row() -> None:
    codes = {int(code) for row in ROWS for code in re.findall(r"^[\d, ]+$", row) for code in code.split(",")}
    assert set(EXIT_CODE_PRIORITY) | {error.exit_code for error in HarvestError.__subclasses__()} <= codes


@pytest.mark.parametrize(("name", "words"), COMMANDS.items())
def test_every_command_has_its_row_in_the_words_of_its_help(name: str, words: str) -> None:
    assert f"| `{name}` | {words} |" in README.splitlines()


def test_every_extra_has_its_row() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    table = README[README.index("| extra |") :].split("\n\n")[0]
    told = {name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert told == set(project["project"]["optional-dependencies"])


def test_every_section_is_in_the_table_of_contents() -> None:
    anchors = set(re.findall(r"\]\(#([a-z0-9-]+)\)", README))
    headings = {line[3:].lower().replace(" ", "-") for line in README.splitlines() if line.startswith("## ")}
    assert anchors == headings - {"two-commands", "commands-and-extras"}, "those two stand beside it"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_flag_in_the_readme_exists(name: str) -> None:
    shown = CliRunner().invoke(commands, [name, "--help"])
    assert shown.exit_code == 0
    if name == "run":
        flags = {flag for row in ROWS.values() for flag in re.findall(r"`(--[a-z-]+)`", row)}
        assert all(flag in shown.output for flag in flags)
        assert {
            f"--{name.rpartition('.')[2].replace('_', '-')}" for name in setting_names() if "." not in name
        } <= flags


def test_limits_are_documented_where_they_are_defined() -> None:
    from harvester.model.limits import Limits

    source = (REPOSITORY / "harvester" / "model" / "limits.py").read_text(encoding="utf-8")
    for field in fields(Limits):
        assert re.search(rf'    {field.name}: .*\n    """\w', source), field.name


def test_the_profile_that_is_shown_is_one() -> None:
    shown = README[README.index("```toml") + 7 :].split("```")[0]
    Path("shown.toml").write_text(shown, encoding="utf-8")
    configuration = load({"archive": "shown.toml"})
    address = configuration.route.url(Target(SpectrumId("ivo://org.gavo.dc/~?feros/data/f08751.fits"), "f08751"))
    assert address == "http://archive.example/getproduct/feros/data/f08751.fits"


def test_every_field_of_a_profile_has_its_row() -> None:
    rows = README[README.index("| field of a profile") :].split("\n\n")[0]
    for field in fields(ArchiveProfile):
        assert f"`{field.name}`" in rows or f"`[{field.name}]`" in rows, field.name

"""The generated reference is current, and no setting, event, failure kind, exit code or option is without its row."""

from __future__ import annotations

import re
from dataclasses import fields
from functools import cache

import pytest
from click.testing import CliRunner

from harvester import events as ev
from harvester.archive.profile import ArchiveProfile
from harvester.cli import COMMANDS, commands
from harvester.config.settings import setting_names
from harvester.errors import HarvestError
from harvester.model.exit_codes import EXIT_CODE_PRIORITY, EXIT_CODES
from harvester.model.failures import FailureKind
from harvester.model.limits import Limits
from tests.docs import markdown, reference
from tests.docs.pages import cells, table

REFERENCE = reference.REFERENCE

pytestmark = pytest.mark.xdist_group("reference")  # the pages are written once

pages = cache(reference.pages)


@pytest.mark.parametrize("name", reference.PAGES)
def test_every_page_is_as_the_code_has_it(name: str) -> None:
    path = REFERENCE / name
    assert path.read_text(encoding="utf-8") == pages()[name], "run: python -m tests.docs.reference"


def test_no_page_is_left_over() -> None:
    assert {path.name for path in REFERENCE.glob("*.md")} == set(reference.PAGES)


@pytest.mark.parametrize("name", reference.PAGES)
def test_no_row_is_without_its_meaning(name: str) -> None:
    rows = [cells(line) for line in pages()[name].splitlines() if line.startswith("| `")]
    assert [row for row in rows if not any(re.search(r"[a-z]{2}", cell) for cell in row[1:])] == []


def test_every_setting_has_its_row() -> None:
    assert [row[0] for row in table(REFERENCE / "settings.md", "setting")] == [f"`{name}`" for name in setting_names()]


@pytest.mark.parametrize("kind", list(FailureKind))
def test_every_failure_kind_has_its_row_and_it_is_right(kind: FailureKind) -> None:
    (row,) = [row for row in table(REFERENCE / "failures.md", "kind") if row[0] == f"`{kind}`"]
    assert row[1:3] == [kind.meaning, kind.blame]
    assert row[4:] == ["yes" if kind.transient else "no", kind.advice]


@pytest.mark.parametrize("event", ev.EVENTS)
def test_every_event_has_its_row(event: type[ev.Event]) -> None:
    (row,) = [row for row in table(REFERENCE / "events.md", "event") if row[0] == f"`{event.event_name()}`"]
    assert row[2] == ("yes" if event.logged else "no")


def test_every_exit_code_that_is_used_has_its_row() -> None:
    codes = {int(row[0]) for row in table(REFERENCE / "exit-codes.md", "code")}
    assert codes == set(EXIT_CODES)
    assert set(EXIT_CODE_PRIORITY) | {error.exit_code for error in HarvestError.__subclasses__()} <= codes


def test_every_command_has_its_row_in_the_words_of_its_help() -> None:
    rows = table(REFERENCE / "commands.md", "command")
    assert rows == [[f"[`{name}`](#{name})", words] for name, words in COMMANDS.items()]


def test_every_field_of_a_profile_has_its_row() -> None:
    rows = [re.sub(r"[`\[\]]", "", row[0]) for row in table(REFERENCE / "profile.md", "field")]
    assert rows == [field.name for field in fields(ArchiveProfile)]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_is_explained(name: str) -> None:
    shown = CliRunner().invoke(commands, [name, "--help"])
    assert shown.exit_code == 0
    assert all(option.help and option.opts[0] in shown.output for option in reference.options(name))


def test_every_setting_has_a_flag_or_belongs_to_a_table() -> None:
    flags = {flag for option in reference.options("run") for flag in option.opts}
    assert {f"--{name.replace('_', '-')}" for name in setting_names() if "." not in name} <= flags


def test_limits_are_documented_where_they_are_defined() -> None:
    assert set(markdown.attribute_docs(Limits)) == {field.name for field in fields(Limits)}


def test_a_bar_and_a_tag_stay_text_in_a_table() -> None:
    assert markdown.table(("a",), [("DIR|URL <x> `<y>`",)]).splitlines()[-1] == "| DIR\\|URL &lt;x> `<y>` |"
    assert cells("| DIR\\|URL | b |") == ["DIR|URL", "b"]

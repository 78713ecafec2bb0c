"""Every example of the documentation runs: commands against the demo archive, Python as a notebook runs it."""

from __future__ import annotations

import asyncio
import doctest
import inspect
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import harvester
from tests.docs.examples import commands, matches, run_page, run_python, update, write_catalog
from tests.docs.pages import DOCS, GUIDE, PAGES, Block, blocks, setup_of
from tests.docs.reference import command
from tests.support.object_servers import moto
from tests.support.paths import REPOSITORY

OBJECT_STORE = DOCS / "guide" / "object-store.md"
NEEDING_NOTHING = [page for page in GUIDE if page != OBJECT_STORE]
SHELL = [(page, block) for page in PAGES for block in blocks(page, "sh", "console", "cron")]


async def check(page: Path, folder: Path, variables: Mapping[str, str] | None = None) -> None:
    different = await run_page(page, folder, variables)
    assert different == [], "run: python -m tests.docs.examples, and read the diff"


@pytest.mark.slow
@pytest.mark.parametrize("page", NEEDING_NOTHING, ids=lambda page: page.stem)
async def test_every_example_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    await check(page, tmp_path)


@pytest.mark.slow
async def test_the_examples_of_object_stores_run_on_a_server(tmp_path: Path, tmp_path_factory: Any) -> None:
    with moto(tmp_path_factory.mktemp("moto")) as server:
        await check(OBJECT_STORE, tmp_path, server.environment)


@pytest.mark.slow
async def test_the_examples_in_python_are_true(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_catalog(tmp_path)
    names: dict[str, Any] = {}
    for block in blocks(DOCS / "guide" / "python.md", "python"):
        await run_python(block.text, "python.md", names)
    assert isinstance(names["result"], harvester.Harvest)
    assert names["result"].complete
    assert len(names["dataset"]) == len(names["table"]) == len(list((tmp_path / "data" / "demo").glob("*.fits"))) == 12
    assert names["plan"].wanted == 12
    assert len(names["some"]) == 5
    assert names["spectrum"].meta["medium"] == "Air"
    printed = capsys.readouterr().out
    assert printed.startswith("complete 0\n")
    assert "\n[]\n0 0.0 {'listed': 12, 'present': 12," in printed


@pytest.mark.slow
def test_the_examples_of_the_api_s_docstrings_are_true(tmp_path: Path) -> None:
    write_catalog(tmp_path)
    offered = {name: getattr(harvester, name) for name in sorted(harvester.__all__, key=str.lower)}
    texts = {name: inspect.getdoc(value) or "" for name, value in offered.items()}
    functions = {name for name, value in offered.items() if inspect.isfunction(value)}
    assert functions <= {name for name, text in texts.items() if ">>> " in text}
    runner = doctest.DocTestRunner(verbose=False)
    for name in [*sorted(functions), *sorted(texts.keys() - functions)]:
        names = {"harvester": harvester, "asyncio": asyncio}
        runner.run(doctest.DocTestParser().get_doctest(texts[name], names, name, None, None))
    assert runner.summarize(verbose=False).failed == 0
    assert runner.tries > len(functions)


async def test_the_example_of_the_readme_in_python_is_true(tmp_path: Path) -> None:
    write_catalog(tmp_path)
    names: dict[str, Any] = {}
    for block in blocks(REPOSITORY / "README.md", "python"):
        await run_python(block.text, "README.md", names)
    assert names["result"].complete
    assert len(names["spectrum"].wave) == len(names["spectrum"].flux) > 1000


@pytest.mark.parametrize(("page", "block"), SHELL, ids=lambda part: part.stem if isinstance(part, Path) else part.line)
def test_every_command_that_is_shown_exists_with_its_options(page: Path, block: Block) -> None:
    for line in commands(block.language, block.text):
        for arguments in calls(line.text):
            name = arguments.pop(0) if arguments and not arguments[0].startswith("-") else "run"
            shown = command(name)
            shown.make_context(name, arguments)


def calls(line: str) -> list[list[str]]:
    """The arguments of each call of harvester in a shell's line."""
    words = shlex.split(line, comments=True)
    ends = {"&", "&&", ";", ">", ">>", "|", "||"}
    found: list[list[str]] = []
    for place, word in enumerate(words):
        if word == "harvester" and (place == 0 or words[place - 1] in {*ends, "-m"} or "=" in words[place - 1]):
            rest = words[place + 1 :]
            found.append(rest[: next((number for number, one in enumerate(rest) if one in ends), len(rest))])
    return found


def test_what_is_not_run_says_why() -> None:
    skipped = [block for _, block in SHELL if block.reason]
    assert all(len(block.reason.split()) > 2 for block in skipped)
    assert len(skipped) < len(SHELL) / 2


def test_an_output_matches_but_for_what_differs_each_time() -> None:
    assert matches("12 listed, 0.5 s, 02:44:25", "12 listed, 1.25 s, 23:00:01")
    assert not matches("12 listed", "13 listed")
    assert not matches("12 listed", "")


async def test_an_output_that_no_longer_matches_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```console\n$ echo right\nright\n$ echo new; false  # exit code 1\nold\n```\n", encoding="utf-8")
    different = await run_page(page, tmp_path)
    assert [(command.output, printed) for command, printed in different] == [("old", "new")]
    update(page, different)
    assert await run_page(page, tmp_path) == []


async def test_a_command_that_fails_unannounced_is_an_error(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```sh\nharvester plan --catalog nowhere.csv\n```\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="ended with exit code 2"):
        await run_page(page, tmp_path)


def test_a_block_is_split_into_its_commands() -> None:
    assert [one.text for one in commands("sh", "a \\\n  b\nc 'x\ny'\n")] == ["a \\\n  b", "c 'x\ny'"]
    (shown,) = commands("console", "$ plan  # exit code 10\n12 missing\n")
    assert (shown.text, shown.output, shown.exit_code) == ("plan  # exit code 10", "12 missing", 10)


@pytest.mark.slow
def test_the_example_of_a_data_set_has_the_arrays_that_are_stored(tmp_path: Path) -> None:
    write_catalog(tmp_path)
    harvested = harvester.harvest_sync("labels.csv", archive="demo", rate=0)
    done = CliRunner().invoke(command("export"), ["stars.parquet", "--archive", "demo"], standalone_mode=False)
    assert done.exception is None, done.exception
    names: dict[str, Any] = {}
    (example,) = [block for block in blocks(DOCS / "guide" / "export.md", "python") if not block.reason]
    exec(compile(example.text, "export.md", "exec"), names)
    stored = harvested[names["row"]["id"]]
    np.testing.assert_array_equal(names["wave"], stored.wave)
    np.testing.assert_array_equal(names["flux"], stored.flux)
    assert (names["table"]["ra"].unit, names["table"]["exposure"].unit) == ("deg", "s")


def test_every_name_that_the_package_offers_is_shown_or_is_an_error() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in GUIDE)
    for name in harvester.__all__:
        offered = getattr(harvester, name)
        assert (
            f"harvester.{name}" in text
            or issubclass(offered, harvester.HarvestError)
            or offered in (harvester.Harvest, harvester.StoredSpectrum)
        )


def test_a_setup_is_a_command() -> None:
    assert all(line.startswith("harvester ") for page in GUIDE for line in setup_of(page))

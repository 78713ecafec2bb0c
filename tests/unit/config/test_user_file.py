"""Settings of the user: below those of the working directory, above the archive's profile."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from harvester.cli import commands
from harvester.config.loading import load_with_sources, user_file
from harvester.errors import UsageError


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def write(text: str) -> Path:
    file = user_file()
    file.parent.mkdir(parents=True)
    file.write_text(text, encoding="utf-8")
    return file


def test_a_setting_of_the_user_holds_in_every_directory(tmp_path: Path) -> None:
    file = write('contact = "me@observatory.example"\n[limits]\nrate = 2\n')
    loaded = load_with_sources({"archive": "demo"})
    assert loaded.configuration.settings.contact == "me@observatory.example"
    assert loaded.configuration.settings.limits.rate == 2, "above the profile of the demo archive, which has 25"
    assert loaded.source("contact") == loaded.source("limits.rate") == str(file)


def test_the_working_directory_takes_precedence_name_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    file = write('contact = "me@observatory.example"\n[limits]\nrate = 2\nattempts = 3\nconcurrency = 5\n')
    Path("config.toml").write_text("[limits]\nrate = 4\n", encoding="utf-8")
    monkeypatch.setenv("HARVESTER_LIMITS__CONCURRENCY", "6")
    loaded = load_with_sources({"archive": "demo"})
    limits = loaded.configuration.settings.limits
    assert (limits.rate, limits.attempts, limits.concurrency) == (4, 3, 6)
    assert loaded.source("limits.rate") == "config.toml"
    assert loaded.source("limits.attempts") == str(file)
    assert loaded.source("limits.concurrency") == "environment variable HARVESTER_LIMITS__CONCURRENCY"


def test_the_command_says_which_file_a_value_is_from() -> None:
    file = write('contact = "me@observatory.example"\n')
    done = CliRunner().invoke(commands, ["config", "--archive", "demo", "--json"], standalone_mode=False)
    assert json.loads(done.output)["contact"] == {"value": "me@observatory.example", "source": str(file)}


@pytest.mark.parametrize("text", ["rates = 2\n", "rate == 2\n"], ids=["unknown", "no TOML"])
def test_a_mistake_in_it_is_one_sentence_that_names_the_file(text: str) -> None:
    file = write(text)
    with pytest.raises(UsageError, match=str(file)):
        load_with_sources({"archive": "demo"})

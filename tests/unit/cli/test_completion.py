"""The shell completes commands and options, also those of ``run`` where its name is left out."""

from __future__ import annotations

import pytest
from click.shell_completion import ShellComplete

from harvester.cli import COMMANDS, commands


def completed(*words: str) -> set[str]:
    shell = ShellComplete(commands, {}, "harvester", "_HARVESTER_COMPLETE")
    return {item.value for item in shell.get_completions(list(words[:-1]), words[-1])}


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("ver",), {"verify"}),
        (("",), set(COMMANDS)),
        (("--conc",), {"--concurrency"}),
        (("--vers",), {"--version"}),
        (("--rate", "5", "--conc"), {"--concurrency"}),
        (("run", "--only"), {"--only-failed"}),
        (("export", "--sp"), {"--split"}),
        (("demo", "--conc"), set()),
    ],
)
def test_commands_and_options_are_completed(words: tuple[str, ...], found: set[str]) -> None:
    assert completed(*words) == found

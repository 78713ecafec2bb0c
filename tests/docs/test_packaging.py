"""What pip installs: the extras of this project, never another project of a similar name."""

from __future__ import annotations

import re
import tomllib

from tests.support.paths import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_extras_that_contain_others_name_this_distribution() -> None:
    extras = PROJECT["optional-dependencies"]
    nested = [line for group in extras.values() for line in group if "[" in line and set(inner(line)) <= set(extras)]
    assert len(nested) >= 2, "test and all contain others"
    assert {line.partition("[")[0] for line in nested} == {PROJECT["name"]}


def inner(requirement: str) -> list[str]:
    """Return the extras in the brackets of a requirement."""
    found = re.search(r"\[([^\]]*)\]", requirement)
    return found[1].split(",") if found else []

"""Each promise names the tests that hold it, and they are there."""

from __future__ import annotations

import re

from tests.support.paths import REPOSITORY

PAGE = (REPOSITORY / "docs" / "guarantees.md").read_text(encoding="utf-8")


def test_the_tests_behind_the_promises_are_there() -> None:
    named = re.findall(r"`(tests/[\w/.]+)`", PAGE)
    assert len(named) > 20
    assert [name for name in named if not (REPOSITORY / name).exists()] == []


def test_every_promise_of_the_readme_is_explained_on_the_page() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    sections = {re.sub(r"\W+", "-", line.lower()).strip("-") for line in re.findall(r"^## (.+)$", PAGE, re.MULTILINE)}
    promised = set(re.findall(r"docs/guarantees\.md#([\w-]+)", readme))
    assert len(promised) >= 6
    assert promised <= sections

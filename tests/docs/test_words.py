"""One vocabulary: words of an older one stay out of code, tests, benchmarks, documents and messages."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

import harvester

HOME = Path(harvester.__file__).parent

BANNED = frozenset(
    ["anew", "broker", "bystander", "condemned", "crew", "doorkeeper", "farewell", "foreman", "goodbye", "guestbook",
     "hand", "hands", "labour", "nobody", "onlooker", "onlookers", "roster", "seams", "shelf", "shelves", "somebody",
     "told", "vigil", "whoever"]
)  # fmt: skip
"""The glossary (docs/glossary.md) has another word for each of these, or a plain sentence needs none."""

SUMMARY_CHARACTERS = 88

MODULES = sorted(HOME.rglob("*.py"))
PACKAGES = sorted({path.relative_to(HOME).parts[0].removesuffix(".py") for path in MODULES})


def words(text: str) -> list[tuple[int, str]]:
    """Return line number and word, in lower case; identifiers are split at underscores and capital letters."""
    found = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
    return [(number, word.lower()) for number, line in enumerate(text.splitlines(), 1) for word in found.findall(line)]


def test_words_are_found_within_identifiers() -> None:
    assert [word for _, word in words("_brokerPlugin(asked_for, HTTPError)")] == [
        "broker", "plugin", "asked", "for", "http", "error",
    ]  # fmt: skip


def modules_of(package: str) -> list[Path]:
    return [path for path in MODULES if path.relative_to(HOME).parts[0].removesuffix(".py") == package]


def banned(paths: Iterable[Path], home: Path) -> list[str]:
    return [
        f"{path.relative_to(home)}:{number}: {word}"
        for path in paths
        for number, word in words(path.read_text(encoding="utf-8"))
        if word in BANNED
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_has_no_banned_word(package: str) -> None:
    assert banned(modules_of(package), HOME) == []


@pytest.mark.parametrize("pattern", ["tests/**/*.py", "benchmarks/**/*.py", "docs/**/*.md", "*.md"])
def test_neither_tests_nor_benchmarks_nor_documents_have_a_banned_word(pattern: str) -> None:
    paths = set(HOME.parent.glob(pattern)) - {Path(__file__).resolve()}
    assert paths
    assert banned(sorted(paths), HOME.parent) == []


def test_no_class_name_stands_for_two_things() -> None:
    """The demo archive is a program of its own: it may have a ``Spectrum`` as well."""
    places = defaultdict(list)
    for path in MODULES:
        if path.relative_to(HOME).parts[0] == "demo":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(path.relative_to(HOME)))
    twice = {name: files for name, files in places.items() if len(files) > 1}
    assert twice == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_docstring_begins_with_one_short_sentence(package: str) -> None:
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    summaries = [
        (f"{path.relative_to(HOME)}: {docstring.splitlines()[0]}", docstring.splitlines()[0])
        for path in modules_of(package)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, documented) and (docstring := ast.get_docstring(node))
    ]
    assert [place for place, line in summaries if len(line) > SUMMARY_CHARACTERS or not line.endswith(".")] == []

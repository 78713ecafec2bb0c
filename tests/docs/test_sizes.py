"""Parts stay small enough to be read at once: modules, classes, functions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import harvester

HOME = Path(harvester.__file__).parent
MODULES = {str(path.relative_to(HOME)): path.read_text(encoding="utf-8") for path in sorted(HOME.rglob("*.py"))}

MODULE_LINES, CLASS_LINES, FUNCTION_LINES = 350, 250, 45


def nodes(text: str, kinds: tuple[type[ast.AST], ...]) -> Iterator[tuple[str, int]]:
    """Yield name and length in lines of each class or function, without its decorators."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, kinds) and isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            assert node.end_lineno is not None
            yield node.name, node.end_lineno - node.lineno + 1


def test_modules_are_short() -> None:
    lines = {name: text.count("\n") for name, text in MODULES.items()}
    assert {name: length for name, length in lines.items() if length > MODULE_LINES} == {}


@pytest.mark.parametrize(
    ("kinds", "most"),
    [((ast.ClassDef,), CLASS_LINES), ((ast.FunctionDef, ast.AsyncFunctionDef), FUNCTION_LINES)],
    ids=["classes", "functions"],
)
def test_classes_and_functions_are_short(kinds: tuple[type[ast.AST], ...], most: int) -> None:
    long = [
        f"{module}: {name} has {length} lines"
        for module, text in MODULES.items()
        for name, length in nodes(text, kinds)
        if length > most
    ]
    assert long == []

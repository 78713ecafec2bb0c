"""Markdown from values and docstrings, for the generated reference."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any


@cache
def attribute_docs(owner: type) -> dict[str, str]:
    """Return the docstrings behind the attributes of a class."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
    assert isinstance(tree, ast.ClassDef)
    docs, name = {}, ""
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and name:
            docs[name] = markdown(inspect.cleandoc(str(node.value.value))).replace("\n", " ")
    return docs


def spelled(value: object) -> str:
    """Return a value as config.toml has it."""
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case tuple():
            return f"[{', '.join(spelled(one) for one in value)}]"
        case _:
            return str(value)


def code(value: object) -> str:
    """Return ``value`` as code, and nothing for nothing."""
    return f"`{value}`" if str(value) else ""


def sentence(text: str) -> str:
    """Return ``text`` as the tables have it: no capital at its beginning, no period behind a single sentence."""
    short = text[:-1] if text.endswith(".") and ". " not in text else text
    return short if short[:2].isupper() else short[:1].lower() + short[1:]


def summary(value: Any) -> str:
    """Return the docstring of ``value`` as one line."""
    return markdown(inspect.getdoc(value) or "").replace("\n", " ")


def markdown(docstring: str) -> str:
    """Return a docstring as Markdown: names in single backticks, sections as lists, the example in a fence."""
    text = re.sub(r"``([^`]+)``", r"`\1`", docstring.strip())
    return re.sub(SECTION, _section, text, flags=re.MULTILINE).rstrip()


SECTION = r"^(Args|Returns|Raises|Example):\n((?:    .*(?:\n|\Z)|\n(?=    ))+)"


def _section(found: re.Match[str]) -> str:
    """A section of a docstring: its entries as a list, its example as code, or its text."""
    name, body = found[1].replace("Args", "Arguments"), textwrap.dedent(found[2]).rstrip()
    match name:
        case "Example":
            return f"```pycon\n{body}\n```\n"
        case "Returns":
            return f"**Returns** {body[:1].lower()}{body[1:]}\n"
        case _:
            entries = re.sub(r"\n +", " ", body).splitlines()
            return "\n".join([f"**{name}**\n", *(re.sub(r"^(\w+): ", r"- `\1`: ", entry) for entry in entries)]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *([escaped(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def escaped(cell: object) -> str:
    """Return ``cell`` as the text of a table's cell: on one line, its bars escaped, and no tags outside code."""
    line = re.sub(r"\s+", " ", str(cell)).replace("|", "\\|")
    return re.sub(r"`[^`]*`|<", lambda found: "&lt;" if found[0] == "<" else found[0], line)

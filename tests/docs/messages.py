"""Write ``docs/reference/messages.md``: every sentence that users read, side by side, taken from the code.

Help and summary come from their tables; errors and printed lines from the source itself, where a value is shown as
``…``. The page exists to be read aloud: one voice, one word for each thing.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

import harvester
from harvester.cli import COMMANDS, commands
from harvester.model.exit_codes import EXIT_CODES
from harvester.ui.summary import AGAIN, HEADLINES, PAUSES

HOME = Path(harvester.__file__).parent
ERRORS = {
    "UsageError",
    "ArchiveError",
    "StoreError",
    "StoreFullError",
    "ClusterError",
    "DirectoryHeldError",
    "StopReason",
}
DETAILS = {
    "Failure",
    "FailedCheck",
    "InvalidSpectrumError",
    "UnknownFormError",
    "malformed",
    "unreadable",
    "VotableError",
}
"""What makes the detail of a failed attempt or check, which `failures` and the report show."""

PRINTED = ("cli", "ui")
FEWEST_WORDS = 3  # of a text that is a sentence
_WORD = re.compile(r"[A-Za-z]{2,}")


def messages_page() -> str:
    """Return the page."""
    return f"""
# Messages

Every sentence that users read, side by side, without those of the tables of [settings](settings.md) and [failure
kinds](failures.md); `…` stands for a value.

## Commands

{_bullets(f"`{name}`: {text}" for name, text in COMMANDS.items())}

## Options

{_bullets(_options())}

## The end of a run

{_bullets(_summary())}

## Errors

{_bullets(_errors())}

## Details of failures

{_bullets(_details())}

## Printed lines

{_bullets(_printed(PRINTED))}

## The report

{_bullets(_printed(("report",)))}
"""


def _bullets(lines: Iterator[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _options() -> Iterator[str]:
    """Yield each option once, with its help; an option of two meanings has two lines."""
    seen: dict[str, None] = {}
    for name in COMMANDS:
        command = commands.get_command(click.Context(commands), name)
        assert command is not None
        for parameter in command.params:
            if isinstance(parameter, click.Option) and parameter.help:
                seen[f"`{parameter.opts[-1]}`: {_escaped(parameter.help)}"] = None
    yield from sorted(seen)


def _summary() -> Iterator[str]:
    for code, text in EXIT_CODES.items():
        headline = HEADLINES.get(code)
        yield f"exit code {code}: {f'{headline[0]}; ' if headline else ''}{text}"
    yield from (f"paused {text}" for text in PAUSES.values())
    yield from (f"next: run the same command {text}" for text in AGAIN.values())


def _errors() -> Iterator[str]:
    """Yield the texts of errors and of reasons to stop, by module."""
    yield from _arguments(ERRORS)


def _details() -> Iterator[str]:
    """Yield the details of failures, by module."""
    yield from _arguments(DETAILS)


def _arguments(callables: set[str]) -> Iterator[str]:
    """Yield the sentence that each call of one of ``callables`` is given."""
    for path in sorted(HOME.rglob("*.py")):
        if path.relative_to(HOME).parts[0] == "demo":
            continue
        found: dict[str, None] = {}
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _name(node.func) in callables:
                texts = [text for text in map(_text, node.args) if len(_WORD.findall(text)) >= FEWEST_WORDS]
                found |= {_escaped(text): None for text in texts}
        yield from found


def _printed(packages: Sequence[str]) -> Iterator[str]:
    """Yield what the packages print, but for what the sections above have."""
    known = {*COMMANDS.values(), *AGAIN.values(), *PAUSES.values(), *(headline for headline, _ in HEADLINES.values())}
    seen = {_escaped(text) for text in known}
    for path in sorted(path for package in packages for path in (HOME / package).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found: dict[str, None] = {}
        for node in _strings(tree):
            text = _text(node)
            if len(_WORD.findall(text)) >= FEWEST_WORDS and _is_sentence(text):
                found[_escaped(text)] = None
        yield from (text for text in found if text not in seen)
        seen |= found.keys()


def _is_sentence(text: str) -> bool:
    """Return whether a text is for people: no pattern, no path, no name, nothing of HTML's head."""
    return " " in text.strip() and not re.search(r"[{}<>\\]|^data:|'none'|device-width", text)


def _strings(tree: ast.AST) -> Iterator[ast.expr]:
    """Yield strings outside docstrings, decorators, tables of help and errors."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            for child in node.body:
                if not (isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)):
                    yield from _strings(ast.Module([child], []))
        elif isinstance(node, ast.Call) and (_name(node.func) in ERRORS or _name(node.func) in ("option", "argument")):
            continue
        elif isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            yield node
        else:
            yield from _strings(node)


def _name(function: ast.expr) -> str:
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )


def _text(node: ast.expr) -> str:
    """Return a string with ``…`` for each value in it."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_text(part) for part in parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _text(left) + _text(right)
        case _:
            return "…"


def _escaped(text: str) -> str:
    """Return a text as one line of Markdown."""
    line = re.sub(r"\s+", " ", text).strip()
    return re.sub(r"([<\[\]*_|])", r"\\\1", line)

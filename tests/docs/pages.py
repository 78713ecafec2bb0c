"""The pages of the documentation, and the fenced blocks in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.paths import REPOSITORY

DOCS = REPOSITORY / "docs"
GUIDE = sorted((DOCS / "guide").glob("*.md"))
PAGES = [
    REPOSITORY / "README.md",
    REPOSITORY / "CONTRIBUTING.md",
    REPOSITORY / "CHANGELOG.md",
    REPOSITORY / "benchmarks" / "README.md",
    *sorted(DOCS.rglob("*.md")),
]

_FENCE = re.compile(
    r"(?:^<!-- not run: (?P<reason>[^\n]+) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.M | re.S
)
_SETUP = re.compile(r"^<!-- setup: (.+) -->$", re.M)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block. ``reason`` says why it is not run; it is empty for those that are."""

    language: str
    text: str
    line: int
    reason: str = ""


def blocks(page: Path, *languages: str) -> list[Block]:
    """Return the blocks of ``page`` in their order, those of ``languages`` only if any are given."""
    text = page.read_text(encoding="utf-8")
    found = [
        Block(match["language"], match["text"], text.count("\n", 0, match.start("text")), match["reason"] or "")
        for match in _FENCE.finditer(text)
    ]
    return [block for block in found if not languages or block.language in languages]


def the_block(page: Path, language: str) -> str:
    """Return the text of the only block of ``language`` in ``page``."""
    (block,) = blocks(page, language)
    return block.text


def setup_of(page: Path) -> list[str]:
    """Return the commands that prepare what the examples of ``page`` need; readers do not see them."""
    return _SETUP.findall(page.read_text(encoding="utf-8"))


def table(page: Path, heading: str) -> list[list[str]]:
    """Return the cells of each row of the table in ``page`` whose first header cell is ``heading``."""
    lines = iter(page.read_text(encoding="utf-8").splitlines())
    next(line for line in lines if line.startswith(f"| {heading} |"))
    next(lines)
    return [cells(line) for line in _rows(lines)]


def cells(row: str) -> list[str]:
    """Split a row of a table, and take back what was escaped in its cells."""
    return [cell.strip().replace("\\|", "|").replace("&lt;", "<") for cell in re.split(r"(?<!\\)\|", row)[1:-1]]


def _rows(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if not line.startswith("|"):
            return
        yield line

"""Write the text of servers and catalogs into Markdown, where it stays text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..formatting import plain_line

_BLOCKS = "#>-+*=~`"  # what begins a heading, a quotation, a list, a rule or code at the beginning of a line


def as_text(text: str, most: int = 500) -> str:
    """Return ``text`` as one line that makes no link, picture, column, tag or heading."""
    line = plain_line(text, most).replace("|", "\\|").replace("<", "&lt;").replace("](", "]\\(")
    return f"\\{line}" if line.startswith(tuple(_BLOCKS)) else line


def as_code(text: str, most: int = 500) -> str:
    """Return ``text`` as one code span, also within a table."""
    line = plain_line(text, most).replace("|", "\\|").replace("`", "'")
    return f"`{line}`"


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """Yield the lines of a table, whose cells are Markdown already."""
    head = list(header)
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)

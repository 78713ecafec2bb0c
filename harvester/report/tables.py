"""Words in rows: tables, terms and what they are, commands to be copied."""

from __future__ import annotations

from collections.abc import Sequence

from .markup import Child, Markup, element, joined


def table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[Child]], foot: str = "") -> Markup:
    """A table whose first column names the row."""
    body = [
        element("tr", element("th", first, scope="row"), [element("td", cell) for cell in rest])
        for first, *rest in rows
    ]
    last = element("tfoot", element("tr", element("td", foot, colspan=len(heads)))) if foot else None
    head = element("thead", element("tr", [element("th", name, scope="col") for name in heads]))
    return element("table", element("caption", caption) if caption else None, head, element("tbody", body), last)


def definitions(rows: Sequence[tuple[str, Child]]) -> Markup:
    """Terms and what they are."""
    return element("dl", [joined(element("dt", name), element("dd", value)) for name, value in rows])


def command(words: str) -> Markup:
    """A command line to be copied."""
    return element("pre", element("code", words))

"""Build HTML that cannot be injected into: text is escaped, markup is made here only."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

_VOID = frozenset({"meta", "link", "br", "path", "rect", "line", "circle", "ellipse", "image"})


class Markup(str):
    """HTML or SVG as it goes into the page."""

    __slots__ = ()


Child = str | Iterable["Child"] | None
"""Text (escaped), Markup (as it is), any number of them, or nothing."""


def element(name: str, /, *children: Child, **attributes: str | float | None) -> Markup:
    """Return ``<name ...>children</name>``.

    Attributes: ``class_`` is ``class``, ``stroke_width`` is ``stroke-width``; None is left out.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(_plain(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = joined(*children)
    if name in _VOID:
        return Markup(f"<{name}{written}>" if name in ("meta", "link", "br") else f"<{name}{written}/>")
    return Markup(f"<{name}{written}>{inside}</{name}>")


def joined(*children: Child) -> Markup:
    """Return all children, one behind the other."""
    return Markup("".join(_pieces(children)))


def _pieces(children: Iterable[Child]) -> Iterable[str]:
    for child in children:
        if isinstance(child, Markup):
            yield child
        elif isinstance(child, str):
            yield html.escape(child, quote=False)
        elif child is not None:
            yield from _pieces(child)


def _plain(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.7g}"


def table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[Child]], foot: str = "") -> Markup:
    """Return a table whose first column names the row."""
    body = [
        element("tr", element("th", first, scope="row"), [element("td", cell) for cell in rest])
        for first, *rest in rows
    ]
    last = element("tfoot", element("tr", element("td", foot, colspan=len(heads)))) if foot else None
    head = element("thead", element("tr", [element("th", name, scope="col") for name in heads]))
    return element("table", element("caption", caption) if caption else None, head, element("tbody", body), last)


def definitions(rows: Sequence[tuple[str, Child]]) -> Markup:
    """Return a list of terms and their values."""
    return element("dl", [joined(element("dt", name), element("dd", value)) for name, value in rows])


def command(text: str) -> Markup:
    """Return a command line to be copied."""
    return element("pre", element("code", text))

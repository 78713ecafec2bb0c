"""ADQL's words, one by one, for a parser that takes them from the left."""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"(?P<text>'(?:[^']|'')*')|(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
    r"|(?P<name>[A-Za-z]\w*(?:\.[A-Za-z]\w*)?)|(?P<mark><=|>=|<>|[=<>(),*])",
    re.ASCII,
)
_BLANKS = re.compile(r"[ \t\r\n]*")


class AdqlError(Exception):
    """The query is not understood; the message says so in DaCHS' words."""


class Tokens:
    """What is left of a query. AdqlError where something else comes than is taken."""

    def __init__(self, text: str) -> None:
        self._left = list(_split(text))[::-1]

    @property
    def kind(self) -> str:
        """Of the next: text, number, name, mark, end."""
        return self._left[-1][0]

    def accept(self, *words: str) -> bool:
        """Takes these words and marks if the first of them is next; then the others must be, too."""
        kind, said = self._left[-1]
        if kind == "text" or said.upper() != words[0]:
            return False
        self._left.pop()
        self.expect(*words[1:])
        return True

    def expect(self, *words: str) -> None:
        for word in words:
            if not self.accept(word):
                raise self._unlike(word)

    def end(self) -> None:
        if self.kind != "end":
            raise self._unlike("end of text")

    def mark(self) -> str:
        return self._take("mark")

    def name(self) -> str:
        return self._take("name").lower()

    def number(self) -> float:
        return float(self._take("number"))

    def text(self) -> str:
        return self._take("text")[1:-1].replace("''", "'")

    def _take(self, kind: str) -> str:
        if self.kind != kind:
            raise self._unlike(kind)
        return self._left.pop()[1]

    def _unlike(self, expected: str) -> AdqlError:
        return AdqlError(f"Could not parse your query: Expected {expected}, found {self._left[-1][1]!r}")


def _split(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    place = _blank(text, 0)
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise AdqlError(f"Could not parse your query: unexpected {text[place]!r} (at char {place})")
        found.append((str(match.lastgroup), match[0]))
        place = _blank(text, match.end())
    return [*found, ("end", "")]


def _blank(text: str, place: int) -> int:
    match = _BLANKS.match(text, place)
    return match.end() if match else place

"""Parse the part of ADQL 2.0 that the demo archive's TAP understands.

It is one table, conditions joined by AND, and one order.

::

    SELECT [TOP n] * | COUNT(*) [AS name] | column, ... FROM table
    [WHERE condition [AND condition]...] [ORDER BY column]

where a condition is ``value op literal`` (op: ``= <> < <= > >= LIKE``), ``value IS NOT NULL``, ``value IN (literal,
... | SELECT ...)`` or ``1 = CONTAINS(point, CIRCLE('ICRS', ra, dec, radius))``; a value is ``column`` or
``LOWER(column)``; a point is ``column`` or ``POINT('ICRS', column, column)``. DaCHS understands all of it and much
more; what is not in the list is refused in words, as DaCHS refuses what it cannot parse.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .fits import Value

_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

Row = Mapping[str, Value]
Test = Callable[[Row], bool]
Get = Callable[[Row], Value]


@dataclass(frozen=True, slots=True)
class AdqlQuery:
    """A parsed query; names are in lower case.

    Empty ``columns`` means all of them, or a COUNT(*), whose column is then called ``counted``.
    """

    table: str
    columns: tuple[str, ...]
    counted: str
    top: int | None
    tests: tuple[Test, ...]
    order: str
    beyond: tuple[str, str]
    """A column and the text that its values are greater than, where a test says so: what an index would help with."""

    def matches(self, row: Row) -> bool:
        return all(test(row) for test in self.tests)


def parse(text: str, columns_of: Callable[[str], frozenset[str]], rows_of: Callable[[str], list[Row]]) -> AdqlQuery:
    """Parse the query in ``text``. AdqlError if that is not possible.

    ``columns_of`` a table raises AdqlError if the table is unknown; ``rows_of`` a table in a subquery returns all its
    rows.
    """
    tokens = Tokens(text)
    query = _Parser(tokens, columns_of, rows_of).query()
    tokens.end()
    return query


class _Parser:
    """A recursive descent parser for one SELECT."""

    def __init__(
        self, tokens: Tokens, columns_of: Callable[[str], frozenset[str]], rows_of: Callable[[str], list[Row]]
    ) -> None:
        self._tokens = tokens
        self._columns_of = columns_of
        self._rows_of = rows_of
        self._named: list[str] = []
        self._beyond = ("", "")

    def query(self) -> AdqlQuery:
        tokens = self._tokens
        tokens.expect("SELECT")
        top = int(tokens.number()) if tokens.accept("TOP") else None
        columns, counted = self._columns()
        tokens.expect("FROM")
        table = tokens.name()
        tests = [self._condition()] if tokens.accept("WHERE") else []
        while tests and tokens.accept("AND"):
            tests.append(self._condition())
        order = self._column() if tokens.accept("ORDER", "BY") else ""
        known = self._columns_of(table)
        for name in (*columns, *self._named):
            if name not in known:
                raise AdqlError(f"No such field known: column {name!r} could not be located in table metadata")
        return AdqlQuery(table, columns, counted, top, tuple(tests), order, self._beyond)

    def _column(self) -> str:
        self._named.append(self._tokens.name())
        return self._named[-1]

    def _columns(self) -> tuple[tuple[str, ...], str]:
        tokens = self._tokens
        if tokens.accept("*"):
            return (), ""
        if tokens.accept("COUNT", "(", "*", ")"):
            return (), tokens.name() if tokens.accept("AS") else "count"
        columns = [tokens.name()]
        while tokens.accept(","):
            columns.append(tokens.name())
        return tuple(columns), ""

    def _condition(self) -> Test:
        tokens = self._tokens
        if tokens.kind == "number":
            return self._contains()
        lower = tokens.accept("LOWER", "(")
        name = self._column()
        if lower:
            tokens.expect(")")

        def get(row: Row) -> Value:
            return str(row[name]).lower() if lower else row[name]

        if tokens.accept("IS", "NOT", "NULL"):
            return lambda row: get(row) != ""
        if tokens.accept("IN", "("):
            options = self._options()
            tokens.expect(")")
            return lambda row: get(row) in options
        return self._comparison(get, "" if lower else name)

    def _comparison(self, get: Get, name: str) -> Test:
        tokens = self._tokens
        if tokens.accept("LIKE"):
            pattern = re.compile("".join(map(_like, tokens.text())), re.DOTALL)
            return lambda row: pattern.fullmatch(str(get(row))) is not None
        mark = tokens.mark()
        holds = _OPERATORS.get(mark)
        if holds is None:
            raise AdqlError(f"Could not parse your query: Expected an operator, found {mark!r}")
        if tokens.kind == "number":
            number = tokens.number()
            return lambda row: holds(float(get(row)), number)
        text = tokens.text()
        if mark == ">" and name:
            self._beyond = (name, text)
        return lambda row: holds(str(get(row)), text)

    def _options(self) -> frozenset[Value]:
        if self._tokens.kind == "name":
            query = _Parser(self._tokens, self._columns_of, self._rows_of).query()
            return frozenset(row[query.columns[0]] for row in self._rows_of(query.table) if query.matches(row))
        found = [self._tokens.text()]
        while self._tokens.accept(","):
            found.append(self._tokens.text())
        return frozenset(found)

    def _contains(self) -> Test:
        tokens = self._tokens
        tokens.expect("1", "=", "CONTAINS", "(")
        place = self._point()
        tokens.expect(",", "CIRCLE", "(")
        self._frame()
        ra = tokens.number()
        tokens.expect(",")
        dec = tokens.number()
        tokens.expect(",")
        radius = tokens.number()
        tokens.expect(")", ")")
        return lambda row: _apart(place(row), (ra, dec)) <= radius

    def _point(self) -> Callable[[Row], tuple[float, float]]:
        if not self._tokens.accept("POINT", "("):
            name = self._column()
            return lambda row: _of_two(row[name])
        self._frame()
        ra = self._column()
        self._tokens.expect(",")
        dec = self._column()
        self._tokens.expect(")")
        return lambda row: (float(row[ra]), float(row[dec]))

    def _frame(self) -> None:
        if self._tokens.text() != "ICRS":
            raise AdqlError("Could not parse your query: only 'ICRS' is supported")
        self._tokens.expect(",")


def _like(mark: str) -> str:
    return {"%": ".*", "_": "."}.get(mark, re.escape(mark))


def _of_two(value: Value) -> tuple[float, float]:
    ra, dec = map(float, str(value).split())
    return ra, dec


def _apart(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return the angular distance in degrees."""
    (ra, dec), (to_ra, to_dec) = (map(math.radians, place) for place in (one, other))
    across = math.cos(dec) * math.cos(to_dec) * math.sin((to_ra - ra) / 2) ** 2
    return math.degrees(2 * math.asin(min(1.0, math.sqrt(math.sin((to_dec - dec) / 2) ** 2 + across))))


_TOKEN = re.compile(
    r"(?P<text>'(?:[^']|'')*')|(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
    r"|(?P<name>[A-Za-z]\w*(?:\.[A-Za-z]\w*)?)|(?P<mark><=|>=|<>|[=<>(),*])",
    re.ASCII,
)


_BLANKS = re.compile(r"[ \t\r\n]*")


class AdqlError(Exception):
    """The query is not understood; the message is worded as DaCHS words it."""


class Tokens:
    """The rest of a query; AdqlError if the next token is not the expected one."""

    def __init__(self, text: str) -> None:
        self._left = list(_split(text))[::-1]

    @property
    def kind(self) -> str:
        """Return the kind of the next token: text, number, name, mark, end."""
        return self._left[-1][0]

    def accept(self, *words: str) -> bool:
        """Consume these words and marks if the first of them is next; then the others must follow."""
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

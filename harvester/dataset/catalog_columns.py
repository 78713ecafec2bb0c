"""Name and type the catalog's own columns in a data set: as integers, numbers or text.

A column holds integers if all its values are integers, floating point numbers if all are numbers, else text; a blank
is missing. ``007`` is text, and so is what 64 bits cannot hold: a label must come out as it went in.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum

PREFIX = "catalog_"

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,18})")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,18})(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?")
_LARGEST = 2**63 - 1
_EXACT = 2**53  # the largest integer up to which float64 has them all
_DIGITS = len(str(_EXACT))
_DIGIT = re.compile("[1-9]")

Value = int | float | str


class Kind(IntEnum):
    """The type of a column's values, the narrowest first."""

    INTEGER = 0
    NUMBER = 1
    TEXT = 2


@dataclass(frozen=True, slots=True)
class CatalogColumn:
    """A column of the catalog, which the data set calls ``name``.

    blank: no row has a value in it.
    """

    source: str
    name: str
    kind: Kind
    blank: bool = False

    def value(self, columns: Mapping[str, str]) -> Value | None:
        """Return its value in a row, None for a blank one. ValueError if it is not of this kind."""
        text = columns.get(self.source, "")
        if not text:
            return None
        return text if self.kind is Kind.TEXT else int(text) if self.kind is Kind.INTEGER else float(text)


def kind_of(text: str) -> Kind:
    """Return the narrowest kind that holds ``text``, which is not blank, as it is."""
    if _INTEGER.fullmatch(text):
        return Kind.INTEGER if abs(int(text)) <= _LARGEST else Kind.TEXT
    return Kind.NUMBER if _NUMBER.fullmatch(text) and _is_held(text) else Kind.TEXT


def _is_held(text: str) -> bool:
    """Return whether float64 holds the number, neither as infinity nor wrongly as zero."""
    number = float(text)
    return math.isfinite(number) and (number != 0 or not _DIGIT.search(text.lower().partition("e")[0]))


def _is_large(text: str) -> bool:
    """Return whether ``text`` is an integer that float64 may round."""
    digits = text.lstrip("-").partition(".")[0]
    return len(digits) >= _DIGITS and digits.isdecimal() and int(digits) > _EXACT


def typed_value(text: str) -> Value | None:
    """Return an integer or a number if ``text`` is one, None if it is blank, else the text."""
    if not text:
        return None
    kind = kind_of(text)
    return text if kind is Kind.TEXT else int(text) if kind is Kind.INTEGER else float(text)


class ColumnTypes:
    """The kinds of all columns, found row by row."""

    def __init__(self) -> None:
        self._kinds: dict[str, Kind | None] = {}
        self._filled: Counter[str] = Counter()
        self._large: set[str] = set()
        self._rows = 0

    def add(self, columns: Mapping[str, str]) -> None:
        """Take one more row into account."""
        self._rows += 1
        for name, text in columns.items():
            known = self._kinds.setdefault(name, None)
            self._filled[name] += bool(text)
            if text and known is not Kind.TEXT:
                self._kinds[name] = max(known or Kind.INTEGER, kind_of(text))
                if _is_large(text):
                    self._large.add(name)

    def columns(self, taken: Collection[str]) -> tuple[CatalogColumn, ...]:
        """Return the columns in the order in which they came.

        A name that is ``taken`` gets a prefix.
        """
        names = _free_names(self._kinds, taken)
        return tuple(
            CatalogColumn(source, name, self._kind(source), kind is None)
            for name, (source, kind) in zip(names, self._kinds.items(), strict=True)
        )

    def _kind(self, source: str) -> Kind:
        """Return the column's kind.

        Large integers among other numbers are text, since float64 would round them; so they are among blanks, where
        pandas and astropy would.
        """
        kind = self._kinds[source]
        among_others = kind is Kind.NUMBER or self._filled[source] < self._rows
        return Kind.TEXT if kind is None or (source in self._large and among_others) else kind


def with_free_names(columns: Iterable[CatalogColumn], taken: Collection[str]) -> tuple[CatalogColumn, ...]:
    """Return the columns under names that are not ``taken``: by a prefix, where need be."""
    columns = tuple(columns)
    names = _free_names([column.name for column in columns], taken)
    return tuple(replace(column, name=name) for column, name in zip(columns, names, strict=True))


def _free_names(sources: Iterable[str], taken: Collection[str]) -> list[str]:
    """Return a free name for each source.

    Names differ in more than case, which DuckDB and others do not see.
    """
    names: list[str] = []
    folded = {name.casefold() for name in taken}
    for source in sources:
        name = source or "unnamed"
        while name.casefold() in folded:
            name = PREFIX + name
        folded.add(name.casefold())
        names.append(name)
    return names

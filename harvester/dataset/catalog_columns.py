"""The catalog's own columns in a data set: under which name, and as integers, numbers or texts.

A column holds integers if all its values are integers, floating point numbers if all are numbers, else texts; a blank
is missing. ``007`` is a text, and so is what 64 bits cannot hold: a label must come out as it went in.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum

PREFIX = "catalog_"

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,18})")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,18})(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?")
_LARGEST = 2**63 - 1

Value = int | float | str


class Kind(IntEnum):
    """What a column's values are, the narrowest first."""

    INTEGER = 0
    NUMBER = 1
    TEXT = 2


@dataclass(frozen=True, slots=True)
class CatalogColumn:
    """A column of the catalog, which the data set calls ``name``."""

    source: str
    name: str
    kind: Kind

    def value(self, columns: Mapping[str, str]) -> Value | None:
        """Its value in a row. ValueError if it is none of this kind."""
        text = columns.get(self.source, "")
        if not text:
            return None
        return text if self.kind is Kind.TEXT else int(text) if self.kind is Kind.INTEGER else float(text)


def kind_of(text: str) -> Kind:
    """The narrowest kind that holds ``text``, which is not blank, as it is."""
    if _INTEGER.fullmatch(text):
        return Kind.INTEGER if abs(int(text)) <= _LARGEST else Kind.TEXT
    return Kind.NUMBER if _NUMBER.fullmatch(text) and math.isfinite(float(text)) else Kind.TEXT


class Kinds:
    """The kinds of all columns, found row by row."""

    def __init__(self) -> None:
        self._kinds: dict[str, Kind | None] = {}

    def note(self, columns: Mapping[str, str]) -> None:
        for name, text in columns.items():
            known = self._kinds.setdefault(name, None)
            if text and known is not Kind.TEXT:
                self._kinds[name] = max(known or Kind.INTEGER, kind_of(text))

    def columns(self, taken: Collection[str]) -> tuple[CatalogColumn, ...]:
        """The columns in the order in which they came; a name that is ``taken`` gets a prefix."""
        names = _free_names(self._kinds, taken)
        return tuple(
            CatalogColumn(source, name, Kind.TEXT if kind is None else kind)
            for name, (source, kind) in zip(names, self._kinds.items(), strict=True)
        )


def _free_names(sources: Iterable[str], taken: Collection[str]) -> list[str]:
    names: list[str] = []
    for source in sources:
        name = source or "unnamed"
        while name in taken or name in names:
            name = PREFIX + name
        names.append(name)
    return names

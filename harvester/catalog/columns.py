"""Keep the values of a catalog's other columns in little memory."""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Sequence
from typing import overload

from .packed_strings import SpilledStrings

FEW = 1 << 8  # different rows of other columns that a byte can number
RECENT = 1024  # different rows of other columns that are remembered: many more than there are labels
NO_TEXT = re.compile("[\0\ud800-\udfff]")  # NUL and halves of surrogate pairs, which no data set can hold


class ColumnValues(Sequence[str]):
    """The JSON objects of the rows' other columns.

    Labels repeat: each object is made and kept once.

    Only the last ``RECENT`` are remembered; what differs from row to row is kept as often as it comes, on disk.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._objects = SpilledStrings[str]()
        self._numbers = array("B")  # most catalogs have a handful of labels
        self._recent: dict[tuple[str, ...], int] = {}

    def append(self, fields: tuple[str, ...]) -> None:
        """Add the other columns of a row. ValueError if one is no text."""
        number = self._recent.get(fields)
        if number is None:
            number = self._make(fields)
            if number == FEW:
                self._numbers = array("I", self._numbers)
        self._numbers.append(number)

    def _make(self, fields: tuple[str, ...]) -> int:
        if len(self._recent) == RECENT:
            self._recent.clear()
        pairs = zip(self._names, fields, strict=False)  # short and long rows were counted as malformed
        values = {name: field.strip() for name, field in pairs}
        faulty = next((name for name, field in values.items() if NO_TEXT.search(field)), None)
        if faulty is not None:
            raise ValueError(f"{faulty} {values[faulty][:80]!a} is not text; remove its NUL or surrogate")
        number = self._recent[fields] = len(self._objects)
        self._objects.append(json.dumps(values))
        return number

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self._objects[number] for number in self._numbers[index]]
        return self._objects[self._numbers[index]]

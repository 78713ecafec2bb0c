"""Recognise the form of a catalog that is text.

The delimiter of its columns, or a plain list.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

DELIMITERS = {",": "", "\t": "TSV", ";": "CSV with semicolons", "|": "CSV with vertical bars"}
"""What separates columns, the likeliest first, and what messages call it."""

_REMARK = re.compile(r"\s*(?:#.*)?$")  # a line above the header
_SEPARATOR = re.compile(r"(?i)sep=(.)")  # the line by which Excel knows the delimiter
LIST = "a list of identifiers"
HEAD_LINES = 8  # that are looked at


@dataclass(frozen=True, slots=True)
class TextForm:
    """How the lines of a catalog are read.

    kind: what messages call it, '' for CSV. unit, shift: what messages count, and how many lines of our own precede it.
    """

    kind: str = ""
    delimiter: str = ","
    unit: str = "line"
    shift: int = 0

    def where(self, line: int) -> str:
        """Return what messages call a line."""
        return f"{self.unit} {max(1, line - self.shift)}"


def find_form(
    lines: Iterator[str], id_column: str, resolve: Callable[[str], str | None]
) -> tuple[TextForm, Iterator[str]]:
    """Return the form of the text, and all its lines; a list of identifiers gets a header.

    Raises UnicodeDecodeError.

    ``resolve`` returns the DID that a bare name stands for, None if it stands for none.
    """
    head: list[str] = []
    filled = 0
    while filled < HEAD_LINES and (line := next(lines, None)) is not None:
        head.append(line)
        filled += bool(line.strip())
    remarks = next((number for number, line in enumerate(head) if not _REMARK.match(line)), 0)
    head = head[remarks:]
    everything = chain(head, lines)
    rows = [line for line in head if line.strip()]
    if rows and (named := _SEPARATOR.fullmatch(rows[0].strip())):
        before = head.index(rows[0]) + 1
        kind = DELIMITERS.get(named[1], "CSV")
        return TextForm(kind, named[1], shift=-remarks - before), chain(head[before:], lines)
    if rows and id_column not in _fields(rows[0], ",") and _is_list(rows, resolve):
        return TextForm(LIST, shift=1 - remarks), chain([f"{id_column}\n"], everything)
    delimiter = _delimiter(rows[0], id_column) if rows else ","
    return TextForm(DELIMITERS[delimiter], delimiter, shift=-remarks), everything


def _delimiter(header: str, id_column: str) -> str:
    """Return the delimiter by which the header has the column ``id_column``.

    If there is none: the one that gives most columns.
    """
    fields = {delimiter: _fields(header, delimiter) for delimiter in DELIMITERS}
    named = (delimiter for delimiter, names in fields.items() if id_column in names)
    return next(named, max(fields, key=lambda delimiter: len(fields[delimiter])))


def _fields(line: str, delimiter: str) -> Sequence[str]:
    try:
        return [field.strip() for field in next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])]
    except csv.Error:
        return []


def _is_list(rows: Sequence[str], resolve: Callable[[str], str | None]) -> bool:
    """Return whether the lines are identifiers without a header, one a line.

    A name without a digit or an ending is taken for a header: no archive names its spectra so.
    """
    fields = [row.strip().strip('"') for row in rows]
    if any(delimiter in field for field in fields for delimiter in DELIMITERS):
        return False
    if fields[0].startswith("ivo://"):
        return True  # faulty lines below it are named as such
    names_a_file = any(character.isdecimal() for character in fields[0]) or "." in fields[0]
    return names_a_file and all(field.startswith("ivo://") or resolve(field) is not None for field in fields)

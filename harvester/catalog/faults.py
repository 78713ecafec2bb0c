"""Say what is wrong with a catalog: its header, its rows, and what to do about it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence

from ..errors import UsageError
from ..formatting import count
from .columns import NO_TEXT
from .rules import CatalogRules
from .text_form import DELIMITERS, TextForm

LONGEST_COLUMN = 200  # characters of a column's name; HDF5 has no room for 64 kB
MAX_FAULTS = 10  # faulty rows that a message lists
_BARE_NAME = re.compile(r"(?=.*[a-z])(?=.*\d)[\w./\\-]+$", re.IGNORECASE | re.ASCII)


class Faults:
    """What is wrong with rows: the first ones in words, and how many there are."""

    def __init__(self, source: str, form: TextForm, rules: CatalogRules) -> None:
        self._source, self._form = source, form
        self._limit = None if rules.all_faults else MAX_FAULTS
        self._how_to_list_all = "" if rules.in_python else " (--verbose lists all)"
        self._count = 0
        self._words: list[str] = []

    def add(self, line: int, words: str) -> None:
        """Add the fault of a row."""
        self._count += 1
        if self._limit is None or len(self._words) < self._limit:
            self._words.append(f"{self._form.where(line)}: {words}")

    def check(self) -> None:
        """Raise UsageError if a row has a fault."""
        if self._count == 1:
            raise UsageError(f"catalog {self._source}, {self._words[0]}")
        if self._count:
            lines = [f"catalog {self._source}: {count(self._count)} rows have a fault:", *self._words]
            if self._count > len(self._words):
                lines.append(f"and {count(self._count - len(self._words))} more{self._how_to_list_all}")
            raise UsageError("\n  ".join(lines))


def column_names(reader: Iterator[list[str]], source: str, rules: CatalogRules, form: TextForm) -> list[str]:
    """Return the names of the columns. UsageError if the column of the DIDs is not among them."""
    header = next((fields for fields in reader if any(field.strip() for field in fields)), None)
    if header is None:
        raise UsageError(f"catalog {source}: the file is empty; give a CSV with a column {rules.id_column!r}")
    names, where = [field.strip() for field in header], form.where(1)
    if NO_TEXT.search("".join(names)):
        raise UsageError(f"catalog {source}, {where}: not text; give a CSV file in UTF-8")
    if long := next((name for name in names if len(name) > LONGEST_COLUMN), None):
        raise UsageError(
            f"catalog {source}, {where}: the column {long[:40]!r}... has a name of {len(long)} characters; "
            f"shorten it to {LONGEST_COLUMN}"
        )
    if names.count(rules.id_column) == 1:
        return names
    if rules.id_column in names:
        raise UsageError(
            f"catalog {source}, {where}: the column {rules.id_column!r} is there more than once; rename one"
        )
    listed = ", ".join(repr(name[:40]) for name in names[:6])
    advice = _advice_on_header(names, next(reader, []), rules, form)
    raise UsageError(f"catalog {source}, {where}: no column {rules.id_column!r} among {listed}; {advice}")


def _advice_on_header(names: Sequence[str], first_row: Sequence[str], rules: CatalogRules, form: TextForm) -> str:
    """Return what to do about a header without the column of the DIDs."""
    if any(name.startswith("ivo://") for name in names):
        columns = form.delimiter.join(rules.id_column if "://" in name else "label" for name in names[:2])
        return f"that is a spectrum and no header: put a line such as {columns!r} above it"
    similar = similar_column(names, first_row, rules)
    hint = f" (did you mean {rules.option('id_column', repr(similar))}?)" if similar else ""
    return f"name it with {rules.option('id_column', 'NAME')}{hint}"


def similar_column(names: Sequence[str], first_row: Sequence[str], rules: CatalogRules) -> str | None:
    """Return the column that was probably meant.

    By its name but for the case, by its content, by a similar name; the only one with names such as ``sh270028``.
    """
    content = [(name, field.strip()) for name, field in zip(names, first_row, strict=False)]
    folded = [name for name in names if name.casefold() == rules.id_column.casefold()]
    with_dids = [name for name, field in content if field.startswith("ivo://")]
    close = difflib.get_close_matches(rules.id_column, names, 1, 0.5)
    with_names = [name for name, field in content if _BARE_NAME.match(field) and rules.resolve(field)]
    return next(iter(folded + with_dids + close + (with_names if len(with_names) == 1 else [])), None)


def no_did(given: str, error: ValueError, rules: CatalogRules) -> str:
    """Return what is wrong with the identifier of a row."""
    if not given:
        return f"the {rules.id_column} is empty; fill it in or remove the line"
    shown = ascii(given if len(given) <= 80 else f"{given[:80]}...")
    advice = "" if "://" in given or rules.id_prefix else " (bare names need id_prefix in the archive's profile)"
    return f"{rules.id_column} {shown} is not a publisher DID: {error}{advice}"


def refuse_other_column(
    source: str, names: Sequence[str], first_row: Sequence[str], given: str, rules: CatalogRules
) -> None:
    """Raise UsageError if another column of the first row has a DID, where ``given`` is none."""
    content = zip(names, first_row, strict=False)
    other = next((name for name, field in content if field.strip().startswith("ivo://")), None)
    if other is not None and other != rules.id_column and "://" not in given:
        raise UsageError(
            f"catalog {source}: {rules.id_column} {given[:80]!a} is not a publisher DID, but the column {other!r} has "
            f"them; name it with {rules.option('id_column', repr(other))}"
        )


def other_delimiter(text: str, delimiter: str) -> str | None:
    """Return another delimiter of catalogs that is in ``text``; None if there is none."""
    return next((other for other in DELIMITERS if other != delimiter and other in text), None)

"""Read the catalog of wanted spectra: streamed, forgiving in form, strict in content.

Forgiven and counted: a byte-order mark, CRLF, quoted fields, blank lines, blanks around a value, rows that are shorter
or longer than the header, the same spectrum twice. Not forgiven: anything that would request the wrong spectrum.
"""

from __future__ import annotations

import csv
import difflib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ..errors import UsageError
from ..model.target import SpectrumId, parse_did, parse_identifier
from .columns import NO_TEXT, ColumnValues
from .did_index import DidIndex, without_ending
from .files import open_catalog
from .lazy_sequence import LazySequence
from .packed_strings import PackedStrings
from .text_form import TextForm, find_form

ADDRESS = "access_url"  # the column with the URL of each spectrum's file or datalink document, as in ObsCore
LONGEST_COLUMN = 200  # characters of a column's name; HDF5 has no room for 64 kB
MAX_FAULTS = 10  # faulty rows that a message lists
MAX_CONFLICTS = 100_000  # that are kept
SHOWN_CONFLICTS = 3  # that a sentence lists


@dataclass(frozen=True, slots=True)
class Row:
    """One wanted spectrum.

    ``columns`` is the JSON object of the row's other columns (labels and the like).
    """

    did: SpectrumId
    columns: str


class Conflict(NamedTuple):
    """One DID that the catalog lists with two labels; the first one is ``kept``."""

    did: SpectrumId
    column: str
    kept: str
    other: str


def describe_conflicts(conflicts: Sequence[Conflict]) -> str:
    """Return one sentence about the conflicts, '' if there are none."""
    if not conflicts:
        return ""
    count = len({conflict.did for conflict in conflicts})
    shown = [f"{each.did} ({each.kept or 'none'}, then {each.other or 'none'})" for each in conflicts[:SHOWN_CONFLICTS]]
    more = f" and {len(conflicts) - len(shown):,} more" if len(conflicts) > len(shown) else ""
    subject = "1 spectrum is" if count == 1 else f"{count:,} spectra are"
    return f"{subject} listed with different labels, the first one counts: {', '.join(shown)}{more}"


@dataclass(frozen=True, slots=True)
class CatalogRules:
    """How rows become spectra.

    id_prefix: what precedes a bare name (``sh270028``) or file name in the archive's DIDs; '' takes DIDs only.
    label_column: the column in which two rows of one DID should agree. takes_any: the archive has no DIDs, any text
    identifies a spectrum. all_faults: list all faulty rows.
    """

    id_column: str = "id"
    id_prefix: str = ""
    label_column: str = "label"
    takes_any: bool = False
    all_faults: bool = False

    def resolve(self, text: str) -> SpectrumId | None:
        """Return the DID that a bare name or a file name stands for, None if there is none."""
        if not self.id_prefix or not text or "://" in text:
            return None
        stem = without_ending(text.replace("\\", "/").rpartition("/")[2])
        try:
            return parse_did(self.id_prefix + stem) if stem else None
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Catalog:
    """The distinct spectra of a catalog in their order, and what was forgiven on the way.

    ``columns`` has the JSON object of the other columns for each of ``dids``; ``sha256`` is of the file's bytes, None
    if it came from no file; ``kind`` says what the file was recognised as, '' for CSV.
    """

    source: str
    dids: Sequence[SpectrumId]
    columns: Sequence[str]
    duplicates: int = 0
    blank: int = 0
    malformed: int = 0
    sha256: str | None = None
    has_addresses: bool = False
    known: DidIndex | None = field(default=None, repr=False, compare=False)
    kind: str = ""
    conflicts: Sequence[Conflict] = ()

    @property
    def segments(self) -> DidIndex:
        """The DIDs by their last segments."""
        return DidIndex.of(self.dids) if self.known is None or self.known.spent else self.known

    def address(self, number: int) -> str:
        """Return the access URL of a spectrum, '' if the catalog has none."""
        if not self.has_addresses:
            return ""
        found = json.loads(self.columns[number]).get(ADDRESS)
        return found if isinstance(found, str) else ""

    @property
    def rows(self) -> Sequence[Row]:
        """DID and columns together."""
        return LazySequence(self._row, range(len(self.dids)))

    def _row(self, number: int) -> Row:
        return Row(self.dids[number], self.columns[number])


def read_catalog(path: str, rules: CatalogRules = CatalogRules()) -> Catalog:
    """Read the catalog at ``path`` ('-' is standard input), whatever its kind.

    UsageError names file, line, value and what to do.
    """
    with open_catalog(path) as file:
        catalog = parse_catalog(file.lines, file.source, rules, file.expected, file.form)
        return replace(catalog, sha256=file.sha256())


class _Faults:
    """What is wrong with rows: the first ones in words, and how many there are."""

    def __init__(self, source: str, form: TextForm, limit: int | None) -> None:
        self._source, self._form, self._limit = source, form, limit
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
            lines = [f"catalog {self._source}: {self._count:,} rows have a fault:", *self._words]
            if self._count > len(self._words):
                lines.append(f"and {self._count - len(self._words):,} more (--verbose lists all)")
            raise UsageError("\n  ".join(lines))


class _Builder:
    """Gathers the distinct spectra of a catalog row by row."""

    def __init__(self, source: str, rules: CatalogRules, header: list[str], form: TextForm, expected: int) -> None:
        self._source, self._rules, self._header, self._form = source, rules, header, form
        self._position = header.index(rules.id_column)
        self._parse = parse_identifier if rules.takes_any or ADDRESS in header else parse_did
        self._label = header.index(rules.label_column) if rules.label_column in header else len(header)
        self._dids = PackedStrings[SpectrumId]()
        self._segments = DidIndex(self._dids, expected)
        self._columns = ColumnValues(header[: self._position] + header[self._position + 1 :])
        self._conflicts: list[Conflict] = []
        self._faults = _Faults(source, form, None if rules.all_faults else MAX_FAULTS)
        self._total = self._blank = self._malformed = 0

    def add(self, fields: list[str], first: int, line: int) -> None:
        """Add the row that begins in line ``first`` and ends in ``line``.

        UsageError if no row can be read after it.
        """
        position = self._position
        given = fields[position].strip() if position < len(fields) else ""
        if not given and not "".join(fields).strip():
            self._blank += 1
            return
        self._total += 1
        self._malformed += len(fields) != len(self._header)
        if line > first:
            self._refuse_swallowed_rows(fields, first)
        try:
            did = self._parse(given)
        except ValueError as error:
            resolved = self._rules.resolve(given)
            if resolved is None:
                self._faults.add(line, _no_did(given, error, self._rules))
                return
            did = resolved
        if self._segments.add(did):
            self._dids.append(did)
            del fields[position]
            self._add_columns(fields, line)
        elif self._label < len(fields):
            self._compare_labels(did, fields[self._label].strip())

    def _add_columns(self, fields: list[str], line: int) -> None:
        try:
            self._columns.append(tuple(fields))
        except ValueError as error:
            self._columns.append(())
            self._faults.add(line, str(error))

    def _compare_labels(self, did: SpectrumId, label: str) -> None:
        """Note a label that differs from the one with which the DID was listed before."""
        if self._label == self._position or len(self._conflicts) == MAX_CONFLICTS:
            return
        column = self._rules.label_column
        kept = json.loads(self._columns[self._segments.number_of(did)]).get(column, "")
        if label != kept:
            self._conflicts.append(Conflict(did, column, kept, label))

    def _refuse_swallowed_rows(self, fields: list[str], first: int) -> None:
        """Refuse a quote that is never closed.

        It makes one field of all that follows, and those spectra are lost.
        """
        if any("ivo://" in field for number, field in enumerate(fields) if number != self._position):
            where = self._form.where(first)
            raise UsageError(
                f"catalog {self._source}, {where}: a quote there swallows the rows below it; close or remove it"
            )

    def build(self) -> Catalog:
        """Return the catalog. UsageError if a row has a fault, or none has a spectrum."""
        self._faults.check()
        if not self._dids:
            column = self._rules.id_column
            raise UsageError(
                f"catalog {self._source}: it lists no spectrum; give one publisher DID a line below {column!r}"
            )
        return Catalog(
            self._source,
            self._dids,
            self._columns,
            self._total - len(self._dids),
            self._blank,
            self._malformed,
            has_addresses=ADDRESS in self._header,
            known=self._segments,
            kind=self._form.kind,
            conflicts=self._conflicts,
        )


def parse_catalog(
    text: Iterable[str], source: str, rules: CatalogRules, expected: int = 0, form: TextForm | None = None
) -> Catalog:
    """Parse the catalog in the lines of ``text``, which come from ``source``.

    UsageError as above.

    ``expected`` is about how many rows will come, where that is known: room is made for them at once. ``form`` None is
    found from the first lines.
    """
    line = [0]
    with _translate_errors(source, line):
        lines = iter(text)
        if form is None:
            form, lines = find_form(lines, rules.id_column, rules.resolve)
        reader = csv.reader(lines, delimiter=form.delimiter, skipinitialspace=True)
        header = _header(reader, source, rules, form)
        builder = _Builder(source, rules, header, form, expected)
        line[0] = reader.line_num
        for fields in reader:
            first, line[0] = line[0] + 1, reader.line_num
            builder.add(fields, first, line[0])
    return builder.build()


@contextmanager
def _translate_errors(source: str, line: Sequence[int]) -> Iterator[None]:
    """Raise an error of the decoder or of the CSV reader as one sentence.

    ``line`` has the last line that was read.
    """
    try:
        yield
    except UnicodeDecodeError as error:
        byte = f"0x{error.object[error.start]:02x}"
        raise UsageError(
            f"catalog {source}, near line {line[0] + 1}: not text (byte {byte} is no UTF-8); give a CSV file in UTF-8"
        ) from None
    except csv.Error as error:
        raise UsageError(f"catalog {source}, line {line[0] + 1}: {error}; give a CSV file") from None


def _header(reader: Iterator[list[str]], source: str, rules: CatalogRules, form: TextForm) -> list[str]:
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
    similar = _similar_column(names, next(reader, []), rules)
    hint = f" (did you mean --id-column {similar!r}?)" if similar else ""
    listed = ", ".join(repr(name[:40]) for name in names[:6])
    raise UsageError(
        f"catalog {source}, {where}: no column {rules.id_column!r} among {listed}; name it with --id-column NAME{hint}"
    )


def _similar_column(names: Sequence[str], first_row: Sequence[str], rules: CatalogRules) -> str | None:
    """Return the column that was probably meant.

    By its name but for the case, by its content, by a similar name.
    """
    folded = [name for name in names if name.casefold() == rules.id_column.casefold()]
    with_dids = [name for name, field in zip(names, first_row, strict=False) if field.strip().startswith("ivo://")]
    close = difflib.get_close_matches(rules.id_column, names, 1, 0.5)
    return next(iter(folded + with_dids + close), None)


def _no_did(given: str, error: ValueError, rules: CatalogRules) -> str:
    """Return what is wrong with the identifier of a row."""
    if not given:
        return f"the {rules.id_column} is empty; fill it in or remove the line"
    shown = ascii(given if len(given) <= 80 else f"{given[:80]}...")
    advice = "" if "://" in given or rules.id_prefix else " (bare names need id_prefix in the archive's profile)"
    return f"{rules.id_column} {shown} is no publisher DID: {error}{advice}"

"""Read the catalog of wanted spectra: streamed, forgiving in form, strict in content.

Forgiven and counted: a byte-order mark, CRLF, quoted fields, blank lines, blanks around a value, rows that are shorter
or longer than the header, the same spectrum twice. Not forgiven: anything that would request the wrong spectrum.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ..errors import UsageError
from ..formatting import count, plural
from ..model.target import SpectrumId, parse_did, parse_identifier
from .columns import ColumnValues
from .did_index import DidIndex
from .faults import Faults, column_names, no_did, other_delimiter, refuse_other_column
from .files import GIVE_CATALOG, open_catalog
from .lazy_sequence import LazySequence
from .packed_strings import PackedStrings
from .rules import USUAL, CatalogRules
from .text_form import TextForm, find_form

ADDRESS = "access_url"  # the column with the URL of each spectrum's file or datalink document, as in ObsCore
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
    spectra = len({conflict.did for conflict in conflicts})
    shown = [f"{each.did} ({each.kept or 'none'}, then {each.other or 'none'})" for each in conflicts[:SHOWN_CONFLICTS]]
    more = f" and {count(len(conflicts) - len(shown))} more" if len(conflicts) > len(shown) else ""
    subject = plural(spectra, "spectrum is", "spectra are")
    return f"{subject} listed with different labels, the first one counts: {', '.join(shown)}{more}"


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


def read_catalog(path: str, rules: CatalogRules = USUAL) -> Catalog:
    """Read the catalog at ``path`` ('-' is standard input), whatever its kind.

    UsageError names file, line, value and what to do.
    """
    with open_catalog(path, "give the path of a CSV file" if rules.in_python else GIVE_CATALOG) as file:
        catalog = parse_catalog(file.lines, file.source, rules, file.expected, file.form)
        return replace(catalog, sha256=file.sha256())


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
        self._faults = Faults(source, form, rules)
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
            if not self._dids:
                refuse_other_column(self._source, self._header, fields, given, self._rules)
            resolved = self._rules.resolve(given)
            if resolved is None:
                self._faults.add(line, no_did(given, error, self._rules))
                return
            did = resolved
        if len(fields) < len(self._header) and (other := other_delimiter(did, self._form.delimiter)):
            self._faults.add(line, f"it is separated by {other!r}, the header by {self._form.delimiter!r}")
            return
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
        header = column_names(reader, source, rules, form)
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
            f"catalog {source}, near line {line[0] + 1}: not text (byte {byte} is not UTF-8); give a CSV file in UTF-8"
        ) from None
    except csv.Error as error:
        raise UsageError(f"catalog {source}, line {line[0] + 1}: {error}; give a CSV file") from None

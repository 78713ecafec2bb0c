"""The CSV of wanted spectra: streamed, forgiving in form, strict in content.

Forgiven and counted: a byte-order mark, CRLF, quoted fields, blank lines, blanks around a value, rows that are shorter
or longer than the header, the same spectrum twice. Not forgiven: anything that would make us ask for the wrong thing.
"""

from __future__ import annotations

import csv
import difflib
import hashlib
import io
import json
import os
import re
import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TextIO, overload

from ..errors import UsageError
from ..model.target import SpectrumId, parse_did, parse_identifier
from .did_index import DidIndex
from .packed_strings import LazySequence, PackedStrings, SpilledStrings

ADDRESS = "access_url"  # the column with the address of each spectrum's file or datalink document, as in ObsCore
FEW = 1 << 8  # different rows of other columns that a byte can number
LONGEST_COLUMN = 200  # characters of a column's name; HDF5 has no room for 64 kB
NO_TEXT = re.compile("[\0\ud800-\udfff]")  # NUL and halves of surrogate pairs, which no data set can hold
RECENT = 1024  # different rows of other columns that are remembered: many more than there are labels
SAMPLE = 1 << 16  # bytes of a file that tell how long its rows are


@dataclass(frozen=True, slots=True)
class Row:
    """One wanted spectrum; ``columns`` is the JSON object of the row's other columns (labels and the like)."""

    did: SpectrumId
    columns: str


@dataclass(frozen=True, slots=True)
class Catalog:
    """The distinct spectra of a catalog in their order, and what was forgiven on the way.

    ``columns`` has the JSON object of the other columns for each of ``dids``; ``sha256`` is of the file's bytes, None
    where they came from no file.
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

    @property
    def segments(self) -> DidIndex:
        """The DIDs by their last segments."""
        return DidIndex.of(self.dids) if self.known is None or self.known.spent else self.known

    def address(self, number: int) -> str:
        """The access URL of a spectrum, '' where the catalog tells none."""
        if not self.has_addresses:
            return ""
        told = json.loads(self.columns[number]).get(ADDRESS)
        return told if isinstance(told, str) else ""

    @property
    def rows(self) -> Sequence[Row]:
        """DID and columns together."""
        return LazySequence(self._row, range(len(self.dids)))

    def _row(self, number: int) -> Row:
        return Row(self.dids[number], self.columns[number])


class _Columns(Sequence[str]):
    """The JSON objects of the rows' other columns. Labels repeat: each object is made and kept once.

    Only the last ``RECENT`` of them are remembered; what differs from row to row is kept as often as it comes, on disk.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._objects = SpilledStrings[str]()
        self._numbers = array("B")  # most catalogs have a handful of labels
        self._recent: dict[tuple[str, ...], int] = {}

    def append(self, fields: tuple[str, ...]) -> None:
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
        told = {name: field.strip() for name, field in pairs}
        faulty = next((name for name, field in told.items() if NO_TEXT.search(field)), None)
        if faulty is not None:
            raise ValueError(f"{faulty} {told[faulty][:80]!a} is not text; remove its NUL or surrogate")
        number = self._recent[fields] = len(self._objects)
        self._objects.append(json.dumps(told))
        return number

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self._objects[number] for number in self._numbers[place]]
        return self._objects[self._numbers[place]]


class _Digested(io.BufferedReader):
    """A file whose digest is known once it was read to its end; the text layer reads by ``read1``."""

    def __init__(self, path: str) -> None:
        super().__init__(io.FileIO(path))
        self.digest = hashlib.sha256()

    def read1(self, size: int = -1, /) -> bytes:
        chunk = super().read1(size)
        self.digest.update(chunk)
        return chunk


@contextmanager
def open_catalog(path: str) -> Iterator[TextIO]:
    """The text of a catalog file; ``-`` is standard input. UsageError if it cannot be read."""
    if path == "-":
        if sys.stdin is None:
            raise UsageError("standard input is closed; give the CSV file with --catalog FILE")
        sys.stdin.reconfigure(encoding="utf-8-sig", errors="strict", newline="")  # type: ignore[union-attr]
        try:  # the line above: TextIO's stub lacks reconfigure, every real standard input has it
            yield sys.stdin
        except OSError as error:
            raise UsageError(f"catalog standard input: {error.strerror}; give a CSV file") from None
        return
    try:
        with io.TextIOWrapper(_Digested(path), encoding="utf-8-sig", newline="") as text:
            yield text
    except OSError as error:
        raise UsageError(f"catalog {path}: {error.strerror}; give the CSV file with --catalog FILE") from None


def read_catalog(path: str, id_column: str = "id", takes_any: bool = False) -> Catalog:
    """The whole catalog at ``path``. UsageError names file, line, value and what to do."""
    source = "standard input" if path == "-" else path
    with open_catalog(path) as text:
        catalog = parse_catalog(text, source, id_column, _rows_in(path), takes_any)
        return replace(catalog, sha256=text.buffer.digest.hexdigest() if isinstance(text.buffer, _Digested) else None)


def _rows_in(path: str) -> int:
    """About how many rows a file has, by its first ones; 0 where nothing can be read twice."""
    if not Path(path).is_file():
        return 0
    with Path(path).open("rb") as file:
        head = file.read(SAMPLE)
        return os.fstat(file.fileno()).st_size * head.count(b"\n") // max(1, len(head))


def parse_catalog(
    text: Iterable[str], source: str, id_column: str, expected: int = 0, takes_any: bool = False
) -> Catalog:
    """The catalog in the lines of ``text``, which come from ``source``. UsageError as above.

    ``expected`` is about how many rows will come, where that is known: room is made for them at once.
    """
    dids = PackedStrings[SpectrumId]()
    segments = DidIndex(dids, expected)
    total = blank = malformed = 0
    reader = csv.reader(text, skipinitialspace=True)
    with _sentences(source, reader):
        header = _header(reader, source, id_column)
        position, width = header.index(id_column), len(header)
        parse = parse_identifier if takes_any or ADDRESS in header else parse_did
        columns = _Columns(header[:position] + header[position + 1 :])
        line = reader.line_num
        for fields in reader:
            first, line = line + 1, reader.line_num
            given = fields[position].strip() if position < len(fields) else ""
            if not given and not "".join(fields).strip():
                blank += 1
                continue
            total += 1
            malformed += len(fields) != width
            if line > first:
                _no_row_inside(fields, position, f"{source}, line {first}")
            try:
                did = parse(given)
            except ValueError as error:
                raise _no_did(given, error, id_column, f"{source}, line {line}") from None
            if segments.note(did):
                dids.append(did)
                del fields[position]
                try:
                    columns.append(tuple(fields))
                except ValueError as error:
                    raise UsageError(f"catalog {source}, line {line}: {error}") from None
    if not dids:
        raise UsageError(f"catalog {source}: it lists no spectrum; give one publisher DID a line below {id_column!r}")
    duplicates = total - len(dids)
    return Catalog(source, dids, columns, duplicates, blank, malformed, None, ADDRESS in header, segments)


@contextmanager
def _sentences(source: str, reader: object) -> Iterator[None]:
    """What the decoder and the CSV reader have to complain of, as one sentence."""
    line = getattr(reader, "line_num", 0)
    try:
        yield
    except UnicodeDecodeError as error:
        line = getattr(reader, "line_num", 0) + 1
        raise UsageError(
            f"catalog {source}, near line {line}: not text (byte 0x{error.object[error.start]:02x} is no UTF-8); "
            "give a CSV file in UTF-8"
        ) from None
    except csv.Error as error:
        line = getattr(reader, "line_num", 0)
        raise UsageError(f"catalog {source}, line {line}: {error}; give a CSV file") from None


def _header(reader: Iterator[list[str]], source: str, id_column: str) -> list[str]:
    header = next((fields for fields in reader if any(field.strip() for field in fields)), None)
    if header is None:
        raise UsageError(f"catalog {source}: the file is empty; give a CSV with a column {id_column!r}")
    names = [field.strip() for field in header]
    if NO_TEXT.search("".join(names)):
        raise UsageError(f"catalog {source}, line 1: not text; give a CSV file in UTF-8")
    if long := next((name for name in names if len(name) > LONGEST_COLUMN), None):
        raise UsageError(
            f"catalog {source}, line 1: the column {long[:40]!r}... has a name of {len(long)} characters; "
            f"shorten it to {LONGEST_COLUMN}"
        )
    if names.count(id_column) == 1:
        return names
    if id_column in names:
        raise UsageError(f"catalog {source}, line 1: the column {id_column!r} is there more than once; rename one")
    other = next((mark for mark in ";\t|" if len(names) == 1 and mark in names[0]), None)
    if other is not None:
        raise UsageError(f"catalog {source}, line 1: its columns are separated by {other!r}; save it with commas")
    near = [name for name in names if name.casefold() == id_column.casefold()]
    near = near or difflib.get_close_matches(id_column, names, 1, 0.5)
    hint = f" (did you mean --id-column {near[0]!r}?)" if near else ""
    listed = ", ".join(repr(name[:40]) for name in names[:6])
    raise UsageError(
        f"catalog {source}, line 1: no column {id_column!r} among {listed}; name it with --id-column NAME{hint}"
    )


def _no_row_inside(fields: list[str], position: int, where: str) -> None:
    """A quote that is never closed makes one field of all that follows: those spectra would be left out in silence."""
    if any("ivo://" in field for at, field in enumerate(fields) if at != position):
        raise UsageError(f"catalog {where}: a quote there swallows the rows below it; close or remove it")


def _no_did(given: str, error: ValueError, id_column: str, where: str) -> UsageError:
    if not given:
        return UsageError(f"catalog {where}: the {id_column} is empty; fill it in or remove the line")
    shown = ascii(given if len(given) <= 80 else f"{given[:80]}...")
    return UsageError(f"catalog {where}: {id_column} {shown} is no publisher DID: {error}")

"""Open a catalog of any kind as lines of text.

It may be CSV or a relative of it, a compressed file, or a table of another format.

The kind is recognised by content, whatever the file is called. Text is streamed; what is no text is read by the
libraries of its format, and becomes the CSV that it could have been.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import io
import lzma
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import UsageError
from ..formatting import count, plain_line
from ..model.invocation import install_line
from .text_form import TextForm

SAMPLE = 1 << 16  # bytes of a file that tell its kind, and how long its rows are
LARGEST_TABLE = 2**31  # bytes of a decompressed table, which has to fit into memory

GIVE_CATALOG = "give the CSV file with --catalog FILE"

OLD_EXCEL = "Excel workbook before 2007"

_MAGIC = (
    (b"\x1f\x8b", "gzip"),
    (b"\xfd7zXZ\0", "xz"),
    (b"PAR1", "Parquet"),
    (b"PK\x03\x04", "Excel workbook"),
    (b"\xd0\xcf\x11\xe0", OLD_EXCEL),
    (b"SIMPLE  =", "FITS table"),
    (b"# %ECSV", "ECSV"),
    (b"<?xml", "VOTable"),
    (b"<VOTABLE", "VOTable"),
)
_EMPTY = frozenset({"NoneType", "NAType", "NaTType", "MaskedConstant"})
"""Types of the values by which Python, pandas and numpy say that there is none."""


@dataclass(frozen=True, slots=True)
class OpenCatalog:
    """An open catalog.

    lines: its text. source: what messages call it. expected: about how many rows it has, 0 if unknown. form: None where
    the lines tell it.
    """

    lines: Iterable[str]
    source: str
    sha256: Callable[[], str | None]
    expected: int = 0
    form: TextForm | None = None


@contextmanager
def open_catalog(path: str, advice: str = GIVE_CATALOG) -> Iterator[OpenCatalog]:
    """Open a catalog; '-' is standard input, which has to be text.

    UsageError, with ``advice``, if it cannot be read.
    """
    if path == "-":
        with _standard_input() as file:
            yield file
        return
    try:
        with Path(path).open("rb") as file:
            head = file.read(SAMPLE)
        kind = recognise(head)
        if kind is not None:
            with _opened_table(path, kind) as table:
                yield table
            return
        with io.TextIOWrapper(_Digested(path), encoding=_encoding(head), newline="") as text:
            digested = text.buffer
            assert isinstance(digested, _Digested)
            yield OpenCatalog(text, path, digested.hexdigest, _rows_in(path, head))
    except OSError as error:
        raise UsageError(f"catalog {path}: {error.strerror or error}; {advice}") from None


def recognise(head: bytes) -> str | None:
    """Return the kind of a file that begins with ``head``, None for plain text."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:16]
    return next((kind for magic, kind in _MAGIC if head.startswith(magic) or start.startswith(magic)), None)


def _encoding(head: bytes) -> str:
    """Return the encoding of a text: UTF-16, as Excel's "Unicode text", or UTF-8."""
    return "utf-16" if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"


@contextmanager
def _standard_input() -> Iterator[OpenCatalog]:
    if sys.stdin is None:
        raise UsageError(f"standard input is closed; {GIVE_CATALOG}")
    sys.stdin.reconfigure(encoding="utf-8-sig", errors="strict", newline="")  # type: ignore[union-attr]
    try:  # the line above: TextIO's stub lacks reconfigure, every real standard input has it
        yield OpenCatalog(sys.stdin, "standard input", lambda: None)
    except OSError as error:
        raise UsageError(f"catalog standard input: {error.strerror}; give a CSV file") from None


class _Digested(io.BufferedReader):
    """A file whose digest is known once it was read to its end.

    The text layer reads by ``read1``.
    """

    def __init__(self, path: str) -> None:
        super().__init__(io.FileIO(path))
        self._digest = hashlib.sha256()

    def read1(self, size: int = -1, /) -> bytes:
        """Read at most ``size`` bytes."""
        chunk = super().read1(size)
        self._digest.update(chunk)
        return chunk

    def hexdigest(self) -> str:
        """Return the digest of what was read."""
        return self._digest.hexdigest()


def _rows_in(path: str, head: bytes) -> int:
    """Return about how many rows a file has, by its first ones."""
    return Path(path).stat().st_size * head.count(b"\n") // max(1, len(head))


@contextmanager
def _opened_table(path: str, kind: str) -> Iterator[OpenCatalog]:
    """Open what is no plain text. UsageError if it is not what it begins like."""

    def digest() -> str:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    if kind == OLD_EXCEL:
        raise UsageError(f"catalog {path}: it begins like {kind}, which is not read; save it as .xlsx or CSV")
    if kind not in _COMPRESSED:
        with Path(path).open("rb") as file:
            yield OpenCatalog(_guarded(path, kind, _lines(kind, file)), path, digest, form=_form(kind))
        return
    with _COMPRESSED[kind](path) as unpacked:
        with _translate_faults(path, kind):
            head = unpacked.read(SAMPLE)
            inner = recognise(head)
            unpacked.seek(0)
        if inner is None:
            text = io.TextIOWrapper(unpacked, encoding=_encoding(head), newline="")
            yield OpenCatalog(_guarded(path, kind, text), path, digest)
        elif inner in _COMPRESSED:
            raise UsageError(f"catalog {path}: it is compressed twice; unpack it first")
        else:
            with _translate_faults(path, kind):
                whole = io.BytesIO(_unpacked(path, unpacked))
            yield OpenCatalog(_guarded(path, inner, _lines(inner, whole)), path, digest, form=_form(inner, kind))


_COMPRESSED: dict[str, Callable[[str], Any]] = {"gzip": gzip.open, "xz": lzma.open}


def _unpacked(path: str, unpacked: BinaryIO) -> bytes:
    content = unpacked.read(LARGEST_TABLE + 1)
    if len(content) > LARGEST_TABLE:
        raise UsageError(f"catalog {path}: more than {count(LARGEST_TABLE)} bytes when decompressed; unpack it first")
    return content


def _form(kind: str, packed: str = "") -> TextForm:
    """Return how the lines of a table are read: their header is ours, and messages count rows."""
    return TextForm(f"{kind}, {packed}" if packed else kind, unit="row", shift=1)


def _guarded(path: str, kind: str, lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines. UsageError if the library that reads them finds a fault in the file."""
    iterator = iter(lines)
    while True:
        with _translate_faults(path, kind):
            line = next(iterator, None)
        if line is None:
            return
        yield line


@contextmanager
def _translate_faults(path: str, kind: str) -> Iterator[None]:
    """Raise what a library finds wrong with a file as one sentence."""
    try:
        yield
    except (UsageError, UnicodeDecodeError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever a library raises is about what is in the file
        words = plain_line(str(error) or type(error).__name__, 200)
        raise UsageError(
            f"catalog {path}: it begins like {kind}, but cannot be read ({words}); save it as CSV"
        ) from None


def _lines(kind: str, file: BinaryIO) -> Iterator[str]:
    """Yield the table as lines of CSV, the header first."""
    if kind == "Parquet":
        return _parquet(file)
    if kind == "Excel workbook":
        return _workbook(file)
    return _astropy_table(kind, file)


def csv_line(fields: Iterable[object]) -> str:
    """Return one line of CSV."""
    written = io.StringIO()
    csv.writer(written).writerow([as_text(field) for field in fields])
    return written.getvalue()


def as_text(value: object) -> str:
    """Return a value as a CSV would have it; '' for None, NaN, masked and missing values."""
    if type(value).__name__ in _EMPTY or value != value:  # noqa: PLR0124 - NaN is the one value that differs from itself
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


def _parquet(file: BinaryIO) -> Iterator[str]:
    try:
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise UsageError(f"a Parquet catalog needs pyarrow: {install_line('specharvest[parquet]')}") from None
    with ParquetFile(file) as table:
        yield csv_line(table.schema_arrow.names)
        for batch in table.iter_batches():
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                yield csv_line(row)


def _workbook(file: BinaryIO) -> Iterator[str]:
    try:
        from openpyxl import load_workbook
    except ImportError:
        raise UsageError(f"an Excel catalog needs openpyxl: {install_line('specharvest[excel]')}") from None
    book = load_workbook(file, read_only=True, data_only=True)
    try:
        for row in book.worksheets[0].iter_rows(values_only=True):
            yield csv_line(int(value) if isinstance(value, float) and value.is_integer() else value for value in row)
    finally:
        book.close()


def _astropy_table(kind: str, file: BinaryIO) -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a careless writer did wrong does not matter for identifiers
        names, columns = _READERS[kind](file)
    yield csv_line(names)
    for row in zip(*columns, strict=True):
        yield csv_line(row)


Columns = tuple[Sequence[str], Sequence[Sequence[object]]]


def _votable(file: BinaryIO) -> Columns:
    from astropy.io.votable import parse_single_table

    return _columns_of(parse_single_table(file).to_table(use_names_over_ids=True))


def _fits(file: BinaryIO) -> Columns:
    from astropy.table import Table

    table = Table.read(file, format="fits")
    table.convert_bytestring_to_unicode()
    return _columns_of(table)


def _ecsv(file: BinaryIO) -> Columns:
    from astropy.table import Table

    return _columns_of(Table.read(file.read().decode().splitlines(), format="ascii.ecsv"))


def _columns_of(table: Any) -> Columns:
    return table.colnames, [table[name].tolist() for name in table.colnames]


_READERS: dict[str, Callable[[BinaryIO], Columns]] = {"VOTable": _votable, "FITS table": _fits, "ECSV": _ecsv}

"""The catalog that ``discover`` writes, and the account of the list beside it."""

from __future__ import annotations

import csv
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from ..vo.listing import ListingSummary


class CatalogFile:
    """A CSV file that can be begun again."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._writer: csv.DictWriter[str]

    def begin(self, columns: Sequence[str]) -> None:
        """Write the header, in place of all that was written before."""
        self._file.seek(0)
        self._file.truncate()
        self._writer = csv.DictWriter(self._file, columns, lineterminator="\n")
        self._writer.writeheader()

    def write(self, row: dict[str, str]) -> None:
        """Write one spectrum."""
        self._writer.writerow(row)


class NullCatalog:
    """Takes a catalog that is not wanted."""

    def begin(self, columns: Sequence[str]) -> None:
        """Take the header."""

    def write(self, row: dict[str, str]) -> None:
        """Take one spectrum."""


@contextmanager
def staged(catalog: str | None) -> Iterator[CatalogFile | None]:
    """Yield a catalog that appears under its name, or on standard output, once it is whole."""
    from ..storage.atomic import atomic_write
    from ..storage.errors import translate_os_errors

    if catalog is None:
        yield None
        return
    if catalog == "-":
        with translate_os_errors(Path(catalog)), tempfile.TemporaryFile("w+", encoding="utf-8", newline="") as file:
            yield CatalogFile(file)
            file.seek(0)
            shutil.copyfileobj(file, sys.stdout)
        return
    with atomic_write(Path(catalog).resolve()) as part, part.open("w", encoding="utf-8", newline="") as file:
        yield CatalogFile(file)


def sidecar(url: str, listed: ListingSummary | None, requests: int) -> str:
    """Return, as JSON, what became of every row of a list."""
    if listed is None:
        return "{}\n"
    account = {
        "service": url,
        "listed": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "requests": requests,
        "rows": listed.rows,
        "spectra": listed.spectra,
        "shared_identifiers": listed.shared_identifiers,
        "other_formats": listed.other_formats,
        "repeated": listed.repeated,
        "unreadable": dict(listed.unreadable),
        "without_identifier_or_address": listed.nameless,
        "in_private_network": listed.private,
        "excluded": listed.outside,
        "incomplete": listed.incomplete,
        "remark": listed.remark,
        "hosts": {host: number for host, number in listed.hosts.items() if host},
    }
    return json.dumps(account, indent=2) + "\n"

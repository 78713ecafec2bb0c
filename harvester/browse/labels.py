"""Keep one person's labels in a CSV of ``id,label``, each durable when acknowledged.

A new label is appended. The readers of catalogs take the first row of a DID, so a label that is changed or taken back
leaves the file, by an atomic replacement of the whole.
"""

from __future__ import annotations

import csv
import fcntl
import io
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ..errors import UsageError
from ..storage.atomic import atomic_write, sync_folder
from ..storage.errors import translate_os_errors

CATALOG = "catalog"
"""The name under which the catalog's labels take part in agreements."""

FOLDER = "labels"
"""The folder with a file for each labeller, beside ``.harvester``."""

HEADER = "id,label\n"
_NAME = re.compile(r"[^\W_][\w.-]{0,63}")


def check_name(name: str) -> str:
    """Return the name of a labeller. UsageError if no file can be called like it."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"--as {name!r}: a name of letters, digits, dots, hyphens and underscores is expected; it names the file"
        )
    if name == CATALOG:
        raise UsageError(f"--as {name}: the labels of the catalog have this name; choose another")
    return name


def label_file(folder: Path, name: str) -> Path:
    """Return the path of a labeller's file."""
    return folder / f"{name}.csv"


def read_labels(path: Path) -> dict[str, str]:
    """Return the labels in a file by DID, in its order; none if there is no file.

    UsageError, StoreError. A last row that was cut off by a power failure is left out: it was never acknowledged. A
    spreadsheet may have written the file: with a byte order mark, CRLF and quotes.
    """
    with translate_os_errors(path):
        text = path.read_bytes() if path.exists() else b""
    try:
        rows = [row for row in csv.reader(io.StringIO(text.decode("utf-8-sig"), newline="")) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: not a CSV of id,label ({error}); move it away, or correct it") from None
    if rows and [name.strip() for name in rows[0][:2]] != ["id", "label"]:
        raise UsageError(f"{path}: its first line is not id,label; move it away, or correct it")
    found: dict[str, str] = {}
    for row in rows[1:]:
        if len(row) >= 2 and row[0] and row[1]:
            found.setdefault(row[0], row[1])  # as the readers of catalogs do
    return found


def all_labels(folder: Path) -> dict[str, dict[str, str]]:
    """Return the labels of every labeller in ``folder``, by name. UsageError, StoreError.

    Hidden files are of editors and of macOS.
    """
    files = (path for path in sorted(folder.glob("*.csv")) if not path.name.startswith("."))
    return {path.stem: read_labels(path) for path in files}


class LabelFile:
    """The labels of one person, open for changes. StoreError if the disk fails."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._labels = read_labels(path)
        # What `undo` takes back, the last one last: the DID, and its label before.
        self._done: list[tuple[str, str | None]] = [(did, None) for did in self._labels]
        self._mend()

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels by DID, in the order in which they were given."""
        return self._labels

    def set(self, did: str, label: str) -> None:
        """Give ``did`` this label; it is durable when this returns."""
        before = self._labels.get(did)
        if before == label:
            return
        if before is None:
            self._append(did, label)
            self._labels[did] = label
        else:
            self._replace({**_without(self._labels, did), did: label})
        self._done.append((did, before))

    def add(self, labels: Mapping[str, str]) -> int:
        """Add many labels at once, and return how many; one that is there stays as it is."""
        new = {did: label for did, label in labels.items() if did not in self._labels}
        if new:
            self._replace({**self._labels, **new})
            self._done += [(did, None) for did in new]
        return len(new)

    def undo(self) -> tuple[str, str | None] | None:
        """Take the last change back. Return its DID and the label it has now, or None."""
        if not self._done:
            return None
        did, before = self._done[-1]
        if before is not None:
            self._replace({**_without(self._labels, did), did: before})
        else:
            self._replace(_without(self._labels, did))
        self._done.pop()
        return did, before

    def _append(self, did: str, label: str) -> None:
        row = _row(did, label).encode()
        with translate_os_errors(self.path):
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            try:
                end = os.fstat(descriptor).st_size
                try:
                    while row:  # near a full disk a write is short before it fails
                        row = row[os.write(descriptor, row) :]
                    os.fsync(descriptor)
                except OSError:
                    os.ftruncate(descriptor, end)
                    raise
            finally:
                os.close(descriptor)

    def _replace(self, labels: dict[str, str]) -> None:
        with atomic_write(self.path) as part:
            part.write_text(HEADER + "".join(_row(*one) for one in labels.items()), encoding="utf-8")
        self._labels = labels

    def _mend(self) -> None:
        """Make the file end in a whole row, so that the next one can be appended."""
        with translate_os_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            text = self.path.read_bytes() if self.path.exists() else b""
            sync_folder(self.path.parent.parent)
        if not text.endswith(b"\n") or not text:
            self._replace(self._labels)


def _without(labels: Mapping[str, str], did: str) -> dict[str, str]:
    return {other: label for other, label in labels.items() if other != did}


def _row(did: str, label: str) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow((did, label))
    return text.getvalue()


@contextmanager
def open_labels(folder: Path, name: str) -> Iterator[LabelFile]:
    """Yield the labels of ``name`` for changes. UsageError if another process has them open."""
    path = label_file(folder, check_name(name))
    with translate_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / f".{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"{path}: another browse is writing these labels; use that one, or another name") from None
        yield LabelFile(path)
    finally:
        os.close(descriptor)

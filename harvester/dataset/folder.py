"""Write a data set as a folder that Hugging Face loads: data files by part, and documents.

The folder appears all at once under its name. One that an export made is replaced by the next; any other is refused.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..storage.atomic import HOST, is_running, sync_folder, temp_name
from ..storage.errors import translate_os_errors
from .parquet import parquet_file
from .samples import Sample
from .schema import ExportSchema, Write

DATA, PROVENANCE = "data", "provenance.json"
Open = Callable[[Path], AbstractContextManager[Write]]

ROWS_OF_A_FILE = 16_384  # about 250 MB of spectra of 2,000 points: below the 500 MB that Hugging Face advises


def check_replaceable(folder: Path) -> None:
    """Raise UsageError if there is something at ``folder`` that no export has made."""
    if folder.is_dir() and not (folder / PROVENANCE).exists() and any(folder.iterdir()):
        raise UsageError(f"{folder}: the folder has other files in it; give a new or an empty one")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: it is a file; give a name that ends in .parquet or .h5, or a folder's")


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder to write into; it takes the place of ``folder`` when the block ends.

    If the block raises, ``folder`` is what it was. StoreError if the disk refuses.
    """
    staging = folder.with_name(temp_name(folder.name))
    try:
        with translate_os_errors(folder):
            _remove_stale(folder)
            staging.mkdir()
            yield staging
            for path in sorted(staging.rglob("*")):
                _sync(path)
            _exchange(staging, folder)
            sync_folder(folder.parent)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _exchange(staging: Path, folder: Path) -> None:
    if not folder.exists():
        staging.rename(folder)
        return
    old = folder.with_name(temp_name(folder.name))
    folder.rename(old)
    try:
        staging.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    shutil.rmtree(old)


def _remove_stale(folder: Path) -> None:
    """Remove what killed exports of this machine left beside ``folder``."""
    for left in folder.parent.glob(f".{folder.name}.{HOST}.*.part"):
        pid = left.name.removeprefix(f".{folder.name}.{HOST}.").partition(".")[0]
        if left.is_dir() and pid.isdecimal() and not is_running(int(pid)):
            shutil.rmtree(left, ignore_errors=True)


@contextmanager
def parquet_folder(
    folder: Path, layout: ExportSchema, provenance: Mapping[str, Any], rows: Mapping[str, int], files: dict[str, int]
) -> Iterator[Write]:
    """Open the data files in ``folder`` and yield what writes one spectrum into its part.

    rows: of each part, which is called ``train`` if it has no name. files: gets the rows of each file, by its path.
    """
    (folder / DATA).mkdir()
    with ExitStack() as stack:
        opened = partial(parquet_file, layout=layout, provenance=provenance)
        parts = {name: _Part(folder, name or "train", number, files, opened) for name, number in rows.items() if number}
        for part in parts.values():
            stack.push(part.close)
        yield lambda sample, name: parts[name or ""].write(sample, name)


class _Part:
    """One part of a split, in one or several files."""

    def __init__(self, folder: Path, name: str, rows: int, files: dict[str, int], opened: Open) -> None:
        number = -(-rows // ROWS_OF_A_FILE)
        self._names = [f"{DATA}/{name}-{at:05d}-of-{number:05d}.parquet" for at in range(number)]
        self._most = -(-rows // number)
        self._folder, self._files, self._opened = folder, files, opened
        self._current = ExitStack()
        self._next()

    def close(self, *error: Any) -> bool | None:
        """Close the current file; ``error`` is that of a context manager's ``__exit__``."""
        return self._current.__exit__(*error)

    def _next(self) -> None:
        self._current.close()
        self._current = ExitStack()
        self._name = self._names.pop(0)
        self._files[self._name] = 0
        self._write = self._current.enter_context(self._opened(self._folder / self._name))

    def write(self, sample: Sample, part: str | None) -> None:
        """Write one spectrum; KeyError if there are more than were counted."""
        if self._files[self._name] == self._most:
            if not self._names:
                raise KeyError(part)
            self._next()
        self._write(sample, part)
        self._files[self._name] += 1

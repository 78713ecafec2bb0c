"""A file that is written piece by piece and gets its name only when it is whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .commit import part_name, sweep, sync_folder
from .disk import storing


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Where to write what shall be at ``path`` once the block ends: durably, and all at once.

    If it raises, what was at ``path`` before is there still, and nothing else. StoreError if the disk refuses.
    """
    part = path.with_name(part_name(path.name))
    try:
        with storing(path):
            sweep(path.parent)
            yield part
            _sync(part)
            part.replace(path)
            sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):  # it may never have been made; the first fault is the one to tell
            part.unlink()
        raise


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

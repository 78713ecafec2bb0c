"""``SHA256SUMS``: what ``sha256sum -c`` checks without us, today and in twenty years."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from .commit import part_name, sync_folder
from .disk import storing

MANIFEST = "SHA256SUMS"


def write_sha256sums(folder: Path, rows: Iterable[tuple[str, str]]) -> Path:
    """Write ``folder/SHA256SUMS`` from ``(file name, hex digest)`` rows, in their order and as they come.

    Durable and all at once: whoever reads it meanwhile reads the old one. StoreError if it cannot be written; what
    ``rows`` itself raises goes through, and leaves the old one. Names are those of this package: sha256sum's
    escapes for blanks and backslashes at odd places are never needed.
    """
    path = folder / MANIFEST
    part = folder / part_name(MANIFEST)
    try:
        with storing(path), part.open("x", encoding="ascii", newline="\n") as file:
            file.writelines(f"{sha256}  {name}\n" for name, sha256 in rows)
            file.flush()
            os.fsync(file.fileno())
        with storing(path):
            part.replace(path)
            sync_folder(folder)
    except BaseException:
        with suppress(OSError):  # it may never have been made; the first fault is the one to tell
            part.unlink()
        raise
    return path

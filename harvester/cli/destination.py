"""Files that commands write: whether there is a place for them, before any work is done."""

from __future__ import annotations

from pathlib import Path


def destination(option: str, file: str, *endings: str) -> Path:
    """Where the file that ``option`` names goes. UsageError for a folder, in none, or without one of ``endings``."""
    from ..errors import UsageError

    path = Path(file)
    if endings and path.suffix.lower() not in endings:
        *others, last = endings
        either = f"{', '.join(others)} or {last}" if others else last
        raise UsageError(f"{option} {file}: give a file that ends in {either}")
    if path.is_dir():
        raise UsageError(f"{option} {file}: it is a directory; give a file")
    if not path.parent.is_dir():
        raise UsageError(f"{option} {file}: there is no directory {path.parent}; make it first, or give another file")
    return path

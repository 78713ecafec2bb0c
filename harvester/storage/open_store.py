"""Which store a configuration means, and how what lies there is proved again."""

from __future__ import annotations

from pathlib import Path

from ..errors import UsageError
from .directory import DirectoryStore
from .interface import Store
from .layout import Layout
from .url import ObjectAddress


def open_store(place: ObjectAddress | Path, home: Path, refresh: bool, layout: str | None = None) -> Store:
    """The store at ``place``, whose books are below ``home``; ``refresh`` replaces what is there. Raises as above.

    ``layout``: None for the one that a folder has.
    """
    if isinstance(place, Path):
        return DirectoryStore(place, Layout(layout) if layout else None)
    if layout is not None:
        raise UsageError(f"--layout {layout}: {place} has no folders that could fill up; leave --layout out")
    try:
        from .object_service import opened
        from .object_store import ObjectStore
    except ImportError:
        raise UsageError(f"--out {place}: object stores need obstore: pip install 'harvester[objects]'") from None
    return ObjectStore(str(place), opened(place), home, refresh)

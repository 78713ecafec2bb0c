"""Open the store that a path or a URL names."""

from __future__ import annotations

from pathlib import Path

from ..errors import UsageError
from ..model.invocation import install_line
from .directory import DirectoryStore
from .interface import Store
from .layout import Layout
from .url import ObjectAddress


def open_store(location: ObjectAddress | Path, home: Path, refresh: bool, layout: str | None = None) -> Store:
    """Open the store at ``location``.

    home: local folder for the state of an object store. refresh: replace stored spectra. layout: None keeps the
    layout that a folder has. UsageError if obstore is not installed, StoreError if the service cannot be used.
    """
    if isinstance(location, Path):
        return DirectoryStore(location, Layout(layout) if layout else None)
    if layout is not None:
        raise UsageError(f"--layout {layout}: {location} has no folders that could fill up; leave --layout out")
    try:
        from .object_service import open_service
        from .object_store import ObjectStore
    except ImportError:
        raise UsageError(
            f"--out {location}: object stores need obstore: {install_line('specharvest[objects]')}"
        ) from None
    return ObjectStore(str(location), open_service(location), home, refresh)

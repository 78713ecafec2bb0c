"""Which store a configuration means, and how what lies there is proved again."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from pathlib import Path

from .errors import UsageError
from .expectation import Expectation
from .findings import Examined, Finding
from .seams import Shelf
from .settings import Configuration
from .stores.directory import DirectoryStore
from .stores.layout import Layout


def shelf_of(configuration: Configuration) -> Shelf:
    """The store that ``--out`` names. UsageError if what it needs is not installed, StoreError if it cannot be used."""
    place, layout = configuration.place, configuration.settings.layout
    if isinstance(place, Path):
        return DirectoryStore(place, Layout(layout) if layout else None)
    if layout is not None:
        raise UsageError(f"--layout {layout}: {place} has no folders that could fill up; leave --layout out")
    try:
        from .stores.objects import ObjectStore
        from .stores.service import opened
    except ImportError:
        raise UsageError(f"--out {place}: object stores need obstore: pip install 'harvester[objects]'") from None
    return ObjectStore(str(place), opened(place), configuration.home, configuration.settings.refresh)


def proved_again(
    shelf: Shelf, work: Iterable[Examined], expected: Expectation, processes: int
) -> Generator[Finding, None, None]:
    """A finding for each of ``work``, in its order: from a folder by several processes, from afar by many downloads."""
    from .audit import audit, audit_through

    if isinstance(shelf, DirectoryStore):
        return audit(shelf.folder, work, expected, processes, places=shelf.layout.paths)
    return audit_through(shelf.read, work, expected)

"""Which store a configuration means, and how what lies there is proved again."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from pathlib import Path

from .errors import UsageError
from .expectation import Expectation
from .findings import Examined, Finding
from .seams import Shelf
from .settings import Configuration
from .stores.address import ObjectAddress
from .stores.directory import DirectoryStore


def shelf_of(configuration: Configuration) -> Shelf:
    """The store that ``--out`` names. UsageError if what it needs is not installed, StoreError if it cannot be used."""
    return shelf_at(configuration.place, configuration.home, configuration.settings.refresh)


def shelf_at(place: ObjectAddress | Path, home: Path, refresh: bool) -> Shelf:
    """The store at ``place``, whose books are below ``home``; ``refresh`` replaces what is there. Raises as above."""
    if isinstance(place, Path):
        return DirectoryStore(place)
    try:
        from .stores.objects import ObjectStore
        from .stores.service import opened
    except ImportError:
        raise UsageError(f"--out {place}: object stores need obstore: pip install 'harvester[objects]'") from None
    return ObjectStore(str(place), opened(place), home, refresh)


def proved_again(
    shelf: Shelf, work: Iterable[Examined], expected: Expectation, processes: int
) -> Generator[Finding, None, None]:
    """A finding for each of ``work``, in its order: from a folder by several processes, from afar by many downloads."""
    from .audit import audit, audit_through

    if isinstance(shelf, DirectoryStore):
        return audit(shelf.folder, work, expected, processes)
    return audit_through(shelf.read, work, expected)

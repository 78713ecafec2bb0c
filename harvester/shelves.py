"""Which store a configuration means, and how what lies there is proved again."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing
from functools import partial
from pathlib import Path

from .batches import Pool, batches, in_order
from .errors import UsageError
from .expectation import Expectation
from .findings import Examined, Finding
from .seams import Shelf
from .settings import Configuration
from .stores.address import ObjectAddress
from .stores.directory import DirectoryStore
from .stores.layout import Layout


def shelf_of(configuration: Configuration) -> Shelf:
    """The store that ``--out`` names. UsageError if what it needs is not installed, StoreError if it cannot be used."""
    settings = configuration.settings
    return shelf_at(configuration.place, configuration.home, settings.refresh, settings.layout)


def shelf_at(place: ObjectAddress | Path, home: Path, refresh: bool, layout: str | None = None) -> Shelf:
    """The store at ``place``, whose books are below ``home``; ``refresh`` replaces what is there. Raises as above.

    ``layout``: None for the one that a folder has.
    """
    if isinstance(place, Path):
        return DirectoryStore(place, Layout(layout) if layout else None)
    if layout is not None:
        raise UsageError(f"--layout {layout}: {place} has no folders that could fill up; leave --layout out")
    try:
        from .stores.objects import ObjectStore
        from .stores.service import opened
    except ImportError:
        raise UsageError(f"--out {place}: object stores need obstore: pip install 'harvester[objects]'") from None
    return ObjectStore(str(place), opened(place), home, refresh)


def proved_again(
    configuration: Configuration, shelf: Shelf, work: Iterable[Examined], processes: int, pool: Pool | None = None
) -> Generator[Finding, None, None]:
    """A finding for each of ``work``, in its order: from a folder by several processes, from afar by many downloads,
    or, wherever they are, by a ``pool`` of other machines."""
    from .audit import CHUNK, audit, audit_through

    expected = configuration.expectation
    if pool is not None:
        place, home = absolute(configuration)
        examine = partial(_proved_there, place, home, expected)
        return _one_by_one(in_order(pool, examine, batches(work, CHUNK)))
    if isinstance(shelf, DirectoryStore):
        return audit(shelf.folder, work, expected, processes, places=shelf.layout.paths)
    return audit_through(shelf.read, work, expected)


def _one_by_one(chunks: Generator[list[Finding], None, None]) -> Generator[Finding, None, None]:
    with closing(chunks):
        for some in chunks:
            yield from some


def _proved_there(
    place: ObjectAddress | Path, home: Path, expected: Expectation, some: list[Examined]
) -> list[Finding]:
    """On another machine: what has these names in the store at ``place``."""
    from .audit import audit_through, examine_files

    if isinstance(place, Path):
        return examine_files(place, expected, DirectoryStore(place).layout.paths, some)
    return list(audit_through(shelf_at(place, home, refresh=False).read, some, expected))


def absolute(configuration: Configuration) -> tuple[ObjectAddress | Path, Path]:
    """Where the spectra are, and the local folder of their books, for whoever has another working directory."""
    place = configuration.place
    return place.absolute() if isinstance(place, Path) else place, configuration.home.absolute()

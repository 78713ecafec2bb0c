"""Turn stored spectra into samples, in this process or in a pool that reads them itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ..archive.profile import ArchiveProfile
from ..config.configuration import Configuration
from ..model.batching import Pool, batches, in_order
from ..storage.open_store import open_store
from ..storage.url import ObjectAddress
from .preprocessing import Recipe
from .samples import MissingMetadataError, NotCoveredError, Sample, build_sample
from .stored_files import DamagedError, StoredFile

Built = Sample | DamagedError | NotCoveredError | MissingMetadataError

CHUNK = 50  # spectra of one task of the pool: its result is a few megabytes


@dataclass(frozen=True, slots=True)
class SampleBuilder:
    """Build samples by a recipe. ``profile`` supplies what files do not say."""

    configuration: Configuration
    recipe: Recipe
    profile: ArchiveProfile | None
    pool: Pool | None = None

    def build(self, files: Iterable[StoredFile]) -> Iterator[tuple[StoredFile, Built]]:
        """Yield each of ``files`` with its sample or its error, in order.

        StoreError if the disk fails.
        """
        if self.pool is None:
            yield from ((stored, _build(stored, self.recipe, self.profile)) for stored in files)
            return
        work = partial(_build_in_worker, *self.configuration.absolute_locations(), self.recipe, self.profile)
        with closing(in_order(self.pool, work, batches(map(_without_loader, files), CHUNK))) as chunks:
            for chunk in chunks:
                yield from chunk


def _build(stored: StoredFile, recipe: Recipe, profile: ArchiveProfile | None) -> Built:
    try:
        return recipe.apply(build_sample(stored, profile))
    except (DamagedError, NotCoveredError, MissingMetadataError) as error:
        return error


def _build_in_worker(
    location: ObjectAddress | Path,
    home: Path,
    recipe: Recipe,
    profile: ArchiveProfile | None,
    chunk: list[StoredFile],
) -> list[tuple[StoredFile, Built]]:
    """Build the samples of ``chunk`` in a worker, which reads them from the store itself."""
    store = open_store(location, home, refresh=False)
    loadable = (replace(stored, load=partial(store.read, stored.name)) for stored in chunk)
    return [(_without_loader(stored), _build(stored, recipe, profile)) for stored in loadable]


def _without_loader(stored: StoredFile) -> StoredFile:
    """Return a copy that can be pickled: a loader belongs to the machine that it was made on."""
    return replace(stored, load=_no_loader)


def _no_loader() -> bytes:
    raise FileNotFoundError("a stored file that was sent to another process has no loader")

"""Where stored spectra become samples: here, one after the other, or by a pool of others, who read them themselves."""

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
from .samples import MissingMetadataError, NotCoveredError, Sample, sample_of
from .stored_files import DamagedError, StoredFile

Made = Sample | DamagedError | NotCoveredError | MissingMetadataError

CHUNK = 50  # spectra that are handed over at once: a few megabytes on the way back


@dataclass(frozen=True, slots=True)
class SampleBuilder:
    """Makes samples by a recipe. ``profile`` tells what files do not."""

    configuration: Configuration
    recipe: Recipe
    profile: ArchiveProfile | None
    pool: Pool | None = None

    def made(self, holdings: Iterable[StoredFile]) -> Iterator[tuple[StoredFile, Made]]:
        """Each of ``holdings`` with what became of it, in their order. StoreError if the disk fails."""
        if self.pool is None:
            yield from ((holding, _made(holding, self.recipe, self.profile)) for holding in holdings)
            return
        work = partial(_made_there, *self.configuration.absolute_locations(), self.recipe, self.profile)
        with closing(in_order(self.pool, work, batches(map(_without_loader, holdings), CHUNK))) as chunks:
            for some in chunks:
                yield from some


def _made(holding: StoredFile, recipe: Recipe, profile: ArchiveProfile | None) -> Made:
    try:
        return recipe.applied_to(sample_of(holding, profile))
    except (DamagedError, NotCoveredError, MissingMetadataError) as error:
        return error


def _made_there(
    place: ObjectAddress | Path,
    home: Path,
    recipe: Recipe,
    profile: ArchiveProfile | None,
    some: list[StoredFile],
) -> list[tuple[StoredFile, Made]]:
    """On another machine, which reads them from the store itself."""
    shelf = open_store(place, home, refresh=False)
    those = (replace(holding, load=partial(shelf.read, holding.name)) for holding in some)
    return [(_without_loader(holding), _made(holding, recipe, profile)) for holding in those]


def _without_loader(holding: StoredFile) -> StoredFile:
    """As it can be sent: a loader belongs to the machine that it was made on."""
    return replace(holding, load=_elsewhere)


def _elsewhere() -> bytes:
    raise FileNotFoundError("a holding that came over the wire has no loader")

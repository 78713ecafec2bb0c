"""Turn stored spectra into samples, in this process or in a pool that reads them itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from ..archive.profile import ArchiveProfile
from ..config.configuration import Configuration
from ..model.batching import Pool
from .preprocessing import Recipe
from .samples import MissingMetadataError, NotCoveredError, Sample, build_sample
from .stored_files import DamagedError, StoredFile
from .work import StoreWorkers, work_on

Built = Sample | DamagedError | NotCoveredError | MissingMetadataError


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
        locations = self.configuration.absolute_locations()
        workers = None if self.pool is None else StoreWorkers(self.pool, *locations)
        return work_on(files, partial(_build, self.recipe, self.profile), workers)


def _build(recipe: Recipe, profile: ArchiveProfile | None, stored: StoredFile) -> Built:
    try:
        return recipe.apply(build_sample(stored, profile))
    except (DamagedError, NotCoveredError, MissingMetadataError) as error:
        return error

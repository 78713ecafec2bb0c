"""Turn stored spectra into samples, in this process or in a pool that reads them itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from ..archive.profile import ArchiveProfile
from ..config.configuration import Configuration
from ..model.batching import Pool
from .preprocessing import Recipe
from .samples import MissingMetadataError, NotCoveredError, Sample, build_sample
from .stored_files import DamagedError, StoredFile
from .work import StoreWorkers, work_on

NO_POSITION = "its header has no position, which HATS is partitioned by"

Unusable = DamagedError | NotCoveredError | MissingMetadataError
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SampleBuilder:
    """Build samples by a recipe. ``profile`` supplies what files do not say.

    positioned: whether a sample needs a position.
    """

    configuration: Configuration
    recipe: Recipe
    profile: ArchiveProfile | None
    pool: Pool | None = None
    positioned: bool = False

    def build(
        self, files: Iterable[StoredFile], take: Callable[[Sample], T]
    ) -> Iterator[tuple[StoredFile, T | Unusable]]:
        """Yield each of ``files``, in order, with what ``take`` returns for its sample.

        Or with the sample's error. ``take`` is called where the file is read, and can be pickled. StoreError if the
        disk fails.
        """
        locations = self.configuration.absolute_locations()
        workers = None if self.pool is None else StoreWorkers(self.pool, *locations)
        return work_on(files, partial(self._build, self.recipe, self.profile, self.positioned, take), workers)

    @staticmethod
    def _build(
        recipe: Recipe,
        profile: ArchiveProfile | None,
        positioned: bool,
        take: Callable[[Sample], T],
        stored: StoredFile,
    ) -> T | Unusable:
        try:
            sample = recipe.apply(build_sample(stored, profile))
        except (DamagedError, NotCoveredError, MissingMetadataError) as error:
            return error
        return NotCoveredError(NO_POSITION) if positioned and sample.observation.ra is None else take(sample)

"""A harvest as one file: Parquet to train on, or HDF5 for the notebooks of old, with a card beside it.

One spectrum is in memory at a time (in Parquet, a row group). A split needs to know all stars before it can place one,
so everything is read twice then. The same harvest gives the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .._version import __version__
from ..archive.profile import ArchiveProfile
from ..config.configuration import Configuration
from ..config.messages import did_you_mean
from ..errors import UsageError
from ..formatting import plain_line
from ..model.batching import Pool
from ..model.labels import Labelling
from ..storage.atomic import atomic_write
from .hdf5 import hdf5_file, require_h5py
from .parquet import parquet_file, require_pyarrow
from .preprocessing import NOTHING, Recipe
from .sample_builder import SampleBuilder
from .samples import MissingMetadataError, NotCoveredError, Sample
from .schema import ExportSchema, Write
from .source import Origin, Source
from .split import Split
from .stars import Objects
from .stored_files import DamagedError

ExportProgress = Callable[[int, int], None]
"""Called with how many spectra are done and how many there are."""

Open = Callable[[Path, ExportSchema, dict[str, Any]], AbstractContextManager[Write]]


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What the data set shall be. label: the catalog's column with the class, None for ``labels.column``."""

    file: Path
    recipe: Recipe = NOTHING
    split: Split | None = None
    flux: str = "float64"
    label: str | None = None

    @property
    def card(self) -> Path:
        """The card beside the file."""
        return self.file.with_name(f"{self.file.name}.md")


@dataclass(slots=True)
class ExportResult:
    """What became of it. ``classes`` counts the spectra written, by label and part ('' where there is none).

    stars: how many have each label, as the split counts them; empty without a split.
    damaged, left_out: name and reason. absent: spectra that the catalog lists and the harvest does not have.
    """

    classes: Counter[tuple[str, str]] = field(default_factory=Counter)
    stars: Mapping[str, int] = field(default_factory=dict)
    damaged: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    absent: int = 0

    @property
    def written(self) -> int:
        return self.classes.total()


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set that was written: what it was to be, where it comes from, how it is laid out, what became of it.

    profile: of its archive, by the ledger or by the user's word; None if neither tells.
    """

    order: ExportOptions
    origin: Origin
    profile: ArchiveProfile | None
    layout: ExportSchema
    outcome: ExportResult

    def lacking(self) -> Iterator[str]:
        """A line for each class that a part of the split has no spectrum of."""
        split, classes, stars = self.order.split, self.outcome.classes, self.outcome.stars
        parts = split.names if split is not None else ()
        for label in sorted(stars):
            without = [part for part in parts if not classes[label, part]]
            if without:
                name, of = plain_line(label, 80) or "(none)", f"{stars[label]} star{'s' * (stars[label] != 1)}"
                yield f"no spectrum of class {name} in {', '.join(without)} ({of})"


Describe = Callable[[Dataset], str]
"""The words of a data set's card."""


def opener(order: ExportOptions) -> Open:
    """Who writes such a file, HDF5 unless it is called .parquet. UsageError if what it takes is not installed."""
    if order.file.suffix.lower() == ".parquet":
        require_pyarrow()
        return parquet_file
    if order.flux != "float64":
        raise UsageError(
            f"{order.file}: HDF5 keeps wavelengths and flux in one array, and {order.flux} is too coarse for "
            "wavelengths; leave --flux out, or give a .parquet file"
        )
    require_h5py()
    return hdf5_file


def export(
    configuration: Configuration,
    order: ExportOptions,
    progress: ExportProgress,
    describe: Describe | None = None,
    pool: Pool | None = None,
) -> Dataset:
    """Write the data set ``order`` of the configuration's harvest. UsageError if there is none to make, or no way to.

    With ``describe`` its card is put beside it. Leaves nothing behind if it fails. What is damaged or has no place in
    it is left out and told in the outcome. A ``pool`` reads and prepares the spectra; the file is written here.
    """
    if order.card.is_dir():
        raise UsageError(f"{order.card}: a folder has the name of the card; give the data set another one")
    return _Export(configuration, order, progress, opener(order), describe, pool).run()


class _Export:
    """One export. The methods that yield samples do not know what becomes of them."""

    def __init__(
        self,
        configuration: Configuration,
        order: ExportOptions,
        progress: ExportProgress,
        open_file: Open,
        describe: Describe | None,
        pool: Pool | None,
    ) -> None:
        self._describe = describe
        self._source = Source(configuration)
        self._origin = self._source.origin()
        self._order = order
        self._progress = progress
        self._open = open_file
        self._layout = ExportSchema(
            self._origin.columns, order.flux, order.split is not None, self._label(configuration)
        )
        named = "archive" in configuration.settings.model_fields_set
        own = named or configuration.profile.name == self._origin.archive
        self._profile = configuration.profile if own else None
        self._workshop = SampleBuilder(configuration, order.recipe, self._profile, pool)
        self._passes = 1 if order.split is None else 2
        self._seen = 0

    def _label(self, configuration: Configuration) -> str:
        """The column with the class. UsageError if it is one that somebody named, and no spectrum has it."""
        setting = configuration.settings.labels.column
        label = self._order.label or setting
        there = [column.source for column in self._origin.columns]
        chosen = self._order.label is not None or setting != Labelling().column
        if not chosen or label in there or not self._origin.count:
            return label
        named = "labels.column" if self._order.label is None else "--label-column"
        known = f"they have {', '.join(there)}" if there else "they have none"
        raise UsageError(
            f"{named} {label!r}: no spectrum has such a column of its catalog; {known}{did_you_mean(label, there)}"
        )

    def run(self) -> Dataset:
        try:
            return self._written()
        except (KeyError, ValueError) as error:  # a star, or a value in a column, that the first look did not see
            if self._source.origin() == self._origin:
                raise
            raise UsageError(
                f"{self._source.folder}: its ledger changed meanwhile; export again when the harvest has ended"
            ) from error

    def _written(self) -> Dataset:
        outcome = ExportResult(absent=(self._source.listed or self._origin.count) - self._origin.count)
        part_of = self._parts(outcome)
        with atomic_write(self._order.file) as path:
            with self._open(path, self._layout, self._provenance()) as write:
                for sample in self._samples(outcome):
                    part = part_of(sample)
                    write(sample, part)
                    outcome.classes[self._layout.class_of(sample.columns), part or ""] += 1
            if not outcome.written:
                raise UsageError(self._why_nothing(outcome))
            dataset = Dataset(self._order, self._origin, self._profile, self._layout, outcome)
            if self._describe is not None:  # before the data set gets its name: no new one beside an old card
                with atomic_write(self._order.card) as words:
                    words.write_text(self._describe(dataset), encoding="utf-8")
        return dataset

    def _parts(self, outcome: ExportResult) -> Callable[[Sample], str | None]:
        """The part that each sample is in: found by going through them all; ``outcome`` gets their stars."""
        if self._order.split is None:
            return lambda sample: None
        objects = Objects()
        for sample in self._samples(ExportResult()):
            objects.add(sample.did, sample.observation, self._layout.class_of(sample.columns))
        stars = objects.labels()
        outcome.stars = Counter(label for labels in stars.values() for label in labels)
        parts = self._order.split.parts(stars)
        return lambda sample: parts[objects.star(sample.did, sample.observation)]

    def _samples(self, outcome: ExportResult) -> Iterator[Sample]:
        """All samples, prepared; into ``outcome`` goes what is none."""
        total = self._passes * self._origin.count
        for holding, made in self._workshop.made(self._source):
            match made:
                case Sample():
                    yield made
                case DamagedError():
                    outcome.damaged.append((holding.name, str(made)))
                case NotCoveredError():
                    outcome.left_out.append((holding.name, str(made)))
                case MissingMetadataError():
                    raise UsageError(f"{made}, and give that with --archive FILE.toml")
            self._seen += 1
            self._progress(self._seen, total)

    def _provenance(self) -> dict[str, Any]:
        split = self._order.split
        return {
            "made_by": f"harvester {__version__}",
            **self._origin.as_json(),
            "done": self._order.recipe.in_words(),
            "split": split and {"shares": dict(zip(split.names, split.shares, strict=True)), "seed": split.seed},
        }

    def _why_nothing(self, outcome: ExportResult) -> str:
        folder = self._source.folder
        if outcome.left_out:
            name, why = outcome.left_out[0]
            return f"--resample: no spectrum covers that grid; {name}, for one, does not: {why}"
        if outcome.damaged:
            return f"{folder}: all its spectra are damaged; python -m harvester verify tells more"
        listed = "that the catalog lists" if self._source.listed else "yet"
        return f"{folder}: it holds no spectrum {listed}; python -m harvester run fetches them"

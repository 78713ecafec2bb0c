"""Export a harvest as a Parquet or HDF5 file with a card, or as a Hugging Face folder.

One spectrum is in memory at a time (in Parquet, a row group). Parquet needs to know which columns have values, and a
split needs to know all stars, before the first row can be written: until then the samples are kept in a temporary
file, or, where there is no room for it, everything is read twice. The same harvest gives the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from .._version import __version__
from ..config.configuration import Configuration
from ..config.messages import did_you_mean
from ..errors import UsageError
from ..model.batching import Pool
from ..model.invocation import command_line
from ..model.labels import Labelling
from ..storage.atomic import atomic_write
from .catalog_columns import with_free_names
from .contents import COMPACT, EXPLICIT, FirstPass
from .folder import atomic_folder, check_replaceable, parquet_folder
from .hats import TAKEN, hats_collection, require_hats
from .hdf5 import hdf5_file, require_h5py
from .options import Dataset, ExportOptions, ExportResult
from .parquet import parquet_file, require_pyarrow
from .sample_builder import NO_POSITION, SampleBuilder
from .samples import MissingMetadataError, NotCoveredError, Sample
from .schema import NAMES, ExportSchema, Write
from .source import Source
from .spool import Spool, not_packed, packed
from .stored_files import DamagedError, StructureOnlyError

ExportProgress = Callable[[int, int], None]
"""Called with how many spectra are done and how many there are."""

Describe = Callable[[Dataset], str]
"""Return the text of a data set's card."""

T = TypeVar("T")

Document = Callable[[Dataset, Path], None]
"""Write what a folder has beside its data, into the folder."""


def check_options(options: ExportOptions) -> None:
    """Raise UsageError if such a data set cannot be written here."""
    if options.is_hdf5:
        if options.flux != "float64":
            raise UsageError(
                f"{options.file}: HDF5 keeps wavelengths and flux in one array, and {options.flux} is too coarse for "
                "wavelengths; leave --flux out, or give a .parquet file"
            )
        require_h5py()
    else:
        require_pyarrow()
    if options.is_hats:
        require_hats()
        if options.wave == COMPACT:
            raise UsageError(f"{options.file}: a nested column has all wavelengths; leave --wave compact out")
    if options.is_folder:
        check_replaceable(options.file)
    elif options.card.is_dir():
        raise UsageError(f"{options.card}: a folder has the name of the card; give the data set another one")


def export(
    configuration: Configuration,
    options: ExportOptions,
    progress: ExportProgress,
    describe: Describe | None = None,
    pool: Pool | None = None,
    document: Document | None = None,
) -> Dataset:
    """Write the data set ``options`` of the configuration's harvest.

    UsageError if there is none, or it cannot be.

    ``describe`` writes its card, ``document`` what else a folder has. Leaves nothing behind if it fails. What is
    damaged or does not fit is left out and listed in the result. A ``pool`` reads and prepares the spectra.
    """
    check_options(options)
    return _Export(configuration, options, progress, describe, pool, document).run()


def whole(sample: Sample) -> Sample:
    """Return the sample as it is."""
    return sample


class _Export:
    """One export. The methods that yield samples do not know what becomes of them."""

    def __init__(
        self,
        configuration: Configuration,
        options: ExportOptions,
        progress: ExportProgress,
        describe: Describe | None,
        pool: Pool | None,
        document: Document | None,
    ) -> None:
        self._describe, self._document = describe, document
        self._source = Source(configuration)
        self._origin = self._source.origin()
        self._options = options
        self._progress = progress
        grid, split = options.recipe.grid, options.split
        columns = tuple(column for column in self._origin.columns if not column.blank)
        self._schema = ExportSchema(
            with_free_names(columns, NAMES | TAKEN) if options.is_hats else columns,
            options.flux,
            "" if split is None else split.column,
            self._label(configuration),
            size=None if grid is None else grid.points,
        )
        named = "archive" in configuration.settings.model_fields_set
        own = named or configuration.profile.name == self._origin.archive
        self._profile = configuration.profile if own else None
        self._builder = SampleBuilder(configuration, options.recipe, self._profile, pool, options.is_hats)
        self._passes = 1 if options.is_hdf5 and split is None else 2
        self._seen = 0

    def _label(self, configuration: Configuration) -> str:
        """Return the column with the class; UsageError if one was named that no spectrum has."""
        setting = configuration.settings.labels.column
        label = self._options.label or setting
        known = [column.source for column in self._origin.columns]
        chosen = self._options.label is not None or setting != Labelling().column
        if not chosen or label in known or not self._origin.count:
            return label
        named = "labels.column" if self._options.label is None else "--label-column"
        columns = f"they have {', '.join(known)}" if known else "they have none"
        raise UsageError(
            f"{named} {label!r}: no spectrum has such a column of its catalog; {columns}{did_you_mean(label, known)}"
        )

    def run(self) -> Dataset:
        """Write the data set."""
        try:
            return self._write()
        except (KeyError, ValueError) as error:  # a star, or a value in a column, that the first look did not see
            if self._source.origin() == self._origin:
                raise
            raise UsageError(
                f"{self._source.folder}: its ledger changed during the export; export again when the harvest has ended"
            ) from error

    def _write(self) -> Dataset:
        result = ExportResult(absent=self._source.absent(self._origin.count), unrecorded=self._source.unrecorded())
        options = self._options
        with Spool(options.file.absolute().parent, self._source.size_of(self._origin.count)) as spool:
            part_of, rows, samples = self._first_look(result, spool)
            with atomic_folder(options.file) if options.is_folder else atomic_write(options.file) as path:
                with self._open(path, rows, result) as write:
                    for sample in samples:
                        part = part_of(sample)
                        write(sample, part)
                        result.classes[self._schema.class_of(sample.columns), part or ""] += 1
                if not result.written:
                    raise UsageError(self._why_nothing(result))
                dataset = Dataset(options, self._origin, self._profile, self._schema, result, self._source.conflicts)
                self._write_documents(dataset, path)
        return dataset

    def _first_look(
        self, result: ExportResult, spool: Spool
    ) -> tuple[Callable[[Sample], str | None], dict[str, int], Iterator[Sample]]:
        """Decide the columns and the parts.

        Return what tells a sample's part, the rows of each part, and all samples once more.
        """
        split = self._options.split
        if self._passes == 1:
            return (lambda sample: None), {}, self._each(whole, result)
        look, found, faults = FirstPass(self._schema), 0, ExportResult()
        for summary, sample in self._each(packed if spool.is_open else not_packed, faults):
            look.add(summary)
            spool.add(sample)
            found += 1
        samples = self._again(spool, result, faults) if spool.is_open else self._each(whole, result)
        if not self._options.is_hdf5 and found:
            wave = EXPLICIT if self._options.is_hats else look.wave_style(self._options.wave)
            size = self._schema.size or (look.grid.count if look.grid else None)
            self._schema = replace(self._schema, wave=wave, size=size, contents=look.contents(wave, split))
        if split is None:
            return (lambda sample: None), {"": found}, samples
        stars = look.objects.labels()
        result.anonymous = look.objects.anonymous
        result.stars = Counter(label for labels in stars.values() for label in labels)
        parts, rows = split.parts(stars), dict.fromkeys(split.names, 0)
        for star, labels in stars.items():
            rows[parts[star]] += sum(labels.values())
        return (lambda sample: parts[look.objects.star(sample.did, sample.observation)]), rows, samples

    def _again(self, spool: Spool, result: ExportResult, faults: ExportResult) -> Iterator[Sample]:
        """Yield the samples of the first pass; ``result`` gets the spectra that gave none."""
        result.damaged, result.left_out, result.unread = faults.damaged, faults.left_out, faults.unread
        for sample in spool:
            yield sample
            self._count()

    def _open(self, path: Path, rows: dict[str, int], result: ExportResult) -> AbstractContextManager[Write]:
        provenance = self._provenance()
        if self._options.is_hats:
            return hats_collection(path, self._options.file.stem, self._schema, provenance, result.files)
        if self._options.is_folder:
            return parquet_folder(path, self._schema, provenance, rows, result.files)
        return (hdf5_file if self._options.is_hdf5 else parquet_file)(path, self._schema, provenance)

    def _write_documents(self, dataset: Dataset, path: Path) -> None:
        """Write the card before the data set gets its name, so that it never has an old card."""
        if self._describe is not None:
            with atomic_write(path / "README.md" if dataset.options.is_folder else dataset.options.card) as card:
                card.write_text(self._describe(dataset), encoding="utf-8")
        if self._document is not None and dataset.options.is_folder:
            self._document(dataset, path)

    def _each(self, take: Callable[[Sample], T], result: ExportResult) -> Iterator[T]:
        """Yield what ``take`` returns for each prepared sample.

        Spectra that give none go into ``result``.
        """
        for stored, built in self._builder.build(self._source, take):
            match built:
                case StructureOnlyError():
                    result.unread.append((stored.name, str(built)))
                case DamagedError():
                    result.damaged.append((stored.name, str(built)))
                case NotCoveredError():
                    result.left_out.append((stored.name, str(built)))
                case MissingMetadataError():
                    raise UsageError(f"{built}, and give that with --archive FILE.toml")
                case _:
                    yield built
            self._count()

    def _count(self) -> None:
        self._seen += 1
        self._progress(self._seen // self._passes, self._origin.count)

    def _provenance(self) -> dict[str, Any]:
        split = self._options.split
        return {
            "made_by": f"harvester {__version__}",
            **self._origin.as_json(),
            "prepared": self._options.recipe.sentences(),
            "split": split and {"shares": dict(zip(split.names, split.shares, strict=True)), "seed": split.seed},
            "rights": self._profile.acknowledgement if self._profile else "",
        }

    def _why_nothing(self, result: ExportResult) -> str:
        folder = self._source.folder
        if result.unread:
            name, reason = result.unread[0]
            return f"{folder}: no reader finds a spectrum in its files; {name}, for one: {reason}"
        if result.left_out:
            name, reason = result.left_out[0]
            if reason == NO_POSITION:
                return f"{self._options.file}: no spectrum has a position; {name}, for one: {reason}"
            return f"--resample: no spectrum covers that grid; {name}, for one, does not: {reason}"
        if result.damaged:
            return f"{folder}: all its spectra are damaged; for details: {command_line('verify', '--out', str(folder))}"
        listed = "that the catalog lists" if self._source.catalog is not None else "yet"
        return (
            f"{folder}: it contains no spectrum {listed}; to download them: {command_line('run', '--out', str(folder))}"
        )

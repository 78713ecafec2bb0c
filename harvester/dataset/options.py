"""What is exported, and what came of it: the values that export, card and documents share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..archive.profile import ArchiveProfile
from ..catalog.reader import Conflict
from ..formatting import count, plain_line, plural
from .contents import AUTOMATIC
from .preprocessing import NOTHING, Recipe
from .schema import ExportSchema
from .source import Origin
from .split import Split

PARQUET, HDF5, HATS = (".parquet",), (".h5", ".hdf5"), (".hats",)


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What the data set is to be.

    file: a .parquet or HDF5 file, or a folder: a .hats collection, or for Hugging Face without an ending.

    flux: precision. label: the catalog's column with the class, None for ``labels.column``. wave: how wavelengths are
    written in Parquet: ``explicit``, ``compact`` or ``auto``.
    """

    file: Path
    recipe: Recipe = NOTHING
    split: Split | None = None
    flux: str = "float64"
    label: str | None = None
    wave: str = AUTOMATIC

    @property
    def is_hdf5(self) -> bool:
        """Whether one HDF5 file is written."""
        return self.file.suffix.lower() in HDF5

    @property
    def is_hats(self) -> bool:
        """Whether a HATS collection is written."""
        return self.file.suffix.lower() in HATS

    @property
    def is_folder(self) -> bool:
        """Whether a folder is written, for Hugging Face or as a HATS collection."""
        return self.file.suffix.lower() not in (*PARQUET, *HDF5)

    @property
    def card(self) -> Path:
        """The card: beside a file, in a folder."""
        return self.file / "README.md" if self.is_folder else self.file.with_name(f"{self.file.name}.md")


@dataclass(slots=True)
class ExportResult:
    """What was written.

    ``classes`` counts the spectra by label and part ('' where there is none).

    stars: how many have each label, as the split counts them; empty without a split.
    damaged, left_out, unread: name and reason; no reader finds a spectrum in unread files, though they are sound.
    absent: spectra that the catalog lists and the harvest does not have; without one, those that the last run left.
    unrecorded: stored files without a ledger entry, as a run that was killed leaves them; counted without a catalog.
    anonymous: spectra that name neither object nor position, each of which the split takes for a star of its own.
    files: of a folder, by path within it, with the spectra in each.
    """

    classes: Counter[tuple[str, str]] = field(default_factory=Counter)
    stars: Mapping[str, int] = field(default_factory=dict)
    damaged: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    unread: list[tuple[str, str]] = field(default_factory=list)
    absent: int = 0
    unrecorded: int = 0
    files: dict[str, int] = field(default_factory=dict)
    anonymous: int = 0

    @property
    def written(self) -> int:
        """The number of spectra in the data set."""
        return self.classes.total()

    def in_part(self, part: str) -> int:
        """Return the number of spectra in one part of the split."""
        return sum(number for (_, other), number in self.classes.items() if other == part)


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set that was written.

    profile: of its archive, as the ledger or the user names it; None if neither does. conflicts: DIDs that the catalog
    lists with two labels, of which the first is used.
    """

    options: ExportOptions
    origin: Origin
    profile: ArchiveProfile | None
    schema: ExportSchema
    result: ExportResult
    conflicts: Sequence[Conflict] = ()

    @property
    def title(self) -> str:
        """What the data set is called, in one line."""
        archive = self.profile.title if self.profile and len(self.origin.archives) < 2 else self.origin.archive
        return plain_line(f"Spectra of {archive or 'an unrecorded archive'}", 200)

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of its split; none without one."""
        return () if self.options.split is None else self.options.split.names

    def split_warnings(self) -> Iterator[str]:
        """Yield a line for each thing that its split cannot promise."""
        if self.result.anonymous:
            spectra = plural(self.result.anonymous, "spectrum names", "spectra name")
            yield f"{spectra} neither object nor position: such a star may be in several parts, nothing tells"
        yield from self.missing_classes()

    def missing_classes(self) -> Iterator[str]:
        """Yield a line for each class that some part of the split has no spectrum of."""
        classes, stars = self.result.classes, self.result.stars
        for label in sorted(stars):
            without = [part for part in self.parts if not classes[label, part]]
            if without:
                name = plain_line(label, 80) or "(none)"
                yield f"no spectrum of class {name} in {', '.join(without)} ({plural(stars[label], 'star')})"

    def summary(self) -> str:
        """Return one sentence on its size."""
        parts = ", ".join(f"{name} {count(self.result.in_part(name))}" for name in self.parts)
        return f"{plural(self.result.written, 'spectrum', 'spectra')}{f' ({parts})' if parts else ''}"

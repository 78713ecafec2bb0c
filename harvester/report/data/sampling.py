"""Read a sample of the stored spectra once, and keep of each only what the report needs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ...dataset.h_alpha import OFFSETS, Rows, around_h_alpha
from ...dataset.label_checks import LabelledSpectrum
from ...dataset.run_profiles import RunProfiles
from ...dataset.stored_files import DamagedError, StoredFile, StructureOnlyError, read_stored, stored_files
from ...dataset.work import StoreWorkers, work_on
from ...fits.observation import Observation, observation_of
from ...fits.spectrum import Spectrum
from ...ledger import queries
from ...model.conventions import NO_CONVENTIONS, FileConventions
from ...storage.directory import DirectoryStore
from ...storage.interface import Store

MOST_READ = 20_000  # spectra: about ten seconds. Of more than that, a sample is read, and the report says so
MOST_AT_RUN_END = 500  # of a run: a fifth of a second of CPU, as no file was read before
MOST_FROM_OBJECT_STORE = 100  # of a run into an object store: each is a download


@dataclass(frozen=True, slots=True)
class SampledSpectrum:
    """A spectrum that was read: its file, its observation, and its part of the label checks."""

    stored: StoredFile
    observation: Observation
    labelled: LabelledSpectrum


@dataclass(frozen=True, slots=True)
class SpectraSample:
    """What is stored: ``stored`` spectra in all, of which ``spectra`` were read.

    rows: around H-alpha, as ``LabelledSpectrum.row`` counts them; damaged: name and what is wrong with the file;
    by_status: spectra and bytes; ranges: see ``queries.ranges``; digest: the SHA-256 of SHA256SUMS;
    structure_only: files that were read and in which no reader finds a spectrum.
    """

    stored: int
    spectra: Sequence[SampledSpectrum]
    rows: Rows
    damaged: Sequence[tuple[str, str]]
    by_status: dict[str, tuple[int, int]]
    by_label: dict[str, int]
    ranges: Sequence[tuple[int, int, int]]
    digest: str
    structure_only: int = 0

    @property
    def sampled(self) -> bool:
        """Whether only a part of what is stored was read."""
        return len(self.spectra) + len(self.damaged) + self.structure_only < self.stored

    @property
    def waiting(self) -> int:
        """How many spectra are neither stored nor given up."""
        return sum(self.by_status.get(status, (0, 0))[0] for status in ("wanted", "retry"))

    @property
    def bytes(self) -> int:
        """Bytes of all stored files."""
        return sum(size for status, (_, size) in self.by_status.items() if status in ("present", "saved"))


RANGE_STEP = 1e-10  # metres


def most_at_run_end(store: Store) -> int:
    """Return how many spectra the report of a run reads that has just ended."""
    return MOST_AT_RUN_END if isinstance(store, DirectoryStore) else MOST_FROM_OBJECT_STORE


def read_sample(
    store: Store,
    column: str,
    most: int = MOST_READ,
    fallback: FileConventions = NO_CONVENTIONS,
    workers: StoreWorkers | None = None,
    extract_file: Callable[[StoredFile], SpectrumExcerpt | DamagedError] | None = None,
    digest: str = "",
) -> SpectraSample:
    """Read a sample of ``store``, whose labels are in ``column``.

    UsageError without a ledger, StoreError.

    ``fallback``: what files do not say whose run left no profile. ``extract_file``: ``extract``, or what knows some.
    ``digest``: of SHA256SUMS, where it is known.
    """
    ledger = store.ledger
    by_status = queries.counts(ledger)
    stored = sum(spectra for status, (spectra, _) in by_status.items() if status in ("present", "saved"))
    kept = _Kept(column)
    files = stored_files(store, RunProfiles(store, fallback), queries.share_of(most, stored))
    for one, found in work_on(files, extract_file or extract, workers):
        kept.add(one, found)
    return SpectraSample(
        stored,
        kept.spectra,
        np.array(kept.rows, np.float32).reshape(-1, OFFSETS.size),
        kept.damaged,
        by_status,
        queries.count_by(ledger, column),
        queries.ranges(ledger, RANGE_STEP),
        digest or digest_of_all(store),
        kept.structure_only,
    )


def digest_of_all(store: Store) -> str:
    """Return the SHA-256 of SHA256SUMS as the ledger would write it."""
    digest = hashlib.sha256()
    for name, sha256 in queries.digests(store.ledger):
        digest.update(f"{sha256}  {store.relative_path(name.removesuffix('.fits'))}\n".encode())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class SpectrumExcerpt:
    """What the report needs of one spectrum; ``row`` is None where H-alpha is not covered."""

    observation: Observation
    row: Rows | None
    flux_digest: bytes


def extract(stored: StoredFile) -> SpectrumExcerpt | DamagedError:
    """Read one file and return what the report needs of it.

    Or what is wrong with it. StoreError if the disk fails.
    """
    try:
        spectrum = read_stored(stored)
    except DamagedError as error:
        return error
    observation = observation_of(spectrum)
    return SpectrumExcerpt(observation, around_h_alpha(spectrum, observation.h_alpha), _digest(spectrum))


@dataclass(slots=True)
class _Kept:
    column: str
    spectra: list[SampledSpectrum] = field(default_factory=list)
    rows: list[Rows] = field(default_factory=list)
    damaged: list[tuple[str, str]] = field(default_factory=list)
    structure_only: int = 0

    def add(self, stored: StoredFile, found: SpectrumExcerpt | DamagedError) -> None:
        """Keep what was found in one file."""
        if isinstance(found, StructureOnlyError):
            self.structure_only += 1
        elif isinstance(found, DamagedError):
            self.damaged.append((stored.name, str(found)))
        else:
            number = None if found.row is None else len(self.rows)
            if found.row is not None:
                self.rows.append(found.row)
            label = stored.columns.get(self.column, "").strip()
            labelled = LabelledSpectrum(stored.did, label, stored.wave_min, stored.wave_max, found.flux_digest, number)
            self.spectra.append(SampledSpectrum(_without_details(stored), found.observation, labelled))


def _without_details(stored: StoredFile) -> StoredFile:
    """Return what it takes to read the file again."""
    return replace(stored, columns={}, content_digest=None, url=None)


def _digest(spectrum: Spectrum) -> bytes:
    return hashlib.sha256(spectrum.flux.tobytes()).digest()

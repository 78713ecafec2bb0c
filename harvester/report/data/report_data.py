"""Everything that a report shows, computed once for the page and for the JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from ...archive.profile import ArchiveProfile
from ...catalog.reader import Conflict
from ...config.profiles import load_profile
from ...dataset.label_checks import LabelReport, check_labels
from ...dataset.work import StoreWorkers
from ...errors import UsageError
from ...ledger import queries
from ...model.conventions import NO_CONVENTIONS
from ...model.labels import Labelling
from ...storage.interface import Store
from .early_sample import EarlySample
from .gallery import Gallery, select_gallery
from .run_record import RunRecordData, read_run_record
from .sampling import MOST_READ, SpectraSample, extract, read_sample
from .timeline import Timeline, TimelineReader


@dataclass(frozen=True, slots=True)
class ReportData:
    """The contents of one run's report. ``made``: seconds since 1970."""

    record: RunRecordData
    sample: SpectraSample
    timeline: Timeline
    gallery: Gallery
    labels: LabelReport
    labelling: Labelling
    archive: str
    profile: ArchiveProfile | None
    made: float
    conflicts: Sequence[Conflict] = ()
    """Spectra that the catalog lists with different labels."""
    lost: int = 0
    """Spectra that the latest run counts as stored, and that were found gone after it."""

    @property
    def unsound(self) -> int:
        """How many spectra that the run counts as stored are known to be gone or damaged."""
        return self.lost + len(self.sample.damaged)

    def as_json(self) -> Mapping[str, object]:
        """Return what ``report --json`` prints."""
        sample = self.sample
        return {
            "run": self.record.run,
            "summary": dict(self.record.summary),
            "stored": sample.stored,
            "bytes": sample.bytes,
            "digest": sample.digest,
            "read": len(sample.spectra),
            "lost": self.lost,
            "damaged": [{"name": name, "detail": detail} for name, detail in sample.damaged],
            "labels": {**self.labels.as_json(), "stored": sample.by_label},
            "unusual": [picture.did for picture in self.gallery.unusual],
        }


def gather(
    store: Store,
    run: str | None,
    made: float,
    *,
    labels: Mapping[str, Any] = MappingProxyType({}),
    most: int = MOST_READ,
    workers: StoreWorkers | None = None,
    early: EarlySample | None = None,
    digest: str = "",
) -> ReportData:
    """Gather everything about ``run`` (default: the latest) in ``store``.

    At most ``most`` spectra are read, by ``workers`` if there are any, and ``early`` as far as the run has done that.
    ``digest`` is of SHA256SUMS, where it is known.

    labels: fields of ``Labelling`` that replace the run's own. UsageError if there is no such run, StoreError if the
    disk fails.
    """
    record = read_run_record(store, run)
    labelling = replace(record.labelling, **labels)
    archive = _profile_of(record)
    conventions = archive.conventions if archive else NO_CONVENTIONS
    extract_file = early.extract if early else extract
    sample = read_sample(store, labelling.column, most, conventions, workers, extract_file, digest)
    labelled, conflicts = [one.labelled for one in sample.spectra], queries.conflicts(store.ledger)
    checked = check_labels(labelled, sample.rows, record.failures, labelling, conflicts)
    timeline = (early.timeline if early else TimelineReader(record.folder.events)).finish()
    gallery = select_gallery(sample, store, labelling, {failure.name for failure in record.failures}, conventions)
    title = archive.title if archive else record.archive
    return ReportData(
        record, sample, timeline, gallery, checked, labelling, title, archive, made, conflicts,
        queries.lost_since_last_run(store.ledger),
    )  # fmt: skip


def _profile_of(record: RunRecordData) -> ArchiveProfile | None:
    """Return the run's profile, from its own folder, else by the name or path in its settings."""
    for source in (str(record.folder.profile), str(record.settings.get("archive", ""))):
        with suppress(UsageError):
            return load_profile(source)
    return None

"""All that a report tells, gathered once: the page and the JSON are two ways to say it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from ...archive.profile import ArchiveProfile
from ...config.profiles import load_profile
from ...dataset.label_checks import LabelReport, check_labels
from ...errors import UsageError
from ...model.conventions import NO_CONVENTIONS
from ...model.labels import Labelling
from ...storage.interface import Store
from .gallery import Gallery, select_gallery
from .run_record import RunRecordData, read_run_record
from .sampling import MOST_READ, Sample, read_sample
from .timeline import Timeline, read_timeline


@dataclass(frozen=True, slots=True)
class ReportData:
    """One run's report before it is said. ``made``: seconds since 1970."""

    record: RunRecordData
    survey: Sample
    night: Timeline
    gallery: Gallery
    labels: LabelReport
    labelling: Labelling
    archive: str
    made: float

    def as_json(self) -> Mapping[str, object]:
        """What ``report --json`` prints."""
        survey = self.survey
        return {
            "run": self.record.run,
            "summary": dict(self.record.summary),
            "stored": survey.stored,
            "bytes": survey.bytes,
            "digest": survey.digest,
            "read": len(survey.seen),
            "damaged": [{"name": name, "detail": detail} for name, detail in survey.damaged],
            "labels": {**self.labels.as_json(), "stored": survey.by_label},
            "unusual": [picture.did for picture in self.gallery.unusual],
        }


def gather(
    store: Store,
    run: str | None,
    made: float,
    *,
    told: Mapping[str, Any] = MappingProxyType({}),
    most: int = MOST_READ,
) -> ReportData:
    """Everything about ``run`` (default: the latest) in ``store``; at most ``most`` spectra are read.

    told: of its labels, by field of ``Labelling``, in place of what the run was told. UsageError if there is no such
    run, StoreError if the disk fails.
    """
    books = read_run_record(store, run)
    meant = replace(books.labelling, **told)
    archive = _profile_of(books)
    conventions = archive.conventions if archive else NO_CONVENTIONS
    survey = read_sample(store, meant.column, most, conventions)
    checked = check_labels([seen.labelled for seen in survey.seen], survey.rows, books.failures, meant)
    night = read_timeline(books.folder.events)
    gallery = select_gallery(survey, store, meant, {failure.name for failure in books.failures}, conventions)
    return ReportData(books, survey, night, gallery, checked, meant, archive.title if archive else books.archive, made)


def _profile_of(books: RunRecordData) -> ArchiveProfile | None:
    """The profile that the run was given, from its own folder, else from where it came from."""
    for place in (str(books.folder.profile), str(books.asked.get("archive", ""))):
        with suppress(UsageError):
            return load_profile(place)
    return None

"""Compare two versions of a harvest by the contents of their spectra.

The server writes the date into each response, so a spectrum that is fetched again never has the same bytes: other bytes
with the same content digest are the same spectrum with another header.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from heapq import merge
from itertools import groupby
from pathlib import Path
from weakref import finalize

from . import events as ev
from .audit.files import verify_folder
from .catalog.packed_strings import PackedStrings, StringMap, ordered
from .catalog.plan import make_plan
from .catalog.reader import Catalog
from .config.configuration import Configuration
from .engine.shutdown import Shutdown
from .errors import StoreError, UsageError
from .events.bus import Observer
from .events.stats import HarvestStats
from .ledger import history, queries
from .ledger.repair import files_to_check
from .model.failures import FailureKind
from .model.findings import Content, Damaged, FileToCheck, Record, Sound, Unreadable
from .model.target import SpectrumId
from .run.clock import run_window
from .run.context import RunContext
from .run.execute import run_engine
from .run.prepare import Preparation
from .storage.directory import DirectoryStore
from .storage.null import NullStore


class Change(StrEnum):
    """How a spectrum differs; ``meaning`` explains it."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Change:
        member = str.__new__(cls, value)
        member._value_, member.meaning = value, meaning
        return member

    ADDED = "added", "only after"
    GONE = "gone", "only before"
    CHANGED = "changed", "other content"
    HEADER_ONLY = "header_only", "the same content in other bytes, such as the date of the response"


@dataclass(slots=True)
class Difference:
    """How many spectra are identical, and which differ, in the order of their DIDs."""

    same: int = 0
    changes: Mapping[Change, PackedStrings[SpectrumId]] = field(
        default_factory=lambda: {each: PackedStrings() for each in Change}
    )

    @property
    def differs(self) -> bool:
        """Whether more than headers differ."""
        return any(dids for change, dids in self.changes.items() if change is not Change.HEADER_ONLY)


def compare(before: Iterable[Content], after: Iterable[Content]) -> Difference:
    """Compare two streams of contents, each in the order of its DIDs."""
    difference = Difference()
    for did, old, new in _pairs(before, after):
        change = _change(old, new)
        if change is None:
            difference.same += 1
        else:
            difference.changes[change].append(did)
    return difference


def _pairs(
    before: Iterable[Content], after: Iterable[Content]
) -> Iterator[tuple[SpectrumId, Content | None, Content | None]]:
    old, new = ((content, False) for content in before), ((content, True) for content in after)
    for did, group in groupby(merge(old, new, key=lambda each: each[0].did), key=lambda each: each[0].did):
        sides = {is_new: content for content, is_new in group}
        yield did, sides.get(False), sides.get(True)


def _change(old: Content | None, new: Content | None) -> Change | None:
    if old is None or new is None:
        return Change.ADDED if old is None else Change.GONE
    if old.sha256 == new.sha256:
        return None
    return Change.HEADER_ONLY if old.content_digest and old.content_digest == new.content_digest else Change.CHANGED


DISK, ARCHIVE, LAST, PREVIOUS = "disk", "archive", "last", "previous"

NOT_IN_ARCHIVE = (FailureKind.NOT_FOUND, FailureKind.GONE, FailureKind.NO_DATA, FailureKind.FORBIDDEN)


@dataclass(frozen=True, slots=True)
class Version:
    """The contents of one version, by DID, and its request parameters (None: unknown).

    incomparable: the spectra, or the files of an unknown spectrum, that cannot be compared, with the reason.
    """

    label: str
    contents: Iterable[Content]
    request_key: str | None = None
    incomparable: Mapping[str, str] = field(default_factory=dict)


def version_named(name: str, configuration: Configuration, processes: int) -> Version:
    """Return the version called ``name``, other than the archive's.

    UsageError if there is none, StoreError.
    """
    folder = Path(name)
    if name == DISK:
        return on_disk(configuration.out, configuration, processes)
    if "/" not in name and not folder.is_dir():
        return _at_end_of(name, DirectoryStore(configuration.out))
    ledger = DirectoryStore(folder).ledger
    if not ledger.exists():
        return on_disk(folder, configuration, processes)
    return Version(f"{folder}, by its ledger", history.contents_at(ledger), queries.request_parameters(ledger))


def _at_end_of(name: str, store: DirectoryStore) -> Version:
    runs = history.runs(store.ledger)
    by_word = {LAST: runs[:1], PREVIOUS: runs[1:2]}
    found = by_word.get(name) or [run for run in runs if run.name.startswith(name)]
    if len(found) != 1:
        if name == PREVIOUS and runs:
            raise UsageError(f"{store.folder} has only one run; give {LAST}, {DISK}, {ARCHIVE} or a directory")
        latest = ", ".join(run.name for run in (found or runs)[:3]) or "none"
        several = f"{len(found)} runs of {store.folder} begin with {name!r} (latest: {latest}); give more of its name,"
        none = f"{name!r} is neither a directory nor a run of {store.folder} (latest: {latest}); give its name, {LAST},"
        raise UsageError(f"{several if found else none} {DISK}, {ARCHIVE} or a directory")
    (run,) = found
    label = f"run {run.name}, started {datetime.fromtimestamp(run.started, UTC):%Y-%m-%d %H:%M} UTC"
    return Version(label, history.contents_at(store.ledger, run.number), run.request_key)


def on_disk(folder: Path, configuration: Configuration, processes: int) -> Version:
    """Read and verify ``folder`` as it is now, for any request parameters."""
    store = DirectoryStore(folder)
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; give an output directory with --out")
    expected = replace(configuration.expectation, normalized=False, band=None)
    contents = _Contents()
    incomparable: dict[str, str] = {}
    try:
        for finding in verify_folder(folder, _undigested(store), expected, processes, paths=store.layout.paths):
            match finding:
                case Sound(did=str(did), verified=verified):
                    contents.add(Content(did, verified.sha256, verified.content_digest))
                case Sound(name=name):
                    incomparable[f"{name}.fits"] = "neither ledger nor file says which spectrum it is"
                case Damaged(name=name, did=did, detail=detail) | Unreadable(name=name, did=did, detail=detail):
                    incomparable[did or f"{name}.fits"] = detail
    except sqlite3.Error as error:
        raise StoreError(f"{store.ledger}: the ledger cannot be used ({error}); see `harvester verify`") from error
    return Version(f"{folder}, as it is now", contents, queries.request_parameters(store.ledger), incomparable)


def _undigested(store: DirectoryStore) -> Iterable[FileToCheck]:
    """Yield the files with their DIDs, without the digests that the ledger has for them."""
    names = StringMap((name, 0) for name in ordered(name for name, _ in store.files()))
    for known in files_to_check(store.ledger, names):
        yield replace(known, record=known.record and Record(known.record.did))


class _Contents:
    """Contents that are added in any order and read by DID; they are in a temporary file."""

    def __init__(self) -> None:
        self._rows = sqlite3.connect("", isolation_level=None)
        finalize(self, self._rows.close)
        self._rows.execute("CREATE TABLE content(did TEXT, sha256 TEXT, content_digest TEXT)")
        self._rows.execute("BEGIN")

    def add(self, content: Content) -> None:
        """Add the content of one spectrum."""
        self._rows.execute("INSERT INTO content VALUES(?, ?, ?)", content)

    def __iter__(self) -> Iterator[Content]:
        return (Content(*row) for row in self._rows.execute("SELECT * FROM content ORDER BY did, sha256"))


class _ResponseCollector:
    """Collect what the archive has of the requested spectra, as an observer."""

    def __init__(self, requested: Sequence[SpectrumId]) -> None:
        self.contents: list[Content] = []
        self.incomparable: dict[str, str] = dict.fromkeys(requested, "not requested")

    def __call__(self, event: ev.Event) -> None:
        match event:
            case ev.SpectrumSaved(outcome=outcome):
                verified = outcome.verified
                self.contents.append(Content(outcome.target.did, verified.sha256, verified.content_digest))
                del self.incomparable[outcome.target.did]
            case ev.SpectrumFailed(outcome=failed) if failed.failure.kind in NOT_IN_ARCHIVE:
                del self.incomparable[failed.target.did]
            case ev.SpectrumFailed(outcome=failed):
                self.incomparable[failed.target.did] = f"{failed.failure.kind}: {failed.failure.detail}"


async def in_archive(
    configuration: Configuration, dids: Sequence[SpectrumId], shutdown: Shutdown, *observers: Observer
) -> tuple[Version, HarvestStats]:
    """Request ``dids`` as a run would, verify them and compare them in memory.

    Nothing is stored.

    The exit code of the returned numbers says whether the archive could be queried.
    """
    responses = _ResponseCollector(dids)
    catalog = Catalog("what is stored", dids, ["{}"] * len(dids))
    plan = make_plan(catalog, {})
    preparation = Preparation(configuration, catalog, plan, plan.wanted)
    run = RunContext.create("diff", preparation, NullStore(), *observers, responses, shutdown=shutdown)
    await run_engine(run, run_window(run.clock.now(), run.settings.window, run.settings.deadline))
    label = f"{configuration.profile.title}, requested now"
    contents = sorted(responses.contents)
    return Version(label, contents, configuration.request.request_key, responses.incomparable), run.stats.stats

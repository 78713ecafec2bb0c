"""Two contents held against each other by what their spectra say.

The server writes the day into each answer, so a spectrum that is fetched again never has the same bytes: other bytes
with the same content digest are the same spectrum under another header.
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
    """What became of a spectrum that is not the same; ``meaning`` for people."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Change:
        member = str.__new__(cls, value)
        member._value_, member.meaning = value, meaning
        return member

    ADDED = "added", "only after"
    GONE = "gone", "only before"
    CHANGED = "changed", "other content"
    HEADER_ONLY = "header_only", "the same content in other bytes, such as the date of the answer"


@dataclass(slots=True)
class Difference:
    """How many spectra are the same to the last bit, and which are not, in the order of their DIDs."""

    same: int = 0
    changes: Mapping[Change, PackedStrings[SpectrumId]] = field(
        default_factory=lambda: {each: PackedStrings() for each in Change}
    )

    @property
    def differs(self) -> bool:
        """Whether there is more to it than headers."""
        return any(dids for change, dids in self.changes.items() if change is not Change.HEADER_ONLY)


def compare(before: Iterable[Content], after: Iterable[Content]) -> Difference:
    """The difference between two contents, each in the order of its DIDs; they are streamed."""
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


ABSENT = (FailureKind.NOT_FOUND, FailureKind.GONE, FailureKind.NO_DATA, FailureKind.FORBIDDEN)


@dataclass(frozen=True, slots=True)
class Version:
    """What was there, by DID, and what the spectra were asked as (None: nobody knows).

    unsettled: the spectra (or files that nobody knows the spectrum of) that cannot be compared, and why.
    """

    label: str
    contents: Iterable[Content]
    request_key: str | None = None
    unsettled: Mapping[str, str] = field(default_factory=dict)


def version_named(name: str, configuration: Configuration, processes: int) -> Version:
    """The version that ``name`` stands for; all but the archive's. UsageError if it stands for none, StoreError."""
    folder = Path(name)
    if name == DISK:
        return on_disk(configuration.out, configuration, processes)
    if "/" not in name and not folder.is_dir():
        return _at_end_of(name, DirectoryStore(configuration.out))
    ledger = DirectoryStore(folder).ledger
    if not ledger.exists():
        return on_disk(folder, configuration, processes)
    return Version(f"{folder}, as its ledger has it", history.contents_at(ledger), queries.request_parameters(ledger))


def _at_end_of(name: str, store: DirectoryStore) -> Version:
    runs = history.runs(store.ledger)
    asked = {LAST: runs[:1], PREVIOUS: runs[1:2]}
    found = asked.get(name) or [run for run in runs if run.name.startswith(name)]
    if len(found) != 1:
        if name == PREVIOUS and runs:
            raise UsageError(f"{store.folder} has only one run; give {LAST}, {DISK}, {ARCHIVE} or a directory")
        latest = ", ".join(run.name for run in (found or runs)[:3]) or "none"
        said = f"{len(found)} runs of {store.folder} begin with {name!r} (latest: {latest}); give more of its name,"
        none = f"{name!r} is neither a directory nor a run of {store.folder} (latest: {latest}); give its name, {LAST},"
        raise UsageError(f"{said if found else none} {DISK}, {ARCHIVE} or a directory")
    (run,) = found
    label = f"run {run.name}, begun {datetime.fromtimestamp(run.started, UTC):%Y-%m-%d %H:%M} UTC"
    return Version(label, history.contents_at(store.ledger, run.number), run.request_key)


def on_disk(folder: Path, configuration: Configuration, processes: int) -> Version:
    """What lies in ``folder`` now, read and digested now; whatever it was asked as, it has to be whole spectra."""
    store = DirectoryStore(folder)
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; give the one that was harvested into with --out")
    expected = replace(configuration.expectation, normalized=False, band=None)
    contents = _Contents()
    unsettled: dict[str, str] = {}
    try:
        for finding in verify_folder(folder, _undigested(store), expected, processes, paths=store.layout.paths):
            match finding:
                case Sound(did=str(did), verified=proof):
                    contents.add(Content(did, proof.sha256, proof.content_digest))
                case Sound(name=name):
                    unsettled[f"{name}.fits"] = "neither ledger nor file tells which spectrum it is"
                case Damaged(name=name, did=did, detail=detail) | Unreadable(name=name, did=did, detail=detail):
                    unsettled[did or f"{name}.fits"] = detail
    except sqlite3.Error as error:
        raise StoreError(f"{store.ledger}: the ledger cannot be used ({error}); see `harvester verify`") from error
    return Version(f"{folder}, as it lies there now", contents, queries.request_parameters(store.ledger), unsettled)


def _undigested(store: DirectoryStore) -> Iterable[FileToCheck]:
    """The files with the spectra that they are known to be, whatever digests the ledger remembers."""
    names = StringMap((name, 0) for name in ordered(name for name, _ in store.files()))
    for known in files_to_check(store.ledger, names):
        yield replace(known, record=known.record and Record(known.record.did))


class _Contents:
    """Contents that come in any order, and are told by DID; they are in a temporary file, which goes with them."""

    def __init__(self) -> None:
        self._rows = sqlite3.connect("", isolation_level=None)
        finalize(self, self._rows.close)
        self._rows.execute("CREATE TABLE content(did TEXT, sha256 TEXT, content_digest TEXT)")
        self._rows.execute("BEGIN")

    def add(self, content: Content) -> None:
        self._rows.execute("INSERT INTO content VALUES(?, ?, ?)", content)

    def __iter__(self) -> Iterator[Content]:
        return (Content(*row) for row in self._rows.execute("SELECT * FROM content ORDER BY did, sha256"))


class _Answers:
    """What the archive has of the spectra asked for: a watcher."""

    def __init__(self, asked: Sequence[SpectrumId]) -> None:
        self.contents: list[Content] = []
        self.unsettled: dict[str, str] = dict.fromkeys(asked, "not asked for")

    def __call__(self, event: ev.Event) -> None:
        match event:
            case ev.SpectrumSaved(outcome=outcome):
                proof = outcome.verified
                self.contents.append(Content(outcome.target.did, proof.sha256, proof.content_digest))
                del self.unsettled[outcome.target.did]
            case ev.SpectrumFailed(outcome=failed) if failed.failure.kind in ABSENT:
                del self.unsettled[failed.target.did]
            case ev.SpectrumFailed(outcome=failed):
                self.unsettled[failed.target.did] = f"{failed.failure.kind}: {failed.failure.detail}"


async def in_archive(
    configuration: Configuration, dids: Sequence[SpectrumId], shutdown: Shutdown, *observers: Observer
) -> tuple[Version, HarvestStats]:
    """Request ``dids`` as a run would, verify them and compare them in memory; nothing is stored.

    The exit code of the returned numbers says whether the archive could be queried.
    """
    answers = _Answers(dids)
    catalog = Catalog("what is stored", dids, ["{}"] * len(dids))
    plan = make_plan(catalog, {})
    preparation = Preparation(configuration, catalog, plan, plan.wanted)
    run = RunContext.create("diff", preparation, NullStore(), *observers, answers, shutdown=shutdown)
    await run_engine(run, run_window(run.clock.now(), run.settings.window, run.settings.deadline))
    label = f"{configuration.profile.title}, requested now"
    contents = sorted(answers.contents)
    return Version(label, contents, configuration.request.request_key, answers.unsettled), run.stats.stats

"""Compare a store with its ledger and with itself.

Gather the findings and, if asked, act upon them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..catalog.packed_strings import PackedStrings, StringIndex, StringMap, ordered
from ..config.configuration import Configuration
from ..errors import StoreError, UsageError
from ..ledger import queries
from ..ledger.damage import damage_of
from ..ledger.repair import ensure_usable, files_to_check, release_names, write_findings
from ..ledger.schema import open_for_writing
from ..model.batching import Pool, batches
from ..model.findings import (
    LEDGER,
    Damaged,
    Duplicate,
    Fault,
    FileToCheck,
    Finding,
    Missing,
    Record,
    Sound,
    UnrelatedFile,
    too_common,
)
from ..model.outcomes import Level
from ..model.target import SpectrumId, Target
from ..storage.interface import Store
from ..storage.lock import acquire_lock
from ..storage.run_folder import LEDGER as LEDGER_FILE
from ..storage.run_folder import STATE
from .files import verify_stored
from .recovery import relocate, written_since_crash

FINDINGS_PER_STEP = 400  # between two reports of progress, and rows a transaction

CheckProgress = Callable[[int, int], None]
"""Called with how many files are verified and how many there are."""


@dataclass(slots=True)
class StoreCheck:
    """The result of a check. ``checked`` is ``sound`` plus the number of ``faults``.

    ``strays`` are others' files.

    spared: faults that ``--fix`` did not touch, because most of the files have the same one: then it is the
    expectation that is wrong. ``notes`` are sentences about what was done besides.
    """

    place: str
    path_of: Callable[[str], Path | str] = field(repr=False, compare=False)
    """Returns where the file of a name is, or would be."""
    sound: int = 0
    structure_only: int = 0
    redated: int = 0
    strays: int = 0
    faults: list[Fault] = field(default_factory=list)
    spared: list[Damaged] = field(default_factory=list)
    set_aside: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def checked(self) -> int:
        """Number of files and ledger entries that were checked."""
        return self.sound + len(self.faults)

    def path(self, fault: Fault) -> str:
        """Return the file that a fault is about."""
        return f"{self.place}/{STATE}/{LEDGER_FILE}" if fault.check == LEDGER else str(self.path_of(fault.name))

    def add(self, finding: Finding) -> None:
        """Count a finding."""
        match finding:
            case Sound():
                self.sound += 1
                self.structure_only += finding.verified.level is Level.STRUCTURE
                self.redated += finding.redated
            case UnrelatedFile():
                self.strays += 1
            case _:
                self.faults.append(finding)


def check_store(
    configuration: Configuration, *, fix: bool, processes: int, progress: CheckProgress, pool: Pool | None = None
) -> StoreCheck:
    """Verify every file of the configuration's store.

    Processes of this machine do it, or a ``pool``.

    Without ``fix`` nothing is changed but SHA256SUMS, and a harvest may run in the meantime. With it, damaged files go
    to quarantine and the ledger is brought to what the disk has, so that the next run downloads what is missing.
    UsageError if there is no such folder, StoreError and DirectoryHeldError as for a run.
    """
    store = configuration.open_store()
    if isinstance(configuration.location, Path) and not configuration.location.is_dir():
        raise UsageError(f"{store.location}: no such folder; give the folder of a harvest with --out")
    if not store.ledger.exists() and next(iter(store.files()), None) is None:
        raise UsageError(f"{store.location}: no spectrum and no ledger here; give a harvest's directory with --out")
    checker = _StoreChecker(configuration, store, processes, progress, StoreCheck(store.location, store.path), pool)
    try:
        if not fix:
            checker.look()
        else:
            store.prepare()
            with acquire_lock(store.lock, "verify --fix"):
                store.prepare_for_writing()
                checker.fix()
    except BrokenProcessPool:
        raise StoreError("the system killed a process that verified (no memory left?); try --processes 1") from None
    except sqlite3.Error as error:
        raise StoreError(f"{store.ledger}: the ledger cannot be used ({error})") from error
    return checker.result


class _Owners:
    """Notice when a second file has a spectrum that another file has already."""

    def __init__(self, ledger: Path) -> None:
        self._ledger = ledger
        self._dids = PackedStrings[SpectrumId]()
        self._names = PackedStrings[str]()
        self._index = StringIndex(self._dids.__getitem__)

    def duplicate_of(self, finding: Sound) -> Duplicate | None:
        """Return the finding for the second file of a spectrum, None for the first one.

        The file that the ledger has is the spectrum's own, whichever comes first.
        """
        if finding.did is None:
            return None
        number = self._index.setdefault(finding.did, len(self._dids))
        if number == len(self._dids):
            self._dids.append(finding.did)
            self._names.append(finding.name)
            return None
        own = queries.stored_as(self._ledger, finding.did)
        names = (self._names[number], finding.name)
        other, second = names[::-1] if own is not None and own["name"] == finding.name else names
        detail = f"it is a second file of {finding.did}, which {other}.fits has already"
        return Duplicate(second, finding.did, detail)


class _StoreChecker:
    """One check of one store."""

    def __init__(
        self,
        configuration: Configuration,
        store: Store,
        processes: int,
        progress: CheckProgress,
        result: StoreCheck,
        pool: Pool | None,
    ) -> None:
        self.configuration, self.store, self.result = configuration, store, result
        self._processes, self._progress, self._pool = processes, progress, pool
        self._duplicates: list[Duplicate] = []

    def look(self) -> None:
        """Check without changing anything.

        A damaged ledger is itself a finding, and the files are verified without it.
        """
        damage = damage_of(self.store.ledger)
        if damage is not None:
            detail = f"the ledger is damaged ({damage}); the files were verified by the identifiers in their headers"
            self.result.faults.append(Damaged(LEDGER_FILE, None, LEDGER, "damaged", detail))
        names = self._names()
        work = self._work(names) if damage is None else (FileToCheck(name) for name in names)
        lost = [] if damage is not None else self._lost(names)
        self._write_sums(self._verified(work, len(names), lambda some: None), required=False)
        self.result.faults += lost

    def fix(self) -> None:
        """Check, update the ledger, and quarantine.

        Files are moved only when all findings are in: only together they tell a damaged file from a wrong setting.
        """
        done = ensure_usable(self.store.ledger)
        if done is not None:
            self.result.notes.append(done)
            if "damaged" in done:
                self.result.faults.append(Damaged(LEDGER_FILE, None, LEDGER, "damaged", done))
        relocate(self.store, self.configuration)
        if isinstance(self.configuration.location, Path) and self.store.warning:
            self.result.notes.append(self.store.warning)
        names = self._names()
        lost = self._lost(names)
        with closing(open_for_writing(self.store.ledger)) as connection:
            release_names(connection)

            def learn(some: Sequence[Finding]) -> None:
                write_findings(connection, (finding for finding in some if isinstance(finding, Sound | Missing)))

            self._write_sums(self._verified(self._work(names), len(names), learn), required=True)
            self._quarantine(connection)
        self.result.faults += lost

    def _names(self) -> StringMap[str]:
        """Return the names of all stored files, sorted."""
        return StringMap((name, 0) for name in ordered(name for name, _ in self.store.files()))

    def _lost(self, names: StringMap[str]) -> list[Fault]:
        """Return what was stored and is gone, as an earlier check or run found.

        Files that have come back are left out.
        """
        return [
            Missing(name, did, "it was stored and is gone; the next run downloads it again")
            for did, name in queries.lost(self.store.ledger)
            if name not in names
        ]

    def _work(self, names: StringMap[str]) -> Iterator[FileToCheck]:
        """Yield the files to check.

        One newer than its ledger entry need not be what was saved before.
        """
        newer = written_since_crash(self.store) or frozenset()
        for each in files_to_check(self.store.ledger, names):
            if each.record is not None and each.name in newer:
                yield replace(each, record=Record(each.record.did))
            else:
                yield each

    def _verified(
        self, work: Iterable[FileToCheck], total: int, learn: Callable[[Sequence[Finding]], None]
    ) -> Iterator[tuple[str, str]]:
        """Yield the sound files with their digests, while all findings are gathered."""
        done, owners = 0, _Owners(self.store.ledger)
        found = verify_stored(self.configuration, self.store, work, self._processes, self._pool)
        with closing(found):
            for some in batches(found, FINDINGS_PER_STEP):
                learn(some)
                for finding in some:
                    self.result.add(finding)
                    if isinstance(finding, Sound) and (second := owners.duplicate_of(finding)) is not None:
                        self._duplicates.append(second)
                done += len(some)
                self._progress(done, max(done, total))
                yield from ((f"{each.name}.fits", each.verified.sha256) for each in some if isinstance(each, Sound))
        self.result.sound -= len(self._duplicates)
        self.result.faults += self._duplicates

    def _write_sums(self, sound: Iterator[tuple[str, str]], required: bool) -> None:
        """Run the check to its end and write SHA256SUMS on the way.

        Where writing is not ``required``, as on a read-only disk, the check is what counts.
        """
        try:
            self.store.write_sums(sound)
        except StoreError as error:
            if required:
                raise
            self.result.notes.append(f"SHA256SUMS is not written: {error}")
            for _ in sound:
                pass

    def _quarantine(self, connection: sqlite3.Connection) -> None:
        damaged = [fault for fault in self.result.faults if isinstance(fault, Damaged) and fault.check != LEDGER]
        suspicious = too_common(damaged, self.result.checked)
        self.result.spared += [fault for fault in damaged if fault.kind in suspicious]
        moved = [fault for fault in damaged if fault.kind not in suspicious]
        for fault in moved:
            target = Target(fault.did or SpectrumId(""), fault.name)
            self.store.quarantine_existing([target], fault.detail, gate=fault.check, why=fault.kind)
        for second in self._duplicates:
            self.store.quarantine_existing([Target(second.did, second.name)], second.detail, gate=second.check)
        write_findings(connection, moved)
        if self._duplicates:
            self.store.write_sums(queries.digests(self.store.ledger))
        self.result.set_aside = len(moved) + len(self._duplicates)

"""A folder held against its ledger and against itself: the audit's findings gathered and, if asked, acted upon."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..catalog.packed_strings import StringMap, ordered
from ..config.configuration import Configuration
from ..errors import StoreError, UsageError
from ..ledger.repair import damage_of, ensure_usable, files_to_check, release_names, write_findings
from ..ledger.schema import open_for_writing
from ..model.batching import Pool, batches
from ..model.findings import (
    LEDGER,
    Damaged,
    Fault,
    FileToCheck,
    Finding,
    Missing,
    Record,
    Sound,
    UnrelatedFile,
    too_common,
)
from ..model.target import SpectrumId, Target
from ..storage.interface import Store
from ..storage.lock import acquire_lock
from ..storage.run_folder import LEDGER as LEDGER_FILE
from ..storage.run_folder import STATE
from .files import proved_again
from .recovery import relocate, written_since_crash

TOGETHER = 400  # findings between two signs of progress, and rows a transaction

CheckProgress = Callable[[int, int], None]
"""Called with how many files are examined and how many there are."""


@dataclass(slots=True)
class StoreCheck:
    """What an audit came to. ``checked`` is ``sound`` plus the number of ``faults``; strays are nobody's business.

    spared: faults that ``--fix`` did not touch, because most of the files have the same one: then it is the
    expectation that is wrong. ``notes`` are sentences about what was done besides.
    """

    place: str
    lies: Callable[[str], Path | str] = field(repr=False, compare=False)
    """Where the file of a name lies, or would."""
    sound: int = 0
    redated: int = 0
    strays: int = 0
    faults: list[Fault] = field(default_factory=list)
    spared: list[Damaged] = field(default_factory=list)
    set_aside: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def checked(self) -> int:
        return self.sound + len(self.faults)

    def path(self, fault: Fault) -> str:
        """The file that a fault is about."""
        return f"{self.place}/{STATE}/{LEDGER_FILE}" if fault.check == LEDGER else str(self.lies(fault.name))

    def add(self, finding: Finding) -> None:
        match finding:
            case Sound():
                self.sound += 1
                self.redated += finding.redated
            case UnrelatedFile():
                self.strays += 1
            case _:
                self.faults.append(finding)


def check_store(
    configuration: Configuration, *, fix: bool, processes: int, progress: CheckProgress, pool: Pool | None = None
) -> StoreCheck:
    """Prove every file of the configuration's folder again, by ``processes`` of this machine or by a ``pool``.

    Without ``fix`` nothing is changed but SHA256SUMS, and a harvest may go on meanwhile. With it, damaged files go
    to quarantine and the ledger is brought to what the disk has, so that the next run fetches what is not there.
    UsageError if there is no such folder, StoreError and DirectoryHeldError as for a run.
    """
    store = configuration.open_store()
    if isinstance(configuration.location, Path) and not configuration.location.is_dir():
        raise UsageError(f"{store.location}: no such folder; give the one that was harvested into with --out")
    if not store.ledger.exists() and next(iter(store.files()), None) is None:
        raise UsageError(f"{store.location}: no spectrum and no ledger here; name the harvest's directory with --out")
    stocktake = _StoreChecker(configuration, store, processes, progress, StoreCheck(store.location, store.path), pool)
    try:
        if not fix:
            stocktake.look()
        else:
            store.prepare()
            with acquire_lock(store.lock, "verify --fix"):
                store.prepare_for_writing()
                stocktake.mend()
    except BrokenProcessPool:
        raise StoreError("the system killed a process that verified (no memory left?); try --processes 1") from None
    except sqlite3.Error as error:
        raise StoreError(f"{stocktake.ledger}: the ledger cannot be used ({error})") from error
    return stocktake.stock


@dataclass(frozen=True, slots=True)
class _StoreChecker:
    configuration: Configuration
    store: Store
    processes: int
    progress: CheckProgress
    stock: StoreCheck
    pool: Pool | None

    @property
    def ledger(self) -> Path:
        return self.store.ledger

    def look(self) -> None:
        """Change nothing. A damaged ledger is itself a finding, and the files are judged without it."""
        damage = damage_of(self.ledger)
        if damage is not None:
            detail = f"the ledger is damaged ({damage}); the files were judged by their own identity cards"
            self.stock.faults.append(Damaged(LEDGER_FILE, None, LEDGER, "damaged", detail))
        names = self._names()
        work = self._work(names) if damage is None else (FileToCheck(name) for name in names)
        self._list(self._examined(work, len(names), lambda some: None), must=False)

    def mend(self) -> None:
        """Look, learn and set aside. Files are moved only when all findings are in, since only together they tell
        a damaged file from a wrong setting."""
        told = ensure_usable(self.ledger)
        if told is not None:
            self.stock.notes.append(told)
            if "damaged" in told:
                self.stock.faults.append(Damaged(LEDGER_FILE, None, LEDGER, "damaged", told))
        relocate(self.store, self.configuration)
        if isinstance(self.configuration.location, Path) and self.store.warning:
            self.stock.notes.append(self.store.warning)
        names = self._names()
        with closing(open_for_writing(self.ledger)) as connection:
            release_names(connection)

            def learn(some: Sequence[Finding]) -> None:
                write_findings(connection, (finding for finding in some if isinstance(finding, Sound | Missing)))

            self._list(self._examined(self._work(names), len(names), learn), must=True)
            self._set_aside(connection)

    def _names(self) -> StringMap[str]:
        """What is there, in its order."""
        return StringMap((name, 0) for name in ordered(name for name, _ in self.store.files()))

    def _work(self, names: StringMap[str]) -> Iterator[FileToCheck]:
        """The work list; what is newer than the ledger's word of it need not be what was saved before."""
        newer = written_since_crash(self.store) or frozenset()
        for each in files_to_check(self.ledger, names):
            if each.record is not None and each.name in newer:
                yield replace(each, record=Record(each.record.did))
            else:
                yield each

    def _examined(
        self, work: Iterable[FileToCheck], total: int, learn: Callable[[Sequence[Finding]], None]
    ) -> Iterator[tuple[str, str]]:
        """The sound files with their digests, while everything else is booked."""
        done = 0
        findings = proved_again(self.configuration, self.store, work, self.processes, self.pool)
        with closing(findings):
            for some in batches(findings, TOGETHER):
                learn(some)
                for finding in some:
                    self.stock.add(finding)
                done += len(some)
                self.progress(done, max(done, total))
                yield from ((f"{each.name}.fits", each.verified.sha256) for each in some if isinstance(each, Sound))

    def _list(self, sound: Iterator[tuple[str, str]], must: bool) -> None:
        """Run the audit to its end, on the way writing SHA256SUMS; where nothing ``must`` be written, as on a
        read-only disk, the audit is what counts."""
        try:
            self.store.write_sums(sound)
        except StoreError as error:
            if must:
                raise
            self.stock.notes.append(f"SHA256SUMS is not written: {error}")
            for _ in sound:
                pass

    def _set_aside(self, connection: sqlite3.Connection) -> None:
        damaged = [fault for fault in self.stock.faults if isinstance(fault, Damaged) and fault.check != LEDGER]
        suspicious = too_common(damaged, self.stock.checked)
        self.stock.spared += [fault for fault in damaged if fault.kind in suspicious]
        moved = [fault for fault in damaged if fault.kind not in suspicious]
        for fault in moved:
            target = Target(fault.did or SpectrumId(""), fault.name)
            self.store.quarantine_existing([target], fault.detail, gate=fault.check, why=fault.kind)
        write_findings(connection, moved)
        self.stock.set_aside = len(moved)

"""Wanted minus stored: everything that a harvest will ask for, worked out before the first request."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import chain, compress

from ..model.target import SpectrumId, Target
from .did_index import DidIndex, folded
from .names import Names, names_of
from .packed_strings import LazySequence, PackedStrings, StringMap
from .reader import Catalog

__all__ = ["FITS_BLOCK", "USUAL_RATE", "HarvestPlan", "LedgerEntries", "LedgerEntry", "is_suspect", "make_plan"]

USUAL_RATE = 10.0  # answers a second that a DaCHS gives at any concurrency: the estimate where no rate is set


@dataclass(frozen=True, slots=True)
class HarvestPlan:
    """The difference between a catalog and a store.

    ``suspect`` files are there under a wanted name but cannot be a spectrum (empty, or no whole number of FITS
    blocks); they are set aside and fetched again. ``unproved`` ones no ledger vouches for: they have to be read.
    ``strays`` are stored names that the catalog does not list.
    """

    present: LazySequence[Target]
    missing: LazySequence[Target]
    suspect: LazySequence[Target]
    unproved: LazySequence[Target]
    strays: Sequence[str] = ()
    duplicates: int = 0
    malformed: int = 0
    blank: int = 0
    collisions: int = 0

    @property
    def listed(self) -> int:
        return len(self.present) + len(self.missing) + len(self.suspect) + len(self.unproved)

    @property
    def wanted(self) -> LazySequence[Target]:
        """What has to be fetched: the suspect ones first, since somebody believes they have them."""
        return self.suspect + self.missing

    def proved(self, sound: Collection[str]) -> HarvestPlan:
        """The plan once the unproved files were read: those named in ``sound`` are present, the others suspect."""
        good = self.unproved.where(lambda target: target.name in sound)
        bad = self.unproved.where(lambda target: target.name not in sound)
        return replace(self, present=self.present + good, suspect=self.suspect + bad, unproved=self.unproved[:0])

    def counts(self) -> dict[str, int]:
        """The numbers of ``plan --json``."""
        return {
            "listed": self.listed,
            "present": len(self.present),
            "missing": len(self.missing),
            "suspect": len(self.suspect),
            "malformed": self.malformed,
            "duplicates": self.duplicates,
            "collisions": self.collisions,
            "strays": len(self.strays),
            "blank": self.blank,
        }


class _Owners(Mapping[str, SpectrumId]):
    """Whose the names are that receipts are for."""

    def __init__(self, receipts: Mapping[str, LedgerEntry]) -> None:
        self._receipts = receipts

    def __getitem__(self, name: str) -> SpectrumId:
        return self._receipts[name].did

    def __len__(self) -> int:
        return len(self._receipts)

    def __iter__(self) -> Iterator[str]:
        return iter(self._receipts)


def make_plan(
    catalog: Catalog,
    stored: Mapping[str, int] | Iterable[tuple[str, int]],
    receipts: Mapping[str, LedgerEntry] | Iterable[PlanNotes] | None = None,
) -> HarvestPlan:
    """The plan for ``catalog`` over ``stored`` (name, size in bytes), by the ``receipts`` for case-folded names."""
    dids, segments = catalog.dids, catalog.segments
    match = CatalogMatch(segments)
    held = LedgerEntries(match.receipts(_told(receipts or ())))
    names = names_of(segments, _Owners(held))
    match.files(stored.items() if isinstance(stored, Mapping) else stored, names, held)
    segments.forget()

    def target(number: int) -> Target:
        return names.target(dids[number], catalog.address(number))

    return HarvestPlan(
        **{standing.name.lower(): LazySequence(target, match.numbers(standing)) for standing in FileState},
        strays=match.strays,
        duplicates=catalog.duplicates,
        malformed=catalog.malformed,
        blank=catalog.blank,
        collisions=names.collisions,
    )


def _told(receipts: Mapping[str, LedgerEntry] | Iterable[PlanNotes]) -> Iterable[PlanNotes]:
    if isinstance(receipts, Mapping):
        return ((name, receipt.did, receipt.size) for name, receipt in receipts.items())
    return receipts


FITS_BLOCK = 2880  # FITS 4.0, section 3.1: every file is a whole number of these


UNKNOWN = -1  # bytes of a file that was never proved


MOST_BLOCKS = 2**16 - 1  # that two bytes can count, 189 MB


PlanNotes = tuple[str, SpectrumId, int | None]


class FileState(IntEnum):
    """What a listed spectrum's file is."""

    MISSING = 0
    PRESENT = 1
    SUSPECT = 2
    UNPROVED = 3


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """What the ledger knows of a stored spectrum: whose it is, and its size in bytes if it was proved."""

    did: SpectrumId
    size: int | None


class LedgerEntries(Mapping[str, LedgerEntry]):
    """Receipts by the case-folded names of the files, in little memory.

    The order of what is ``told`` is best that of the DIDs.
    """

    def __init__(self, told: Iterable[PlanNotes]) -> None:
        self._dids = PackedStrings[SpectrumId]()
        self._sizes = array("q")
        self._places = StringMap(self._kept(told))

    def _kept(self, told: Iterable[PlanNotes]) -> Iterator[tuple[str, int]]:
        for place, (name, did, size) in enumerate(told):
            self._dids.append(did)
            self._sizes.append(UNKNOWN if size is None else size)
            yield name, place

    def __getitem__(self, name: str) -> LedgerEntry:
        place = self._places[name]
        size = self._sizes[place]
        return LedgerEntry(self._dids[place], None if size == UNKNOWN else size)

    def __len__(self) -> int:
        return len(self._dids)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)


class CatalogMatch:
    """Where each spectrum of a catalog stands. First come the receipts, then the files.

    Nearly all have a last segment of their own and are called by it: they are found by their names alone, whatever is
    told of them is kept by their numbers. The others, in ``apart``, are looked up one by one.
    """

    def __init__(self, segments: DidIndex) -> None:
        self._segments = segments
        self._proved = array("H")  # FITS blocks that the ledger knows of; 0 is unknown; empty while it knows none
        self._standing = bytearray(len(segments.dids))
        self.strays: Sequence[str] = []

    def receipts(self, told: Iterable[PlanNotes]) -> Iterator[PlanNotes]:
        """Those that decide on names: of spectra that are called otherwise than by their segment, or that have the name
        of another."""
        named, is_of, shared = self._segments.named, self._segments.is_of, self._segments.shared
        for name, did, size in told:
            number = named(name)
            if number is not None and name not in shared and is_of(number, did, name):
                if size is not None and not is_suspect(size):
                    self._prove(number, size // FITS_BLOCK)
            elif number is not None or name != folded(did):
                yield name, did, size

    def _prove(self, number: int, blocks: int) -> None:
        if not self._proved:
            self._proved = array("H", bytes(2)) * len(self._segments.dids)
        if blocks > MOST_BLOCKS and self._proved.typecode == "H":
            self._proved = array("I", self._proved)
        self._proved[number] = blocks

    def files(self, stored: Iterable[tuple[str, int]], names: Names, held: Mapping[str, LedgerEntry]) -> None:
        """Hold the files against the ``names``; ``held`` are the ledger entries that names cannot tell apart. Some may
        come twice."""
        apart = self._apart(names)
        rest = StringMap(self._unmatched(stored, apart))
        taken = set()
        for number in chain(self._segments.others, apart):
            name = names.of(self._segments.dids[number])
            size = rest.get(name)
            if size is not None:
                receipt = held.get(name.casefold())
                self._standing[number] = _standing(size, receipt.size if receipt else None)
                taken.add(name)
        self.strays = sorted(name for name in rest if name not in taken)

    def _apart(self, names: Names) -> frozenset[int]:
        """The numbers of those that are not called by their segment, or share it, as far as they are found by it."""
        keys = chain(self._segments.shared, map(folded, names.special))
        return frozenset(number for number in map(self._segments.named, keys) if number is not None)

    def _unmatched(self, stored: Iterable[tuple[str, int]], apart: frozenset[int]) -> Iterator[tuple[str, int]]:
        named, is_called = self._segments.named, self._segments.is_called
        proved, standing, present = self._proved or bytes(len(self._standing)), self._standing, int(FileState.PRESENT)
        for name, size in stored:
            number = named(name.casefold())
            if number is None or number in apart or not is_called(number, name):
                yield name, size
            elif size and size == proved[number] * FITS_BLOCK:
                standing[number] = present
            else:
                standing[number] = FileState.SUSPECT if is_suspect(size) else FileState.UNPROVED

    def numbers(self, standing: FileState) -> Sequence[int]:
        """The numbers of those that stand so."""
        chosen = self._standing.translate(bytes(each == standing for each in range(256)))
        everybody = range(len(chosen))
        return everybody if all(chosen) else array("I", compress(everybody, chosen))


def _standing(size: int, proved: int | None) -> FileState:
    """What a file of ``size`` bytes is, by the size that the ledger has ``proved``."""
    if is_suspect(size):
        return FileState.SUSPECT
    return FileState.PRESENT if proved == size else FileState.UNPROVED


def is_suspect(size: int) -> bool:
    """Whether a file of ``size`` bytes cannot be FITS, whatever is in it."""
    return size == 0 or size % FITS_BLOCK != 0

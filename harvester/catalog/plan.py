"""Compare catalog and store.

Work out everything that a harvest will request, before the first request.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import chain, compress

from ..model.target import SpectrumId, Target
from .did_index import DidIndex, folded
from .lazy_sequence import LazySequence
from .names import Names, is_slug, names_of, other_names
from .packed_strings import PackedStrings, StringMap
from .reader import Catalog

USUAL_RATE = 10.0  # responses a second that a DaCHS gives at any concurrency: the estimate where no rate is set
FITS_BLOCK = 2880  # FITS 4.0, section 3.1: every file is a whole number of these
UNKNOWN_SIZE = -1  # of a file that was never verified
MAX_BLOCKS = 2**16 - 1  # that two bytes can count, 189 MB

EntryRow = tuple[str, SpectrumId, int | None]
"""Case-folded name, DID and size in bytes (None if never verified) of a stored spectrum, as the ledger has them."""


class FileState(IntEnum):
    """What the disk has of a listed spectrum."""

    MISSING = 0
    PRESENT = 1
    SUSPECT = 2
    UNVERIFIED = 3


@dataclass(frozen=True, slots=True, repr=False)
class HarvestPlan:
    """The difference between a catalog and a store.

    ``suspect`` files have the name of a listed spectrum but cannot be one (empty, or FITS, but no whole number of
    blocks); they are quarantined and downloaded again. ``unverified`` ones are not in the ledger as they are: they have
    to be read. ``strays`` are stored names that the catalog does not list.
    """

    present: LazySequence[Target]
    missing: LazySequence[Target]
    suspect: LazySequence[Target]
    unverified: LazySequence[Target]
    strays: Sequence[str] = ()
    duplicates: int = 0
    malformed: int = 0
    blank: int = 0
    collisions: int = 0
    conflicts: int = 0

    def __repr__(self) -> str:
        """Return the counts in one line."""
        return f"<HarvestPlan: {', '.join(f'{name} {number}' for name, number in self.counts().items() if number)}>"

    @property
    def listed(self) -> int:
        """Number of distinct spectra in the catalog."""
        return len(self.present) + len(self.missing) + len(self.suspect) + len(self.unverified)

    @property
    def wanted(self) -> LazySequence[Target]:
        """What has to be downloaded.

        The suspect ones first, since their users believe they have them.
        """
        return self.suspect + self.missing

    def verified(self, sound: Collection[str]) -> HarvestPlan:
        """Return the plan after the unverified files were read.

        They are present if named in ``sound``, else suspect.
        """
        good = self.unverified.where(lambda target: target.name in sound)
        bad = self.unverified.where(lambda target: target.name not in sound)
        return replace(self, present=self.present + good, suspect=self.suspect + bad, unverified=self.unverified[:0])

    def strays_to_identify(self) -> list[str]:
        """Return the strays that may be the file of a missing spectrum, by their names.

        Names depend on the catalog and on the ledger: without the ledger a file may have a name that its spectrum
        would not get now. What the file says of itself decides.
        """
        if not self.strays or not self.missing:
            return []
        strays = {name.casefold(): name for name in self.strays}
        slugs = any(map(is_slug, strays.values()))
        found = dict.fromkeys(
            strays[name]
            for target in self.missing
            if slugs or is_slug(target.name)
            for name in map(str.casefold, other_names(target.did, target.name))
            if name in strays
        )
        return list(found)

    def counts(self) -> dict[str, int]:
        """Return the numbers of ``plan --json``."""
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
            "conflicts": self.conflicts,
        }


class _Owners(Mapping[str, SpectrumId]):
    """The DIDs that ledger entries are of, by name."""

    def __init__(self, entries: Mapping[str, LedgerEntry]) -> None:
        self._entries = entries

    def __getitem__(self, name: str) -> SpectrumId:
        return self._entries[name].did

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)


def make_plan(
    catalog: Catalog,
    stored: Mapping[str, int] | Iterable[tuple[str, int]],
    entries: Mapping[str, LedgerEntry] | Iterable[EntryRow] | None = None,
    votables: Collection[str] = frozenset(),
) -> HarvestPlan:
    """Return the plan for ``catalog`` over ``stored`` (name, size in bytes).

    ``entries`` are the ledger's. ``votables`` are the names of stored VOTables, at least of those that were yielded.

    Names in ``entries`` are case-folded; of two with the same name the first one counts.
    """
    dids, segments = catalog.dids, catalog.segments
    match = CatalogMatch(segments, votables)
    special = LedgerEntries(match.add_entries(_entry_rows(entries or ())))
    names = names_of(segments, _Owners(special))
    match.add_files(stored.items() if isinstance(stored, Mapping) else stored, names, special)
    segments.forget()

    def target(number: int) -> Target:
        return names.target(dids[number], catalog.address(number))

    return HarvestPlan(
        **{state.name.lower(): LazySequence(target, match.numbers(state)) for state in FileState},
        strays=match.strays,
        duplicates=catalog.duplicates,
        malformed=catalog.malformed,
        blank=catalog.blank,
        collisions=names.collisions,
        conflicts=len(catalog.conflicts),
    )


def _entry_rows(entries: Mapping[str, LedgerEntry] | Iterable[EntryRow]) -> Iterable[EntryRow]:
    if isinstance(entries, Mapping):
        return ((name, entry.did, entry.size) for name, entry in entries.items())
    return entries


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """What the ledger has of a stored spectrum.

    Its DID, and its size in bytes if it was verified.
    """

    did: SpectrumId
    size: int | None


class LedgerEntries(Mapping[str, LedgerEntry]):
    """Ledger entries by the case-folded names of the files, in little memory.

    It is best made from rows in the order of DIDs.
    """

    def __init__(self, rows: Iterable[EntryRow]) -> None:
        self._dids = PackedStrings[SpectrumId]()
        self._sizes = array("q")
        self._numbers = StringMap(self._numbered(rows))

    def _numbered(self, rows: Iterable[EntryRow]) -> Iterator[tuple[str, int]]:
        for number, (name, did, size) in enumerate(rows):
            self._dids.append(did)
            self._sizes.append(UNKNOWN_SIZE if size is None else size)
            yield name, number

    def __getitem__(self, name: str) -> LedgerEntry:
        number = self._numbers[name]
        size = self._sizes[number]
        return LedgerEntry(self._dids[number], None if size == UNKNOWN_SIZE else size)

    def __len__(self) -> int:
        return len(self._dids)

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)


class CatalogMatch:
    """Find the state of each spectrum of a catalog by ledger entries and files.

    The entries come first.

    Nearly all have a last segment of their own and are named by it: they are found by their names alone, and what is
    known of them is kept by their numbers. The others are looked up one by one.
    """

    def __init__(self, segments: DidIndex, votables: Collection[str] = frozenset()) -> None:
        self._segments = segments
        self._votables = votables
        self._sizes = array("H")  # by the ledger, in units; 0 is unknown; empty while it knows none
        self._unit = FITS_BLOCK  # bytes; 1 as soon as a file is no FITS
        self._states = bytearray(len(segments.dids))
        self.strays: Sequence[str] = []

    def add_entries(self, rows: Iterable[EntryRow]) -> Iterator[EntryRow]:
        """Yield those that decide on names.

        Of spectra not named by their segment, or with the name of another.
        """
        named, is_of, shared = self._segments.named, self._segments.is_of, self._segments.shared
        for name, did, size in rows:
            number = named(name)
            if number is not None and name not in shared and is_of(number, did, name):
                if size:
                    self._set_size(number, size)
            elif number is not None or name != folded(did):
                yield name, did, size

    def _set_size(self, number: int, size: int) -> None:
        if not self._sizes:
            self._sizes = array("H", bytes(2)) * len(self._segments.dids)
        if size % self._unit:
            self._sizes = array("Q", (units * self._unit for units in self._sizes))
            self._unit = 1
        elif size // self._unit > MAX_BLOCKS and self._sizes.typecode == "H":
            self._sizes = array("I", self._sizes)
        self._sizes[number] = size // self._unit

    def add_files(self, stored: Iterable[tuple[str, int]], names: Names, special: Mapping[str, LedgerEntry]) -> None:
        """Compare the files with the ``names``.

        ``special`` has the entries that names cannot tell apart.

        A file may come twice.
        """
        apart = self._apart(names)
        rest = StringMap(self._unmatched(stored, apart))
        taken = set()
        for number in chain(self._segments.others, apart):
            name = names.of(self._segments.dids[number])
            size = rest.get(name)
            if size is not None:
                entry = special.get(name.casefold())
                self._states[number] = self._state(name, size, entry.size if entry else None)
                taken.add(name)
        self.strays = sorted(name for name in rest if name not in taken)

    def _apart(self, names: Names) -> frozenset[int]:
        """Return the numbers of those not named by their segment, or sharing it.

        Only those that are found by it are returned.
        """
        keys = chain(self._segments.shared, map(folded, names.special))
        return frozenset(number for number in map(self._segments.named, keys) if number is not None)

    def _unmatched(self, stored: Iterable[tuple[str, int]], apart: frozenset[int]) -> Iterator[tuple[str, int]]:
        named, is_called = self._segments.named, self._segments.is_called
        sizes, states, present = self._sizes or bytes(len(self._states)), self._states, int(FileState.PRESENT)
        unit = self._unit
        for name, size in stored:
            number = named(name.casefold())
            if number is None or number in apart or not is_called(number, name):
                yield name, size
            elif size and size == sizes[number] * unit:
                states[number] = present
            else:
                states[number] = self._state(name, size, None)

    def _state(self, name: str, size: int, verified: int | None) -> FileState:
        """Return the state of a file of ``size`` bytes, by its ``verified`` size."""
        if size == 0 or (is_suspect(size) and name not in self._votables):
            return FileState.SUSPECT
        return FileState.PRESENT if verified == size else FileState.UNVERIFIED

    def numbers(self, state: FileState) -> Sequence[int]:
        """Return the numbers of the spectra in this state."""
        chosen = self._states.translate(bytes(each == state for each in range(256)))
        everything = range(len(chosen))
        return everything if all(chosen) else array("I", compress(everything, chosen))


def is_suspect(size: int) -> bool:
    """Return whether a file of ``size`` bytes cannot be FITS, whatever is in it."""
    return size == 0 or size % FITS_BLOCK != 0

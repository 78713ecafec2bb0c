"""Wanted minus stored: everything that a harvest will ask for, worked out before the first request."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from .catalog import Catalogue
from .names import assign_names
from .roster import Register, Roster, Selection
from .spectra import SpectrumId, Target

FITS_BLOCK = 2880  # FITS 4.0, section 3.1: every file is a whole number of these

UNKNOWN = -1  # bytes of a file that was never proved

USUAL_RATE = 10.0  # answers a second that a DaCHS gives at any concurrency: the estimate where no rate is set


@dataclass(frozen=True, slots=True)
class HarvestPlan:
    """The difference between a catalogue and a store.

    ``suspect`` files are there under a wanted name but cannot be a spectrum (empty, or no whole number of FITS
    blocks); they are set aside and fetched again. ``unproved`` ones no ledger vouches for: they have to be read.
    ``strays`` are stored names that the catalogue does not list.
    """

    present: Selection[Target]
    missing: Selection[Target]
    suspect: Selection[Target]
    unproved: Selection[Target]
    strays: Sequence[str] = ()
    duplicates: int = 0
    malformed: int = 0
    blank: int = 0
    collisions: int = 0

    @property
    def listed(self) -> int:
        return len(self.present) + len(self.missing) + len(self.suspect) + len(self.unproved)

    @property
    def wanted(self) -> Selection[Target]:
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


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the ledger knows of a stored spectrum: whose it is, and its size in bytes if it was proved."""

    did: SpectrumId
    size: int | None


class Receipts(Mapping[str, Receipt]):
    """Receipts by the case-folded names of the files, in little memory.

    ``told`` are case-folded name, DID, and size in bytes of each stored spectrum; its order is best that of the DIDs.
    """

    def __init__(self, told: Iterable[tuple[str, SpectrumId, int | None]]) -> None:
        self._dids = Roster[SpectrumId]()
        self._sizes = array("q")
        self._places = Register(self._kept(told))

    def _kept(self, told: Iterable[tuple[str, SpectrumId, int | None]]) -> Iterator[tuple[str, int]]:
        for place, (name, did, size) in enumerate(told):
            self._dids.append(did)
            self._sizes.append(UNKNOWN if size is None else size)
            yield name, place

    def __getitem__(self, name: str) -> Receipt:
        place = self._places[name]
        size = self._sizes[place]
        return Receipt(self._dids[place], None if size == UNKNOWN else size)

    def __len__(self) -> int:
        return len(self._dids)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)


class _Owners(Mapping[str, SpectrumId]):
    """Whose the names are that receipts are for."""

    def __init__(self, receipts: Mapping[str, Receipt]) -> None:
        self._receipts = receipts

    def __getitem__(self, name: str) -> SpectrumId:
        return self._receipts[name].did

    def __len__(self) -> int:
        return len(self._receipts)

    def __iter__(self) -> Iterator[str]:
        return iter(self._receipts)


def make_plan(
    catalogue: Catalogue, stored: Mapping[str, int], receipts: Mapping[str, Receipt] | None = None
) -> HarvestPlan:
    """The plan for ``catalogue`` over ``stored`` (name to size in bytes), by the ``receipts`` for case-folded names."""
    known = receipts or {}
    dids = catalogue.dids
    names = assign_names(dids, _Owners(known))
    numbers = {standing: array("I") for standing in ("present", "missing", "suspect", "unproved")}
    found = 0

    def target(number: int) -> Target:
        return names.target(dids[number], catalogue.address(number))

    for number, did in enumerate(dids):
        name = names.of(did)
        size = stored.get(name)
        if size is None:
            numbers["missing"].append(number)
        else:
            found += 1
            numbers[_standing(size, known.get(name.casefold()))].append(number)
    return HarvestPlan(
        **{standing: Selection(target, those) for standing, those in numbers.items()},
        strays=[] if found == len(stored) else _strays(stored, map(names.of, dids)),
        duplicates=catalogue.duplicates,
        malformed=catalogue.malformed,
        blank=catalogue.blank,
        collisions=names.collisions,
    )


def _standing(size: int, receipt: Receipt | None) -> str:
    """What a file of ``size`` bytes is, by what the ledger knows of it."""
    if is_suspect(size):
        return "suspect"
    return "present" if receipt is not None and receipt.size == size else "unproved"


def is_suspect(size: int) -> bool:
    """Whether a file of ``size`` bytes cannot be FITS, whatever is in it."""
    return size == 0 or size % FITS_BLOCK != 0


def _strays(stored: Iterable[str], listed: Iterable[str]) -> list[str]:
    wanted = Register((name, 0) for name in listed)
    return sorted(name for name in stored if name not in wanted)

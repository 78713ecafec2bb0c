"""Wanted minus stored: everything that a harvest will ask for, worked out before the first request."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from .catalog import Catalogue
from .names import assign_names
from .roster import Selection
from .spectra import SpectrumId, Target

FITS_BLOCK = 2880  # FITS 4.0, section 3.1: every file is a whole number of these

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


def make_plan(
    catalogue: Catalogue, stored: Mapping[str, int], receipts: Mapping[str, Receipt] | None = None
) -> HarvestPlan:
    """The plan for ``catalogue`` over ``stored`` (name to size in bytes), by the ``receipts`` for case-folded names."""
    known = receipts or {}
    taken = {name: receipt.did for name, receipt in known.items()}
    dids = catalogue.dids
    names = assign_names(dids, taken)
    numbers = {standing: array("I") for standing in ("present", "missing", "suspect", "unproved")}
    found: set[str] = set()

    def target(number: int) -> Target:
        return names.target(dids[number], catalogue.address(number))

    for number, did in enumerate(dids):
        name = names.of(did)
        size = stored.get(name)
        if size is None:
            numbers["missing"].append(number)
        else:
            found.add(name)
            numbers[_standing(size, known.get(name.casefold()))].append(number)
    return HarvestPlan(
        **{standing: Selection(target, those) for standing, those in numbers.items()},
        strays=_strays(stored, found),
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


def _strays(stored: Collection[str], wanted: Collection[str]) -> list[str]:
    return [] if len(stored) == len(wanted) else sorted(name for name in stored if name not in wanted)

"""Wanted minus stored: everything that a harvest will ask for, worked out before the first request."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from .catalog import Catalogue
from .matching import FITS_BLOCK, Match, Receipt, Receipts, Standing, Told, is_suspect
from .names import names_of
from .roster import Selection
from .spectra import SpectrumId, Target

__all__ = ["FITS_BLOCK", "USUAL_RATE", "HarvestPlan", "Receipt", "Receipts", "is_suspect", "make_plan"]

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
    catalogue: Catalogue,
    stored: Mapping[str, int] | Iterable[tuple[str, int]],
    receipts: Mapping[str, Receipt] | Iterable[Told] | None = None,
) -> HarvestPlan:
    """The plan for ``catalogue`` over ``stored`` (name, size in bytes), by the ``receipts`` for case-folded names."""
    dids, segments = catalogue.dids, catalogue.segments
    match = Match(segments)
    held = Receipts(match.receipts(_told(receipts or ())))
    names = names_of(segments, _Owners(held))
    match.files(stored.items() if isinstance(stored, Mapping) else stored, names, held)
    segments.forget()

    def target(number: int) -> Target:
        return names.target(dids[number], catalogue.address(number))

    return HarvestPlan(
        **{standing.name.lower(): Selection(target, match.numbers(standing)) for standing in Standing},
        strays=match.strays,
        duplicates=catalogue.duplicates,
        malformed=catalogue.malformed,
        blank=catalogue.blank,
        collisions=names.collisions,
    )


def _told(receipts: Mapping[str, Receipt] | Iterable[Told]) -> Iterable[Told]:
    if isinstance(receipts, Mapping):
        return ((name, receipt.did, receipt.size) for name, receipt in receipts.items())
    return receipts

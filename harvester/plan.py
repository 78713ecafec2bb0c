"""Wanted minus stored: everything that a harvest will ask for, worked out before the first request."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from .catalog import Catalogue
from .names import assign_names
from .spectra import SpectrumId, Target

FITS_BLOCK = 2880  # FITS 4.0, section 3.1: every file is a whole number of these

USUAL_RATE = 10.0  # answers a second that a DaCHS gives at any concurrency: the estimate where no rate is set


@dataclass(frozen=True, slots=True)
class HarvestPlan:
    """The difference between a catalogue and a store.

    ``suspect`` files are there under a wanted name but cannot be a spectrum (empty, or no whole number of FITS
    blocks); they are set aside and fetched again. ``strays`` are stored names that the catalogue does not list.
    """

    present: Sequence[Target]
    missing: Sequence[Target]
    suspect: Sequence[Target] = ()
    strays: Sequence[str] = ()
    duplicates: int = 0
    malformed: int = 0
    blank: int = 0
    collisions: int = 0

    @property
    def listed(self) -> int:
        return len(self.present) + len(self.missing) + len(self.suspect)

    @property
    def wanted(self) -> Sequence[Target]:
        """What has to be fetched: the suspect ones first, since somebody believes they have them."""
        return (*self.suspect, *self.missing)

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


def make_plan(
    catalogue: Catalogue, stored: Mapping[str, int], taken: Mapping[str, SpectrumId] | None = None
) -> HarvestPlan:
    """The plan for ``catalogue`` over ``stored`` (name to size in bytes).

    ``taken`` is what earlier harvests of this store recorded: case-folded name to the DID whose spectrum it is.
    """
    names = assign_names((row.did for row in catalogue.rows), taken)
    present: list[Target] = []
    missing: list[Target] = []
    suspect: list[Target] = []
    for row in catalogue.rows:
        target = names.target(row.did)
        size = stored.get(target.name)
        where = missing if size is None else suspect if is_suspect(size) else present
        where.append(target)
    strays = _strays(stored, {target.name for group in (present, suspect) for target in group})
    return HarvestPlan(
        present, missing, suspect, strays, catalogue.duplicates, catalogue.malformed, catalogue.blank, names.collisions
    )


def is_suspect(size: int) -> bool:
    """Whether a file of ``size`` bytes cannot be FITS, whatever is in it."""
    return size == 0 or size % FITS_BLOCK != 0


def _strays(stored: Collection[str], wanted: Collection[str]) -> list[str]:
    return [] if len(stored) == len(wanted) else sorted(name for name in stored if name not in wanted)

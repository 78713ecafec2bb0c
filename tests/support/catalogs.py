"""Short cuts to names and ledger entries that only tests need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from harvester.catalog.did_index import DidIndex
from harvester.catalog.names import Names, names_of
from harvester.catalog.plan import LedgerEntries
from harvester.ledger import queries
from harvester.model.target import SpectrumId


def assign_names(dids: Sequence[SpectrumId], taken: Mapping[str, SpectrumId] | None = None) -> Names:
    """Names for distinct ``dids``; ``taken`` (case-folded name to DID) are names that files have already."""
    return names_of(DidIndex.of(dids), taken or {})


def stored_entries(path: Path) -> LedgerEntries:
    """What the ledger at ``path`` has of stored spectra, by case-folded name."""
    return LedgerEntries(queries.stored_entries(path))

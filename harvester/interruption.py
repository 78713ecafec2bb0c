"""What a run that never said goodbye may have left unsaid: a file gets its name a moment before the ledger's row."""

from __future__ import annotations

from .ledger import reader
from .seams import Shelf
from .stores.directory import DirectoryStore


def unsettled(store: Shelf) -> frozenset[str] | None:
    """The names of stored files that are newer than what the ledger says of them; None if the latest run has ended.

    Their digests in the ledger are those of the files that they replaced: they have to prove themselves. StoreError.
    """
    run = reader.unsettled(store.ledger)
    if run is None:
        return None
    began, others = run
    if not isinstance(store, DirectoryStore):
        return frozenset()  # of objects only another machine's clock tells when they were written
    return frozenset(name for name in store.written_since(began) if name.casefold() in others)

"""What a run that never said goodbye may have left unsaid: a file gets its name a moment before the ledger's row."""

from __future__ import annotations

from .batches import batches
from .ledger import reader
from .seams import Shelf
from .stores.directory import DirectoryStore

TOGETHER = 400  # names a query of the ledger


def unsettled(store: Shelf) -> frozenset[str] | None:
    """The names of stored files that are newer than what the ledger says of them; None if the latest run has ended.

    Their digests in the ledger are those of the files that they replaced: they have to prove themselves. StoreError.
    """
    run = reader.last_run(store.ledger)
    if run is None or run.ended is not None:
        return None
    if not isinstance(store, DirectoryStore):
        return frozenset()  # of objects only another machine's clock tells when they were written
    newer: set[str] = set()
    for some in batches(store.written_since(run.started), TOGETHER):
        newer |= reader.others_than(store.ledger, run.run, some)
    return frozenset(newer)

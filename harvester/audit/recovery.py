"""What a run that never said goodbye may have left unsaid: a file gets its name a moment before the ledger's row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..config.configuration import Configuration
from ..ledger import queries
from ..model.batching import batches
from ..storage.directory import DirectoryStore
from ..storage.interface import Store
from .files import file_names_itself

TOGETHER = 400  # names a query of the ledger


def written_since_crash(store: Store) -> frozenset[str] | None:
    """The names of stored files that are newer than what the ledger says of them; None if the latest run has ended.

    Their digests in the ledger are those of the files that they replaced: they have to prove themselves. StoreError.
    """
    run = queries.last_run(store.ledger)
    if run is None or run.ended is not None:
        return None
    if not isinstance(store, DirectoryStore):
        return frozenset()  # of objects only another machine's clock tells when they were written
    newer: set[str] = set()
    for some in batches(store.written_since(run.started), TOGETHER):
        newer |= queries.names_from_other_runs(store.ledger, run.run, some)
    return frozenset(newer)


TOGETHER = 400  # names a query of the ledger


def relocate(store: Store, configuration: Configuration) -> None:
    """Bring what lies astray to its place; only with the lock held. StoreError.

    Ours is what the ledger has as stored or, where it does not know the file, what says itself that it is the spectrum
    of its name. The latter is read for that; whether it is sound shows later.
    """
    if not isinstance(store, DirectoryStore):
        return
    for some in batches(store.misplaced(), TOGETHER):
        store.move_to_layout(_ours(store, some, configuration.profile.identity_card or None))
    store.sync_moves()


def _ours(store: DirectoryStore, names: Sequence[str], card: str | None) -> Iterator[str]:
    known = queries.stored_among(store.ledger, names)
    return (name for name in names if name in known or file_names_itself(store.path(name), name, card))

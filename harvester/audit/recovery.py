"""Recover what a killed run, a lost ledger or a changed layout left.

A file gets its name before its ledger entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..catalog.names import did_named
from ..config.configuration import Configuration
from ..ledger import queries
from ..model.batching import batches
from ..model.target import SpectrumId
from ..storage.directory import DirectoryStore
from ..storage.interface import Store
from .files import did_in_file, did_of_file

NAMES_PER_QUERY = 400


def written_since_crash(store: Store) -> frozenset[str] | None:
    """Return the names of files newer than the ledger's entries of them.

    None if the latest run has ended.

    Their digests in the ledger are those of the files that they replaced: they have to be verified. StoreError.
    """
    run = queries.last_run(store.ledger)
    if run is None or run.ended is not None:
        return None
    if not isinstance(store, DirectoryStore):
        return frozenset()  # when an object was written is known by another machine's clock only
    newer: set[str] = set()
    for some in batches(store.written_since(run.started), NAMES_PER_QUERY):
        newer |= queries.names_from_other_runs(store.ledger, run.run, some)
    return frozenset(newer)


def identify(store: Store, names: Iterable[str], card: str | None) -> dict[str, SpectrumId]:
    """Return the DIDs that stored files name in their headers, by name.

    Those that may not have this name are left out.

    StoreError.
    """
    found = ((name, _did_of(store, name, card)) for name in names)
    return {name: did for name, did in found if did is not None}


def _did_of(store: Store, name: str, card: str | None) -> SpectrumId | None:
    if isinstance(store, DirectoryStore):
        return did_of_file(store.path(name), name, card)
    try:
        return did_named(did_in_file(store.read(name), card), name)
    except FileNotFoundError:
        return None


def relocate(store: Store, configuration: Configuration) -> None:
    """Move misplaced spectra to their places. Call it with the lock held. StoreError.

    A file is ours if the ledger has it as stored or, where it has no entry, if its header names the spectrum of its
    name. The latter is read for that; whether it is sound shows later.
    """
    if not isinstance(store, DirectoryStore):
        return
    for some in batches(store.misplaced(), NAMES_PER_QUERY):
        store.move_to_layout(_ours(store, some, configuration.profile.identity_card or None))
    store.sync_moves()


def _ours(store: DirectoryStore, names: Sequence[str], card: str | None) -> Iterator[str]:
    known = queries.stored_among(store.ledger, names)
    return (name for name in names if name in known or did_of_file(store.path(name), name, card) is not None)

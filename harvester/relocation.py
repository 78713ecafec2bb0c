"""A directory whose spectra lie as in another layout than its own: what is ours is moved, anything else left alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .audit import claims
from .batches import batches
from .ledger import reader
from .seams import Shelf
from .settings import Configuration
from .stores.directory import DirectoryStore

TOGETHER = 400  # names a query of the ledger


def relocate(store: Shelf, configuration: Configuration) -> None:
    """Bring what lies astray to its place; only with the lock held. StoreError.

    Ours is what the ledger has as stored or, where it does not know the file, what says itself that it is the spectrum
    of its name. The latter is read for that; whether it is sound shows later.
    """
    if not isinstance(store, DirectoryStore):
        return
    for some in batches(store.astray(), TOGETHER):
        store.bring(_ours(store, some, configuration.profile.identity_card or None))
    store.settle()


def _ours(store: DirectoryStore, names: Sequence[str], card: str | None) -> Iterator[str]:
    known = reader.stored_among(store.ledger, names)
    return (name for name in names if name in known or claims(store.path(name), name, card))

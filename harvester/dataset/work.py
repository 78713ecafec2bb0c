"""Work on each stored spectrum, here or in a pool that reads the files itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

from ..model.batching import Pool, batches, in_order
from ..storage.open_store import open_store
from ..storage.url import ObjectAddress
from .stored_files import StoredFile

R = TypeVar("R")

CHUNK = 20  # spectra of one task of the pool: its result is a megabyte


@dataclass(frozen=True, slots=True)
class StoreWorkers:
    """A pool whose workers open the store themselves.

    ``location`` and ``home`` are what ``Configuration.absolute_locations`` returns.
    """

    pool: Pool
    location: ObjectAddress | Path
    home: Path


def work_on(
    files: Iterable[StoredFile], work: Callable[[StoredFile], R], workers: StoreWorkers | None = None
) -> Iterator[tuple[StoredFile, R]]:
    """Yield each of ``files`` with what ``work`` returns for it, in order.

    StoreError if the disk fails. Both ``work`` and its results can be pickled if there are ``workers``, who take over
    where there are more files than their pool's ``least``.
    """
    rest = iter(files)
    first = list(islice(rest, workers.pool.least + 1)) if workers else []
    if workers is None or len(first) <= workers.pool.least:
        yield from ((stored, work(stored)) for stored in chain(first, rest))
        return
    sent = deque[Sequence[StoredFile]]()

    def chunks() -> Iterator[Sequence[StoredFile]]:
        for chunk in batches(chain(first, rest), CHUNK):
            sent.append(chunk)
            yield [replace(stored, load=_no_loader) for stored in chunk]

    there = partial(_in_worker, workers.location, workers.home, work)
    with closing(in_order(workers.pool, there, chunks())) as done:
        for results in done:
            yield from zip(sent.popleft(), results, strict=True)


def _in_worker(
    location: ObjectAddress | Path, home: Path, work: Callable[[StoredFile], R], chunk: Sequence[StoredFile]
) -> list[R]:
    store = open_store(location, home, refresh=False)
    return [work(replace(stored, load=partial(store.read, stored.name))) for stored in chunk]


def _no_loader() -> bytes:
    """Stand for a file's loader in a message: it belongs to the process that it was made in."""
    raise FileNotFoundError("a stored file that was sent to another process has no loader")

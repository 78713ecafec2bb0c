"""Read the sample of a report while its run goes on.

What was read early counts at the end only for a file that is still the same, by its digest in the ledger and, on a
disk, by its size and time. Everything else is read then: the report is the same with this or without.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ...dataset.stored_files import DamagedError, StoredFile
from ...model.conventions import FileConventions
from ...model.outcomes import Saved
from ...storage.interface import Store
from .sampling import SpectrumExcerpt, extract
from .timeline import TimelineReader

_Reading = tuple[object, ...]
"""What the result of reading a file depends on, besides the disk."""


@dataclass(slots=True)
class EarlySample:
    """What was read of a run's spectra so far; ``timeline`` folds its events.

    One thread reads. ``extract`` is for the report, once that thread has ended.
    """

    timeline: TimelineReader
    _known: dict[str, tuple[_Reading, SpectrumExcerpt]] = field(default_factory=dict)

    def read(self, stored: StoredFile) -> None:
        """Read a file and keep its excerpt, unless it is damaged or known. StoreError."""
        reading = _reading(stored)
        known = self._known.get(stored.name)
        if known is not None and known[0] == reading:
            return
        found = extract(stored)
        if not isinstance(found, DamagedError):
            self._known[stored.name] = (reading, found)

    def extract(self, stored: StoredFile) -> SpectrumExcerpt | DamagedError:
        """Return what ``sampling.extract`` returns.

        A file that is as it was read early is not read again.
        """
        known = self._known.get(stored.name)
        return known[1] if known is not None and known[0] == _reading(stored) else extract(stored)


def _reading(stored: StoredFile) -> _Reading:
    size = changed = None
    if isinstance(stored.path, Path) and stored.path.exists():
        status = stored.path.stat()
        size, changed = status.st_size, status.st_mtime_ns
    return stored.sha256, stored.conventions, size, changed


def newly_stored(store: Store, saved: Saved, conventions: FileConventions) -> StoredFile:
    """Return a file that was just stored, as far as it takes to read it."""
    name, sha256 = saved.target.name, saved.verified.sha256
    load = partial(store.read, name)
    return StoredFile(saved.target.did, name, store.path(name), load, {}, sha256=sha256, conventions=conventions)

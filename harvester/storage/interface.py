"""What every store promises to a run.

What is stored, where it is, and where the state is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from ..engine.interfaces import SpectrumWriter
from ..model.target import Target
from .run_folder import StateFolder


class Store(SpectrumWriter, Protocol):
    """A durable store. All methods raise StoreError if the disk or the service fails."""

    notes: list[str]
    """What a user should know of what was done here before the run, a sentence each."""

    @property
    def location(self) -> str:
        """Where the spectra are, for messages."""
        ...

    @property
    def votables(self) -> Collection[str]:
        """The names of the files, as far as they were listed or stored, that are VOTables."""
        ...

    @property
    def warning(self) -> str:
        """What a user should know of this store, ``notes`` included; empty if there is nothing."""
        ...

    @property
    def state(self) -> StateFolder:
        """The local state folder, with the names of its files."""
        ...

    @property
    def ledger(self) -> Path:
        """Path of the ledger."""
        ...

    @property
    def lock(self) -> Path:
        """Path of the lock file."""
        ...

    lock_descriptors: tuple[int, ...]
    """What holds the lock during a run; processes that store for the run inherit them."""

    def path(self, name: str) -> Path | str:
        """Return where the spectrum called ``name`` is, or would be."""
        ...

    @property
    def migrated_count(self) -> int:
        """Number of spectra moved to another layout since this store was opened."""
        ...

    def relative_path(self, name: str) -> str:
        """Return the same relative to the store, as in ``SHA256SUMS``."""
        ...

    def prepare(self) -> None:
        """Make what the lock needs."""
        ...

    def prepare_for_writing(self) -> None:
        """Make ready for writing. Call it with the lock held."""
        ...

    def files(self) -> Iterable[tuple[str, int]]:
        """Yield name (without ending) and size in bytes of each stored file.

        A file that is moved between layouts in the meantime may come twice.
        """
        ...

    def sizes(self) -> Mapping[str, int]:
        """Return name (without ending) to size in bytes of all stored files."""
        ...

    def read(self, name: str) -> bytes:
        """Return the stored bytes. FileNotFoundError if nothing is stored under ``name``."""
        ...

    def quarantine_existing(self, targets: Iterable[Target], detail: str, **more: str) -> None:
        """Move stored files that are no spectra to quarantine."""
        ...

    def write_sums(self, rows: Iterable[tuple[str, str]]) -> str:
        """Write ``SHA256SUMS`` beside the spectra, and return its SHA-256."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

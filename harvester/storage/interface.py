"""The store as a whole run needs it: what is stored, where it lies, and where its state is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from ..engine.interfaces import SpectrumWriter
from ..model.target import Target


class Store(SpectrumWriter, Protocol):
    """A store that lasts: what a run finds there, and where it keeps its own books."""

    @property
    def location(self) -> str:
        """Where the spectra are, for people."""
        ...

    @property
    def warning(self) -> str:
        """What people should know of this place, in one sentence; empty if there is nothing."""
        ...

    @property
    def state(self) -> Path:
        """Local folder of ledger, runs, lock and quarantine."""
        ...

    @property
    def ledger(self) -> Path: ...

    @property
    def lock(self) -> Path: ...

    def path(self, name: str) -> Path | str:
        """Where the spectrum that is called ``name`` lies, or would."""
        ...

    @property
    def migrated_count(self) -> int:
        """How many spectra were brought from one layout to another since this store was opened."""
        ...

    def relative_path(self, name: str) -> str:
        """The same relative to the place, as ``SHA256SUMS`` has it."""
        ...

    def prepare(self) -> None:
        """Make what the lock needs. StoreError."""
        ...

    def prepare_for_writing(self) -> None:
        """Make ready for writing. Only for whoever holds the lock. StoreError."""
        ...

    def files(self) -> Iterable[tuple[str, int]]:
        """Name (without ``.fits``) and size in bytes of what is stored, one by one; twice what is moved meanwhile.
        StoreError."""
        ...

    def sizes(self) -> Mapping[str, int]:
        """Name (without ``.fits``) to size in bytes of what is stored. StoreError."""
        ...

    def read(self, name: str) -> bytes:
        """What is stored under a name. FileNotFoundError if nothing is, StoreError if it cannot be had."""
        ...

    def quarantine_existing(self, targets: Iterable[Target], detail: str, **more: str) -> None:
        """Move what is no spectrum out of the way. StoreError."""
        ...

    def write_sums(self, rows: Iterable[tuple[str, str]]) -> None:
        """Write ``SHA256SUMS`` beside the spectra. StoreError."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

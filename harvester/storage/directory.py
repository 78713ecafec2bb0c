"""A folder of FITS files: the truth of what a harvest has. Whatever has a name here was verified before it got it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Self

from ..catalog.packed_strings import StringMap
from ..errors import StoreError
from ..model.outcomes import FailedCheck, Fetched
from ..model.target import Target
from .atomic import has_room, write_sha256sums
from .errors import storage_fault, translate_os_errors
from .group_commit import GroupCommitter
from .layout import STATE, SUFFIX, Layout, astray_in, bring, layout_of, settled, spectra_in, sweep_all, write_layout
from .quarantine import Quarantine


class DirectoryStore:
    """Spectra as ``<name>.fits`` in one folder or in 256 of them, our own state in ``.harvester`` inside it.

    ``wanted`` is the layout that it shall have from the next run on; None: the one that it has.
    """

    def __init__(self, folder: Path, wanted: Layout | None = None) -> None:
        self.folder = folder
        self.layout = layout_of(folder)
        self._wanted = wanted
        self.migrated_count = 0
        self.location = str(folder)
        self.state = folder / STATE
        self.ledger = self.state / "ledger.sqlite"
        self.lock = self.state / "lock"
        self._quarantine = Quarantine(self.state / "quarantine")
        self._committer = GroupCommitter(folder)

    @property
    def warning(self) -> str:
        """What becomes, or became, of the layout, in one sentence; empty if nothing."""
        flat = self.layout is Layout.FLAT
        if self.migrated_count:
            there = f"{self.folder} itself" if flat else f"{self.folder}/ab/, 256 folders by the digest of their names"
            return f"moved {self.migrated_count:,} spectra into {there}, as the layout {self.layout} has it"
        if self._wanted not in (None, self.layout) and self.state.is_dir():
            return f"it is laid out {self.layout}: a run moves its spectra, as --layout {self._wanted} asks"
        return ""

    def path(self, name: str) -> Path:
        """Where the spectrum that is called ``name`` lies, or would."""
        return self.folder / self.relative_path(name)

    def relative_path(self, name: str) -> str:
        """The same relative to the folder, as ``SHA256SUMS`` has it."""
        places = self.layout.places(name)
        return next((place for place in places if os.path.lexists(f"{self.folder}/{place}")), self.layout.place(name))

    def prepare(self) -> None:
        """Make the folders. StoreError if that cannot be done."""
        with translate_os_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            self.state.mkdir(mode=0o700, exist_ok=True)

    def prepare_for_writing(self) -> None:
        """Take the layout that is wanted, and remove what killed runs left behind. Only for whoever holds the lock.
        StoreError."""
        self.layout = self._wanted or layout_of(self.folder)
        write_layout(self.folder, self.layout)
        sweep_all(self.folder)
        self._quarantine.prepare()

    def misplaced(self) -> Iterator[str]:
        """The names of files that lie as in the other layout, while their own place is free. StoreError."""
        return (name for name, entry in astray_in(self.folder, self.layout) if entry.is_file(follow_symlinks=False))

    def move_to_layout(self, names: Iterable[str]) -> None:
        """Move the spectra with these names to their places. Only with the lock held; ``settle`` ends it.
        StoreError."""
        self.migrated_count += bring(self.folder, self.layout, names)

    def sync_moves(self) -> None:
        """Make durable what was moved. StoreError."""
        if self.migrated_count:
            settled(self.folder, self.layout)

    def files(self) -> Iterator[tuple[str, int]]:
        """Name (without ``.fits``) and size in bytes of every FITS file that is there. None if there is no folder.

        What has the name of a spectrum but is no file (a folder, a link) counts as empty: it cannot be one.
        """
        try:
            with translate_os_errors(self.folder):
                yield from _measured(self._entries())
        except StoreError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise

    def sizes(self) -> Mapping[str, int]:
        """The same, to be looked up."""
        return StringMap(self.files())

    def written_since(self, moment: float) -> Iterator[str]:
        """The names of the files that were written at ``moment`` (seconds since 1970) or later. StoreError."""
        with translate_os_errors(self.folder):
            for name, entry in self._entries():
                with contextlib.suppress(FileNotFoundError):
                    if entry.stat(follow_symlinks=False).st_mtime >= moment:
                        yield name

    def _entries(self) -> Iterator[tuple[str, os.DirEntry[str]]]:
        """What is there, some of it twice while it is moved: what is astray comes first, or it could be missed."""
        return chain(astray_in(self.folder, self.layout), spectra_in(self.folder, self.layout))

    def read(self, name: str) -> bytes:
        """The file's bytes. FileNotFoundError if it is not there, StoreError if it cannot be had."""
        for place in self.layout.places(name):
            try:
                return (self.folder / place).read_bytes()
            except FileNotFoundError as error:
                gone = error
            except OSError as error:
                raise storage_fault(self.folder / place, error) from error
        raise gone

    def quarantine_existing(self, targets: Iterable[Target], detail: str, **more: str) -> None:
        """Move files that are no spectra to quarantine, out of the way of the ones that will be. StoreError.

        ``more`` goes into the reason as it is.
        """
        for target in targets:
            self._quarantine.set_aside(self.path(target.name).parent, target, detail, **more)

    def write_sums(self, rows: Iterable[tuple[str, str]]) -> None:
        """Write ``SHA256SUMS`` beside the spectra, from ``(file name, hex digest)`` rows. StoreError."""
        paths = ((self.relative_path(name.removesuffix(SUFFIX)), sha256) for name, sha256 in rows)
        write_sha256sums(self.folder, paths)

    async def __aenter__(self) -> Self:
        with translate_os_errors(self.folder):
            await self._committer.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._committer.__aexit__(kind, error, trace)

    async def put(self, target: Target, body: bytes) -> None:
        """Give ``body`` its name, durably. StoreError if that cannot be done."""
        place = self.layout.place(target.name)
        try:
            await self._committer.put(place, body)
        except OSError as error:
            raise storage_fault(self.folder / place, error) from error

    async def quarantine(self, target: Target, fetched: Fetched, rejected: FailedCheck) -> str:
        """Keep a body that is no spectrum, and beside it, as JSON, what was asked and why it was refused."""
        kept = await self._quarantine.keep(target, fetched, rejected)
        return f"{STATE}/quarantine/{kept}"

    async def has_room(self, size: int) -> bool:
        """Whether a file of ``size`` bytes can be written now: found out by writing one."""
        return await asyncio.to_thread(has_room, self.folder, size)


def _measured(entries: Iterable[tuple[str, os.DirEntry[str]]]) -> Iterator[tuple[str, int]]:
    for name, entry in entries:
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue  # it went away, or to its other place, where it is seen later
        yield name, status.st_size if stat.S_ISREG(status.st_mode) else 0

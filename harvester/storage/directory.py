"""A folder of spectra: the truth of what a harvest has.

A file gets its name only after it was verified.
"""

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
from ..formatting import plural
from ..model.outcomes import FailedCheck, Fetched
from ..model.target import Target
from . import layout as layouts
from .atomic import has_room, write_sha256sums
from .errors import storage_fault, translate_os_errors
from .group_commit import GroupCommitter
from .layout import SUFFIX, VOTABLE_SUFFIX, Layout, layout_of, read_layout_mark, suffix_of, write_layout
from .quarantine import Quarantine
from .run_folder import QUARANTINE_PATH, StateFolder


class DirectoryStore:
    """Store spectra as ``<name>.fits`` or ``.vot`` in one folder or in 256 of them.

    The state is in ``.harvester`` inside it.

    ``wanted`` is the layout from the next run on; None keeps the one that the folder has.
    """

    def __init__(self, folder: Path, wanted: Layout | None = None) -> None:
        self.folder = folder
        self.layout = layout_of(folder)
        self._wanted = wanted
        self.migrated_count = 0
        self.notes: list[str] = []
        self.votables: set[str] = set()
        self.location = str(folder)
        self.state = StateFolder.below(folder)
        self.ledger = self.state.ledger
        self.lock = self.state.lock
        self.lock_descriptors: tuple[int, ...] = ()
        self._quarantine = Quarantine(self.state.quarantine)
        self._committer = GroupCommitter(folder, self.state.path)

    @property
    def warning(self) -> str:
        """What a user should know: the notes, and what becomes, or became, of the layout.

        It is empty if there is nothing to know.
        """
        return "; ".join([*self.notes, *self._about_layout()])

    def _about_layout(self) -> Iterator[str]:
        flat = self.layout is Layout.FLAT
        if self.migrated_count:
            to = f"{self.folder} itself" if flat else f"{self.folder}/ab/, 256 folders by the digest of their names"
            yield f"moved {plural(self.migrated_count, 'spectrum', 'spectra')} into {to}, for the layout {self.layout}"
        elif self._wanted not in (None, self.layout) and self.state.path.is_dir():
            yield f"its layout is {self.layout}: a run moves its spectra, for --layout {self._wanted}"

    def path(self, name: str) -> Path:
        """Return where the spectrum called ``name`` is, or would be."""
        return self.folder / self.relative_path(name)

    def relative_path(self, name: str) -> str:
        """Return the same relative to the folder, as in ``SHA256SUMS``."""
        existing = (path for path in self.layout.candidates(name) if os.path.lexists(f"{self.folder}/{path}"))
        return next(existing, self.layout.relative_path(name))

    def prepare(self) -> None:
        """Make the folders. StoreError."""
        with translate_os_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            self.state.path.mkdir(mode=0o700, exist_ok=True)

    def prepare_for_writing(self) -> None:
        """Take the wanted layout and remove what killed runs left. Call it with the lock held.

        Raises StoreError.
        """
        self.layout = self._wanted or layout_of(self.folder)
        mark = read_layout_mark(self.folder)
        if mark is not None and mark not in tuple(Layout):
            self.notes.append(f"{self.state.layout} was damaged: it was written again, as {self.layout}")
        write_layout(self.folder, self.layout)
        layouts.remove_all_stale_temp_files(self.folder)
        self._quarantine.prepare()

    def misplaced(self) -> Iterator[str]:
        """Yield the names of files that are where the other layout puts them.

        Files whose own place is taken are left out.

        StoreError.
        """
        found = layouts.misplaced(self.folder, self.layout)
        return (name for name, entry in found if entry.is_file(follow_symlinks=False))

    def move_to_layout(self, names: Iterable[str]) -> None:
        """Move the spectra with these names to their places; ``sync_moves`` ends it. StoreError.

        Call it with the lock held.
        """
        self.migrated_count += layouts.move_to_layout(self.folder, self.layout, names)

    def sync_moves(self) -> None:
        """Make the moves durable. StoreError."""
        if self.migrated_count:
            layouts.sync_moves(self.folder, self.layout)

    def files(self) -> Iterator[tuple[str, int]]:
        """Yield name (without ending) and size in bytes of every spectrum's file.

        None if there is no folder. StoreError.

        What has the name of a spectrum but is no file (a folder, a link) counts as empty: it cannot be one.
        """
        try:
            with translate_os_errors(self.folder):
                yield from _measured(self._entries())
        except StoreError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise

    def sizes(self) -> Mapping[str, int]:
        """Return the same as a mapping."""
        return StringMap(self.files())

    def written_since(self, moment: float) -> Iterator[str]:
        """Yield the names of files written at ``moment`` (seconds since 1970) or later.

        Raises StoreError.
        """
        with translate_os_errors(self.folder):
            for name, entry in self._entries():
                with contextlib.suppress(FileNotFoundError):
                    if entry.stat(follow_symlinks=False).st_mtime >= moment:
                        yield name

    def _entries(self) -> Iterator[tuple[str, os.DirEntry[str]]]:
        """Yield all entries, misplaced ones first.

        A file that is moved in the meantime comes twice rather than never.
        """
        for name, entry in chain(layouts.misplaced(self.folder, self.layout), layouts.scan(self.folder, self.layout)):
            if entry.name.endswith(VOTABLE_SUFFIX):
                self.votables.add(name)
            yield name, entry

    def read(self, name: str) -> bytes:
        """Return the file's bytes.

        FileNotFoundError if there is none, StoreError if it cannot be read.
        """
        for candidate in self.layout.candidates(name):
            try:
                return (self.folder / candidate).read_bytes()
            except FileNotFoundError as error:
                absent = error
            except OSError as error:
                raise storage_fault(self.folder / candidate, error) from error
        raise absent

    def quarantine_existing(self, targets: Iterable[Target], detail: str, **more: str) -> None:
        """Move files that are no spectra to quarantine; ``more`` goes into the reason as it is.

        Raises StoreError.
        """
        for target in targets:
            self._quarantine.move_in(self.path(target.name).parent, target, detail, **more)

    def write_sums(self, rows: Iterable[tuple[str, str]]) -> str:
        """Write ``SHA256SUMS`` beside the spectra, from ``(file name, hex digest)`` rows.

        Return its SHA-256. Raises StoreError.
        """
        paths = ((self.relative_path(name.removesuffix(SUFFIX)), sha256) for name, sha256 in rows)
        return write_sha256sums(self.folder, paths)

    async def __aenter__(self) -> Self:
        with translate_os_errors(self.folder):
            await self._committer.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._committer.__aexit__(kind, error, trace)

    def new_path(self, name: str, body: bytes) -> str:
        """Return where ``body`` is stored under ``name``, relative to the folder."""
        return self.layout.relative_path(name, suffix_of(body))

    async def put(self, target: Target, body: bytes) -> None:
        """Store ``body`` under the target's name, durably. StoreError."""
        path = self.new_path(target.name, body)
        try:
            await self._committer.put(path, body)
            self.forget_other_formats(target.name, path)
        except OSError as error:
            raise storage_fault(self.folder / path, error) from error

    def forget_other_formats(self, name: str, path: str) -> None:
        """Remove the file that ``path`` replaces, of a spectrum that had another format.

        Raises StoreError.
        """
        if path.endswith(VOTABLE_SUFFIX):
            self.votables.add(name)
        if self.votables:  # looking for files costs a request each on a network's disk
            ending = SUFFIX if path.endswith(VOTABLE_SUFFIX) else VOTABLE_SUFFIX
            with translate_os_errors(self.folder / path):
                for layout in Layout:
                    (self.folder / layout.relative_path(name, ending)).unlink(missing_ok=True)

    async def quarantine(self, target: Target, fetched: Fetched, rejected: FailedCheck) -> str:
        """Keep a rejected body, with the request and the reason as JSON beside it.

        Return its path. StoreError.
        """
        kept = await self._quarantine.keep(target, fetched, rejected)
        return f"{QUARANTINE_PATH}/{kept}"

    async def has_room(self, size: int) -> bool:
        """Return whether a file of ``size`` bytes can be written now, by writing one."""
        return await asyncio.to_thread(has_room, self.folder, size)


def _measured(entries: Iterable[tuple[str, os.DirEntry[str]]]) -> Iterator[tuple[str, int]]:
    for name, entry in entries:
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue  # removed, or moved to its other place, where it is seen later
        yield name, status.st_size if stat.S_ISREG(status.st_mode) else 0

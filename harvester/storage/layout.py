"""How the spectra of a directory lie: beside each other, or in 256 folders by a digest of their names.

A spectrum's name alone tells both places where it may be, and both are understood in every directory: one that is being
moved from one layout to the other is no special case, whenever that is interrupted.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from enum import StrEnum
from hashlib import blake2b
from pathlib import Path

from ..errors import StoreError
from .atomic import atomic_write, remove_stale_temp_files, sync_folder
from .errors import translate_os_errors

STATE = ".harvester"
RECORD = "layout"
SUFFIX = ".fits"
FOLDERS = tuple(f"{number:02x}" for number in range(256))


class Layout(StrEnum):
    """Where a directory's new spectra go, and its others are moved."""

    FLAT = "flat"
    HASHED = "hashed"

    @property
    def other(self) -> Layout:
        return Layout.HASHED if self is Layout.FLAT else Layout.FLAT

    @property
    def folders(self) -> tuple[str, ...]:
        """Where spectra lie, relative to the directory; the directory itself is empty."""
        return FOLDERS if self is Layout.HASHED else ("",)

    def place(self, name: str) -> str:
        """Where the spectrum that is called ``name`` lies, relative to the directory: ``ab/NAME.fits`` if hashed."""
        return f"{folder_of(name)}/{name}{SUFFIX}" if self is Layout.HASHED else f"{name}{SUFFIX}"

    def places(self, name: str) -> Iterator[str]:
        """Where it may lie: the right place comes first, and last again for what is moved while one looks."""
        yield self.place(name)
        yield self.other.place(name)
        yield self.place(name)

    def paths(self, folder: Path, name: str) -> tuple[Path, ...]:
        """The same in ``folder``."""
        return tuple(folder / place for place in self.places(name))


def folder_of(name: str) -> str:
    """Two hex digits, as ``printf %s NAME | b2sum -l 8`` prints them of a name in lower case."""
    return blake2b(name.casefold().encode(errors="surrogatepass"), digest_size=1).hexdigest()


def layout_of(folder: Path) -> Layout:
    """The layout that a directory remembers; without a memory it is told by the folders. StoreError."""
    record = folder / STATE / RECORD
    try:
        with translate_os_errors(record):
            said = record.read_text("utf-8", "replace").strip()
    except StoreError as error:
        if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
            return Layout.HASHED if all((folder / each).is_dir() for each in FOLDERS) else Layout.FLAT
        raise
    if said not in tuple(Layout):
        raise StoreError(f"{record}: it says {said[:40]!r} where flat or hashed is expected; write one of them there")
    return Layout(said)


def write_layout(folder: Path, layout: Layout) -> None:
    """Remember ``layout`` durably, and make the folders that it needs. Only with the lock held. StoreError."""
    record = folder / STATE / RECORD
    if layout is not layout_of(folder) or (layout is Layout.HASHED and not record.exists()):
        with atomic_write(record) as part:
            part.write_text(f"{layout}\n", encoding="utf-8")
    if layout is Layout.HASHED:
        _make_folders(folder)


def _make_folders(folder: Path) -> None:
    with translate_os_errors(folder):
        device = folder.stat().st_dev
        missing = [path for each in FOLDERS if not _is_folder(path := folder / each, device)]
        for path in missing:
            path.mkdir()
        if missing:
            sync_folder(folder)


def _is_folder(path: Path, device: int) -> bool:
    """Whether the folder is there. StoreError if what has its name is none, or leads to another disk: no file can be
    renamed from here to there."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    if not stat.S_ISDIR(found.st_mode) or found.st_dev != device:
        raise StoreError(f"{path}: --layout hashed needs a plain folder there; move away what is in its place")
    return True


def spectra_in(folder: Path, layout: Layout) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Name and entry of whatever lies as spectra do in ``layout``. StoreError; FileNotFoundError in it if there is no
    such directory.

    What lies in another folder than its name tells is nobody's spectrum.
    """
    for sub in layout.folders:
        try:
            with translate_os_errors(folder / sub), os.scandir(folder / sub) as entries:
                for entry in entries:
                    name = entry.name
                    if name.endswith(SUFFIX) and name[0] != "." and (not sub or folder_of(name[:-5]) == sub):
                        yield name[:-5], entry
        except StoreError as error:
            if not sub or not isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
                raise


def astray_in(folder: Path, layout: Layout) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """The same of what lies as in the other layout, where its own place is free. StoreError."""
    for name, entry in spectra_in(folder, layout.other):
        if not os.path.lexists(folder / layout.place(name)):
            yield name, entry


def bring(folder: Path, layout: Layout, names: Iterable[str]) -> int:
    """Move those of ``names`` that lie as in the other layout; how many were moved. StoreError.

    What is at a place already is never replaced. Durable after ``settled``.
    """
    moved = 0
    for name in names:
        here, there = folder / layout.other.place(name), folder / layout.place(name)
        with translate_os_errors(there), suppress(FileNotFoundError):
            if not os.path.lexists(there):
                here.rename(there)
                moved += 1
    return moved


def settled(folder: Path, layout: Layout) -> None:
    """Make all moves durable, the new names before the old ones are forgotten; empty folders go where none are needed.
    StoreError."""
    for sub in (*layout.folders, *layout.other.folders):
        with translate_os_errors(folder / sub), suppress(FileNotFoundError):
            sync_folder(folder / sub)
    if layout is Layout.FLAT:
        for sub in FOLDERS:
            with suppress(OSError):  # it was never there, or somebody keeps other things in it
                (folder / sub).rmdir()
        with translate_os_errors(folder):
            sync_folder(folder)


def sweep_all(folder: Path) -> None:
    """Remove what killed runs left half-written, in each place where spectra are written. StoreError."""
    for sub in ("", *FOLDERS):
        with translate_os_errors(folder / sub), suppress(FileNotFoundError, NotADirectoryError):
            remove_stale_temp_files(folder / sub)

"""The two layouts of a directory.

All files beside each other, or in 256 folders by a digest of their names.

A spectrum's name alone gives both places where its file may be, and both are understood in every directory: one that
is being moved from one layout to the other is no special case, whenever that is interrupted.
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
from .run_folder import StateFolder

SUFFIX, VOTABLE_SUFFIX = ".fits", ".vot"
SUFFIXES = (SUFFIX, VOTABLE_SUFFIX)
_OPENING = 4096  # bytes within which a VOTable begins
FOLDERS = tuple(f"{number:02x}" for number in range(256))


class Layout(StrEnum):
    """Where a directory's new spectra go, and its others are moved."""

    FLAT = "flat"
    HASHED = "hashed"

    @property
    def other(self) -> Layout:
        """The other layout."""
        return Layout.HASHED if self is Layout.FLAT else Layout.FLAT

    @property
    def folders(self) -> tuple[str, ...]:
        """Where files are, relative to the directory; '' is the directory itself."""
        return FOLDERS if self is Layout.HASHED else ("",)

    def relative_path(self, name: str, suffix: str = SUFFIX) -> str:
        """Return where the file of ``name`` belongs, relative to the directory.

        That is ``ab/NAME.fits`` if hashed.
        """
        return f"{folder_of(name)}/{name}{suffix}" if self is Layout.HASHED else f"{name}{suffix}"

    def candidates(self, name: str) -> Iterator[str]:
        """Yield where it may be, the right place first.

        That one comes last again, for a file that is being moved.
        """
        for suffix in SUFFIXES:
            yield self.relative_path(name, suffix)
            yield self.other.relative_path(name, suffix)
            yield self.relative_path(name, suffix)

    def paths(self, folder: Path, name: str) -> tuple[Path, ...]:
        """Return the same in ``folder``."""
        return tuple(folder / candidate for candidate in self.candidates(name))


def suffix_of(body: bytes) -> str:
    """Return the ending of a spectrum's file name: ``.vot`` for a VOTable, else ``.fits``."""
    markup = body[:_OPENING].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
    return VOTABLE_SUFFIX if markup else SUFFIX


def without_suffix(file_name: str) -> str | None:
    """Return the name of the spectrum in a file of this name; None if it is no spectrum's."""
    for suffix in SUFFIXES:
        if file_name.endswith(suffix):
            return file_name.removesuffix(suffix)
    return None


def folder_of(name: str) -> str:
    """Return two hex digits: ``printf %s NAME | b2sum -l 8`` for a name in lower case."""
    return blake2b(name.casefold().encode(errors="surrogatepass"), digest_size=1).hexdigest()


def layout_of(folder: Path) -> Layout:
    """Return the layout of a directory by its mark, else by its folders. StoreError."""
    mark = read_layout_mark(folder)
    if mark in tuple(Layout):
        return Layout(mark)
    return Layout.HASHED if all((folder / each).is_dir() for each in FOLDERS) else Layout.FLAT


def read_layout_mark(folder: Path) -> str | None:
    """Return what the directory's layout mark says, None if there is none. StoreError."""
    mark = StateFolder.below(folder).layout
    try:
        with translate_os_errors(mark):
            return mark.read_text("utf-8", "replace").strip()
    except StoreError as error:
        if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
            return None
        raise


def write_layout(folder: Path, layout: Layout) -> None:
    """Write the layout mark durably and make the folders that it needs.

    Call it with the lock held. StoreError.
    """
    mark = read_layout_mark(folder)
    if mark != layout and (mark is not None or layout is not layout_of(folder) or layout is Layout.HASHED):
        with atomic_write(StateFolder.below(folder).layout) as part:
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
    """Return whether the folder exists.

    StoreError if its name is that of something else or leads to another disk: files cannot be renamed to there.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    if not stat.S_ISDIR(found.st_mode) or found.st_dev != device:
        raise StoreError(f"{path}: --layout hashed needs a plain folder there; move away what is in its place")
    return True


def scan(folder: Path, layout: Layout) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield name and entry of each file that is where ``layout`` puts spectra.

    What is in another folder than its name gives is no spectrum of ours. StoreError; it is caused by a
    FileNotFoundError if there is no such directory.
    """
    for sub in layout.folders:
        try:
            with translate_os_errors(folder / sub), os.scandir(folder / sub) as entries:
                for entry in entries:
                    name = without_suffix(entry.name)
                    if name and name[0] != "." and (not sub or folder_of(name) == sub):
                        yield name, entry
        except StoreError as error:
            if not sub or not isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
                raise


def misplaced(folder: Path, layout: Layout) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield name and entry of files that are where the other layout puts them.

    Files whose own place is taken are left out. StoreError.
    """
    for name, entry in scan(folder, layout.other):
        if not any(os.path.lexists(folder / layout.relative_path(name, suffix)) for suffix in SUFFIXES):
            yield name, entry


def move_to_layout(folder: Path, layout: Layout, names: Iterable[str]) -> int:
    """Move those of ``names`` that are where the other layout puts them.

    Return how many were moved. StoreError.

    An existing file is never replaced. Durable after ``sync_moves``.
    """
    moved = 0
    for name in names:
        for suffix in SUFFIXES:
            source = folder / layout.other.relative_path(name, suffix)
            destination = folder / layout.relative_path(name, suffix)
            with translate_os_errors(destination), suppress(FileNotFoundError):
                if not os.path.lexists(destination):
                    source.rename(destination)
                    moved += 1
    return moved


def sync_moves(folder: Path, layout: Layout) -> None:
    """Make all moves durable and remove empty folders.

    The new names are durable before the old ones disappear. StoreError.
    """
    for sub in (*layout.folders, *layout.other.folders):
        with translate_os_errors(folder / sub), suppress(FileNotFoundError):
            sync_folder(folder / sub)
    if layout is Layout.FLAT:
        for sub in FOLDERS:
            with suppress(OSError):  # it never existed, or has other files in it
                (folder / sub).rmdir()
        with translate_os_errors(folder):
            sync_folder(folder)


def remove_all_stale_temp_files(folder: Path) -> None:
    """Remove what killed runs left half-written, wherever spectra are written. StoreError."""
    for sub in ("", *FOLDERS):
        with translate_os_errors(folder / sub), suppress(FileNotFoundError, NotADirectoryError):
            remove_stale_temp_files(folder / sub)

"""Spectra brought to where their directory's layout has them, by renames alone: each is always in one of two places.

A kill in between leaves some here and some there, which every reader understands and the next run goes on with.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from .commit import sweep, sync_folder
from .disk import storing
from .layout import FOLDERS, Layout


def bring(folder: Path, layout: Layout, names: Iterable[str]) -> int:
    """Move those of ``names`` that lie as in the other layout; how many were moved. StoreError.

    What is at a place already is never replaced. Durable after ``settled``.
    """
    moved = 0
    for name in names:
        here, there = folder / layout.other.place(name), folder / layout.place(name)
        with storing(there), suppress(FileNotFoundError):
            if not os.path.lexists(there):
                here.rename(there)
                moved += 1
    return moved


def settled(folder: Path, layout: Layout) -> None:
    """Make all moves durable, the new names before the old ones are forgotten; empty folders go where none are needed.
    StoreError."""
    for sub in (*layout.folders, *layout.other.folders):
        with storing(folder / sub), suppress(FileNotFoundError):
            sync_folder(folder / sub)
    if layout is Layout.FLAT:
        for sub in FOLDERS:
            with suppress(OSError):  # it was never there, or somebody keeps other things in it
                (folder / sub).rmdir()
        with storing(folder):
            sync_folder(folder)


def sweep_all(folder: Path) -> None:
    """Remove what killed runs left half-written, in each place where spectra are written. StoreError."""
    for sub in ("", *FOLDERS):
        with storing(folder / sub), suppress(FileNotFoundError, NotADirectoryError):
            sweep(folder / sub)

"""Forcing a batch of files out at once: one syncfs(2) in place of an fsync each, where that is safe and quicker.

Measured on ext4, batches of 8 files of 37 kB: 1,180 files a second against 370. Python has no call for it, so libc's is
used. Before Linux 5.8 it kept write errors to itself, and elsewhere it does not exist: there, each file is synced. So
is each on a file system that does not keep its promise: the kernel passes it on to few FUSE daemons, and overlay, which
passes it on, does not pass back the write errors of the layer below.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from ..model.filesystem import file_system

ENOUGH = 4  # files for which one sync of everything costs less than one for each
TOO_LONG = 0.050  # seconds: somebody else's unwritten data are on that disk as well
SHY = 64  # batches that are then synced file by file
TRUSTED = frozenset(["btrfs", "ext3", "ext4", "f2fs", "tmpfs", "xfs"])


@dataclass(frozen=True, slots=True)
class SyncfsPolicy:
    """Whether the next batch is synced at once; what the last one cost decides. No clock inside."""

    possible: bool
    shy: int = 0

    def suits(self, count: int) -> bool:
        return self.possible and not self.shy and count >= ENOUGH

    def after(self, count: int, seconds: float) -> SyncfsPolicy:
        """What to do once a batch of ``count`` files took ``seconds``."""
        if self.suits(count):
            return replace(self, shy=SHY) if seconds > TOO_LONG else self
        return replace(self, shy=max(0, self.shy - 1))


def reports_write_errors(system: str = platform.system(), release: str = platform.release()) -> bool:
    """Whether this system has a syncfs that tells when something could not be written."""
    version = re.match(r"(\d+)\.(\d+)", release)
    return system == "Linux" and version is not None and (int(version[1]), int(version[2])) >= (5, 8)


def can_sync_together(folder: Path) -> bool:
    """Whether one sync of the file system that has ``folder`` does for its files what one for each would."""
    return reports_write_errors() and file_system(folder) in TRUSTED


def sync_file_system(descriptor: int) -> None:
    """Make all that was written since ``descriptor`` was opened durable, on the file system that it is on. OSError."""
    if _libc().syncfs(descriptor):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)

"""Make a batch of files durable at once.

One syncfs(2) instead of an fsync each, where that is safe and quicker.

Measured on ext4, batches of 8 files of 37 kB: 1,180 files a second against 370. Python has no call for it, so libc's is
used. Before Linux 5.8 syncfs did not report write errors, and elsewhere it does not exist: there, each file is synced.
So is each on a file system that does not keep the promise: the kernel passes syncfs on to few FUSE daemons, and
overlay, which passes it on, does not pass back the write errors of the layer below.
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

MIN_FILES = 4  # for which one sync of the file system costs less than one for each file
SLOW_SYNC = 0.050  # seconds: other programs have unwritten data on that disk as well
BATCHES_AFTER_SLOW_SYNC = 64  # batches that are then synced file by file
TRUSTED = frozenset(["btrfs", "ext3", "ext4", "f2fs", "tmpfs", "xfs"])


@dataclass(frozen=True, slots=True)
class SyncfsPolicy:
    """Decide whether the next batch is synced at once, by what the last one cost.

    It has no clock inside.
    """

    possible: bool
    paused: int = 0
    """Batches that are still synced file by file."""

    def suits(self, count: int) -> bool:
        """Return whether a batch of ``count`` files is synced at once."""
        return self.possible and not self.paused and count >= MIN_FILES

    def after(self, count: int, seconds: float) -> SyncfsPolicy:
        """Return the policy after a batch of ``count`` files that took ``seconds``."""
        if self.suits(count):
            return replace(self, paused=BATCHES_AFTER_SLOW_SYNC) if seconds > SLOW_SYNC else self
        return replace(self, paused=max(0, self.paused - 1))


def reports_write_errors(system: str = platform.system(), release: str = platform.release()) -> bool:
    """Return whether this system has a syncfs that reports what could not be written."""
    version = re.match(r"(\d+)\.(\d+)", release)
    return system == "Linux" and version is not None and (int(version[1]), int(version[2])) >= (5, 8)


def can_sync_together(folder: Path) -> bool:
    """Return whether one sync of the whole file system of ``folder`` is safe."""
    return reports_write_errors() and file_system(folder) in TRUSTED


def sync_file_system(descriptor: int) -> None:
    """Make all data of the file system of ``descriptor`` durable.

    OSError if something that was written since it was opened is lost.
    """
    if _libc().syncfs(descriptor):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)

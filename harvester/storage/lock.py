"""One harvest per directory.

Flocks that the kernel releases when their holder ends, however it ends.

Two are held. The one on the output folder itself excludes a second harvest even if ``.harvester`` is removed; the one
on the lock file works where a file system has no locks on folders (NFS), and its content names the holder. The lock
file is never deleted: two processes would then hold two different files of the same name.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import DirectoryHeldError, StoreError
from ..formatting import iso_utc
from .errors import translate_os_errors

LOCK_TIMEOUT = 1.0  # seconds: a reader that tests whether a lock is held has it for an instant
_RETRY_INTERVAL = 0.05  # seconds
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_UNSUPPORTED = (errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # of a lock on a folder


@contextmanager
def acquire_lock(path: Path, run: str) -> Iterator[None]:
    """Hold the lock file ``path``, and the harvest's folder above it, for ``run``.

    DirectoryHeldError names the holder if another run has one of the two; StoreError if the disk fails.
    """
    deadline = time.monotonic() + LOCK_TIMEOUT
    with _opened(path.parent.parent, _FOLDER) as folder:
        with _folder_locks_are_optional():
            _wait_for(folder, path, deadline)
        with _opened(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK) as file:
            _wait_for(file, path, deadline)
            with translate_os_errors(path):
                os.ftruncate(file, 0)
                os.pwrite(file, _description(run), 0)
            yield


@contextmanager
def _folder_locks_are_optional() -> Iterator[None]:
    """Ignore that a file system has no locks on folders."""
    try:
        yield
    except StoreError as error:
        if not isinstance(error.__cause__, OSError) or error.__cause__.errno not in _UNSUPPORTED:
            raise


def _wait_for(descriptor: int, path: Path, deadline: float) -> None:
    """Lock the open file. DirectoryHeldError if another run still has it at ``deadline``."""
    while not _is_locked(descriptor, path):
        if time.monotonic() > deadline:
            raise DirectoryHeldError(f"{path.parent.parent}: another run is using this directory ({_holder(path)})")
        time.sleep(_RETRY_INTERVAL)


def _is_locked(descriptor: int, path: Path) -> bool:
    """Try to lock the open file and return whether it is ours now."""
    try:
        with translate_os_errors(path):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except StoreError as error:
        if isinstance(error.__cause__, BlockingIOError):
            return False
        raise
    return True


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    with translate_os_errors(path):
        descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Return whether a harvest holds the lock file ``path``, or the folder above it, now."""
    return any(map(_is_exclusively_locked, (path.parent.parent, path)))


def _is_exclusively_locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return False
    except PermissionError:
        return True  # another user's: what they do there cannot be known
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    finally:
        os.close(descriptor)
    return False


def _description(run: str) -> bytes:
    started = iso_utc(time.time())
    return json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "started": started, "run": run}).encode()


def _holder(path: Path) -> str:
    """Describe the holder by what the lock file says."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        holder = json.loads(path.read_bytes())
        return f"process {holder['pid']} on {holder['host']}, run {holder['run']}, since {holder['started']}"
    return "the lock file does not name the process"


class FolderGuard:
    """Notice that a folder was removed or replaced under a running harvest.

    Close it at the end.

    The folders are kept open: else a new folder could get the inode number of a removed one.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        """Guard those of ``folders`` that exist. OSError."""
        self._open = [(folder, os.open(folder, _FOLDER)) for folder in folders if folder.is_dir()]

    def changed(self) -> Path | None:
        """Return the first folder that is no longer the one it was, None if all are. OSError."""
        return next((folder for folder, descriptor in self._open if not _is_same(folder, descriptor)), None)

    def close(self) -> None:
        """Release the folders."""
        for _, descriptor in self._open:
            os.close(descriptor)
        self._open.clear()


def _is_same(folder: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(folder.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False

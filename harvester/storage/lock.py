"""One harvest per directory.

Flocks that the kernel releases when their holder ends, however it ends.

Two are held. The one on the output folder itself excludes a second harvest even if ``.harvester`` is removed; the one
on the lock file works where a file system has no locks on folders (NFS), and its content names the holder. The lock
file is never deleted: two processes would then hold two different files of the same name. Processes that store for the
run inherit both: if it is killed, they are held until the last one has finished what it was storing.
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
from dataclasses import dataclass
from pathlib import Path

from ..errors import DirectoryHeldError, StoreError
from ..formatting import iso_utc
from .errors import translate_os_errors

LOCK_TIMEOUT = 1.0  # seconds: a reader that tests whether a lock is held has it for an instant
ORPHAN_TIMEOUT = 30.0  # seconds for the processes of a run that was killed: they finish what they are storing
_RETRY_INTERVAL = 0.05  # seconds
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_UNSUPPORTED = (errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # of a lock on a folder


@contextmanager
def acquire_lock(path: Path, run: str) -> Iterator[tuple[int, ...]]:
    """Hold the lock file ``path``, and the harvest's folder above it, for ``run``.

    Yield the descriptors that hold them, for processes that store for the run. DirectoryHeldError names the holder if
    another run has one of the two; StoreError if the disk fails.
    """
    began = time.monotonic()
    with _opened(path.parent.parent, _FOLDER) as folder:
        with _folder_locks_are_optional():
            _wait_for(folder, path, began)
        with _opened(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK) as file:
            with _file_locks_are_needed(path):
                _wait_for(file, path, began)
            with translate_os_errors(path):
                os.ftruncate(file, 0)
                os.pwrite(file, _description(run), 0)
            yield folder, file


@contextmanager
def _folder_locks_are_optional() -> Iterator[None]:
    """Ignore that a file system has no locks on folders."""
    try:
        yield
    except StoreError as error:
        if not _is_unsupported(error):
            raise


@contextmanager
def _file_locks_are_needed(path: Path) -> Iterator[None]:
    """Say what to do on a file system without any locks."""
    try:
        yield
    except StoreError as error:
        if not _is_unsupported(error):
            raise
        advice = "start the lock service of the network disk, or choose another --out"
        raise StoreError(f"{path}: this file system has no locks, which keep two runs apart: {advice}") from error


def _is_unsupported(error: StoreError) -> bool:
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in _UNSUPPORTED


def _wait_for(descriptor: int, path: Path, began: float) -> None:
    """Lock the open file.

    DirectoryHeldError if another run has it for longer than is waited for since ``began``.
    """
    while not _is_locked(descriptor, path):
        holder = _Holder.of(path)
        if time.monotonic() - began > (ORPHAN_TIMEOUT if holder and holder.has_ended else LOCK_TIMEOUT):
            who = str(holder) if holder else "the lock file does not name the process"
            raise DirectoryHeldError(f"{path.parent.parent}: another run is using this directory ({who})")
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


@dataclass(frozen=True, slots=True)
class _Holder:
    """The process that took the lock, by what the lock file says."""

    pid: int
    host: str
    run: str
    started: str

    @classmethod
    def of(cls, path: Path) -> _Holder | None:
        """Read the lock file; None if it does not name the process."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            said = json.loads(path.read_bytes())
            return cls(int(said["pid"]), str(said["host"]), str(said["run"]), str(said["started"]))
        return None

    @property
    def has_ended(self) -> bool:
        """Whether the process is of this machine and gone: others that it started have the lock."""
        if self.host != socket.gethostname():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except (OSError, OverflowError):  # another user's, or a number that is no process
            return False
        return False

    def __str__(self) -> str:
        words = f"process {self.pid} on {self.host}, run {self.run}, since {self.started}"
        return f"{words}; it has ended, a process that it started has not" if self.has_ended else words


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
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            raise
        return False

"""Give bytes a name durably.

Temporary name in the same folder, write, sync, rename, sync of the folder.

Without the fsyncs a power cut leaves most of the visible files empty (measured, 72 %); without the folder's, a file
that was reported as saved can be missing. Everything here blocks and belongs into a thread.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from .errors import translate_os_errors
from .fsync import MIN_FILES, sync_file_system

HOST = "".join(c if c.isalnum() else "_" for c in socket.gethostname())[:32] or "host"
_TOKEN = secrets.token_hex(4)  # of this process: process ids are used again, in containers soon
_serial = count()
STALE_AFTER = 24 * 3600.0  # seconds after which a temporary file of another host is taken for abandoned
MANIFEST = "SHA256SUMS"


def commit(folder: Path, files: Sequence[tuple[str, bytes]], together: bool = False) -> list[OSError | None]:
    """Give each ``(file name, bytes)`` its name in ``folder``.

    Return for each None if it is durable, else its error.

    A name may be in an existing sub-folder, as ``ab/name.fits``. ``together``: one sync of the file system instead of
    one for each file. A file that failed leaves nothing behind, neither under its name nor under a temporary one,
    except where only a folder's own sync failed: then the file is whole and visible, but not acknowledged.
    """
    results: list[OSError | None] = [None] * len(files)
    try:
        with _opened(folder) as descriptor:
            _commit(descriptor, files, together, results)
    except OSError as error:
        results = [result or error for result in results]
    return results


def _commit(folder: int, files: Sequence[tuple[str, bytes]], together: bool, results: list[OSError | None]) -> None:
    """Do the same below the open ``folder``.

    What is wrong with one file goes into ``results``; what is wrong with all is raised as OSError.
    """
    parts = [temp_name(name) for name, _ in files]
    for number, (_, body) in enumerate(files):
        results[number] = _error_of(_write, folder, parts[number], body, not together)
    if together and (lost := _error_of(sync_file_system, folder)):
        results[:] = [result or lost for result in results]
    for number, (name, _) in enumerate(files):
        results[number] = results[number] or _error_of(_replace, folder, parts[number], name)
    for part, result in zip(parts, results, strict=True):
        if result is not None:  # it may never have been made; what remains is removed at the next start
            _error_of(_unlink, folder, part)
    _sync_names(folder, dict.fromkeys(name.rpartition("/")[0] for name, _ in files), together)


def _sync_names(folder: int, touched: Collection[str], together: bool) -> None:
    """Make the names in the ``touched`` sub-folders of ``folder`` durable.

    '' is ``folder`` itself.
    """
    if together and len(touched) >= MIN_FILES:
        sync_file_system(folder)
        return
    for each in touched:
        if each:
            sync_folder(each, folder)
        else:
            os.fsync(folder)


def _error_of(call: Callable[..., object], *arguments: object) -> OSError | None:
    """Call and return the OSError that it raised, None if it raised none."""
    try:
        call(*arguments)
    except OSError as error:
        return error
    return None


def _write(folder: int, name: str, body: bytes, sync: bool = True) -> None:
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=folder)
    try:
        rest = memoryview(body)
        while rest:  # near a full disk a write is short before it fails
            rest = rest[os.write(descriptor, rest) :]
        if sync:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replace(folder: int, part: str, name: str) -> None:
    os.replace(part, name, src_dir_fd=folder, dst_dir_fd=folder)


def _unlink(folder: int, name: str) -> None:
    os.unlink(name, dir_fd=folder)


def sync_folder(path: str | Path, folder: int | None = None) -> None:
    """Make the names in the folder at ``path`` durable.

    ``path`` is relative to the open ``folder`` if given.
    """
    with _opened(path, folder) as descriptor:
        os.fsync(descriptor)


@contextmanager
def _opened(path: str | Path, folder: int | None = None) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def temp_name(name: str) -> str:
    """Return a temporary name in the folder of ``name``.

    Unique, and a later run can tell which process made it.
    """
    folder, slash, own = name.rpartition("/")
    return f"{folder}{slash}.{own}.{HOST}.{os.getpid()}.{_TOKEN}{next(_serial):x}.part"


def has_room(folder: Path, size: int) -> bool:
    """Return whether a file of ``size`` bytes can be made in ``folder`` now, by making one."""
    part = temp_name("room")
    try:
        with _opened(folder) as descriptor:
            try:
                _write(descriptor, part, bytes(size))
            finally:
                _error_of(_unlink, descriptor, part)
    except OSError:
        return False
    return True


def remove_stale_temp_files(folder: Path) -> None:
    """Remove the temporary files of killed runs, never those of a process that lives. OSError."""
    with os.scandir(folder) as entries:
        stale = [entry.path for entry in entries if entry.name.endswith(".part") and _is_stale(entry)]
    for path in stale:
        with suppress(OSError):  # one that stays does no harm
            Path(path).unlink()


def _is_stale(entry: os.DirEntry[str]) -> bool:
    parts = entry.name.split(".")
    if parts[0] or len(parts) < 5 or not parts[-3].isdecimal() or not entry.is_file(follow_symlinks=False):
        return False  # not one of ours
    if parts[-4] == HOST and int(parts[-3]) != os.getpid() and not is_running(int(parts[-3])):
        return True
    with suppress(FileNotFoundError):  # its writer has given it its name meanwhile
        return time.time() - entry.stat(follow_symlinks=False).st_mtime > STALE_AFTER
    return False


def is_running(pid: int) -> bool:
    """Return whether a process of this machine has that number."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def atomic_write(path: Path, *, durable: bool = True, sweep: bool = True) -> Iterator[Path]:
    """Yield a temporary path that becomes ``path`` at the end of the block.

    All of it or not at all.

    durable: sync file and folder. sweep: remove what killed processes left in the folder. If the block raises, what
    was at ``path`` before is still there, and nothing else. StoreError if the disk fails.
    """
    part = path.with_name(temp_name(path.name))
    try:
        with translate_os_errors(path):
            if sweep:
                remove_stale_temp_files(path.parent)
            yield part
            if durable:
                _sync_file(part)
            part.replace(path)
            if durable:
                sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):  # it may never have been made; the first error is the one to report
            part.unlink()
        raise


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_sha256sums(folder: Path, rows: Iterable[tuple[str, str]]) -> str:
    """Write ``folder/SHA256SUMS`` from ``(file name, hex digest)`` rows, as they come.

    Return the file's own SHA-256.

    Readers see the old one until the new one is complete. StoreError if it cannot be written; what ``rows`` itself
    raises goes through and keeps the old one. Names are those of this package: sha256sum's escapes for blanks and
    backslashes are never needed.
    """
    digest = hashlib.sha256()
    with atomic_write(folder / MANIFEST, sweep=False) as part, part.open("xb") as file:
        for name, sha256 in rows:
            line = f"{sha256}  {name}\n".encode("ascii")
            digest.update(line)
            file.write(line)
    return digest.hexdigest()

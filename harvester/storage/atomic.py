"""Giving bytes a name, durably: temporary names in the same folder, write, sync, rename, sync of the folder.

Without the fsyncs a power cut leaves most of the visible files empty (measured, 72 %); without the folder's, a file
that was reported as saved can be missing. Everything here blocks and belongs into a thread.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from .errors import translate_os_errors
from .fsync import ENOUGH, sync_file_system

HOST = "".join(c if c.isalnum() else "_" for c in socket.gethostname())[:32] or "host"
_TOKEN = secrets.token_hex(4)  # of this process: pids come round again, in containers soon
_serial = count()
OLD = 24 * 3600.0  # seconds after which a leftover of another host is taken for dead


def commit(folder: Path, files: Sequence[tuple[str, bytes]], together: bool = False) -> list[OSError | None]:
    """Give each ``(file name, bytes)`` its name in ``folder``; per file, None if it is durable or what went wrong.

    A name may lie in a sub-folder that is there, as ``ab/name.fits``. ``together``: one sync of the file system in
    place of one for each file. A file that failed left nothing behind, neither under its name nor under a temporary
    one, except where only a folder's own sync failed: then the file is whole and visible, but not acknowledged.
    """
    results: list[OSError | None] = [None] * len(files)
    try:
        with _opened(folder) as descriptor:
            _commit(descriptor, files, together, results)
    except OSError as error:
        results = [result or error for result in results]
    return results


def _commit(folder: int, files: Sequence[tuple[str, bytes]], together: bool, results: list[OSError | None]) -> None:
    """The same below the open ``folder``: what is wrong with a file goes into ``results``, what with all is raised."""
    parts = [part_name(name) for name, _ in files]
    for at, (_, body) in enumerate(files):
        results[at] = _tried(_write, folder, parts[at], body, not together)
    if together and (lost := _tried(sync_file_system, folder)):
        results[:] = [result or lost for result in results]
    for at, (name, _) in enumerate(files):
        results[at] = results[at] or _tried(_replace, folder, parts[at], name)
    for part, result in zip(parts, results, strict=True):
        if result is not None:  # it may never have been made; what is left is swept at the next start
            _tried(_unlink, folder, part)
    _sync_names(folder, dict.fromkeys(name.rpartition("/")[0] for name, _ in files), together)


def _sync_names(folder: int, touched: Collection[str], together: bool) -> None:
    """Make the names in the ``touched`` folders durable, which are in ``folder``, or, if '', are it."""
    if together and len(touched) >= ENOUGH:
        sync_file_system(folder)
        return
    for each in touched:
        if each:
            sync_folder(each, folder)
        else:
            os.fsync(folder)


def _tried(call: Callable[..., object], *arguments: object) -> OSError | None:
    try:
        call(*arguments)
    except OSError as error:
        return error
    return None


def _write(folder: int, name: str, body: bytes, sync: bool = True) -> None:
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=folder)
    try:
        left = memoryview(body)
        while left:  # near a full disk a write is short before it fails
            left = left[os.write(descriptor, left) :]
        if sync:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replace(folder: int, part: str, name: str) -> None:
    os.replace(part, name, src_dir_fd=folder, dst_dir_fd=folder)


def _unlink(folder: int, name: str) -> None:
    os.unlink(name, dir_fd=folder)


def sync_folder(path: str | Path, folder: int | None = None) -> None:
    """Make the names in the folder at ``path`` durable; below the open ``folder``, if that is given."""
    with _opened(path, folder) as descriptor:
        os.fsync(descriptor)


@contextmanager
def _opened(path: str | Path, folder: int | None = None) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def part_name(name: str) -> str:
    """A temporary name in the folder of ``name``, that nobody else uses, and that tells a later run whose it was."""
    folder, slash, own = name.rpartition("/")
    return f"{folder}{slash}.{own}.{HOST}.{os.getpid()}.{_TOKEN}{next(_serial):x}.part"


def has_room(folder: Path, size: int) -> bool:
    """Whether a file of ``size`` bytes can be made in ``folder`` now: found out by making one."""
    part = part_name("room")
    try:
        with _opened(folder) as descriptor:
            try:
                _write(descriptor, part, bytes(size))
            finally:
                _tried(_unlink, descriptor, part)
    except OSError:
        return False
    return True


def remove_stale_temp_files(folder: Path) -> None:
    """Remove the temporary files of killed runs, never those of a process that lives."""
    with os.scandir(folder) as entries:
        dead = [entry.path for entry in entries if entry.name.endswith(".part") and _is_dead(entry)]
    for path in dead:
        with suppress(OSError):  # a leftover that stays harms nobody
            Path(path).unlink()


def _is_dead(entry: os.DirEntry[str]) -> bool:
    parts = entry.name.split(".")
    if parts[0] or len(parts) < 5 or not parts[-3].isdecimal() or not entry.is_file(follow_symlinks=False):
        return False  # not one of ours
    if parts[-4] == HOST and int(parts[-3]) != os.getpid() and not _lives(int(parts[-3])):
        return True
    return time.time() - entry.stat(follow_symlinks=False).st_mtime > OLD


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Where to write what shall be at ``path`` once the block ends: durably, and all at once.

    If it raises, what was at ``path`` before is there still, and nothing else. StoreError if the disk refuses.
    """
    part = path.with_name(part_name(path.name))
    try:
        with translate_os_errors(path):
            remove_stale_temp_files(path.parent)
            yield part
            _sync(part)
            part.replace(path)
            sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):  # it may never have been made; the first fault is the one to tell
            part.unlink()
        raise


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


MANIFEST = "SHA256SUMS"


def write_sha256sums(folder: Path, rows: Iterable[tuple[str, str]]) -> Path:
    """Write ``folder/SHA256SUMS`` from ``(file name, hex digest)`` rows, in their order and as they come.

    Durable and all at once: whoever reads it meanwhile reads the old one. StoreError if it cannot be written; what
    ``rows`` itself raises goes through, and leaves the old one. Names are those of this package: sha256sum's
    escapes for blanks and backslashes at odd places are never needed.
    """
    path = folder / MANIFEST
    part = folder / part_name(MANIFEST)
    try:
        with translate_os_errors(path), part.open("x", encoding="ascii", newline="\n") as file:
            file.writelines(f"{sha256}  {name}\n" for name, sha256 in rows)
            file.flush()
            os.fsync(file.fileno())
        with translate_os_errors(path):
            part.replace(path)
            sync_folder(folder)
    except BaseException:
        with suppress(OSError):  # it may never have been made; the first fault is the one to tell
            part.unlink()
        raise
    return path

"""One harvest per directory: an flock that the kernel drops with its holder, however that ends.

The lock file is never deleted: two processes would then hold two different files of the same name.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ..errors import DirectoryHeldError, StoreError
from ..formatting import iso_utc
from .errors import translate_os_errors

PATIENCE = 1.0  # seconds: whoever only looks whether the lock is held has it for an instant


@contextmanager
def acquire_lock(path: Path, run: str) -> Iterator[None]:
    """Hold the lock file ``path`` for ``run``. DirectoryHeldError, with who holds it, if another harvest does."""
    with translate_os_errors(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    with os.fdopen(descriptor, "r+b", buffering=0) as file:
        deadline = time.monotonic() + PATIENCE
        while not _taken(path, file):
            if time.monotonic() > deadline:
                holder = _holder(file.read())
                raise DirectoryHeldError(f"{path.parent.parent}: another harvest holds it ({holder})")
            time.sleep(0.05)
        started = iso_utc(time.time())
        ours = {"pid": os.getpid(), "host": socket.gethostname(), "started": started, "run": run}
        with translate_os_errors(path):
            os.ftruncate(file.fileno(), 0)
            os.pwrite(file.fileno(), json.dumps(ours).encode(), 0)
        yield


def _taken(path: Path, file: IO[bytes]) -> bool:
    try:
        with translate_os_errors(path):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except StoreError as error:
        if isinstance(error.__cause__, BlockingIOError):
            return False
        raise
    return True


def is_held(path: Path) -> bool:
    """Whether a harvest holds the lock file ``path`` right now."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except (BlockingIOError, PermissionError):
        return True  # it is somebody else's: what they do there is not ours to disturb
    return False


def _holder(text: bytes) -> str:
    try:
        holder = json.loads(text)
        return f"process {holder['pid']} on {holder['host']}, run {holder['run']}, since {holder['started']}"
    except (ValueError, KeyError, TypeError):
        return "it has not said who it is yet"

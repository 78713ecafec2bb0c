"""One harvest per directory: an flock that the kernel drops with its holder, however that ends.

The lock file is never deleted: two processes would then hold two different files of the same name.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from ..errors import DirectoryHeldError, StoreError


@contextmanager
def hold(path: Path, run: str) -> Iterator[None]:
    """Hold the lock file ``path`` for ``run``. DirectoryHeldError, with who holds it, if another harvest does."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}; choose a directory that can be written to with --out") from None
    with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DirectoryHeldError(
                f"{path.parent.parent}: another harvest holds it ({_holder(file.read())})"
            ) from None
        file.seek(0)
        file.truncate()
        started = datetime.now(UTC).isoformat(timespec="seconds")
        json.dump({"pid": os.getpid(), "host": socket.gethostname(), "started": started, "run": run}, file)
        file.flush()
        yield


def is_held(path: Path) -> bool:
    """Whether a harvest holds the lock file ``path`` right now."""
    try:
        with path.open(encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _holder(text: str) -> str:
    try:
        holder = json.loads(text)
        return f"process {holder['pid']} on {holder['host']}, run {holder['run']}, since {holder['started']}"
    except (ValueError, KeyError, TypeError):
        return "it has not said who it is yet"

"""Translate what a disk refuses into one sentence that says what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import StoreError, StoreFullError

_ADVICE = {
    errno.ENOSPC: "the disk is full; make room and run again",
    errno.EDQUOT: "the disk quota is used up; make room and run again",
    errno.EROFS: "the disk is read-only; remount it or choose another --out",
    errno.EACCES: "no permission; choose another --out or change the permissions",
    errno.EPERM: "no permission; choose another --out or change the permissions",
    errno.EIO: "the disk reports an input/output error; check it before the next run",
    errno.EMFILE: "too many open files; raise the limit (ulimit -n)",
    errno.ENFILE: "the system has too many open files; close some and run again",
    errno.EFBIG: "the file size limit is reached (ulimit -f)",
    errno.ENOTDIR: "part of that path is a file; choose another --out",
    errno.ESTALE: "the folder was moved, replaced or unmounted during the run; bring it back and run again",
}

_TRANSIENT = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE)


def storage_fault(path: Path, error: OSError) -> StoreError:
    """Return the error that ends a run because of ``error`` at ``path``."""
    fault = StoreFullError if error.errno in _TRANSIENT else StoreError
    words = (error.strerror or str(error)).lower()
    return fault(f"{path}: {_ADVICE.get(error.errno or 0, f'{words}; check that path, or choose another')}")


@contextmanager
def translate_os_errors(path: Path) -> Iterator[None]:
    """Raise an OSError of the block as a StoreError about ``path``."""
    try:
        yield
    except BrokenPipeError:  # the reader of our output has gone: no fault of a disk
        raise
    except OSError as error:
        raise storage_fault(path, error) from error

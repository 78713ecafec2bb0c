"""What a disk complains of, as one sentence that says what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import StoreError, StoreFullError

_PLAIN_WORDS = {
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
    errno.ESTALE: "the folder was moved, replaced or unmounted while the run went on; bring it back and run again",
}


_PASSING = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE)


def storage_fault(path: Path, error: OSError) -> StoreError:
    """The fault of the whole run that ``error`` at ``path`` amounts to."""
    fault = StoreFullError if error.errno in _PASSING else StoreError
    return fault(f"{path}: {_PLAIN_WORDS.get(error.errno or 0, error.strerror or str(error))}")


@contextmanager
def translate_os_errors(path: Path) -> Iterator[None]:
    """Whatever the system refuses within becomes a StoreError about ``path``."""
    try:
        yield
    except BrokenPipeError:  # nobody reads what is printed: no fault of a disk
        raise
    except OSError as error:
        raise storage_fault(path, error) from error

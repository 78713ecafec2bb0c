"""Keep the samples of an export on disk between its two passes.

The second pass would read, verify and prepare every file again, which is a third of the time of an export.
"""

from __future__ import annotations

import pickle
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from .contents import SampleSummary, summary_of
from .samples import Sample

MOST_GROWTH = 2  # times the bytes of the files: single precision, or whole numbers, become double precision
LEFT_FREE = 2  # times what the samples take at most has to be free


def packed(sample: Sample) -> tuple[SampleSummary, bytes]:
    """Return the summary of a sample, and what ``Spool.add`` takes."""
    return summary_of(sample), pickle.dumps(sample, pickle.HIGHEST_PROTOCOL)


def not_packed(sample: Sample) -> tuple[SampleSummary, bytes]:
    """Return the summary of a sample alone."""
    return summary_of(sample), b""


class Spool:
    """Samples in a temporary file in ``folder``, which has no name and goes with the process.

    ``size``: bytes of the files that the samples come from. Without room for them, or once the disk fails, ``is_open``
    is False: then nothing is kept.
    """

    def __init__(self, folder: Path, size: float) -> None:
        self._file: IO[bytes] | None = None
        with suppress(OSError):
            if shutil.disk_usage(folder).free >= LEFT_FREE * MOST_GROWTH * size:
                self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    @property
    def is_open(self) -> bool:
        """Whether all that was added is kept."""
        return self._file is not None

    def add(self, sample: bytes) -> None:
        """Add a packed sample."""
        if self._file is not None:
            try:
                self._file.write(sample)
            except OSError:  # the disk is full by now: the files are read again
                self._close()

    def __iter__(self) -> Iterator[Sample]:
        """Yield all samples in their order."""
        assert self._file is not None
        end = self._file.tell()
        self._file.seek(0)
        while self._file.tell() < end:
            yield pickle.load(self._file)  # noqa: S301 - no other program can write to it

    def _close(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # what it still had to write
                self._file.close()
            self._file = None

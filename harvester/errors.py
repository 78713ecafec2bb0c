"""Define the errors that end a run, each with its exit code.

The message is the sentence that the user reads.
"""

from __future__ import annotations

from typing import ClassVar


class HarvestError(Exception):
    """Base class of the errors that end a run; ``exit_code`` is that of the command line."""

    exit_code: ClassVar[int] = 1


class UsageError(HarvestError):
    """The command line, the configuration or the catalog is wrong."""

    exit_code = 2


class ArchiveError(HarvestError):
    """The archive cannot be reached, or its responses violate its standard."""

    exit_code = 5


class StoreError(HarvestError):
    """Storage failed: no property of one spectrum, so the whole run ends."""

    exit_code = 6


class StoreFullError(StoreError):
    """Storage has no free space at the moment; that may change."""


class ResourceError(HarvestError):
    """This machine has no memory, thread or open file left for the run."""

    exit_code = 6


def resource_fault(error: BaseException) -> ResourceError | None:
    """Return the error of a machine whose resources are used up.

    None if ``error`` is another.
    """
    if isinstance(error, BaseExceptionGroup):
        return next(filter(None, map(resource_fault, error.exceptions)), None)
    if isinstance(error, MemoryError):
        return ResourceError("no memory is left; allow more (ulimit -v, the job's memory), or lower --concurrency")
    if isinstance(error, RuntimeError) and "start new thread" in str(error):
        return ResourceError("no further thread can be started; allow more (ulimit -u and -v)")
    return None


class ClusterError(HarvestError):
    """Worker processes or Dask workers are missing or cannot be used; another run may succeed."""

    exit_code = 4


class DirectoryHeldError(HarvestError):
    """Another run is using this directory."""

    exit_code = 75

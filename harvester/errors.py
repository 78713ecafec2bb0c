"""What may go wrong with a whole run, by the exit code it ends with. Each message is the sentence the user reads."""

from __future__ import annotations

from typing import ClassVar


class HarvestError(Exception):
    """Base of the faults that end a run; ``exit_code`` as the README's table has it."""

    exit_code: ClassVar[int] = 1


class UsageError(HarvestError):
    """The command line, the configuration or the catalog is at fault."""

    exit_code = 2


class ArchiveError(HarvestError):
    """The archive cannot be reached, or does not answer as its standard has it."""

    exit_code = 5


class StoreError(HarvestError):
    """Local storage failed: no spectrum's fault, so it concerns the run as a whole."""

    exit_code = 6


class StoreFullError(StoreError):
    """Local storage has no room at the moment: that may pass."""


class ClusterError(HarvestError):
    """Those who were to do the work are not there, or cannot do it: no spectrum's fault, and another run may."""

    exit_code = 4


class DirectoryHeldError(HarvestError):
    """Another harvest works in this directory."""

    exit_code = 75

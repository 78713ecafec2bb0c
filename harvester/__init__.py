"""Store every spectrum of a Virtual Observatory archive on disk, verified and resumable.

>>> import harvester
>>> result = await harvester.harvest("labels.csv")        # in a coroutine, or at a notebook's top level
>>> result = harvester.harvest_sync("labels.csv")         # anywhere
"""

from importlib import import_module
from typing import TYPE_CHECKING

from ._version import __version__ as __version__

if TYPE_CHECKING:
    from .api import harvest, harvest_sync, list_spectra, open_harvest, plan_harvest, verify_store
    from .dataset.stored_files import DamagedError
    from .errors import ArchiveError, DirectoryHeldError, HarvestError, StoreError, UsageError
    from .results import Harvest, StoredSpectrum

__all__ = [
    "ArchiveError",
    "DamagedError",
    "DirectoryHeldError",
    "Harvest",
    "HarvestError",
    "StoreError",
    "StoredSpectrum",
    "UsageError",
    "harvest",
    "harvest_sync",
    "list_spectra",
    "open_harvest",
    "plan_harvest",
    "verify_store",
]


_HOMES = ("errors", "dataset.stored_files", "results", "api")

if not TYPE_CHECKING:  # a type checker believes that a module with __getattr__ has any name

    def __getattr__(name: str) -> object:
        """Load a name of the API on first access: ``harvester --help`` has to respond in 0.3 s."""
        if name in __all__:
            for home in _HOMES:
                module = import_module(f"{__name__}.{home}")
                if hasattr(module, name):
                    return getattr(module, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

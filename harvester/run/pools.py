"""Start processes that read stored spectra, and check the workers that are named.

Beside what downloads: a command that only reads imports no HTTP client, a fifth of a second.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

from ..config.settings import Settings
from ..errors import StoreError, UsageError
from ..model.batching import Pool, spawned
from ..model.invocation import install_line

LEAST_FOR_PROCESSES = 1_000  # spectra, which are read in the time in which processes start
CONNECT_TIMEOUT = 10.0  # seconds for a connection to a Dask scheduler


@contextmanager
def pool_for(settings: Settings, processes: int, own: int = 1) -> Iterator[Pool | None]:
    """Yield the Dask workers that the settings name, ``processes`` of them on this machine.

    If they name none: ``own`` processes of this machine, None for a single one. UsageError or ClusterError if they
    cannot be used, StoreError if the system kills one.
    """
    check(settings)
    if not settings.on_dask:
        with _own_processes(own) as pool:
            yield pool
        return
    from ..parallel.dask_pool import dask_pool

    with dask_pool(settings.scheduler, processes) as pool:
        yield pool


@contextmanager
def _own_processes(count: int) -> Iterator[Pool | None]:
    if count <= 1:
        yield None
        return
    try:
        with spawned(count, LEAST_FOR_PROCESSES) as pool:
            yield pool
    except BrokenExecutor:
        raise StoreError("the system killed a process that read spectra (no memory left?); try --processes 1") from None


def check(settings: Settings) -> None:
    """Raise UsageError if the workers that the settings name cannot be used."""
    if not settings.on_dask:
        return
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise UsageError(f"--engine dask needs distributed: {install_line('specharvest[dask]')}") from None
    if settings.scheduler is not None:
        _check_connection(settings.scheduler)


def _check_connection(scheduler: str) -> None:
    url = urlsplit(scheduler)
    try:
        socket.create_connection((url.hostname or "", url.port or 0), CONNECT_TIMEOUT).close()
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"--scheduler {scheduler}: cannot connect ({error}); start a scheduler with "
            "`dask scheduler` and give the address that it prints"
        ) from None

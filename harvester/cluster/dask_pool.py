"""The workers of a Dask cluster for work that is the same for many spectra: proving them, or preparing them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from distributed import Client

from ..batches import Pool
from ..errors import ClusterError
from .dask_crew import CONNECT, local_cluster, unusable


@contextmanager
def dask_pool(scheduler: str | None, count: int) -> Iterator[Pool]:
    """Those of the ``scheduler``, or ``count`` processes of this machine. ClusterError if they cannot be had."""
    with ExitStack() as stack:
        try:
            address = scheduler or stack.enter_context(local_cluster(count))
            client = stack.enter_context(Client(address, timeout=CONNECT, set_as_default=False))
            client.wait_for_workers(1, timeout=CONNECT)
        except Exception as error:  # whatever answers there, or whatever Dask makes of it
            raise ClusterError(unusable(scheduler, error)) from error
        yield Pool(client.get_executor(pure=False), sum(client.nthreads().values()))

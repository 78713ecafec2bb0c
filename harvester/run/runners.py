"""Start what downloads the spectra of a run.

That is one engine in this process, worker processes, or a Dask cluster.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ..archive.client import ArchiveClient
from ..engine.engine import Engine
from ..engine.interfaces import Prepare, SpectrumWriter, Verify
from ..engine.own_time import own_time
from ..engine.throttle import LocalThrottle
from ..model.outcomes import LongVerification, Verdict
from ..model.target import Target
from ..storage.directory import DirectoryStore
from ..storage.interface import Store
from ..verify import verify_soon
from .context import RunContext, WriterT

if TYPE_CHECKING:
    from ..parallel.shards import ShardQueue


@dataclass(frozen=True, slots=True)
class Runner:
    """Download the targets of a run.

    ``run`` returns when nothing is left or at shutdown; ``renew`` replaces all connections to the archive.
    """

    run: Callable[[], Awaitable[None]]
    renew: Callable[[], Awaitable[None]]


@asynccontextmanager
async def local_runner(run: RunContext[WriterT]) -> AsyncIterator[Runner]:
    """Start one engine in this process and this event loop."""
    settings, shutdown, clock, emit = run.settings, run.shutdown, run.clock, run.bus.emit
    throttle = LocalThrottle(settings.limits, emit, clock.rng, clock.now, run.controls)
    client = ArchiveClient(
        run.configuration.access, settings.limits, settings.contact, emit,
        partial(throttle.acquire_followup, shutdown.draining), clock.now, run.configuration.connection,
        partial(throttle.acquire_repeat, shutdown.draining), throttle.sent,
    )  # fmt: skip
    async with client as archive, _storage(run) as (store, verify, prepare):
        with own_time() as own:
            engine = Engine(
                client.look_ahead(run.preparation.targets), archive, store, verify, settings.limits, throttle, emit,
                shutdown, run.preparation.known_good, run.preparation.leftovers, clock.rng, clock.now,
                elsewhere=run.preparation.targets, is_read=run.bus.is_read, prepare=prepare, own_time=own,
            )  # fmt: skip
            yield Runner(engine.run, client.renew)


@asynccontextmanager
async def _storage(run: RunContext[WriterT]) -> AsyncIterator[tuple[SpectrumWriter, Verify, Prepare | None]]:
    """Yield where spectra are stored, and how they are verified.

    Those in a directory are verified and stored by a second process while that pays.
    """
    expectation = run.configuration.expectation

    def verify(target: Target, body: bytes) -> Verdict | LongVerification:
        return verify_soon(body, target.did, expectation)

    if not isinstance(run.store, DirectoryStore):
        yield run.store, verify, None
        return
    from ..parallel.adaptive_storage import AdaptiveStorage, spare_cores
    from ..parallel.storage_process import StorageProcess

    output = run.store.state.run(run.name).process_log
    start = partial(StorageProcess.start, output=output, locks=run.store.lock_descriptors)
    async with AdaptiveStorage(run.store, expectation, start, spare_cores()) as storage:
        yield storage, storage.verify, storage.prepare


@asynccontextmanager
async def process_runner(run: RunContext[Store]) -> AsyncIterator[Runner]:
    """Start worker processes on this machine, which share one throttle."""
    from ..parallel.coordinator import Coordinator
    from ..parallel.dispatcher import Dispatcher
    from ..parallel.job_spec import JobSpec
    from ..parallel.process_pool import ProcessPool
    from ..parallel.shared_throttle import SharedThrottle

    count, shutdown = workers_of(run), run.shutdown
    job = JobSpec.of(run.configuration, run.folder.path, run.bus.is_read)
    throttle = SharedThrottle(run.settings.limits, run.bus.emit, run.clock.rng, run.clock.now, run.controls)
    coordinator = Coordinator(throttle, run.bus.emit, shutdown, run.clock.now)
    output, locks = run.folder.process_log, run.store.lock_descriptors
    async with coordinator, ProcessPool(count, job, coordinator, shutdown, output, locks) as pool:
        yield Runner(Dispatcher(_shards(run, count), pool, shutdown).run, coordinator.reset_connections)


@asynccontextmanager
async def dask_runner(run: RunContext[Store]) -> AsyncIterator[Runner]:
    """Use the workers of a Dask cluster, whose scheduler has the throttle."""
    from ..parallel.dask_pool import dask_workers
    from ..parallel.dispatcher import Dispatcher
    from ..parallel.job_spec import JobSpec

    settings, shutdown, count = run.settings, run.shutdown, workers_of(run)
    job = JobSpec.of(run.configuration, run.folder.path, run.bus.is_read)
    topic = f"harvester-{run.name}"
    async with dask_workers(settings.scheduler, count, topic, job, run.bus.emit, shutdown) as pool:
        shards = _shards(run, pool.threads or count)
        yield Runner(Dispatcher(shards, pool, shutdown).run, pool.reset_connections)


def runner_for(run: RunContext[Store]) -> AbstractAsyncContextManager[Runner]:
    """Return the runner that the settings name."""
    if run.settings.on_dask:
        return dask_runner(run)
    return process_runner(run) if workers_of(run) > 1 else local_runner(run)


def workers_of(run: RunContext[Store]) -> int:
    """Return how many workers of this machine download, as set or as useful."""
    from ..parallel.worker_count import usable_cores, worker_count

    settings = run.settings
    if settings.processes != "auto":
        return settings.processes
    cores, limits = usable_cores(), settings.limits
    return cores if settings.on_dask else worker_count(run.preparation.wanted, limits.rate, limits.concurrency, cores)


def _shards(run: RunContext[Store], workers: int) -> ShardQueue:
    """Return the targets of the run in shards for that many workers.

    Retries are due from now on.
    """
    from ..parallel.shards import ShardQueue, size_for

    preparation, now = run.preparation, asyncio.get_running_loop().time()
    size = size_for(preparation.wanted, workers, run.settings.limits.rate)
    known_good = next(iter(preparation.known_good), None)
    return ShardQueue(preparation.targets, preparation.leftovers, now, known_good, size, run.clock.rng)

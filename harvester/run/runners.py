"""Who does the work of a run: one engine in this process, or a crew of hands, under one admission either way."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .. import events as ev
from ..archive.client import ArchiveClient
from ..config.configuration import Configuration
from ..config.settings import Settings
from ..engine.engine import Engine
from ..engine.interfaces import SpectrumWriter
from ..engine.shutdown import Shutdown
from ..engine.throttle import LocalThrottle
from ..errors import UsageError
from ..model.batching import Pool
from ..model.outcomes import FailedCheck, VerifiedSpectrum
from ..model.target import Target
from ..verify import verify_spectrum
from .prepare import Preparation

if TYPE_CHECKING:
    from ..parallel.shards import ShardQueue

ANSWERS = 10.0  # seconds that a scheduler gets to be there


@dataclass(frozen=True, slots=True)
class HarvestJob:
    """What is to be done: the preparation's targets into the store, by a configuration whose archive answers."""

    configuration: Configuration
    preparation: Preparation
    store: SpectrumWriter
    emit: Callable[[ev.Event], None]
    stop: Shutdown
    rng: Random = field(default_factory=Random)
    clock: Callable[[], float] = time.time

    @property
    def known_good(self) -> list[Target]:
        """A spectrum that the archive had, if there is one."""
        return list(self.preparation.plan.present[:1])

    def deal(self, hands: int) -> ShardQueue:
        """Its targets, for so many hands, from now on."""
        from ..parallel.shards import ShardQueue, size_for

        preparation, now = self.preparation, asyncio.get_running_loop().time()
        size = size_for(preparation.wanted, hands, self.configuration.settings.limits.rate)
        return ShardQueue(preparation.targets, preparation.leftovers, now, next(iter(self.known_good), None), size)

    def admission(self) -> LocalThrottle:
        return LocalThrottle(self.configuration.settings.limits, self.emit, self.rng, self.clock)


@dataclass(frozen=True, slots=True)
class Runner:
    """``run`` returns when nothing is left or the stop says so; ``renew`` makes all connections anew."""

    run: Callable[[], Awaitable[None]]
    renew: Callable[[], Awaitable[None]]


@asynccontextmanager
async def local_runner(task: HarvestJob) -> AsyncIterator[Runner]:
    """One engine, in this process and this loop."""
    admission, stop, settings = task.admission(), task.stop, task.configuration.settings
    expected = task.configuration.expectation

    async def turn() -> bool:
        return await admission.acquire_followup(stop.draining)

    def prove(target: Target, body: bytes) -> VerifiedSpectrum | FailedCheck:
        return verify_spectrum(body, target.did, expected)

    client = ArchiveClient(task.configuration.route, settings.limits, settings.contact, task.emit, turn, task.clock)
    async with client as archive:
        engine = Engine(
            task.preparation.targets, archive, task.store, prove, settings.limits, admission, task.emit, stop,
            task.known_good, task.preparation.leftovers, task.rng, task.clock,
        )  # fmt: skip
        yield Runner(engine.run, client.renew)


@asynccontextmanager
async def process_runner(task: HarvestJob, complaints: Path) -> AsyncIterator[Runner]:
    """Processes of this machine, under one admission; ``complaints`` has what they say that is no message."""
    from ..parallel.coordinator import Coordinator
    from ..parallel.dispatcher import Dispatcher
    from ..parallel.job_spec import JobSpec
    from ..parallel.process_pool import ProcessPool

    commission = JobSpec.of(task.configuration, complaints.parent)
    count = task.configuration.settings.processes
    broker = Coordinator(task.admission(), task.emit, task.stop, task.clock)
    async with broker, ProcessPool(count, commission, broker, task.stop, complaints) as crew:
        yield Runner(Dispatcher(task.deal(count), crew, task.stop).run, broker.renew)


@asynccontextmanager
async def dask_runner(task: HarvestJob, folder: Path) -> AsyncIterator[Runner]:
    """The workers of a Dask cluster, whose scheduler has the admission; ``folder`` is the run's own."""
    from ..parallel.dask_pool import dask_crew
    from ..parallel.dispatcher import Dispatcher
    from ..parallel.job_spec import JobSpec

    settings, commission = task.configuration.settings, JobSpec.of(task.configuration, folder)
    topic = f"harvester-{folder.name}"
    async with dask_crew(settings.scheduler, settings.processes, topic, commission, task.emit, task.stop) as crew:
        yield Runner(Dispatcher(task.deal(crew.threads or settings.processes), crew, task.stop).run, crew.renew)


def runner_for(task: HarvestJob, folder: Path) -> AbstractAsyncContextManager[Runner]:
    """Whom the settings ask for; ``folder`` is the run's own."""
    settings = task.configuration.settings
    if settings.on_dask:
        return dask_runner(task, folder)
    return process_runner(task, folder / "processes.log") if settings.processes > 1 else local_runner(task)


@contextmanager
def pool_for(settings: Settings, processes: int) -> Iterator[Pool | None]:
    """The Dask workers that the settings ask for, ``processes`` of them if on this machine; None if they ask for none.

    UsageError or ClusterError if they cannot be had.
    """
    check(settings)
    if not settings.on_dask:
        yield None
        return
    from ..parallel.dask_pool import dask_pool

    with dask_pool(settings.scheduler, processes) as pool:
        yield pool


def check(settings: Settings) -> None:
    """UsageError if those whom the settings ask for cannot be had here: before the night, not in it."""
    if not settings.on_dask:
        return
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise UsageError("--engine dask needs distributed: pip install 'harvester[dask]'") from None
    if settings.scheduler is not None:
        _check_answers(settings.scheduler)


def _check_answers(scheduler: str) -> None:
    there = urlsplit(scheduler)
    try:
        socket.create_connection((there.hostname or "", there.port or 0), ANSWERS).close()
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"--scheduler {scheduler}: nobody answers there ({error}); start one with "
            "`dask scheduler`, and give the address that it prints"
        ) from None

"""Worker pools in one loop, on a virtual clock: real workers, coordinator and dispatcher; the rest is simulated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, cast

from harvester import events as ev
from harvester.archive.access import SodaAccess
from harvester.archive.client import ArchiveClient
from harvester.engine.interfaces import Throttle
from harvester.engine.shutdown import Shutdown
from harvester.engine.work_queue import PendingRetry
from harvester.events.stats import StatsCollector
from harvester.model.expectation import Expectation
from harvester.model.limits import Limits
from harvester.model.outcomes import FailedCheck, VerifiedSpectrum
from harvester.model.target import SpectrumId, Target
from harvester.parallel.channel import MessageQueue, WorkerLostError
from harvester.parallel.coordinator import Coordinator
from harvester.parallel.dispatcher import Dispatcher
from harvester.parallel.job_spec import JobSpec
from harvester.parallel.shards import Shard, ShardQueue, size_for
from harvester.parallel.shared_throttle import SharedThrottle
from harvester.parallel.worker import work_on
from harvester.parallel.worker_connection import WorkerConnection
from harvester.storage.interface import Store
from harvester.vo.soda import SodaRequest
from tests.support.simulated_run import SimulatedArchive, SimulatedStore, prove

WORKERS = 3


def targets(count: int) -> list[Target]:
    return [Target(SpectrumId(f"ivo://a/b/n{number}"), f"n{number}") for number in range(count)]


class SharedStore(SimulatedStore):
    """One store for all workers; the bodies that it has can be read."""

    async def __aenter__(self) -> SharedStore:
        return self

    async def __aexit__(self, *why: object) -> None:
        pass

    def look_ahead(self, targets: Iterable[Target]) -> Iterable[Target]:
        """Each spectrum is requested alone."""
        return targets

    def read(self, name: str) -> bytes:
        if name not in self.names:
            raise FileNotFoundError(name)
        return f"ivo://a/b/{name}".encode()


class SimulatedWire(SimulatedArchive):
    """The archive for one worker: all share the state of one archive, and emit what they send."""

    def __init__(self, shared: SimulatedArchive, emit: Callable[[ev.Event], None], sent: Callable[[], None]) -> None:
        super().__init__(shared.outages, shared.poisoned, shared.latency, emit=emit, sent=sent, asked=shared.asked)

    async def __aenter__(self) -> SimulatedWire:
        return self

    async def __aexit__(self, *why: object) -> None:
        pass

    def look_ahead(self, targets: Iterable[Target]) -> Iterable[Target]:
        """Request each spectrum alone."""
        return targets


@dataclass(frozen=True, slots=True)
class SimulatedJob(JobSpec):
    """A job for one simulated archive and one simulated store."""

    store: SharedStore = field(default_factory=SharedStore)
    asked: SimulatedArchive = field(default_factory=SimulatedArchive)

    def open_store(self) -> Store:
        return cast("Store", self.store)

    def archive(
        self, emit: Callable[[ev.Event], None], throttle: Throttle, draining: asyncio.Event, clock: Callable[[], float]
    ) -> ArchiveClient:
        return cast("ArchiveClient", SimulatedWire(self.asked, emit, throttle.sent))

    def verify(self, target: Target, body: bytes) -> VerifiedSpectrum | FailedCheck:
        return prove(target, body)


def job(limits: Limits, archive: SimulatedArchive, store: SharedStore | None = None) -> SimulatedJob:
    route = SodaAccess(SodaRequest("http://archive.example/dlget"))
    return SimulatedJob(
        route,
        limits,
        None,
        Expectation(),
        Path("/nowhere"),
        Path("/nowhere"),
        Path("/nowhere"),
        store=store or SharedStore(),
        asked=archive,
    )


def _soon(handle: Callable[..., None], *message: Any) -> None:
    asyncio.get_running_loop().call_soon(handle, *message)


class LoopPool:
    """Workers that are tasks of this loop. ``kill`` removes one as kill -9 does: in the middle of anything."""

    def __init__(self, workers: int, job: JobSpec, coordinator: Coordinator, clock: Callable[[], float]) -> None:
        self.workers, self._job, self._coordinator, self._clock = workers, job, coordinator, clock
        self.shards: list[Shard] = []
        self.at_work: list[tuple[asyncio.Task[list[PendingRetry]], WorkerConnection]] = []
        self._frozen: list[WorkerConnection] = []

    async def work(self, shard: Shard) -> Sequence[PendingRetry]:
        self.shards.append(shard)

        def send(message: Any, may_wait: bool = False) -> None:
            if worker not in self._frozen:
                _soon(self._coordinator.handle, worker, message)

        def end() -> None:
            work.cancel()

        queue = MessageQueue(send)
        worker = self._coordinator.connect(lambda message: _soon(queue.put, message), end)
        work = asyncio.create_task(work_on(shard, self._job, queue, self._clock))
        self.at_work.append((work, worker))
        try:
            leftovers = await asyncio.shield(work)
        except asyncio.CancelledError:
            if not work.cancelled():
                raise
            raise WorkerLostError("killed") from None
        finally:
            self._coordinator.disconnect(worker)
            self.at_work.remove((work, worker))
        self._coordinator.drop_shard(shard.number)
        return leftovers

    def freeze(self) -> None:
        """Let no message of the first worker arrive any more."""
        self._frozen.append(self.at_work[0][1])

    def kill(self, which: int = 0) -> None:
        work, worker = self.at_work[which]
        self._coordinator.disconnect(worker)  # from this moment on its messages are ignored
        work.cancel()


@dataclass(slots=True)
class Bench:
    """A harvest of ``count`` spectra by a worker pool, and its events."""

    count: int
    archive: SimulatedArchive
    limits: Limits
    store: SharedStore = field(default_factory=SharedStore)
    workers: int = WORKERS
    known_good: Target | None = None
    tally: StatsCollector = field(default_factory=StatsCollector)
    shutdown: Shutdown = field(default_factory=Shutdown)
    events: list[ev.Event] = field(default_factory=list)
    pool: LoopPool = field(init=False)

    def emit(self, event: ev.Event) -> None:
        self.tally(event)
        self.events.append(event)

    def clock(self) -> float:
        return 1.8e9 + asyncio.get_running_loop().time()

    async def run(self, interfere: Callable[[Bench], Any] | None = None, after: float = 0.0) -> float:
        """Return the seconds that it took; ``interfere`` is called ``after`` so many."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.emit(ev.HarvestStarted(self.clock(), "run", "a", "h", "out", self.count, 0, self.count, 0.0, 4))
        async with self._start_pool() as pool:
            if interfere is not None:
                loop.call_later(after, interfere, self)
            size = size_for(self.count, self.workers, self.limits.rate)
            shards = ShardQueue(targets(self.count), (), loop.time(), self.known_good, size, Random(1))
            await Dispatcher(shards, pool, self.shutdown).run()
        return loop.time() - began

    @asynccontextmanager
    async def _start_pool(self) -> AsyncIterator[LoopPool]:
        throttle = SharedThrottle(self.limits, self.emit, Random(1), self.clock)
        async with Coordinator(throttle, self.emit, self.shutdown, self.clock) as coordinator:
            spec = job(self.limits, self.archive, self.store)
            self.pool = LoopPool(self.workers, spec, coordinator, self.clock)
            yield self.pool

    def of(self, kind: type[ev.Event]) -> list[ev.Event]:
        """Return the events of this kind."""
        return [event for event in self.events if isinstance(event, kind)]

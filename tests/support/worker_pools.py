"""Crews in one loop, on a virtual clock: real hands, broker and foreman; archive and store are simulated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, cast

from harvester import events as ev
from harvester.archive.access import SodaAccess
from harvester.archive.client import ArchiveClient
from harvester.engine.shutdown import Shutdown
from harvester.engine.throttle import LocalThrottle
from harvester.engine.work_queue import PendingRetry
from harvester.events.stats import StatsCollector
from harvester.model.limits import Limits
from harvester.model.outcomes import FailedCheck, VerifiedSpectrum
from harvester.model.target import SpectrumId, Target
from harvester.parallel.channel import HandLostError, MessageQueue
from harvester.parallel.coordinator import Coordinator, WorkerConnection
from harvester.parallel.dispatcher import Dispatcher
from harvester.parallel.job_spec import JobSpec
from harvester.parallel.shards import Shard, ShardQueue, size_for
from harvester.parallel.worker import work_on
from harvester.storage.interface import Store
from harvester.verify.expectation import Expectation
from harvester.vo.soda import SodaRequest
from tests.support.simulated_run import SimulatedArchive, SimulatedStore, prove

HANDS = 3


def targets(count: int) -> list[Target]:
    return [Target(SpectrumId(f"ivo://a/b/n{number}"), f"n{number}") for number in range(count)]


class SharedStore(SimulatedStore):
    """One store, whoever opens it; the bodies that it has can be read."""

    async def __aenter__(self) -> SharedStore:
        return self

    async def __aexit__(self, *why: object) -> None:
        pass

    def read(self, name: str) -> bytes:
        if name not in self.names:
            raise FileNotFoundError(name)
        return f"ivo://a/b/{name}".encode()


class SimulatedWire(SimulatedArchive):
    """The archive as one hand asks it: all hands meet at the same ``shared`` one, and tell what they sent."""

    def __init__(self, shared: SimulatedArchive, emit: Callable[[ev.Event], None]) -> None:
        super().__init__(shared.outages, shared.poisoned, shared.latency, emit, shared.asked)

    async def __aenter__(self) -> SimulatedWire:
        return self

    async def __aexit__(self, *why: object) -> None:
        pass


@dataclass(frozen=True, slots=True)
class SimulatedCommission(JobSpec):
    """A commission to ask one simulated archive, for one simulated store."""

    store: SharedStore = field(default_factory=SharedStore)
    asked: SimulatedArchive = field(default_factory=SimulatedArchive)

    def open_store(self) -> Store:
        return cast("Store", self.store)

    def archive(
        self, emit: Callable[[ev.Event], None], turn: Callable[[], Awaitable[bool]], wall: Callable[[], float]
    ) -> ArchiveClient:
        return cast("ArchiveClient", SimulatedWire(self.asked, emit))

    def verify(self, target: Target, body: bytes) -> VerifiedSpectrum | FailedCheck:
        return prove(target, body)


def commission(limits: Limits, archive: SimulatedArchive, store: SharedStore | None = None) -> SimulatedCommission:
    route = SodaAccess(SodaRequest("http://archive.example/dlget"))
    return SimulatedCommission(
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


def _soon(heed: Callable[..., None], *said: Any) -> None:
    asyncio.get_running_loop().call_soon(heed, *said)


class LoopCrew:
    """Hands that are tasks of this loop. ``kill`` takes one away as kill -9 does: in the middle of anything."""

    def __init__(self, hands: int, commission: JobSpec, broker: Coordinator, wall: Callable[[], float]) -> None:
        self.hands, self._commission, self._broker, self._wall = hands, commission, broker, wall
        self.shards: list[Shard] = []
        self.at_work: list[tuple[asyncio.Task[list[PendingRetry]], WorkerConnection]] = []
        self._frozen: list[WorkerConnection] = []

    async def work(self, shard: Shard) -> Sequence[PendingRetry]:
        self.shards.append(shard)

        def say(message: Any) -> None:
            if guest not in self._frozen:
                _soon(self._broker.heed, guest, message)

        def cut() -> None:
            work.cancel()

        inbox = MessageQueue(say)
        guest = self._broker.welcome(lambda message: _soon(inbox.put, message), cut)
        work = asyncio.create_task(work_on(shard, self._commission, inbox, self._wall))
        self.at_work.append((work, guest))
        try:
            back = await asyncio.shield(work)
        except asyncio.CancelledError:
            if not work.cancelled():
                raise
            raise HandLostError("killed") from None
        finally:
            self._broker.lose(guest)
            self.at_work.remove((work, guest))
        self._broker.forget(shard.number)
        return back

    def freeze(self) -> None:
        """Nobody hears anything more of the first hand."""
        self._frozen.append(self.at_work[0][1])

    def kill(self, which: int = 0) -> None:
        work, guest = self.at_work[which]
        self._broker.lose(guest)  # from this moment on nothing that it says is heard
        work.cancel()


@dataclass(slots=True)
class Bench:
    """A harvest of ``count`` spectra by a crew, and all that was told."""

    count: int
    archive: SimulatedArchive
    limits: Limits
    store: SharedStore = field(default_factory=SharedStore)
    hands: int = HANDS
    known_good: Target | None = None
    tally: StatsCollector = field(default_factory=StatsCollector)
    stop: Shutdown = field(default_factory=Shutdown)
    told: list[ev.Event] = field(default_factory=list)
    crew: LoopCrew = field(init=False)

    def emit(self, event: ev.Event) -> None:
        self.tally(event)
        self.told.append(event)

    def wall(self) -> float:
        return 1.8e9 + asyncio.get_running_loop().time()

    async def run(self, meanwhile: Callable[[Bench], Any] | None = None, after: float = 0.0) -> float:
        """Seconds that it took; ``meanwhile`` is called ``after`` so many."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.emit(ev.HarvestStarted(self.wall(), "run", "a", "h", "out", self.count, 0, self.count, 0.0, 4))
        async with self._crew() as crew:
            if meanwhile is not None:
                loop.call_later(after, meanwhile, self)
            size = size_for(self.count, self.hands, self.limits.rate)
            deal = ShardQueue(targets(self.count), (), loop.time(), self.known_good, size)
            await Dispatcher(deal, crew, self.stop).run()
        return loop.time() - began

    @asynccontextmanager
    async def _crew(self) -> AsyncIterator[LoopCrew]:
        admission = LocalThrottle(self.limits, self.emit, Random(1), self.wall)
        async with Coordinator(admission, self.emit, self.stop, self.wall) as broker:
            self.crew = LoopCrew(self.hands, commission(self.limits, self.archive, self.store), broker, self.wall)
            yield self.crew

    def of(self, kind: type[ev.Event]) -> list[ev.Event]:
        return [event for event in self.told if isinstance(event, kind)]

"""Grant request slots to all workers from one throttle, and keep track of each shard.

The slots of a worker that is lost are free again; its share of the rate is lost with it, so the rate can fall below
the limit and never exceed it. While the circuit breaker is open, one worker at a time sends probes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from .. import events as ev
from ..engine.circuit_breaker import FIRST_REJECTIONS, CircuitBreaker
from ..engine.shutdown import Shutdown
from ..engine.throttle import PROBING
from .messages import (
    TAKEN_OVER,
    BreakerChanged,
    DiskFullReport,
    FollowupGranted,
    FollowupRequest,
    FromCoordinator,
    FromWorker,
    Heartbeat,
    ProbeDeclined,
    ProbeGranted,
    ProbeOffer,
    ProbeOutcome,
    ProbeRequested,
    ProbeResult,
    RequestDone,
    ResetConnections,
    ResponseReport,
    ShardStarted,
    ShutdownCommand,
    SlotGranted,
    SlotRequest,
    StoredReport,
    WorkerStopReason,
)
from .shards import ShardProgress
from .shared_throttle import SharedThrottle
from .worker_connection import FreezeWatch, Lender, WorkerConnection

CHECK_INTERVAL = 5.0  # seconds between two checks for silent workers
SILENCE = 60.0  # seconds without a message after which a worker counts as lost; it sends a heartbeat every few seconds


class Coordinator:
    """Answer the messages of all workers; an async context manager.

    ``emit`` takes their events.
    """

    def __init__(
        self,
        throttle: SharedThrottle,
        emit: Callable[[ev.Event], None],
        shutdown: Shutdown,
        clock: Callable[[], float],
    ) -> None:
        self._throttle, self._emit, self._shutdown, self._clock = throttle, emit, shutdown, clock
        self._workers: set[WorkerConnection] = set()
        self._lender = Lender(throttle, self._workers)
        self._shards: dict[int, ShardProgress] = {}
        self._prober: WorkerConnection | None = None
        self._candidates: list[WorkerConnection] = []
        self._announced = _without_counts(throttle.breaker)
        self._draining = False
        self._tasks = asyncio.TaskGroup()
        throttle.on_breaker_change(self._announce)
        throttle.add_probe_listener(lambda failure: self._broadcast(ProbeOutcome(failure)))
        shutdown.on_change(self._shut_down)

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._watch = self._tasks.create_task(self._drop_silent())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.cancel()
        for worker in tuple(self._workers):
            self.disconnect(worker)
        try:
            await self._tasks.__aexit__(kind, error, trace)
        except ExceptionGroup as faults:
            raise faults.exceptions[0] from faults

    def connect(
        self, send: Callable[[FromCoordinator], None], end: Callable[[], None] = lambda: None
    ) -> WorkerConnection:
        """Add a worker. Pass its messages to ``handle``, and ``disconnect`` it when it is gone.

        ``end`` is called to end one that is silent for too long.
        """
        worker = WorkerConnection(send, end, self._now())
        self._workers.add(worker)
        self._task(worker, self._serve(worker))
        self._lender.lend()
        return worker

    def disconnect(self, worker: WorkerConnection) -> None:
        """Free everything that a worker holds: it has ended, or is gone."""
        if worker not in self._workers:
            return
        self._workers.remove(worker)
        self._lender.lend()
        for task in worker.tasks:
            task.cancel()
        for _ in range(worker.held):
            self._throttle.release_slot(None)
        worker.departed(worker.unsent, self._throttle.rate_limiter)
        self._candidates = [other for other in self._candidates if other is not worker]
        self._update_disk_full()
        if self._prober is worker:
            self._prober = None
            self._grant_probe()

    def drop_shard(self, shard: int) -> None:
        """Forget a shard that no worker will continue."""
        self._shards.pop(shard, None)

    async def reset_connections(self) -> None:
        """Have all workers make new connections to the archive."""
        self._broadcast(ResetConnections())

    def handle(self, worker: WorkerConnection, message: FromWorker) -> None:
        """Do what a worker's message requires."""
        if worker not in self._workers:
            worker.send(ShutdownCommand(TAKEN_OVER, now=True))
            return
        worker.last_message = self._now()
        match message:
            case Heartbeat():
                pass
            case SlotRequest():
                worker.waiting.release()
            case RequestDone():
                self._lender.take_back(worker, message)
            case ev.Event() | StoredReport():
                self._take_report(worker, message)
            case ResponseReport():
                self._record(worker, message)
            case ShardStarted(shard=shard):
                self._start_shard(worker, shard)
            case FollowupRequest(probing=probing, unsent=unsent):
                worker.departed(unsent, self._throttle.rate_limiter)
                self._task(worker, self._grant_followup(worker, probing))
            case ProbeOffer() | ProbeResult() | ProbeDeclined():
                self._handle_prober(worker, message)
            case _:
                self._handle_trouble(worker, message)

    def _record(self, worker: WorkerConnection, report: ResponseReport) -> None:
        self._throttle.record(report.signal, report.failure, report.waited)
        if report.failure is not None and report.failure.retry_after is not None:
            worker.send(self._breaker_message())  # it has paused on its own, and may be wrong

    def _handle_trouble(
        self, worker: WorkerConnection, message: ProbeRequested | DiskFullReport | WorkerStopReason
    ) -> None:
        match message:
            case ProbeRequested(reason=reason):
                self._throttle.request_probe(reason)
            case DiskFullReport(full=full):
                worker.full = full
                self._update_disk_full()
            case WorkerStopReason(cause=cause):
                self._shutdown.drain(cause)

    def _handle_prober(self, worker: WorkerConnection, message: ProbeOffer | ProbeResult | ProbeDeclined) -> None:
        is_prober = self._prober is worker
        if is_prober:
            self._prober = None
        match message:
            case ProbeResult(failure=failure, others=others, unsent=unsent):
                worker.departed(unsent, self._throttle.rate_limiter)
                self._throttle.record_probe(failure, others)
                self._announce(self._throttle.breaker, always=True)
            case ProbeDeclined():
                worker.departed(1, self._throttle.rate_limiter)
            case ProbeOffer():
                # One that has just probed continues: it knows what it has asked for.
                self._candidates.insert(0 if is_prober else len(self._candidates), worker)
        self._grant_probe()

    def _start_shard(self, worker: WorkerConnection, shard: int) -> None:
        """Give ``shard`` to ``worker``.

        An earlier worker that counts as lost must not continue it.
        """
        for other in [other for other in self._workers if other.shard == shard and other is not worker]:
            if self._shutdown.cause is None:
                other.send(ShutdownCommand(TAKEN_OVER, now=True))
            self.disconnect(other)
        worker.shard = shard
        worker.send(self._shards.setdefault(shard, ShardProgress()).start(self._clock()))
        worker.send(self._breaker_message())
        self._lender.lend(worker)
        if self._shutdown.cause is not None:
            worker.send(ShutdownCommand(self._shutdown.cause, self._shutdown.aborting.is_set()))

    def _take_report(self, worker: WorkerConnection, report: ev.Event | StoredReport) -> None:
        """Emit a worker's event, unless it repeats what is known.

        The coordinator itself emits that all drain.
        """
        if isinstance(report, ev.RequestSent):
            worker.departed(1, self._throttle.rate_limiter)
        progress = ShardProgress() if worker.shard is None else self._shards.get(worker.shard, ShardProgress())
        event = progress.stored(report) if isinstance(report, StoredReport) else report
        if event is not None and not isinstance(event, ev.HarvestDraining) and progress.take(event):
            self._emit(event)

    async def _drop_silent(self) -> None:
        """Disconnect workers that are frozen and would keep their slots for ever."""
        watch = FreezeWatch(CHECK_INTERVAL, self._now())
        while True:
            await asyncio.sleep(CHECK_INTERVAL)
            now, frozen = self._now(), watch.frozen_for(self._now())
            for worker in self._workers:
                worker.last_message = min(now, worker.last_message + frozen)  # what came meanwhile is to be read yet
            for worker in [each for each in self._workers if now - each.last_message > SILENCE]:
                self.disconnect(worker)
                worker.end()

    # ---- request slots

    async def _serve(self, worker: WorkerConnection) -> None:
        """Grant slots as the worker requests them; all workers wait in one queue."""
        while await worker.waiting.acquire() and await self._throttle.acquire(self._shutdown.draining):
            worker.held += 1
            worker.unsent += 1
            worker.send(SlotGranted())

    async def _grant_followup(self, worker: WorkerConnection, probing: bool) -> None:
        PROBING.set(probing)
        if await self._throttle.acquire_followup(self._shutdown.draining):
            worker.unsent += 1
            worker.send(FollowupGranted())

    def _grant_probe(self) -> None:
        if self._prober is None and self._candidates and self._throttle.breaker.is_open:
            self._prober = self._candidates.pop(0)
            self._task(self._prober, self._wait_for_probe(self._prober))

    async def _wait_for_probe(self, worker: WorkerConnection) -> None:
        if await self._throttle.acquire_probe(self._shutdown.draining):
            worker.unsent += 1
            worker.send(ProbeGranted())

    def _update_disk_full(self) -> None:
        self._throttle.disk_full = any(worker.full for worker in self._workers)
        self._throttle.notify()

    # ---- messages to all workers

    def _announce(self, breaker: CircuitBreaker, always: bool = False) -> None:
        """Tell all workers what state the breaker is in.

        Its counts change with every result and are left out.
        """
        before, self._announced = self._announced, _without_counts(breaker)
        if always or before != self._announced:
            self._candidates.clear()
            self._broadcast(self._breaker_message())

    def _breaker_message(self) -> BreakerChanged:
        return BreakerChanged.seen_at(self._now(), self._announced)

    def _shut_down(self) -> None:
        if not self._draining and self._shutdown.cause is not None:
            self._draining = True
            self._emit(ev.HarvestDraining(self._clock(), self._shutdown.cause.reason))
        self._throttle.notify()
        self._throttle.state_changed.set()
        if self._shutdown.cause is not None:
            self._broadcast(ShutdownCommand(self._shutdown.cause, self._shutdown.aborting.is_set()))

    def _broadcast(self, message: FromCoordinator) -> None:
        for worker in self._workers:
            worker.send(message)

    def _task(self, worker: WorkerConnection, work: Coroutine[Any, Any, None]) -> None:
        task = self._tasks.create_task(work)
        worker.tasks.add(task)
        task.add_done_callback(worker.tasks.discard)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _without_counts(breaker: CircuitBreaker) -> CircuitBreaker:
    """Return the breaker without what changes with every result.

    A worker does not know how many failures the others have met; it assumes enough to have its own checked.
    """
    return replace(breaker, recent=(), unreachable=0, unserved=FIRST_REJECTIONS, false_alarms=0, rate_share=1.0)

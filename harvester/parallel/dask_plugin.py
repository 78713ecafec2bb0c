"""The coordinator in a Dask scheduler.

A plugin rather than an actor, which would be lost with its Dask worker.

Workers reach it by the stream that they have to their scheduler anyway; the run that submitted the work polls it for
news. All messages are pickled here, so that Dask only carries bytes.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
import time
from typing import Any

from distributed import SchedulerPlugin
from distributed.scheduler import Scheduler

from .. import events as ev
from .._version import __version__
from ..engine.rate_limit import wait_for_event
from ..engine.shutdown import Shutdown
from ..model.exit_codes import StopReason
from ..model.limits import Limits
from .channel import MessageBatcher, packed
from .coordinator import Coordinator
from .messages import ResetConnections, ShardDropped, ShutdownCommand, WorkerStopReason
from .shared_throttle import SharedThrottle
from .worker_connection import FreezeWatch, WorkerConnection

log = logging.getLogger(__name__)

RUN_GONE = StopReason("the run that submitted this work is gone", 4)
RUN_SILENT = StopReason("the run that submitted this work sent nothing for a minute: it is frozen or cut off", 4)
NEWS_INTERVAL = 20.0  # seconds after which a poll returns without news
SILENCE = 60.0  # seconds


class CoordinatorPlugin(SchedulerPlugin):  # type: ignore[misc]  # distributed ships no types
    """Coordinate the workers of the run ``topic``, which the client ``driver`` submitted.

    It ends with either.

    ``version`` is the run's: a scheduler with another one refuses, and is not used.
    """

    def __init__(self, topic: str, driver: str, limits: Limits, version: str = __version__) -> None:
        self.name = self.topic = topic
        self._driver, self._limits, self._version = driver, limits, version

    async def start(self, scheduler: Scheduler) -> None:
        if self._version != __version__:
            raise RuntimeError(f"the scheduler has harvester {__version__}, the run has {self._version}")
        self._scheduler = scheduler
        self._shutdown = Shutdown()
        self._known: StopReason | None = None
        self._news: list[ev.Event | WorkerStopReason | None] = []
        self._has_news = asyncio.Event()
        self._workers: dict[str, tuple[str, WorkerConnection]] = {}
        self._over = asyncio.Event()
        self._polled = asyncio.get_running_loop().time()
        self._shutdown.on_change(self._report_cause)
        self._task = asyncio.create_task(self._run())
        scheduler.handlers[f"{self.topic}-news"] = self.news
        scheduler.handlers[f"{self.topic}-do"] = self.do
        scheduler.stream_handlers[self.topic] = self.handle

    async def _run(self) -> None:
        throttle = SharedThrottle(self._limits, self._report)
        try:
            async with Coordinator(throttle, self._report, self._shutdown, time.time) as self._coordinator:
                watch = FreezeWatch(NEWS_INTERVAL, asyncio.get_running_loop().time())
                while not await wait_for_event(self._over, NEWS_INTERVAL):
                    self._polled += watch.frozen_for(asyncio.get_running_loop().time())
                    self._check_run()
        finally:
            self._report(None)

    def _check_run(self) -> None:
        """Drain if the run is frozen: it watches window, deadline and Ctrl-C."""
        if asyncio.get_running_loop().time() - self._polled > SILENCE:
            self._shutdown.drain(RUN_SILENT)

    # ---- the workers

    def handle(self, worker: str, channel: str, data: bytes | None) -> None:
        """Take in messages of a worker on the Dask worker ``worker``; None: it has ended.

        A fault in here stops the run: if it were raised, the scheduler would remove the Dask worker.
        """
        try:
            self._handle(worker, channel, data)
        except Exception as fault:
            log.exception("cannot handle the messages of %s", worker)
            self._shutdown.drain(
                StopReason(f"invalid messages of the worker {worker} ({type(fault).__name__}: {fault})", 4)
            )

    def _handle(self, worker: str, channel: str, data: bytes | None) -> None:
        if channel not in self._workers:
            if data is None:
                return
            self._workers[channel] = (
                worker,
                self._coordinator.connect(MessageBatcher(self._sender(worker, channel)).add),
            )
        connection = self._workers[channel][1]
        if data is None:
            self._coordinator.disconnect(connection)
            del self._workers[channel]
            return
        for message in pickle.loads(data):  # noqa: S301 - a client of a scheduler may run code there anyway
            self._coordinator.handle(connection, message)

    def _sender(self, worker: str, channel: str) -> Any:
        def send(data: bytes) -> None:
            if worker in self._scheduler.stream_comms:
                self._scheduler.stream_comms[worker].send({"op": self.topic, "channel": channel, "data": data})

        return send

    def remove_worker(self, scheduler: Scheduler, worker: str, **more: Any) -> None:
        """Free everything that the workers on a Dask worker held."""
        for channel, (address, connection) in tuple(self._workers.items()):
            if address == worker:
                self._coordinator.disconnect(connection)
                del self._workers[channel]

    # ---- the run

    def remove_client(self, scheduler: Scheduler, client: str) -> None:
        if client == self._driver and not self._over.is_set():
            self._known = RUN_GONE
            self._shutdown.abort(RUN_GONE)
            self._over.set()
            self._remove_handlers()

    async def news(self) -> bytes:
        """Return what happened since the last poll, after a while possibly nothing.

        None is the last entry.
        """
        self._polled = asyncio.get_running_loop().time()
        await wait_for_event(self._has_news, NEWS_INTERVAL)
        self._has_news.clear()
        news, self._news = self._news, []
        if None in news:
            self._remove_handlers()
        return packed(news)

    def _remove_handlers(self) -> None:
        for name in (f"{self.topic}-news", f"{self.topic}-do"):
            self._scheduler.handlers.pop(name, None)
        self._scheduler.stream_handlers[self.topic] = self._refuse

    def _refuse(self, worker: str, channel: str, data: bytes | None) -> None:
        """End a worker that starts, or continues, after the run has ended."""
        if data is not None:
            self._sender(worker, channel)(packed([ShutdownCommand(RUN_GONE, now=True)]))

    async def do(self, data: bytes) -> None:
        """Take in messages of the run; an empty list: it is over."""
        messages = pickle.loads(data)  # noqa: S301 - as above
        for message in messages:
            match message:
                case ShutdownCommand(cause=cause, now=now):
                    self._known = cause
                    (self._shutdown.abort if now else self._shutdown.drain)(cause)
                case ResetConnections():
                    await self._coordinator.reset_connections()
                case ShardDropped(shard=shard):
                    self._coordinator.drop_shard(shard)
        if not messages:
            self._over.set()

    def _report(self, event: ev.Event | WorkerStopReason | None) -> None:
        self._news.append(event)
        self._has_news.set()

    def _report_cause(self) -> None:
        if self._shutdown.cause is not None and self._shutdown.cause != self._known:
            self._report(WorkerStopReason(self._shutdown.cause))

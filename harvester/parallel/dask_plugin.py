"""The broker in a Dask scheduler: a plugin, not an actor, since an actor is lost with the worker that has it.

Workers reach it by the stream that they have to their scheduler anyway, the run that gave the work by asking for news.
Everything that is said is pickled by us, so that Dask only carries bytes.
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
from ..engine.throttle import LocalThrottle
from ..model.exit_codes import StopReason
from ..model.limits import Limits
from .channel import MessageBatcher, packed
from .coordinator import Coordinator, WorkerConnection
from .messages import ResetConnections, ShardDropped, ShutdownCommand, WorkerStopReason

log = logging.getLogger(__name__)

DRIVER_GONE = StopReason("the run that gave this work is gone", 4)
DRIVER_SILENT = StopReason("the run that gave this work has not been heard for a minute: frozen, or cut off", 4)
NEWS = 20.0  # seconds after which the run is told that there are none
SILENCE = 60.0  # seconds


class BrokerPlugin(SchedulerPlugin):  # type: ignore[misc]  # distributed ships no types
    """Lets the workers ask for the run ``topic``, which the client ``driver`` gave; it ends with either.

    ``version`` is the run's: a scheduler that has another one says so, and is not used.
    """

    def __init__(self, topic: str, driver: str, limits: Limits, version: str = __version__) -> None:
        self.name = self.topic = topic
        self._driver, self._limits, self._version = driver, limits, version

    async def start(self, scheduler: Scheduler) -> None:
        if self._version != __version__:
            raise RuntimeError(f"the scheduler has harvester {__version__}, the run has {self._version}")
        self._scheduler = scheduler
        self._stop = Shutdown()
        self._known: StopReason | None = None
        self._news: list[ev.Event | WorkerStopReason | None] = []
        self._something = asyncio.Event()
        self._guests: dict[str, tuple[str, WorkerConnection]] = {}
        self._over = asyncio.Event()
        self._asked = asyncio.get_running_loop().time()
        self._stop.on_change(self._tell_why)
        self._life = asyncio.create_task(self._live())
        scheduler.handlers[f"{self.topic}-news"] = self.news
        scheduler.handlers[f"{self.topic}-do"] = self.do
        scheduler.stream_handlers[self.topic] = self.heed

    async def _live(self) -> None:
        admission = LocalThrottle(self._limits, self._tell)
        try:
            async with Coordinator(admission, self._tell, self._stop, time.time) as self._broker:
                while not await wait_for_event(self._over, NEWS):
                    self._look_for_driver()
        finally:
            self._tell(None)

    def _look_for_driver(self) -> None:
        """Hours, deadline and Ctrl-C are the run's: while it is frozen, nobody asks."""
        if asyncio.get_running_loop().time() - self._asked > SILENCE:
            self._stop.drain(DRIVER_SILENT)

    # ---- the workers

    def heed(self, worker: str, line: str, said: bytes | None) -> None:
        """A hand on ``worker`` said something on its ``line``; None: it has ended.

        What goes wrong here stops the run: raised, it would have the scheduler throw out the worker.
        """
        try:
            self._heed(worker, line, said)
        except Exception as fault:
            log.exception("what %s said cannot be heeded", worker)
            self._stop.drain(
                StopReason(f"the worker {worker} cannot be understood ({type(fault).__name__}: {fault})", 4)
            )

    def _heed(self, worker: str, line: str, said: bytes | None) -> None:
        if line not in self._guests:
            if said is None:
                return
            self._guests[line] = worker, self._broker.welcome(MessageBatcher(self._sender(worker, line)).say)
        guest = self._guests[line][1]
        if said is None:
            self._broker.lose(guest)
            del self._guests[line]
            return
        for message in pickle.loads(said):  # noqa: S301 - whoever reaches a scheduler may run code there anyway
            self._broker.heed(guest, message)

    def _sender(self, worker: str, line: str) -> Any:
        def send(said: bytes) -> None:
            if worker in self._scheduler.stream_comms:
                self._scheduler.stream_comms[worker].send({"op": self.topic, "line": line, "said": said})

        return send

    def remove_worker(self, scheduler: Scheduler, worker: str, **more: Any) -> None:
        """Whatever its hands held is free again."""
        for line, (where, guest) in tuple(self._guests.items()):
            if where == worker:
                self._broker.lose(guest)
                del self._guests[line]

    # ---- the run

    def remove_client(self, scheduler: Scheduler, client: str) -> None:
        if client == self._driver and not self._over.is_set():
            self._known = DRIVER_GONE
            self._stop.abort(DRIVER_GONE)
            self._over.set()
            self._leave()

    async def news(self) -> bytes:
        """What happened since the run last asked, after a while perhaps nothing; None is the last that it hears."""
        self._asked = asyncio.get_running_loop().time()
        await wait_for_event(self._something, NEWS)
        self._something.clear()
        news, self._news = self._news, []
        if None in news:
            self._leave()
        return packed(news)

    def _leave(self) -> None:
        for name in (f"{self.topic}-news", f"{self.topic}-do"):
            self._scheduler.handlers.pop(name, None)
        self._scheduler.stream_handlers[self.topic] = self._dismiss

    def _dismiss(self, worker: str, line: str, said: bytes | None) -> None:
        """A hand that begins, or goes on, when the run is over is told so."""
        if said is not None:
            self._sender(worker, line)(packed([ShutdownCommand(DRIVER_GONE, now=True)]))

    async def do(self, said: bytes) -> None:
        """What the run has to say; nothing at all: it is over."""
        messages = pickle.loads(said)  # noqa: S301 - as above
        for message in messages:
            match message:
                case ShutdownCommand(cause=cause, now=now):
                    self._known = cause
                    (self._stop.abort if now else self._stop.drain)(cause)
                case ResetConnections():
                    await self._broker.renew()
                case ShardDropped(shard=shard):
                    self._broker.forget(shard)
        if not messages:
            self._over.set()

    def _tell(self, event: ev.Event | WorkerStopReason | None) -> None:
        self._news.append(event)
        self._something.set()

    def _tell_why(self) -> None:
        if self._stop.cause is not None and self._stop.cause != self._known:
            self._tell(WorkerStopReason(self._stop.cause))

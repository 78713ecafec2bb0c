"""The one who lets all hands ask: an admission for each archive, whoever does the asking, and a memory of each shard.

A hand that is lost gives back its permits; its turns are lost with it, so that the pace can fall below what is
allowed, and never rise above it. One hand at a time asks whether an archive is there that seemed to be away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

from .. import events as ev
from ..engine.circuit_breaker import FIRST_ALARM, CircuitBreaker, Signal
from ..engine.outage import RejectionCounter
from ..engine.shutdown import Shutdown
from ..engine.throttle import PROBING, LocalThrottle
from ..model.failures import Failure
from .messages import (
    TAKEN_OVER,
    BreakerChanged,
    DiskFullReport,
    EventReport,
    FollowupGranted,
    FollowupRequest,
    FromBroker,
    FromHand,
    Heartbeat,
    PermitGranted,
    PermitRequest,
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
    WorkerStopReason,
)
from .shards import ShardProgress

BEAT = 5.0  # seconds between two looks at who has said nothing for long
SILENCE = 60.0  # seconds without a word after which a hand is taken for lost: it says one every few seconds


@dataclass(slots=True, eq=False)
class WorkerConnection:
    """A hand as the broker knows it: how to reach it, how to end it, when it was last heard, and what it holds."""

    say: Callable[[FromBroker], None]
    cut: Callable[[], None]
    heard: float
    shard: int | None = None
    held: int = 0
    full: bool = False
    wanting: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


class Coordinator:
    """An async context manager: whoever waits for a permit waits within it. ``emit`` takes what the hands tell."""

    def __init__(
        self, admission: LocalThrottle, emit: Callable[[ev.Event], None], stop: Shutdown, wall: Callable[[], float]
    ) -> None:
        self._admission, self._emit, self._stop, self._wall = admission, emit, stop, wall
        self._guests: set[WorkerConnection] = set()
        self._shards: dict[int, ShardProgress] = {}
        self._prober: WorkerConnection | None = None
        self._candidates: list[WorkerConnection] = []
        self._seen = _in_short(admission.breaker)
        self._halted = False
        self._refusals = RejectionCounter()
        self._tasks = asyncio.TaskGroup()
        admission.on_turn(self._gate_turned)
        admission.add_probe_listener(lambda failure: self._say_to_all(ProbeOutcome(failure)))
        stop.on_change(self._halt)

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._watch = self._tasks.create_task(self._look_for_silent())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.cancel()
        for guest in tuple(self._guests):
            self.lose(guest)
        try:
            await self._tasks.__aexit__(kind, error, trace)
        except ExceptionGroup as faults:
            raise faults.exceptions[0] from faults

    def welcome(self, say: Callable[[FromBroker], None], cut: Callable[[], None] = lambda: None) -> WorkerConnection:
        """A hand that can be reached by ``say``. What it says is for ``heed``; ``lose`` it when it is gone.

        ``cut`` ends one that says nothing any more.
        """
        guest = WorkerConnection(say, cut, self._now())
        self._guests.add(guest)
        self._task(guest, self._serve(guest))
        return guest

    def lose(self, guest: WorkerConnection) -> None:
        """The hand is gone, or done: nothing that it holds is in use any more."""
        if guest not in self._guests:
            return
        self._guests.remove(guest)
        for task in guest.tasks:
            task.cancel()
        for _ in range(guest.held):
            self._admission.release(None)
        self._candidates = [other for other in self._candidates if other is not guest]
        self._note_room()
        if self._prober is guest:
            self._prober = None
            self._lend_probe()

    def forget(self, shard: int) -> None:
        """Nobody will work on this shard any more."""
        self._shards.pop(shard, None)

    async def renew(self) -> None:
        """Have all connections made anew."""
        self._say_to_all(ResetConnections())

    def heed(self, guest: WorkerConnection, message: FromHand) -> None:
        """Do what a hand's message asks for."""
        if guest not in self._guests:
            guest.say(ShutdownCommand(TAKEN_OVER, now=True))
            return
        guest.heard = self._now()
        match message:
            case Heartbeat():
                pass
            case PermitRequest():
                guest.wanting.release()
            case RequestDone(latency=latency):
                guest.held -= 1
                self._admission.release(latency)
            case EventReport(event=event):
                self._note(guest, event)
            case ResponseReport(sign=sign, failure=failure):
                self._hear(sign, failure)
            case ShardStarted(shard=shard):
                self._begin(guest, shard)
            case FollowupRequest(probing=probing):
                self._task(guest, self._lend_turn(guest, probing))
            case ProbeOffer() | ProbeResult() | ProbeDeclined():
                self._heed_prober(guest, message)
            case _:
                self._heed_trouble(guest, message)

    def _hear(self, sign: Signal, failure: Failure | None) -> None:
        """Refusals in a row are the request's fault, whichever hands meet them."""
        self._admission.record(sign, failure)
        if failure is None:
            self._refusals.heard_other()
        elif self._refusals.heard(failure):
            self._admission.request_probe(f"{failure.detail}; is it the request?")

    def _heed_trouble(
        self, guest: WorkerConnection, message: ProbeRequested | DiskFullReport | WorkerStopReason
    ) -> None:
        match message:
            case ProbeRequested(reason=reason):
                self._admission.request_probe(reason)
            case DiskFullReport(full=full):
                guest.full = full
                self._note_room()
            case WorkerStopReason(cause=cause):
                self._stop.drain(cause)

    def _heed_prober(self, guest: WorkerConnection, message: ProbeOffer | ProbeResult | ProbeDeclined) -> None:
        asks_on = self._prober is guest
        if asks_on:
            self._prober = None
        if isinstance(message, ProbeResult):
            self._admission.record_probe(message.failure, message.known_good)
            self._gate_turned(self._admission.breaker, anew=True)
        elif isinstance(message, ProbeOffer):
            self._candidates.insert(0 if asks_on else len(self._candidates), guest)  # it knows best what is to be asked
        self._lend_probe()

    def _begin(self, guest: WorkerConnection, shard: int) -> None:
        """Whoever worked on it before, and was lost, works on it no more."""
        for other in [other for other in self._guests if other.shard == shard and other is not guest]:
            if self._stop.cause is None:
                other.say(ShutdownCommand(TAKEN_OVER, now=True))
            self.lose(other)
        guest.shard = shard
        guest.say(self._shards.setdefault(shard, ShardProgress()).begun(self._wall()))
        guest.say(self._gate_seen())
        if self._stop.cause is not None:
            guest.say(ShutdownCommand(self._stop.cause, self._stop.aborting.is_set()))

    def _note(self, guest: WorkerConnection, event: ev.Event) -> None:
        """That all drain is told once, by whoever stops them."""
        progress = None if guest.shard is None else self._shards.get(guest.shard)
        if not isinstance(event, ev.HarvestDraining) and (progress is None or progress.note(event)):
            self._emit(event)

    async def _look_for_silent(self) -> None:
        """One that is frozen would keep its permits, and the probe, for ever."""
        while True:
            await asyncio.sleep(BEAT)
            for guest in [guest for guest in self._guests if self._now() - guest.heard > SILENCE]:
                self.lose(guest)
                guest.cut()

    # ---- permits

    async def _serve(self, guest: WorkerConnection) -> None:
        """Let the hand's workers ask, one after the other; the admission's line is the same for all hands."""
        while await guest.wanting.acquire() and await self._admission.acquire(self._stop.draining):
            guest.held += 1
            guest.say(PermitGranted())

    async def _lend_turn(self, guest: WorkerConnection, probing: bool) -> None:
        PROBING.set(probing)
        if await self._admission.acquire_followup(self._stop.draining):
            guest.say(FollowupGranted())

    def _lend_probe(self) -> None:
        if self._prober is None and self._candidates and self._admission.breaker.is_open:
            self._prober = self._candidates.pop(0)
            self._task(self._prober, self._let_probe(self._prober))

    async def _let_probe(self, guest: WorkerConnection) -> None:
        if await self._admission.acquire_probe(self._stop.draining):
            guest.say(ProbeGranted())

    def _note_room(self) -> None:
        self._admission.disk_full = any(guest.full for guest in self._guests)
        self._admission.notify()

    # ---- what all hear

    def _gate_turned(self, gate: CircuitBreaker, anew: bool = False) -> None:
        """Hands need to know what holds them, not each answer that the gate takes note of."""
        before, self._seen = self._seen, _in_short(gate)
        if anew or before != self._seen:
            self._candidates.clear()
            self._say_to_all(self._gate_seen())

    def _gate_seen(self) -> BreakerChanged:
        return BreakerChanged.seen_at(self._now(), self._seen)

    def _halt(self) -> None:
        if not self._halted and self._stop.cause is not None:
            self._halted = True
            self._emit(ev.HarvestDraining(self._wall(), self._stop.cause.reason))
        self._admission.notify()
        self._admission.state_changed.set()
        if self._stop.cause is not None:
            self._say_to_all(ShutdownCommand(self._stop.cause, self._stop.aborting.is_set()))

    def _say_to_all(self, message: FromBroker) -> None:
        for guest in self._guests:
            guest.say(message)

    def _task(self, guest: WorkerConnection, work: Coroutine[Any, Any, None]) -> None:
        task = self._tasks.create_task(work)
        guest.tasks.add(task)
        task.add_done_callback(guest.tasks.discard)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _in_short(gate: CircuitBreaker) -> CircuitBreaker:
    """The gate without what changes with every answer."""
    return replace(gate, recent=(), failure_threshold=FIRST_ALARM, rate_share=1.0)

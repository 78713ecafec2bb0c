"""What stands in for the admission where an engine is far from it: permits come over a line, from the broker."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from random import Random

from ..engine.circuit_breaker import CircuitBreaker, Signal
from ..engine.throttle import PROBING, Judge
from ..model.failures import Failure
from .messages import (
    BreakerChanged,
    DiskFullReport,
    FollowupGranted,
    FollowupRequest,
    FromHand,
    PermitGranted,
    PermitRequest,
    ProbeDeclined,
    ProbeGranted,
    ProbeOffer,
    ProbeOutcome,
    ProbeRequested,
    ProbeResult,
    RequestDone,
    ResponseReport,
)

Waiting = deque[asyncio.Future[bool]]


class RemoteThrottle:
    """A ``Throttle`` for one engine. ``heed`` what the broker says; ``say`` takes what is for the broker."""

    def __init__(self, say: Callable[[FromHand], None], stop: asyncio.Event) -> None:
        self._say, self._stop = say, stop
        self.breaker = CircuitBreaker()
        self.state_changed = asyncio.Event()
        self._full = False
        self._entering, self._going_on, self._probing = Waiting(), Waiting(), Waiting()
        self._judges: list[Judge] = []
        self._chance = Random()  # noqa: S311 - jitter, no secret

    @property
    def disk_full(self) -> bool:
        return self._full

    @disk_full.setter
    def disk_full(self, full: bool) -> None:
        self._full = full
        self._say(DiskFullReport(full))

    async def acquire(self, stop: asyncio.Event) -> bool:
        return await self._permitted(self._entering, PermitRequest(), stop)

    async def acquire_followup(self, stop: asyncio.Event) -> bool:
        return await self._permitted(self._going_on, FollowupRequest(PROBING.get()), stop)

    async def acquire_probe(self, stop: asyncio.Event) -> bool:
        """Wait to be the one who asks; False too once the gate turned, since somebody else has asked."""
        return await self._permitted(self._probing, ProbeOffer(), stop)

    def release(self, latency: float | None) -> None:
        self._say(RequestDone(latency))

    def record(self, sign: Signal, failure: Failure | None = None) -> None:
        if failure is not None and failure.retry_after is not None:  # what it says holds before it has come round
            self.breaker = self.breaker.record(sign, failure, asyncio.get_running_loop().time(), self._chance)
        self._say(ResponseReport(sign, failure))

    def request_probe(self, reason: str) -> None:
        self._say(ProbeRequested(reason))

    def record_probe(self, failure: Failure | None, canary: bool) -> None:
        self._say(ProbeResult(failure, canary))

    def add_probe_listener(self, judge: Judge) -> None:
        self._judges.append(judge)

    def notify(self) -> None:
        """Once there is no asking any more, let go of whoever waits to."""
        if self._stop.is_set():
            for waiting in (self._entering, self._going_on, self._probing):
                _dismiss(waiting)

    def heed(self, message: object) -> None:
        """Take in what the broker says. What is permitted to nobody any more is given back."""
        match message:
            case PermitGranted():
                if not _admit(self._entering):
                    self._say(RequestDone())
            case FollowupGranted():
                _admit(self._going_on)
            case ProbeGranted():
                if not _admit(self._probing):
                    self._say(ProbeDeclined())
            case BreakerChanged():
                self.breaker = message.at(asyncio.get_running_loop().time())
                _dismiss(self._probing)
                self.state_changed.set()
            case ProbeOutcome(failure=failure):
                for judge in self._judges:
                    judge(failure)

    async def _permitted(self, waiting: Waiting, request: FromHand, stop: asyncio.Event) -> bool:
        if stop.is_set():
            return False
        permit: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        waiting.append(permit)
        self._say(request)
        return await permit


def _admit(waiting: Waiting) -> bool:
    while waiting:
        permit = waiting.popleft()
        if not permit.done():
            permit.set_result(True)
            return True
    return False


def _dismiss(waiting: Waiting) -> None:
    while waiting:
        permit = waiting.popleft()
        if not permit.done():
            permit.set_result(False)

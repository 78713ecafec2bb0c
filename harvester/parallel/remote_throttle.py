"""The throttle of an engine in a worker.

Request slots come by messages from the coordinator.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace
from random import Random

from ..engine.circuit_breaker import CircuitBreaker, Signal
from ..engine.interfaces import ProbeListener
from ..engine.throttle import LOST, PROBING, UNSENT
from ..model.failures import Failure, FailureKind, FetchError
from .channel import Send
from .messages import (
    BreakerChanged,
    DiskFullReport,
    FollowupGranted,
    FollowupRequest,
    ProbeDeclined,
    ProbeGranted,
    ProbeOffer,
    ProbeOutcome,
    ProbeRequested,
    ProbeResult,
    RequestDone,
    ResponseReport,
    SlotGranted,
    SlotRequest,
    SlotsLent,
)

Waiting = deque[asyncio.Future[bool]]

LEASE = 50.0  # seconds after a heartbeat in which slots may be used: at ``coordinator.SILENCE`` others get them
FROZEN = Failure(FailureKind.CONNECTION_LOST, "this process was frozen, and its request slots are another's by now")


class RemoteThrottle:
    """A ``Throttle`` for one engine.

    ``handle`` takes the coordinator's messages; ``send`` sends it this worker's.
    """

    def __init__(self, send: Send, draining: asyncio.Event) -> None:
        self._send, self._draining = send, draining
        self.breaker = CircuitBreaker()
        self.state_changed = asyncio.Event()
        self._disk_full = False
        self._acquiring, self._following_up, self._probing = Waiting(), Waiting(), Waiting()
        self._requested = self._held = 0  # slots: requested and not granted yet; granted, and not given back
        self._lent = self._uses = 0  # as many of those may be used again, and how often
        self._in_doubt = False  # the latest attempt failed: the coordinator decides on each request
        self._probe_listeners: list[ProbeListener] = []
        self._rng = Random()  # noqa: S311 - jitter, no secret
        self._alive = asyncio.get_running_loop().time()

    @property
    def disk_full(self) -> bool:
        return self._disk_full

    @disk_full.setter
    def disk_full(self, full: bool) -> None:
        self._disk_full = full
        self._send(DiskFullReport(full))

    async def acquire(self, shutdown: asyncio.Event) -> bool:
        """Wait for a request slot. Return False, without a slot, once ``shutdown`` is set."""
        if shutdown.is_set():
            return False
        if self._requested <= len(self._acquiring):  # else there is one that a kept slot has made unnecessary
            self._requested += 1
            self._send(SlotRequest())
        return await _granted(self._acquiring)

    async def acquire_followup(self, shutdown: asyncio.Event) -> bool:
        """Wait until the holder of a slot may send one more request.

        Return False once ``shutdown`` is set.
        """
        if shutdown.is_set():
            return False
        self._send(FollowupRequest(PROBING.get(), _was_unsent()))
        return await _granted(self._following_up)

    async def acquire_repeat(self, shutdown: asyncio.Event) -> bool:
        """Record a connection lost before its response, and wait to send the request again."""
        if not PROBING.get():
            self.record(Signal.OUTAGE_LIKE, LOST)
        return await self.acquire_followup(shutdown)

    async def acquire_probe(self, shutdown: asyncio.Event) -> bool:
        """Wait to become the prober.

        Return False, too, once the breaker changed: another worker has probed.
        """
        if shutdown.is_set():
            return False
        self._send(ProbeOffer())
        return await _granted(self._probing)

    @property
    def lends(self) -> bool:
        """Whether slots may be used again, so that reports of success may be late."""
        return self._lent > 0

    def renew_lease(self) -> None:
        """Note that the coordinator gets a heartbeat now."""
        self._alive = asyncio.get_running_loop().time()

    def confirm(self) -> None:
        """Check, before the bytes leave, that the slot is still held.

        FetchError if this process was frozen, so that the slot may be another's.
        """
        if asyncio.get_running_loop().time() - self._alive > LEASE:
            raise FetchError(FROZEN)

    def sent(self) -> None:
        """Note that the bytes of a request have left; the coordinator learns it from the event."""
        UNSENT.set(False)

    def release(self, latency: float | None, own: float = 0.0) -> None:
        """Give a slot back; ``latency`` in seconds if the request brought a spectrum's bytes.

        ``own``: seconds in which this program could not take the response.
        """
        done = RequestDone(latency, _was_unsent(), own)
        if latency is not None and self._may_keep():
            # The next iteration of the loop verifies the response: its slot is used again after that, if it passed.
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._keep_or_give_back, done)
        else:
            self._give_back(done)

    def _keep_or_give_back(self, done: RequestDone) -> None:
        if self._may_keep() and _grant(self._acquiring):
            self._uses -= 1
            self._send(replace(done, kept=True), may_wait=True)
        else:
            self._give_back(done)

    def _give_back(self, done: RequestDone) -> None:
        self._held -= 1
        self._send(done)

    def _may_keep(self) -> bool:
        """Return whether one of the slots that are held may be used again."""
        is_calm = not (self._in_doubt or self._disk_full or self.breaker.is_open)
        return is_calm and self._uses > 0 and self._held <= self._lent

    def record(self, signal: Signal, failure: Failure | None = None, waited: bool = False) -> None:
        """Take in what an ordinary attempt brought.

        A Retry-After holds before the coordinator has confirmed it.
        """
        if failure is not None and failure.retry_after is not None:
            now = asyncio.get_running_loop().time()
            self.breaker = self.breaker.record(signal, failure, now, self._rng, waited)
        self._in_doubt = signal is not Signal.OK
        self._send(ResponseReport(signal, failure, waited), may_wait=self.lends and signal is Signal.OK)

    def request_probe(self, reason: str) -> None:
        """Have the coordinator open the breaker."""
        self._send(ProbeRequested(reason))

    def record_probe(self, failure: Failure | None, others: bool) -> None:
        """Report what a probe brought; ``others``: there are spectra left that were not probed."""
        self._send(ProbeResult(failure, others, _was_unsent()))

    def add_probe_listener(self, listener: ProbeListener) -> None:
        """Call ``listener`` after every probe of any worker."""
        self._probe_listeners.append(listener)

    def notify(self) -> None:
        """Once the worker drains, dismiss everything that waits for a slot."""
        if self._draining.is_set():
            for waiting in (self._acquiring, self._following_up, self._probing):
                _dismiss(waiting)

    def handle(self, message: object) -> None:
        """Take in a message of the coordinator.

        A slot that is not waited for any more is given back.
        """
        match message:
            case SlotGranted():
                self._requested -= 1
                if _grant(self._acquiring):
                    self._held += 1
                else:
                    self._send(RequestDone(unsent=True))
            case SlotsLent(most=most, more=more):
                self._lent = most
                self._uses += more
            case FollowupGranted():
                _grant(self._following_up)
            case ProbeGranted():
                if not _grant(self._probing):
                    self._send(ProbeDeclined())
            case BreakerChanged():
                self.breaker = message.at(asyncio.get_running_loop().time())
                _dismiss(self._probing)
                self.state_changed.set()
            case ProbeOutcome(failure=failure):
                for listener in self._probe_listeners:
                    listener(failure)


async def _granted(waiting: Waiting) -> bool:
    grant: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    waiting.append(grant)
    granted = await grant
    UNSENT.set(granted)
    return granted


def _was_unsent() -> bool:
    """Return whether this task has a slot whose request has not left; it never will."""
    unsent = UNSENT.get()
    UNSENT.set(False)
    return unsent


def _grant(waiting: Waiting) -> bool:
    while waiting:
        grant = waiting.popleft()
        if not grant.done():
            grant.set_result(True)
            return True
    return False


def _dismiss(waiting: Waiting) -> None:
    while waiting:
        grant = waiting.popleft()
        if not grant.done():
            grant.set_result(False)

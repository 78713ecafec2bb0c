"""Decide when the next request may be sent.

The rate limit, the adaptive concurrency limit and the circuit breaker must all allow it.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from contextvars import ContextVar
from random import Random

from .. import events as ev
from ..model.failures import Failure, FailureKind
from ..model.limits import Limits
from .circuit_breaker import HABIT, BreakerState, CircuitBreaker, Signal
from .concurrency import AdaptiveConcurrency, ConcurrencyChange
from .controls import Controls
from .interfaces import ProbeListener
from .rate_limit import RateLimiter

OVERLOAD = (FailureKind.BUSY, FailureKind.TIMEOUT)  # what an archive with too much to do looks like
CAUTIOUS = 2  # requests in flight while the latest results may be the beginning of an outage
LOST = Failure(FailureKind.CONNECTION_LOST, "the connection was closed before the response")

PROBING = ContextVar("PROBING", default=False)
"""Set in the prober's task: its requests may be sent while the breaker is open."""

UNSENT = ContextVar("UNSENT", default=False)
"""Set in the task of a worker that has a slot and has not sent its request yet."""


class LocalThrottle:
    """Grant request slots in FIFO order and adapt the limits to every response."""

    def __init__(
        self,
        limits: Limits,
        emit: Callable[[ev.Event], None],
        rng: Random | None = None,
        clock: Callable[[], float] = time.time,
        controls: Controls | None = None,
    ) -> None:
        self._limits, self._emit, self._clock = limits, emit, clock
        self._rng = rng or Random()  # noqa: S311 - jitter, no secret
        self.rate_limiter = RateLimiter(limits.rate)
        self.breaker = CircuitBreaker()
        self.concurrency = AdaptiveConcurrency(limits.concurrency)
        self.in_flight = 0
        self.disk_full = False
        """There is no room for a response, so that no request may be sent."""
        self.state_changed = asyncio.Event()
        """Set whenever the breaker changes; a task clears it before it waits for it."""
        self._fifo = asyncio.Lock()
        self._changed = asyncio.Event()
        self._probe_listeners: list[ProbeListener] = []
        self._breaker_listeners: list[Callable[[CircuitBreaker], None]] = []
        self._reported = (limits.concurrency, 1.0, 1.0)
        self._controls = controls or Controls()
        self._paused = self._controls.paused
        self._controls.on_change(self._follow_controls)

    @property
    def max_in_flight(self) -> int:
        """How many requests may be in flight now."""
        most = max(1, int(self.concurrency.level * self._share))
        return min(most, CAUTIOUS) if self.breaker.cautious else most

    @property
    def is_blocked(self) -> bool:
        """Only the prober may send requests."""
        return self.breaker.is_open or self.disk_full or self._controls.paused

    @property
    def _share(self) -> float:
        """The share of the limits that breaker and user leave."""
        return self.breaker.rate_share * self._controls.share

    async def acquire(self, shutdown: asyncio.Event) -> bool:
        """Wait for a request slot. Return False, without a slot, once ``shutdown`` is set."""
        async with self._fifo:
            while not shutdown.is_set():
                if self.is_blocked:
                    await self._change()
                elif self.in_flight >= self.max_in_flight:
                    self.concurrency = self.concurrency.request_more()
                    await self._change()
                elif not await self._reserve(shutdown):
                    return False
                elif self._may_send():
                    self.in_flight += 1
                    return True
        return False

    async def acquire_probe(self, shutdown: asyncio.Event) -> bool:
        """Wait for the rate limit to allow a probe.

        Return False once ``shutdown`` is set, or if the archive has requested a longer pause meanwhile.
        """
        due = self.breaker.until
        while not shutdown.is_set() and self.breaker.until <= due:
            if self._controls.paused:
                await self._change()
            elif not await self._reserve(shutdown):
                return False
            elif self.breaker.until <= due and not self._controls.paused:
                return True
            else:
                self._settle()
        return False

    async def acquire_followup(self, shutdown: asyncio.Event) -> bool:
        """Wait until the holder of a slot may send one more request, for a redirect or a datalink.

        A prober does not wait for the breaker. Return False once ``shutdown`` is set.
        """
        self._settle()
        probing = PROBING.get()
        while not shutdown.is_set():
            if self.is_blocked and not probing:
                await self._change()
            elif not await self._reserve(shutdown):
                return False
            elif probing or self._may_send():
                return True
        return False

    async def acquire_repeat(self, shutdown: asyncio.Event) -> bool:
        """Record a connection lost before its response, and wait to send the request again."""
        if not PROBING.get():
            self.record(Signal.OUTAGE_LIKE, LOST)
        return await self.acquire_followup(shutdown)

    def confirm(self) -> None:
        """Do nothing: slots that this process grants are not lost."""

    def sent(self) -> None:
        """Note that the bytes of a request have left: the rate limit counts them from here on."""
        self._settle()

    def release(self, latency: float | None, own: float = 0.0) -> None:
        """Give a slot back; ``latency`` in seconds if the request brought a spectrum's bytes.

        ``own``: seconds in which this program could not take the response.
        """
        self._settle()
        self.release_slot(latency, own)

    def release_slot(self, latency: float | None, own: float = 0.0) -> None:
        """Give back the slot of a request that another process has sent."""
        self.in_flight -= 1
        if latency is not None:
            self.concurrency = self.concurrency.on_response(latency, own)
        self.notify()
        change = self.concurrency.change
        self._report(change, by_server=change is ConcurrencyChange.BUSIER)

    def record(self, signal: Signal, failure: Failure | None = None, waited: bool = False) -> None:
        """Take in what an ordinary attempt brought.

        ``waited``: the previous attempt for the same spectrum was answered with Retry-After.
        """
        now = asyncio.get_running_loop().time()
        self._move_to(self.breaker.record(signal, failure, now, self._rng, waited))
        if failure is not None and failure.kind in OVERLOAD and not self._is_habit(failure, waited):
            self.concurrency = self.concurrency.on_overload(now)
            self._report(failure.detail)

    def request_probe(self, reason: str) -> None:
        """Open the breaker: something else must be requested before going on."""
        if not self.breaker.is_open:
            self._move_to(self.breaker.open(reason, asyncio.get_running_loop().time()))

    def on_breaker_change(self, listener: Callable[[CircuitBreaker], None]) -> None:
        """Call ``listener`` whenever the breaker changes."""
        self._breaker_listeners.append(listener)

    def add_probe_listener(self, listener: ProbeListener) -> None:
        """Call ``listener`` after every probe."""
        self._probe_listeners.append(listener)

    def record_probe(self, failure: Failure | None, others: bool) -> None:
        """Take in what a probe brought; ``others``: there are spectra left that were not probed."""
        self._settle()
        now = asyncio.get_running_loop().time()
        self._move_to(self.breaker.record_probe(failure, others, now, self._rng))
        for listener in self._probe_listeners:
            listener(failure)

    def notify(self) -> None:
        """Let everything that waits check its condition again."""
        self._changed.set()

    async def _reserve(self, shutdown: asyncio.Event) -> bool:
        reserved = await self.rate_limiter.reserve(shutdown)
        UNSENT.set(reserved)
        return reserved

    def _may_send(self) -> bool:
        """Whether the breaker stayed closed while the rate limit was waited for.

        Else the slot is given back.
        """
        if self.is_blocked:
            self._settle()
        return not self.is_blocked

    def _settle(self) -> None:
        if UNSENT.get():
            UNSENT.set(False)
            self.rate_limiter.depart()

    def _is_habit(self, failure: Failure, waited: bool) -> bool:
        """Whether the Retry-After concerns this spectrum rather than the archive's load."""
        return failure.retry_after is not None and (waited or self.breaker.habits >= HABIT) and not self.breaker.outage

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _move_to(self, breaker: CircuitBreaker) -> None:
        """Make ``breaker`` the state; emit what observers should know, and wake what waits for it."""
        before, self.breaker = self.breaker, breaker
        if breaker is before:
            return
        self._emit_change(before, breaker)
        self._set_rate()
        self.notify()
        if before.state is BreakerState.CLOSED is breaker.state:
            return  # only its counts changed
        self.state_changed.set()
        for listener in self._breaker_listeners:
            listener(breaker)
        recovering = breaker.state is BreakerState.RECOVERING
        self._report(
            breaker.reason or ("recovering after an outage" if recovering else "the archive is available again")
        )

    def _set_rate(self) -> None:
        if self._limits.rate:
            self.rate_limiter.rate = self._limits.rate * self._share

    def _follow_controls(self) -> None:
        """Do what the user wants: pause, resume, or use another share of the limits."""
        if self._controls.paused is not self._paused:
            self._paused = self._controls.paused
            self._emit_user_pause()
        self._set_rate()
        self.notify()
        if self._controls.share != self._reported[2]:
            self._report(f"{self._controls.share:.0%} of the configured limits, as the user wants", by_server=False)

    def _emit_user_pause(self) -> None:
        """Emit that the user pauses; at the end of that, what the breaker does."""
        if self._paused:
            self._emit(ev.HarvestPaused(self._clock(), "by the user", math.inf, ev.Pause.USER))
        elif self.breaker.is_open:
            self._emit_open(self.breaker)
        else:
            self._emit(ev.HarvestResumed(self._clock(), "by the user"))

    def _emit_change(self, before: CircuitBreaker, breaker: CircuitBreaker) -> None:
        if self._paused:
            return  # it is emitted when the user resumes
        if breaker.is_open and (not before.is_open or breaker.failed_probes > before.failed_probes):
            self._emit_open(breaker)
        elif before.is_open and not breaker.is_open:
            self._emit(ev.HarvestResumed(self._clock(), _why_resumed(breaker)))

    def _emit_open(self, breaker: CircuitBreaker) -> None:
        until = self._clock() + breaker.until - asyncio.get_running_loop().time()
        kind = ev.Pause.RETRY_AFTER if breaker.server_requested else ev.Pause.OUTAGE
        self._emit(ev.HarvestPaused(self._clock(), breaker.reason, until, kind))

    def _report(self, reason: str, *, by_server: bool = True) -> None:
        """Emit the limits if they have changed."""
        most = max(1, int(self.concurrency.level * self._share))  # caution lasts for moments only
        now = (most, round(self.breaker.rate_share, 1), self._controls.share)
        if now != self._reported and not self.breaker.is_open:
            self._reported = now
            self._emit(ev.LimitsChanged(self._clock(), self.rate_limiter.rate, most, reason, by_server))


def _why_resumed(breaker: CircuitBreaker) -> str:
    if breaker.state is BreakerState.RECOVERING:
        return "the archive is available again; the rate grows with every success"
    return "the archive is available: the failures concern single spectra"

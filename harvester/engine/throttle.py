"""Who may ask now: the one place where pace, concurrency and the gate meet, for all workers alike."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextvars import ContextVar
from random import Random

from .. import events as ev
from ..model.failures import Failure, FailureKind
from ..model.limits import Limits
from .circuit_breaker import BreakerState, CircuitBreaker, Signal
from .concurrency import AdaptiveConcurrency, ConcurrencyChange
from .rate_limit import RateLimiter

EASING = (FailureKind.BUSY, FailureKind.TIMEOUT)  # what an archive that has too much to do looks like

PROBING = ContextVar("PROBING", default=False)
"""Set in the prober's task: its requests are the ones that may go out while the gate holds."""

Judge = Callable[[Failure | None], None]
"""Told what became of a probe, once the gate has turned by it."""


class LocalThrottle:
    """Hands out permits to ask, first come first served, and learns from every answer."""

    def __init__(
        self,
        limits: Limits,
        emit: Callable[[ev.Event], None],
        chance: Random | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._limits, self._emit, self._wall = limits, emit, wall
        self._chance = chance or Random()  # noqa: S311 - jitter, no secret
        self.rate_limiter = RateLimiter(limits.rate)
        self.breaker = CircuitBreaker()
        self.concurrency = AdaptiveConcurrency(limits.concurrency)
        self.in_flight = 0
        self.disk_full = False
        """There is no room for what would come, so that nobody may ask."""
        self._line = asyncio.Lock()
        self._changed = asyncio.Event()
        self.state_changed = asyncio.Event()
        """Set whenever the gate turns; whoever waits for that clears it first."""
        self._judges: list[Judge] = []
        self._onlookers: list[Callable[[CircuitBreaker], None]] = []
        self._said = (limits.concurrency, 1.0)

    @property
    def max_in_flight(self) -> int:
        """How many requests may be in flight now."""
        return max(1, int(self.concurrency.level * self.breaker.rate_share))

    @property
    def is_blocked(self) -> bool:
        """Whether nobody but the prober may ask."""
        return self.breaker.is_open or self.disk_full

    async def acquire(self, stop: asyncio.Event) -> bool:
        """Wait until one more request may go out. False, without a permit, as soon as ``stop`` is set."""
        async with self._line:
            while not stop.is_set():
                if self.is_blocked:
                    await self._change()
                elif self.in_flight >= self.max_in_flight:
                    self.concurrency = self.concurrency.request_more()
                    await self._change()
                elif not await self.rate_limiter.acquire(stop):
                    return False
                elif not self.is_blocked:
                    self.in_flight += 1
                    return True
        return False

    async def acquire_probe(self, stop: asyncio.Event) -> bool:
        """Wait for the prober's turn to ask while the gate holds. False as soon as ``stop`` is set."""
        return await self.rate_limiter.acquire(stop)

    async def acquire_followup(self, stop: asyncio.Event) -> bool:
        """Wait until who has a permit may send one more request for it, as a redirect or a datalink asks for; the
        prober's wait for no gate. False as soon as ``stop`` is set."""
        probing = PROBING.get()
        while not stop.is_set():
            if self.is_blocked and not probing:
                await self._change()
            elif not await self.rate_limiter.acquire(stop):
                return False
            elif probing or not self.is_blocked:
                return True
        return False

    def release(self, latency: float | None) -> None:
        """A request is no longer in flight; ``latency`` in seconds if it brought a spectrum's bytes."""
        self.in_flight -= 1
        if latency is not None:
            self.concurrency = self.concurrency.on_response(latency)
        self.notify()
        turn = self.concurrency.turn
        self._tell(turn, imposed=turn is ConcurrencyChange.BUSIER)

    def record(self, sign: Signal, failure: Failure | None = None) -> None:
        """What an ordinary request said about the archive."""
        now = asyncio.get_running_loop().time()
        if failure is not None and failure.kind in EASING:
            self.concurrency = self.concurrency.on_overload(now)
            self._tell(failure.detail)
        self._turn_to(self.breaker.record(sign, failure, now, self._chance))

    def request_probe(self, reason: str) -> None:
        """There is a reason to ask for a known-good spectrum before going on."""
        if not self.breaker.is_open:
            self._turn_to(self.breaker.open(reason, asyncio.get_running_loop().time()))

    def on_turn(self, onlooker: Callable[[CircuitBreaker], None]) -> None:
        """Call ``onlooker`` whenever the gate turns."""
        self._onlookers.append(onlooker)

    def add_probe_listener(self, judge: Judge) -> None:
        """Call ``judge`` after every probe."""
        self._judges.append(judge)

    def record_probe(self, failure: Failure | None, canary: bool) -> None:
        """What a probe said."""
        now = asyncio.get_running_loop().time()
        self._turn_to(self.breaker.record_probe(failure, canary, now, self._chance))
        for judge in self._judges:
            judge(failure)

    def notify(self) -> None:
        """Let whoever waits look again."""
        self._changed.set()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _turn_to(self, gate: CircuitBreaker) -> None:
        before, self.breaker = self.breaker, gate
        now = asyncio.get_running_loop().time()
        if gate.is_open and (not before.is_open or gate.failed_probes > before.failed_probes):
            until = self._wall() + gate.until - now
            kind = ev.Pause.RETRY_AFTER if gate.server_requested else ev.Pause.OUTAGE
            self._emit(ev.HarvestPaused(self._wall(), gate.reason, until, kind))
        elif before.is_open and not gate.is_open:
            self._emit(ev.HarvestResumed(self._wall(), _good_news(gate)))
        if self._limits.rate:
            self.rate_limiter.rate = self._limits.rate * gate.rate_share
        self.notify()
        self.state_changed.set()
        for onlooker in self._onlookers:
            onlooker(gate)
        self._tell(gate.reason or "the archive is back")

    def _tell(self, reason: str, *, imposed: bool = True) -> None:
        now = (self.max_in_flight, round(self.breaker.rate_share, 1))
        if now != self._said and not self.breaker.is_open:
            self._said = now
            self._emit(ev.LimitsChanged(self._wall(), self.rate_limiter.rate, self.max_in_flight, reason, imposed))


def _good_news(gate: CircuitBreaker) -> str:
    if gate.state is BreakerState.RECOVERING:
        return "the archive answers again; the pace grows with its answers"
    return "the archive is well: those spectra are at fault"

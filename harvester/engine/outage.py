"""Tell an archive that is down, or a request that is wrong, from spectra that are bad.

While the circuit breaker is open, one spectrum after another is probed: one that is known to be good, then others,
known and random. Failures that may be the archive's fault count against no spectrum before that is decided.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, field

from ..errors import StoreError
from ..formatting import duration
from ..model.exit_codes import StopReason
from ..model.failures import ADDRESS_ADVICE, FILE_CHECK_ADVICE, OF_PROFILE, Failure, FailureKind
from ..model.limits import Limits
from ..model.target import Target
from .circuit_breaker import FIRST_REJECTIONS, CircuitBreaker, Signal, classify
from .interfaces import Throttle
from .rate_limit import wait_for_event
from .shutdown import Shutdown
from .throttle import PROBING
from .work_queue import Attempt, WorkQueue

MOST_PROBED = 20  # latest probed spectra that are not probed again if there are others
KNOWN = 2  # spectra known to be good that are kept for probes: the first one and the latest


@dataclass(frozen=True, slots=True)
class PendingFailure:
    """A failed last attempt that does not count before the archive is known to work.

    ``started`` and ``failed`` are loop seconds.
    """

    attempt: Attempt
    failure: Failure
    started: float
    url: str
    failed: float = 0.0


@dataclass(slots=True)
class OutageMonitor:
    """Keep failures pending until a success or a probe shows what caused them.

    ``probe`` requests one spectrum; ``random_target`` returns one from anywhere in the list, other than those given.
    """

    throttle: Throttle
    queue: WorkQueue
    limits: Limits
    shutdown: Shutdown
    probe: Callable[[Target], Awaitable[Failure | None]]
    random_target: Callable[[Collection[Target]], Target | None]
    give_up: Callable[[PendingFailure], None]
    known_good: Iterable[Target] = ()
    last_success: float = float("-inf")
    """When the latest request that was served had been sent, in loop seconds."""
    _known: deque[Target] = field(init=False)
    _probed: list[Target] = field(init=False, default_factory=list)
    _pending: list[PendingFailure] = field(init=False, default_factory=list)
    _last_probe: Failure | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._known = deque(list(self.known_good)[:KNOWN], maxlen=KNOWN)

    def record_success(self, target: Target, sent: float) -> None:
        """Note that ``target`` was served by a request of the time ``sent``.

        Decide what waited for that.
        """
        self._remember(target)
        self.last_success = max(self.last_success, sent)
        if self._pending and not self.throttle.breaker.outage:
            self._give_up(lambda each: each.failed <= sent)

    def hold(self, failure: PendingFailure) -> bool:
        """Keep ``failure`` pending.

        Return False if nothing else can be requested that would decide it.
        """
        if not self._known and self.random_target([failure.attempt.target]) is None:
            return False
        self._pending.append(failure)
        return True

    def seek_evidence(self) -> None:
        """Decide the pending failures though no other request is made.

        Probe, unless they are few rejections.
        """
        if not self._pending or len(self._pending) < self.queue.open or self.throttle.breaker.is_open:
            return
        outages = [each for each in self._pending if not _is_rejection(each)]
        if outages:
            self.throttle.request_probe(f"{outages[-1].failure.detail}; checking the archive")
        elif self.throttle.breaker.unserved < FIRST_REJECTIONS:
            self._give_up(_is_rejection)
        else:
            self.throttle.request_probe(f"{self._pending[-1].failure.detail}; checking the request")

    def finish(self) -> None:
        """At the end, count rejections against their spectra if the archive served others."""
        if not self.throttle.breaker.is_open and self.throttle.breaker.served:
            self._give_up(_is_rejection)

    async def run(self) -> None:
        """Probe while the breaker is open. Return at shutdown, or when the archive is given up."""
        PROBING.set(True)
        while not self._ended():
            self.throttle.state_changed.clear()
            breaker = self.throttle.breaker
            if not breaker.is_open:
                await self.throttle.state_changed.wait()
            elif await wait_for_event(self.throttle.state_changed, self._next_step(breaker) - _now()):
                continue
            elif _now() >= breaker.until:
                await self._probe(breaker)

    def settle(self, failure: Failure | None) -> None:
        """Decide after a probe: give attempts back in an outage, or make failures final."""
        breaker = self.throttle.breaker
        if breaker.outage:
            self.queue.uncount_attempts(self.last_success)
            pending, self._pending = self._pending, []
            for each in pending:  # an archive that is down may answer 404 as well
                self.queue.requeue(each.attempt, _now())
        elif failure is None and not breaker.is_open:
            self._give_up(lambda each: True)

    def _ended(self) -> bool:
        """Whether to stop probing; stop the run if the archive is given up."""
        breaker = self.throttle.breaker
        down = _now() - breaker.since
        if self.shutdown.draining.is_set():
            return True
        if breaker.refused:
            self.shutdown.drain(_rejected(breaker, self._last_probe))
        elif breaker.outage and self._is_other_service(breaker):
            self.shutdown.drain(
                StopReason(f"the archive sends no files, but VOTables: {breaker.reason}; {ADDRESS_ADVICE}", 7)
            )
        elif breaker.outage and not breaker.good_probes and down > self.limits.max_outage:
            advice = f"; {ADDRESS_ADVICE}" if self._sends_no_files(breaker) else ""
            reason = f"the archive was unavailable for {duration(down)}: {breaker.reason}{advice}"
            self.shutdown.drain(StopReason(reason, 5))
        return self.shutdown.draining.is_set()

    def _is_other_service(self, breaker: CircuitBreaker) -> bool:
        """Whether VOTables come in place of files, and no file ever came: no outage looks so."""
        last = self._last_probe
        described = last.detail.partition('"')[0] if last is not None else ""  # the server's own words stand in quotes
        return "a VOTable" in described and self._sends_no_files(breaker)

    def _sends_no_files(self, breaker: CircuitBreaker) -> bool:
        """Whether something else comes in place of each file, and no file ever came."""
        last = self._last_probe
        return not breaker.served and not self._known and last is not None and last.kind is FailureKind.NOT_FITS

    def _next_step(self, breaker: CircuitBreaker) -> float:
        """Return when the next probe, or the end of the longest outage, is due."""
        if not breaker.outage or breaker.good_probes:
            return breaker.until
        return min(breaker.until, breaker.since + self.limits.max_outage + 0.001)

    async def _probe(self, breaker: CircuitBreaker) -> None:
        target = self._choose(breaker)
        if target is None or not await self.throttle.acquire_probe(self.shutdown.draining):
            return
        sent = _now()
        self._probed = [target] if not breaker.probes else [*self._probed, target][-MOST_PROBED:]
        try:
            failure = await self.probe(target)
        except StoreError as error:
            self.shutdown.drain(StopReason(str(error), error.exit_code))
            return
        self._last_probe = failure
        if failure is None:
            self._remember(target)
            self.last_success = max(self.last_success, sent)
        self.throttle.record_probe(failure, others=self.random_target([target]) is not None)

    def _choose(self, breaker: CircuitBreaker) -> Target | None:
        """Return the target to probe: the latest that was served, or a random one, in turn."""
        known = list(self._known)[::-1]
        if known and breaker.good_probes:
            return known[0]
        turn, random = divmod(breaker.probes, 2)
        if turn < len(known) and not random:
            return known[turn]
        if breaker.outage and known and not random:
            return known[turn % len(known)]
        probed = self._probed if breaker.probes else []
        return self.random_target([*known, *probed]) or self.random_target([]) or (known[0] if known else None)

    def _remember(self, target: Target) -> None:
        """Keep the first and the latest target that were served."""
        if len(self._known) == KNOWN:
            self._known[-1] = target
        elif target not in self._known:
            self._known.append(target)

    def _give_up(self, decided: Callable[[PendingFailure], bool]) -> None:
        pending, self._pending = self._pending, []
        for each in pending:
            if decided(each):
                self.give_up(each)
            else:
                self._pending.append(each)


def _rejected(breaker: CircuitBreaker, last_probe: Failure | None) -> StopReason:
    """Return why a run stops that nothing was served to: at once, or from some moment on."""
    if breaker.served:
        return StopReason(f"the archive serves no spectra any more: {breaker.reason}", 5)
    if last_probe is not None and last_probe.kind in FILE_CHECK_ADVICE:
        if last_probe.kind is FailureKind.UNREADABLE and OF_PROFILE in last_probe.detail:
            detail = f"for want of a setting, which is not the archive's fault: {last_probe.detail}"
            return StopReason(f"the first files all fail the same check, {detail}", 7)
        advice = FILE_CHECK_ADVICE[last_probe.kind]
        return StopReason(f"the first files all fail the same check: {advice} ({last_probe.detail})", 7)
    return StopReason(f"the archive rejects every request: {breaker.reason}; {ADDRESS_ADVICE}", 7)


def _is_rejection(pending: PendingFailure) -> bool:
    return classify(pending.failure) is Signal.ANSWERED


def _now() -> float:
    return asyncio.get_running_loop().time()

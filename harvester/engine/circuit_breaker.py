"""Circuit breaker shared by all workers of one archive: a pure fold over their results.

CLOSED      requests are sent normally.
OPEN        only the prober sends requests: a spectrum known to be good, then others, known and random. One success
            means that the archive is up and the failing spectra are bad. If they all fail like an outage, the archive
            is down, it is probed at growing intervals, and no failure since then counts against a spectrum. If they
            are all rejected, the address or the archive is wrong, and the run stops.
RECOVERING  after three successful probes of an archive that was down; the rate grows back with every further success.

Times are seconds on the event loop's clock. There is no clock and no I/O in here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from random import Random

from ..model.failures import Failure, FailureKind

FIRST_ALARM, LAST_ALARM = 4, 8  # outage-like failures among the last 2 n + 1 results; the second after a false alarm
FIRST_UNREACHABLE = 2  # failed connections in a row; twice as many after a false alarm
FIRST_REJECTIONS = 5  # failures without a success in between, rejections among them; twice as many likewise
SUSPICIOUS_REJECTIONS = 3  # of them: from here on few requests are in flight
WINDOW = 2 * LAST_ALARM + 1  # latest results that are kept
PROBE_ROUND = 3  # spectra that are probed before failures are called an outage
REJECTED_PROBES = 5  # spectra that are probed before rejections are called the archive's fault
FIRST_PROBE = 1.0  # seconds: longer than a hiccup; none soon after a false alarm
ALARM_MEMORY = 60.0  # seconds after a false alarm in which the next one is probed at once
SECOND_PROBE, LONGEST_PROBE, GROWTH = 15.0, 300.0, 1.6  # seconds between failed probes, and how they grow
NEXT_GOOD_PROBE = 1.0  # seconds after a successful probe
GOOD_PROBES = 3
RAMP_START, RAMP_STEP = 0.1, 0.02  # share of the rate limit; full after 45 successes
LONGEST_JITTER = 30.0  # seconds added to a Retry-After, so that clients do not all return at once
HABIT = 2  # repeated Retry-After responses to one spectrum, among served ones, that show whom they concern


class Signal(Enum):
    """What one result says about the archive."""

    OK = auto()
    ANSWERED = auto()
    """A response about this spectrum or this request: it does not exist, is not public, is damaged."""
    OUTAGE_LIKE = auto()
    """What an archive that is down looks like, though one bad spectrum may look the same."""


class BreakerState(Enum):
    """State of the circuit breaker."""

    CLOSED = auto()
    OPEN = auto()
    RECOVERING = auto()


SUCCESSES = (Signal.OK,) * WINDOW  # of which the first made the archive ``served``


def classify(failure: Failure) -> Signal:
    """Return what ``failure`` says about the archive."""
    return Signal.OUTAGE_LIKE if failure.kind.outage_like else Signal.ANSWERED


@dataclass(frozen=True, slots=True)
class CircuitBreaker:
    """The state, and the few facts that it follows from."""

    state: BreakerState = BreakerState.CLOSED
    recent: tuple[Signal, ...] = ()
    unreachable: int = 0
    """Failed connections in a row."""
    unserved: int = 0
    """Failures of any kind since the last success."""
    false_alarms: int = 0
    """Alarms since the last success that a probe has disproved."""
    acquitted: float = float("-inf")
    """When a probe last disproved an alarm."""
    served: bool = False
    """The archive has served a spectrum in this run."""
    habits: int = 0
    """Repeated Retry-After responses to one spectrum while others were served."""
    reason: str = ""
    since: float = 0.0
    until: float = 0.0
    """When the next probe is due, while OPEN."""
    server_requested: bool = False
    """The archive itself requested the pause."""
    round_failures: int = 0
    """Outage-like failures of the first probes, before an outage is known."""
    rejected_probes: int = 0
    failed_probes: int = 0
    good_probes: int = 0
    rate_share: float = 1.0
    """Share of the rate limit that is allowed, while RECOVERING."""

    @property
    def is_open(self) -> bool:
        return self.state is BreakerState.OPEN

    @property
    def outage(self) -> bool:
        """The archive is known to be down."""
        return self.is_open and (self.server_requested or self.failed_probes > 0)

    @property
    def refused(self) -> bool:
        """The archive rejected every spectrum that was probed.

        The address or the archive is at fault.
        """
        return self.is_open and self.rejected_probes >= REJECTED_PROBES

    @property
    def cautious(self) -> bool:
        """The latest results may be the beginning of an outage: few requests should be in flight."""
        nearly = self._recent_failures >= self.failure_threshold - 1
        return nearly or Signal.OUTAGE_LIKE in self.recent[-2:] or self.unserved >= SUSPICIOUS_REJECTIONS

    @property
    def failure_threshold(self) -> int:
        """Outage-like failures, among twice as many results and one, that raise the alarm."""
        return LAST_ALARM if self.false_alarms else FIRST_ALARM

    @property
    def _recent_failures(self) -> int:
        """Outage-like failures among the results that the threshold is about."""
        return self.recent[-(2 * self.failure_threshold + 1) :].count(Signal.OUTAGE_LIKE)

    @property
    def _is_steady(self) -> bool:
        """One more success changes nothing."""
        counts = self.unreachable or self.unserved or self.false_alarms
        return self.recent == SUCCESSES and not counts and self.state is BreakerState.CLOSED

    @property
    def probes(self) -> int:
        """Probes that failed since the breaker opened."""
        return self.round_failures + self.rejected_probes + self.failed_probes

    def record(
        self, signal: Signal, failure: Failure | None, now: float, rng: Random, waited: bool = False
    ) -> CircuitBreaker:
        """Fold in the result of an ordinary request.

        ``waited``: the previous attempt for the same spectrum was answered with Retry-After.
        """
        if signal is Signal.OK and not waited and self._is_steady:
            return self  # as nearly all of a good run; 10 us a spectrum, with what a change would wake
        wait = None if failure is None else failure.retry_after
        own = wait is not None and not self.is_open and (waited or self.habits >= HABIT)
        if failure is not None and wait is not None and not own:
            return self._said_again(failure, wait, now, rng) if self.is_open else self._obey(failure, wait, now, rng)
        if self.is_open:
            return self
        after = self._with(signal, failure, waited)
        if signal is Signal.OK:
            return after._grown()
        recovering = self.state is BreakerState.RECOVERING and not self.false_alarms
        relapse = recovering and signal is Signal.OUTAGE_LIKE and not own
        if not relapse and not after._alarmed(signal):
            return after
        if failure is not None and wait is not None:
            return after._obey(failure, wait, now, rng)  # too many to be the habit of single spectra
        return after.open(_describe(failure), now)

    def open(self, reason: str, now: float) -> CircuitBreaker:
        """Return the breaker opened, with the first probe due soon."""
        delay = 0.0 if now - self.acquitted < ALARM_MEMORY else FIRST_PROBE
        return replace(
            self, state=BreakerState.OPEN, reason=reason, since=now, until=now + delay,
            recent=(), unreachable=0, unserved=0, server_requested=False,
            round_failures=0, rejected_probes=0, failed_probes=0, good_probes=0,
        )  # fmt: skip

    def record_probe(self, failure: Failure | None, others: bool, now: float, rng: Random) -> CircuitBreaker:
        """Fold in the result of a probe.

        ``others``: a spectrum that was not probed yet is left to ask for.
        """
        if failure is None:
            return self._served_probe(now)
        if failure.retry_after is not None:
            least = min(FIRST_PROBE * GROWTH**self.failed_probes, LONGEST_PROBE)
            return replace(self._obey(failure, max(failure.retry_after, least), now, rng), habits=0)
        rejected = classify(failure) is Signal.ANSWERED
        failed = replace(
            self, reason=_describe(failure), good_probes=0, rejected_probes=self.rejected_probes + 1 if rejected else 0
        )
        if not self.outage and rejected:
            return replace(failed, until=now)
        if not self.outage and others and self.round_failures + 1 < PROBE_ROUND:
            return replace(failed, until=now, round_failures=self.round_failures + 1)
        interval = min(SECOND_PROBE * GROWTH**self.failed_probes, LONGEST_PROBE) * rng.uniform(0.8, 1.2)
        return replace(failed, failed_probes=self.failed_probes + 1, until=now + interval)

    def _with(self, signal: Signal, failure: Failure | None, waited: bool) -> CircuitBreaker:
        """Return the breaker with one more result noted."""
        ok = signal is Signal.OK
        unreachable = failure is not None and failure.kind is FailureKind.UNREACHABLE
        repeated = waited and failure is not None and failure.retry_after is not None
        own = repeated and self.habits >= HABIT
        return replace(
            self,
            recent=self.recent if own else (*self.recent, signal)[-WINDOW:],
            unreachable=self.unreachable + 1 if unreachable else 0,
            unserved=0 if ok else self.unserved + (not own),
            served=self.served or ok,
            habits=0 if ok and waited else self.habits + repeated,
        )

    def _alarmed(self, signal: Signal) -> bool:
        """Whether the latest results, ending with ``signal``, are reason to open and probe."""
        factor = 2 if self.false_alarms else 1
        if self.unserved >= factor * FIRST_REJECTIONS:
            return True
        if signal is Signal.ANSWERED:
            return False
        return self._recent_failures >= self.failure_threshold or self.unreachable >= factor * FIRST_UNREACHABLE

    def _served_probe(self, now: float) -> CircuitBreaker:
        """Record a probe that brought its spectrum: no outage, or one that is about to end."""
        known = CircuitBreaker(served=True, habits=self.habits)
        if not self.outage:
            state = BreakerState.RECOVERING if self.rate_share < 1.0 else BreakerState.CLOSED  # as it was before
            alarms = self.false_alarms + 1
            return replace(known, state=state, rate_share=self.rate_share, false_alarms=alarms, acquitted=now)
        if self.good_probes + 1 < GOOD_PROBES:
            return replace(self, good_probes=self.good_probes + 1, rejected_probes=0, until=now + NEXT_GOOD_PROBE)
        return replace(known, state=BreakerState.RECOVERING, rate_share=RAMP_START)

    def _said_again(self, failure: Failure, wait: float, now: float, rng: Random) -> CircuitBreaker:
        """Take in what a request that was in flight is answered: mostly what is known."""
        if now + wait <= self.until + 1.0:
            return replace(self, server_requested=True)
        return self._obey(failure, wait, now, rng)

    def _obey(self, failure: Failure, wait: float, now: float, rng: Random) -> CircuitBreaker:
        """Pause for as long as the server requested, and some jitter."""
        until = now + wait + rng.uniform(0.0, min(0.1 * wait, LONGEST_JITTER))
        since = self.since if self.is_open else now
        return replace(
            self, state=BreakerState.OPEN, reason=_describe(failure), since=since, until=until,
            recent=(), unreachable=0, unserved=0, server_requested=True,
            failed_probes=self.failed_probes + 1 if self.is_open else 0,
            round_failures=0, rejected_probes=0, good_probes=0,
        )  # fmt: skip

    def _grown(self) -> CircuitBreaker:
        """After a success: forget disproved alarms; while RECOVERING, allow a little more."""
        if self.state is not BreakerState.RECOVERING:
            return self if not self.false_alarms else replace(self, false_alarms=0)
        share = round(self.rate_share + RAMP_STEP, 3)
        if share >= 1.0:
            return CircuitBreaker(served=True, habits=self.habits)
        return replace(self, rate_share=share)


def _describe(failure: Failure | None) -> str:
    if failure is None:
        return "no spectrum was served"
    return failure.detail if failure.kind is not FailureKind.UNREACHABLE else f"unreachable: {failure.detail}"

"""Whether the archive is there: one judgement for all workers, from what each of them hears.

FLOWING: requests go out. HOLDING: nobody asks but one prober, at growing intervals, first for a spectrum that is known
to be good. If that one comes while others fail, the archive is well and those spectra are bad; if it fails too, the
archive is away, and nothing that failed meanwhile is charged to a spectrum. RAMPING: it is back, after three good
answers; the pace grows to what it was with every further one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from random import Random

from ..model.failures import Failure, FailureKind

WINDOW = 20  # latest outcomes that are looked at
FIRST_ALARM, LAST_ALARM = 5, WINDOW  # failures that raise the alarm; more after each false one
FIRST_PROBE = 1.0  # seconds: one question soon tells bad spectra from an archive that is away
SECOND_PROBE, LONGEST_PROBE, GROWTH = 15.0, 300.0, 1.6  # seconds between probes that fail, and how they grow
NEXT_GOOD_PROBE = 1.0  # seconds after a good probe
GOOD_PROBES = 3
RAMP_START, RAMP_STEP = 0.1, 0.02  # share of the pace; full after 45 good answers
LONGEST_JITTER = 30.0  # seconds on top of a Retry-After, so that its guests do not all come back at once


class Signal(Enum):
    """What one answer says about the archive."""

    OK = auto()
    ANSWERED = auto()
    """An answer about this very spectrum or request: it is not there, not ours, damaged."""
    OUTAGE_LIKE = auto()
    """What an archive that is away looks like, though one bad spectrum may look like it too."""


class BreakerState(Enum):
    """Of the gate."""

    CLOSED = auto()
    OPEN = auto()
    RECOVERING = auto()


def classify(failure: Failure) -> Signal:
    return Signal.OUTAGE_LIKE if failure.kind.outage_like else Signal.ANSWERED


@dataclass(frozen=True, slots=True)
class CircuitBreaker:
    """The state, and the little that it was judged from. Times are loop seconds; decisions only, no clock inside."""

    state: BreakerState = BreakerState.CLOSED
    recent: tuple[Signal, ...] = ()
    failure_threshold: int = FIRST_ALARM
    reason: str = ""
    since: float = 0.0
    until: float = 0.0
    """When the next probe is due, while HOLDING."""
    server_requested: bool = False
    """The archive itself asked for the pause."""
    failed_probes: int = 0
    good_probes: int = 0
    rate_share: float = 1.0
    """Of the allowed pace, while RAMPING."""

    @property
    def is_open(self) -> bool:
        return self.state is BreakerState.OPEN

    @property
    def outage(self) -> bool:
        """It is known to be the archive's fault that we hold."""
        return self.is_open and (self.server_requested or self.failed_probes > 0)

    def record(self, sign: Signal, failure: Failure | None, now: float, chance: Random) -> CircuitBreaker:
        """An ordinary request was answered, or failed."""
        if failure is not None and failure.retry_after is not None:
            return self._obey(failure, failure.retry_after, now, chance)
        if self.is_open:
            return self
        recent = (*self.recent, sign)[-WINDOW:]
        heard = replace(self, recent=recent)
        if sign is Signal.OUTAGE_LIKE:
            troubles = recent.count(Signal.OUTAGE_LIKE)
            alarmed = troubles >= self.failure_threshold and 2 * troubles >= len(recent)
            return heard.open(_words(failure), now) if alarmed or self.state is BreakerState.RECOVERING else heard
        return heard._grown() if sign is Signal.OK else heard

    def open(self, reason: str, now: float) -> CircuitBreaker:
        """Hold and probe."""
        return replace(
            self, state=BreakerState.OPEN, reason=reason, since=now, until=now + FIRST_PROBE, recent=(),
            server_requested=False,
            failed_probes=0, good_probes=0,
        )  # fmt: skip

    def record_probe(self, failure: Failure | None, canary: bool, now: float, chance: Random) -> CircuitBreaker:
        """A probe was answered; ``canary``: it asked for a spectrum that is known to be good."""
        if failure is not None and failure.retry_after is not None:
            return self._obey(failure, failure.retry_after, now, chance)
        if failure is not None and classify(failure) is Signal.OUTAGE_LIKE:
            interval = min(SECOND_PROBE * GROWTH**self.failed_probes, LONGEST_PROBE) * chance.uniform(0.8, 1.2)
            return replace(
                self, failed_probes=self.failed_probes + 1, good_probes=0, until=now + interval, reason=_words(failure)
            )
        if canary and not self.outage:
            return CircuitBreaker(failure_threshold=min(2 * self.failure_threshold, LAST_ALARM))
        if self.good_probes + 1 < GOOD_PROBES:
            return replace(self, good_probes=self.good_probes + 1, until=now + NEXT_GOOD_PROBE)
        return CircuitBreaker(BreakerState.RECOVERING, rate_share=RAMP_START)

    def _obey(self, failure: Failure, wait: float, now: float, chance: Random) -> CircuitBreaker:
        until = now + wait + chance.uniform(0.0, min(0.1 * wait, LONGEST_JITTER))
        if self.is_open and until <= self.until + 1.0:
            return replace(self, server_requested=True)  # what was in flight says the same again
        since = self.since if self.is_open else now
        return replace(
            self, state=BreakerState.OPEN, reason=_words(failure), since=since, until=until, recent=(),
            server_requested=True,
            failed_probes=self.failed_probes + 1 if self.is_open else 0,
            good_probes=0,
        )  # fmt: skip

    def _grown(self) -> CircuitBreaker:
        if self.state is not BreakerState.RECOVERING:
            return self if self.failure_threshold == FIRST_ALARM else replace(self, failure_threshold=FIRST_ALARM)
        share = round(self.rate_share + RAMP_STEP, 3)
        return CircuitBreaker() if share >= 1.0 else replace(self, rate_share=share)


def _words(failure: Failure | None) -> str:
    if failure is None:
        return "no good answer"
    return failure.detail if failure.kind is not FailureKind.UNREACHABLE else f"unreachable: {failure.detail}"

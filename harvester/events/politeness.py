"""The politeness report: what the archive saw of a run, for its operator to read."""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from .. import events as ev
from ..formatting import iso_utc
from .stats import RequestedAttempts


@dataclass(frozen=True, slots=True)
class Pauses:
    """How often no request was sent for one reason, and for how many seconds altogether."""

    times: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class PauseInterval:
    """One pause, from ``start`` to ``end`` in seconds since 1970; ``kind`` as in events.jsonl."""

    kind: str
    start: float
    end: float
    reason: str


class PauseFold:
    """Fold pauses and resumptions into intervals.

    A pause that is announced again is the same one, unless it is announced for another kind of reason.
    """

    def __init__(self) -> None:
        self.count = 0
        self._current: PauseInterval | None = None

    def pause(self, kind: str, time: float, reason: str) -> PauseInterval | None:
        """Begin or continue a pause; return the interval of another kind that this ends."""
        if self._current is not None and self._current.kind == kind:
            return None
        ended = self.resume(time)
        self._current = PauseInterval(kind, time, time, reason)
        self.count += 1
        return ended

    def resume(self, time: float) -> PauseInterval | None:
        """End the pause, if there is one, and return its interval.

        A clock that was set back does not make it negative.
        """
        current, self._current = self._current, None
        return None if current is None else replace(current, end=max(time, current.start))


@dataclass(frozen=True, slots=True)
class Politeness:
    """What the archive saw of one run.

    ``rate`` and ``concurrency`` are the configured limits; ``first`` and ``last`` are the times of requests in seconds
    since 1970, 0 if there was none.
    """

    user_agent: str = ""
    host: str = ""
    rate: float = 0.0
    concurrency: int = 0
    requests: int = 0
    busiest_second: int = 0
    spectra: int = 0
    retries: int = 0
    bytes: int = 0
    slow_downs: int = 0
    first: float = 0.0
    last: float = 0.0
    pauses: Mapping[ev.Pause, Pauses] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Seconds from the first request to the last.

        It is at least one, so that a single request is no burst.
        """
        return max(1.0, self.last - self.first)

    @property
    def average(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    @property
    def unplanned(self) -> Mapping[ev.Pause, Pauses]:
        """The pauses for which the archive or the disk was the reason."""
        return {kind: pauses for kind, pauses in self.pauses.items() if kind not in ev.PLANNED}

    def as_json(self) -> dict[str, object]:
        """Return the object ``politeness`` of summary.json."""
        return {
            "host": self.host,
            "user_agent": self.user_agent,
            "first_request": _timestamp(self.first),
            "last_request": _timestamp(self.last),
            "requests": self.requests,
            "busiest_second": self.busiest_second,
            "average_per_second": round(self.average, 3),
            "rate_ceiling": self.rate,
            "concurrency_ceiling": self.concurrency,
            "spectra": self.spectra,
            "retries": self.retries,
            "bytes": self.bytes,
            "slow_downs": self.slow_downs,
            "pauses": {
                kind.value: {"times": pauses.times, "seconds": round(pauses.seconds, 1)}
                for kind, pauses in sorted(self.pauses.items())
            },
        }


class PolitenessRecorder:
    """Observe what the archive sees and compute the politeness report."""

    reads: ClassVar = frozenset(
        {
            ev.Phase.RESPONSE, ev.RequestSent, ev.ResponseReceived, ev.SpectrumSaved, ev.SpectrumFailed,
            ev.HarvestStarted, ev.LimitsChanged, ev.HarvestPaused, ev.HarvestResumed, ev.HarvestDraining,
            ev.HarvestEnded,
        }
    )  # fmt: skip

    def __init__(self, user_agent: str) -> None:
        self._seen = Politeness(user_agent)
        self._second = deque[float]()
        self._attempts = RequestedAttempts()
        self._requests = self._busiest = self._bytes = 0
        self._first = self._last = 0.0
        self._limits = (0.0, 0)
        self._pauses = PauseFold()

    @property
    def politeness(self) -> Politeness:
        """The report so far."""
        return replace(
            self._seen,
            requests=self._requests,
            busiest_second=self._busiest,
            spectra=self._attempts.spectra,
            retries=self._attempts.retries,
            bytes=self._bytes,
            first=self._first,
            last=self._last,
        )

    def __call__(self, event: ev.Event) -> None:
        """Take in one event."""
        match event:
            case ev.PhaseEntered() | ev.SpectrumSaved() | ev.SpectrumFailed():
                self._attempts(event)
            case ev.RequestSent(time=time):
                self._sent(time)
            case ev.ResponseReceived(size=size):
                self._bytes += size

            case ev.HarvestStarted(host=host, rate=rate, concurrency=concurrency):
                self._seen = replace(self._seen, host=host, rate=rate, concurrency=concurrency)
                self._limits = (rate, 1)  # a run begins with one request at a time
            case ev.LimitsChanged(rate=rate, concurrency=concurrency, by_server=by_server):
                self._change_limits(rate, concurrency, by_server)
            case ev.HarvestPaused(time=time, kind=kind, reason=reason):
                self._pause(kind, time, reason)
            case ev.HarvestResumed(time=time) | ev.HarvestDraining(time=time) | ev.HarvestEnded(time=time):
                self._note(self._pauses.resume(time))

    def _sent(self, time: float) -> None:
        """Count a request, and those sent in the second before it."""
        second = self._second
        if second and time < second[-1] - 1.0:
            second.clear()  # the clock was set back
        if second and time < second[-1]:
            insort(second, time)  # events of several workers may arrive in another order
        else:
            second.append(time)
        while second[-1] - second[0] >= 1.0:
            second.popleft()
        self._busiest = max(self._busiest, len(second))
        self._requests += 1
        self._first, self._last = min(self._first or time, time), max(self._last, time)

    def _change_limits(self, rate: float, concurrency: int, by_server: bool) -> None:
        before, self._limits = self._limits, (rate, concurrency)
        if by_server and (rate < before[0] or concurrency < before[1]):
            self._seen = replace(self._seen, slow_downs=self._seen.slow_downs + 1)

    def _pause(self, kind: ev.Pause, time: float, reason: str) -> None:
        before = self._pauses.count
        self._note(self._pauses.pause(kind, time, reason))
        self._add(kind, Pauses(self._pauses.count - before))

    def _note(self, interval: PauseInterval | None) -> None:
        if interval is not None:
            self._add(ev.Pause(interval.kind), Pauses(0, interval.end - interval.start))

    def _add(self, kind: ev.Pause, more: Pauses) -> None:
        before = self._seen.pauses.get(kind, Pauses())
        both = Pauses(before.times + more.times, before.seconds + more.seconds)
        self._seen = replace(self._seen, pauses={**self._seen.pauses, kind: both})


def _timestamp(seconds: float) -> str | None:
    return iso_utc(seconds) if seconds > 0 else None

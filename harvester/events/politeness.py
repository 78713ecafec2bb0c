"""The politeness receipt: what was asked of the archive, and how, for its operator to read."""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from .. import events as ev
from ..model.target import SpectrumId


@dataclass(frozen=True, slots=True)
class Pauses:
    """How often nobody asked anything, and for how many seconds altogether."""

    times: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Politeness:
    """What the archive saw of one run. ``first`` and ``last`` request in seconds since 1970, 0 if there was none."""

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
        """From the first request to the last; at least one, so that a single request is no burst."""
        return max(1.0, self.last - self.first)

    @property
    def average(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    @property
    def imposed(self) -> Mapping[ev.Pause, Pauses]:
        """The pauses without those that were planned."""
        return {kind: pauses for kind, pauses in self.pauses.items() if kind is not ev.Pause.WINDOW}

    def as_json(self) -> dict[str, object]:
        """``politeness`` in summary.json."""
        return {
            "host": self.host,
            "user_agent": self.user_agent,
            "first_request": _moment(self.first),
            "last_request": _moment(self.last),
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
    """Writes the receipt: a watcher that is told every event."""

    def __init__(self, user_agent: str) -> None:
        self._seen = Politeness(user_agent)
        self._second = deque[float]()
        self._asked = dict[SpectrumId, int]()  # in which attempt, and not settled yet
        self._settled = self._requests = self._retries = self._busiest = self._bytes = 0
        self._first = self._last = 0.0
        self._allowed = (0.0, 0)
        self._paused: tuple[ev.Pause, float] | None = None

    @property
    def politeness(self) -> Politeness:
        return replace(
            self._seen,
            requests=self._requests,
            busiest_second=self._busiest,
            spectra=self._settled + len(self._asked),
            retries=self._retries,
            bytes=self._bytes,
            first=self._first,
            last=self._last,
        )

    def __call__(self, event: ev.Event) -> None:
        match event:
            case ev.PhaseEntered(target=target, attempt=attempt, phase=ev.Phase.RESPONSE):
                self._retries += self._asked.get(target.did, attempt) != attempt
                self._asked[target.did] = attempt
            case ev.RequestSent(time=time):
                self._sent(time)
            case ev.ResponseReceived(size=size):
                self._bytes += size
            case ev.SpectrumSaved(outcome=outcome) | ev.SpectrumFailed(outcome=outcome):
                self._asked.pop(outcome.target.did, None)
                self._settled += 1
            case ev.HarvestStarted(host=host, rate=rate, concurrency=concurrency):
                self._seen = replace(self._seen, host=host, rate=rate, concurrency=concurrency)
                self._allowed = (rate, 1)  # a harvest feels its way up from one request at a time
            case ev.LimitsChanged(rate=rate, concurrency=concurrency, by_server=by_server):
                self._paced(rate, concurrency, by_server)
            case ev.HarvestPaused(time=time, kind=kind):
                self._pause(kind, time)
            case ev.HarvestResumed(time=time) | ev.HarvestDraining(time=time) | ev.HarvestEnded(time=time):
                self._resume(time)

    def _sent(self, time: float) -> None:
        """Count it, and what went out in the second before it."""
        second = self._second
        if second and time < second[-1] - 1.0:
            second.clear()  # the clock was set back
        if second and time < second[-1]:
            insort(second, time)  # of several hands one may tell a little later than another
        else:
            second.append(time)
        while second[-1] - second[0] >= 1.0:
            second.popleft()
        self._busiest = max(self._busiest, len(second))
        self._requests += 1
        self._first, self._last = min(self._first or time, time), max(self._last, time)

    def _paced(self, rate: float, concurrency: int, imposed: bool) -> None:
        before, self._allowed = self._allowed, (rate, concurrency)
        if imposed and (rate < before[0] or concurrency < before[1]):
            self._seen = replace(self._seen, slow_downs=self._seen.slow_downs + 1)

    def _pause(self, kind: ev.Pause, time: float) -> None:
        """A pause that goes on is the same one, unless it goes on for another reason."""
        if self._paused is not None and self._paused[0] is kind:
            return
        self._resume(time)
        self._paused = (kind, time)
        self._add(kind, Pauses(1))

    def _resume(self, time: float) -> None:
        paused, self._paused = self._paused, None
        if paused is not None:
            self._add(paused[0], Pauses(0, max(0.0, time - paused[1])))

    def _add(self, kind: ev.Pause, more: Pauses) -> None:
        before = self._seen.pauses.get(kind, Pauses())
        both = Pauses(before.times + more.times, before.seconds + more.seconds)
        self._seen = replace(self._seen, pauses={**self._seen.pauses, kind: both})


def _moment(seconds: float) -> str | None:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}" if seconds > 0 else None

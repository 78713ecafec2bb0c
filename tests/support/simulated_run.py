"""Whole runs through the real engine on a virtual clock: an archive and a store in memory, and outages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from random import Random

from harvester import events as ev
from harvester.engine.engine import Engine
from harvester.engine.shutdown import Shutdown
from harvester.engine.throttle import LocalThrottle
from harvester.events.stats import HarvestStats, StatsCollector, ended_how
from harvester.model.failures import Failure, FailureKind, FetchError
from harvester.model.limits import Limits
from harvester.model.outcomes import Check, FailedCheck, Fetched, VerifiedSpectrum
from harvester.model.target import SpectrumId, Target

HOUR = 3600.0

Fault = Callable[[Target], Awaitable[Fetched]]


@dataclass(frozen=True, slots=True)
class Outage:
    """From ``begin`` to ``end`` (seconds into the run) every request fails in one of the ways of ``FAILURES``."""

    begin: float
    end: float
    how: str = "refuse"


@dataclass(slots=True)
class SimulatedArchive:
    """Respond after ``latency`` seconds; ``poisoned`` spectra are always a 500, which by itself proves nothing.

    ``repeat`` is what aiohttp does silently when a connection is lost before the response: it sends the request again.
    """

    outages: Sequence[Outage] = ()
    poisoned: frozenset[str] = frozenset()
    latency: float = 0.2
    faults: dict[str, Fault] = field(default_factory=dict)
    gone_bad_at: float = float("inf")
    """From then on whatever was served before fails in the way ``gone_bad``, 500 if none is said."""
    gone_bad: str = "500"
    served: set[str] = field(default_factory=set)
    emit: Callable[[ev.Event], None] = lambda event: None
    sent: Callable[[], None] = lambda: None
    repeat: Callable[[], Awaitable[bool]] | None = None
    asked: list[float] = field(default_factory=list)

    async def fetch(self, target: Target, reached: Callable[[ev.Phase], None]) -> Fetched:
        now = asyncio.get_running_loop().time()
        outage = self.send(target)
        if outage is not None and outage.how == "reset" and self.repeat is not None and await self.repeat():
            outage = self.send(target)
        if outage is not None:
            return await FAILURES[outage.how](target)
        await asyncio.sleep(self.latency)
        if target.did in self.faults:
            return await self.faults[target.did](target)
        if target.did in self.poisoned:
            raise FetchError(Failure(FailureKind.SERVER_ERROR, "HTTP 500: SourceParseError", 500))
        if now >= self.gone_bad_at and target.did in self.served:
            return await FAILURES[self.gone_bad](target)
        if now < self.gone_bad_at:
            self.served.add(target.did)
        return Fetched(target.did.encode(), "url")

    def send(self, target: Target) -> Outage | None:
        """Note a request; return the outage that it meets."""
        now = asyncio.get_running_loop().time()
        self.asked.append(now)
        self.emit(ev.RequestSent(now, target.did))
        self.sent()
        return next((outage for outage in self.outages if outage.begin <= now < outage.end), None)


async def _refuse(target: Target) -> Fetched:
    raise FetchError(Failure(FailureKind.UNREACHABLE, "connection refused"))


async def _busy(target: Target) -> Fetched:
    raise FetchError(Failure(FailureKind.BUSY, "HTTP 503: maintenance", 503))


async def _busy_for_ten_minutes(target: Target) -> Fetched:
    raise FetchError(Failure(FailureKind.BUSY, "HTTP 503: maintenance", 503, retry_after=600.0))


async def _broken(target: Target) -> Fetched:
    raise FetchError(Failure(FailureKind.SERVER_ERROR, "HTTP 500: OperationalError", 500))


async def _html(target: Target) -> Fetched:
    return Fetched(b"<html>We are moving house</html>", "url")


def _mixed(*ways: str) -> Fault:
    """One way of failing after the other."""
    turn = cycle(ways)

    async def fail(target: Target) -> Fetched:
        return await FAILURES[next(turn)](target)

    return fail


async def _hang(target: Target) -> Fetched:
    await asyncio.sleep(60.0)
    raise FetchError(Failure(FailureKind.TIMEOUT, "no answer in time"))


def _fails(kind: FailureKind, detail: str, status: int | None = None, retry_after: float | None = None) -> Fault:
    async def fail(target: Target) -> Fetched:
        raise FetchError(Failure(kind, detail, status, retry_after))

    return fail


FAILURES: dict[str, Fault] = {
    "204": _fails(FailureKind.NO_DATA, "HTTP 204", 204),
    "403": _fails(FailureKind.FORBIDDEN, "HTTP 403: not public", 403),
    "503, Retry-After 0": _fails(FailureKind.BUSY, "HTTP 503: busy", 503, 0.0),
    "429": _fails(FailureKind.BUSY, "HTTP 429: slow down", 429),
    "mixed": _mixed("500", "reset", "html", "refuse", "503", "dns", "429"),
    "mixed with 404": _mixed("404", "404", "404", "500", "404", "html", "503"),
    "503, Retry-After 5": _fails(FailureKind.BUSY, "HTTP 503: busy", 503, 5.0),
    "404": _fails(FailureKind.NOT_FOUND, "HTTP 404: not known here", 404),
    "410": _fails(FailureKind.GONE, "HTTP 410: gone", 410),
    "422": _fails(FailureKind.REFUSED_REQUEST, "HTTP 422: UsageError", 422),
    "too large": _fails(FailureKind.TOO_LARGE, "more than 16,777,216 bytes", 200),
    "no spectrum": _fails(FailureKind.MALFORMED_FITS, "no table with wavelengths", 200),
    "another spectrum": _fails(FailureKind.WRONG_SPECTRUM, "another spectrum", 200),
    "reset": _fails(FailureKind.CONNECTION_LOST, "connection reset by peer"),
    "dns": _fails(FailureKind.UNREACHABLE, "Name or service not known"),
    "refuse": _refuse,
    "503": _busy,
    "503, Retry-After 600": _busy_for_ten_minutes,
    "500": _broken,
    "html": _html,
    "hang": _hang,
}


class SimulatedStore:
    """Remembers which spectra it was given."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    async def put(self, target: Target, body: bytes) -> None:
        self.names.add(target.name)

    async def quarantine(self, target: Target, fetched: Fetched, rejected: FailedCheck) -> str:
        return "nowhere"

    async def has_room(self, size: int) -> bool:
        return True


def prove(target: Target, body: bytes) -> VerifiedSpectrum | FailedCheck:
    if body == target.did.encode():
        return VerifiedSpectrum(len(body), "", "", 2, 0.0, 1.0, "")
    return FailedCheck(Check.STRUCTURE, FailureKind.NOT_FITS, "an HTML page")


@dataclass(frozen=True, slots=True)
class Night:
    """What a run brought; ``finished`` in virtual seconds."""

    stats: HarvestStats
    finished: float
    asked: Sequence[float]
    events: Sequence[ev.Event]

    def asked_between(self, begin: float, end: float) -> int:
        return sum(begin <= moment < end for moment in self.asked)

    def busiest_second(self) -> int:
        first, most = 0, 0
        for last, moment in enumerate(self.asked):
            while moment - self.asked[first] >= 1.0:
                first += 1
            most = max(most, last - first + 1)
        return most


async def simulate_night(
    count: int,
    outages: Sequence[Outage] = (),
    poisoned: range | Sequence[int] = (),
    limits: Limits | None = None,
    rejected: Mapping[int, str] | None = None,
    retry_after: Mapping[int, float] | None = None,
    gone_bad_at: float = float("inf"),
    gone_bad: str = "500",
    seed: int = 7,
) -> Night:
    """Harvest ``count`` spectra, one a second unless ``limits`` says otherwise; run it with ``run_virtually``."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    targets = [Target(SpectrumId(f"ivo://a/b/n{number}"), f"n{number}") for number in range(count)]
    limits = limits or Limits(rate=1.0, concurrency=8)
    tally, stop = StatsCollector(), Shutdown()
    shown: list[ev.Event] = []

    def emit(event: ev.Event) -> None:
        tally(event)
        if event.logged:
            shown.append(event)

    def wall() -> float:
        return 1.8e9 + loop.time()

    chance = Random(seed)
    bad = frozenset(targets[number].did for number in poisoned)
    archive = SimulatedArchive([Outage(o.begin + begin, o.end + begin, o.how) for o in outages], bad, emit=emit)
    archive.gone_bad_at, archive.gone_bad = begin + gone_bad_at, gone_bad
    archive.faults = {targets[number].did: FAILURES[how] for number, how in (rejected or {}).items()}
    for number, wait in (retry_after or {}).items():
        archive.faults[targets[number].did] = _fails(FailureKind.BUSY, "HTTP 503: busy", 503, wait)
    emit(ev.HarvestStarted(wall(), "night", "a", "h", "out", count, 0, count, limits.rate, limits.concurrency))
    throttle = LocalThrottle(limits, emit, chance, wall)
    archive.sent = throttle.sent
    archive.repeat = lambda: throttle.acquire_repeat(stop.draining)
    engine = Engine(targets, archive, SimulatedStore(), prove, limits, throttle, emit, stop, rng=chance, clock=wall)
    await engine.run()
    reason, code = ended_how(tally.stats, stop.cause, left_out=False)
    emit(ev.HarvestEnded(wall(), reason, code))
    return Night(tally.stats, loop.time() - begin, [moment - begin for moment in archive.asked], shown)

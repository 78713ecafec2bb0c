"""Whole nights through the real engine on a virtual clock: an archive and a store in memory, outages at will."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
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


@dataclass(frozen=True, slots=True)
class Outage:
    """From ``begin`` to ``end`` (seconds into the night) the archive is away, in one of the ways of ``_AWAY``."""

    begin: float
    end: float
    how: str = "refuse"


@dataclass(slots=True)
class SimulatedArchive:
    """Answers after ``latency`` seconds; ``poisoned`` spectra are a 500 for ever, which proves nothing by itself."""

    outages: Sequence[Outage] = ()
    poisoned: frozenset[str] = frozenset()
    latency: float = 0.2
    emit: Callable[[ev.Event], None] = lambda event: None
    asked: list[float] = field(default_factory=list)

    async def fetch(self, target: Target, reached: Callable[[ev.Phase], None]) -> Fetched:
        now = asyncio.get_running_loop().time()
        self.asked.append(now)
        self.emit(ev.RequestSent(now, target.did))
        away = next((outage for outage in self.outages if outage.begin <= now < outage.end), None)
        if away is not None:
            return await _AWAY[away.how](target)
        await asyncio.sleep(self.latency)
        if target.did in self.poisoned:
            raise FetchError(Failure(FailureKind.SERVER_ERROR, "HTTP 500: SourceParseError", 500))
        return Fetched(target.did.encode(), "url")


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


async def _hang(target: Target) -> Fetched:
    await asyncio.sleep(60.0)
    raise FetchError(Failure(FailureKind.TIMEOUT, "no answer in time"))


async def _refuse_the_request(target: Target) -> Fetched:
    raise FetchError(Failure(FailureKind.REFUSED_REQUEST, "HTTP 422: UsageError", 422))


_AWAY = {
    "422": _refuse_the_request,
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
    """What a night brought; ``finished`` in virtual seconds."""

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


async def spend_night(
    count: int, outages: Sequence[Outage] = (), poisoned: range | Sequence[int] = (), limits: Limits | None = None
) -> Night:
    """Harvest ``count`` spectra, one a second unless ``limits`` says otherwise; run it with ``run_virtually``."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    targets = [Target(SpectrumId(f"ivo://a/b/n{number}"), f"n{number}") for number in range(count)]
    limits = limits or Limits(rate=1.0, concurrency=8)
    tally, stop = StatsCollector(), Shutdown()
    told: list[ev.Event] = []

    def emit(event: ev.Event) -> None:
        tally(event)
        if event.logged:
            told.append(event)

    def wall() -> float:
        return 1.8e9 + loop.time()

    chance = Random(7)
    bad = frozenset(targets[number].did for number in poisoned)
    archive = SimulatedArchive([Outage(o.begin + begin, o.end + begin, o.how) for o in outages], bad, emit=emit)
    emit(ev.HarvestStarted(wall(), "night", "a", "h", "out", count, 0, count, limits.rate, limits.concurrency))
    admission = LocalThrottle(limits, emit, chance, wall)
    engine = Engine(targets, archive, SimulatedStore(), prove, limits, admission, emit, stop, rng=chance, clock=wall)
    await engine.run()
    reason, code = ended_how(tally.stats, stop.cause, left_out=False)
    emit(ev.HarvestEnded(wall(), reason, code))
    return Night(tally.stats, loop.time() - begin, [moment - begin for moment in archive.asked], told)

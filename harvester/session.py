"""One run from configuration to summary: the wiring that the command line and the library share."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import resource
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from . import events as ev
from .archive.client import user_agent
from .errors import HarvestError, StoreError
from .findings import Sound
from .labour import Labour, Task, alone, hired
from .ledger import reader
from .ledger.rebuild import ensure_usable
from .ledger.writer import LedgerWriter
from .onlookers import looking_on
from .pace import wait_or
from .preparation import Preparation
from .provenance import PROFILE, PROVENANCE, collected, document, profile_sha256, profile_text
from .receipt import Guestbook, Politeness
from .relocation import relocate
from .schedule import Shift, nights_left
from .seams import Shelf, Store
from .settings import CONFIG, Configuration
from .shelves import shelf_of
from .stats import HarvestStats, Tally, ended_how
from .stopping import PRECEDENCE, Cause, Stop
from .stores.directory import DirectoryStore
from .stores.disk import storing
from .stores.lock import hold
from .stores.replacement import replacing
from .vigil import Vigil, shift_at
from .watchers.event_log import EventLog

log = logging.getLogger(__name__)

Hire = Callable[[Task], AbstractAsyncContextManager[Labour]]

MOMENT = 0.01  # seconds between two looks at whether the ledger has taken in everything
DEMO_FAULTS = "http_500=0.02x1,truncated=0.01x1,traceback=0.01x1"  # passing ones: something to see, nothing lost


@dataclass(frozen=True, slots=True)
class Report:
    """How a run ended: the numbers, where its files are, and what that only watches was lost on the way."""

    stats: HarvestStats
    folder: Path
    lost: Sequence[str] = ()
    politeness: Politeness = field(default_factory=Politeness)
    night: float | None = None
    """Seconds that the next run like this one has, where its hours are limited."""
    page: Path | None = None
    """The page about the run, where one could be made."""

    @property
    def nights_left(self) -> int | None:
        """How many more nights like this one the rest takes at the rate reached; None if nobody can tell."""
        if self.night is None:
            return None
        rate = (self.stats.saved + self.stats.failed) / self.politeness.seconds
        return nights_left(self.stats.remaining, rate, self.night)

    @property
    def summary(self) -> dict[str, object]:
        """The content of summary.json."""
        more = {"politeness": self.politeness.as_json(), "nights_left": self.nights_left}
        return self.stats.summary(time.time()) | more | {"watchers_lost": list(self.lost)}


@dataclass(frozen=True, slots=True)
class Chance:
    """What a test replaces to have a whole night in a second: the wall clock, and the dice."""

    wall: Callable[[], float] = time.time
    dice: random.Random = field(default_factory=random.Random)


def new_run_name(now: datetime | None = None) -> str:
    """Sortable by time, and unique among runs of one directory."""
    return f"{now or datetime.now(UTC):%Y%m%dT%H%M%S}-{os.urandom(2).hex()}"


@contextmanager
def held(configuration: Configuration, run: str) -> Iterator[Shelf]:
    """The store, on this machine ours alone. StoreError if it cannot be used, DirectoryHeldError if it is another's."""
    store = shelf_of(configuration)
    store.prepare()
    with hold(store.lock, run):
        store.tidy()
        ensure_usable(store.ledger)
        relocate(store, configuration)
        yield store


def open_books(preparation: Preparation, store: Shelf, run: str, tally: Tally) -> tuple[LedgerWriter, Path]:
    """The ledger, which begins to take in what is listed, and the run's own folder. Blocks. StoreError."""
    store.set_aside(preparation.plan.suspect, "no sound spectrum")
    ledger = LedgerWriter(store.ledger, lambda: tally.stats)
    ledger.enrol(preparation.plan, preparation.catalogue, preparation.configuration.request.shape)
    ledger.record([finding for finding in preparation.findings if isinstance(finding, Sound)])
    folder = store.state / "runs" / run
    with storing(folder):
        folder.mkdir(parents=True, mode=0o700)
        (folder / CONFIG).write_text(preparation.configuration.as_toml(), "utf-8", "backslashreplace")
        (folder / PROFILE).write_bytes(profile_text(preparation.configuration).encode())
    return ledger, folder


async def harvest(
    preparation: Preparation,
    store: Shelf,
    run: str,
    bus: ev.EventBus,
    stop: Stop,
    tally: Tally,
    chance: Chance | None = None,
) -> Report:
    """Fetch what the preparation found missing, and leave the books of the run beside the spectra.

    ``tally`` is on the bus already, before all who read from it.
    """
    chance = chance or Chance()
    settings = preparation.configuration.settings
    hours = shift_at(chance.wall(), settings.window, settings.deadline)
    book = Guestbook(user_agent(settings.contact))
    ledger, folder = open_books(preparation, store, run, tally)
    _allow_as_many_files_as_possible()
    with ledger, _log_file(folder / "harvester.log"):
        async with EventLog(folder / "events.jsonl") as log, looking_on(settings, bus, tally) as onlookers:
            bus.add(ledger, logged_only=True)
            bus.add(log, logged_only=True)
            bus.add(book)
            async with store:
                await engage(preparation, store, run, bus, stop, tally, chance, hours, partial(hired, folder=folder))
            while ledger.enrolling and not await wait_or(stop.draining, MOMENT):
                pass  # an interrupted run leaves the rest of the list to the next one
        await _last_rows(ledger, stop)
    lost = [f"{gone.watcher}: {gone.error}" for gone in bus.lost]
    lost += [f"{name}: {fault}" for name, fault in (("ledger", ledger.fault), ("event log", log.fault)) if fault]
    lost += onlookers.faults
    report = Report(tally.stats, folder, lost, book.politeness, hours.night)
    report = await _close_books(await _give_account(report, preparation, store), preparation, store)
    return replace(report, lost=[*report.lost, *await onlookers.say_goodbye(report.summary, stop)])


async def _last_rows(ledger: LedgerWriter, stop: Stop) -> None:
    """Let the ledger take in what it has not yet. A signal that comes meanwhile ends the patience for it."""
    impatient = asyncio.Event()
    stop.on_change(impatient.set)
    ledger.finish()
    while ledger.finishing:
        if await wait_or(impatient, MOMENT):
            ledger.give_up()


def _allow_as_many_files_as_possible() -> None:
    """Connections need descriptors, and many systems begin with few of those that they would allow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _give_account(report: Report, preparation: Preparation, store: Shelf) -> Report:
    """Write the provenance. What keeps us from it is told; it changes nothing about the harvest."""
    try:
        there = await asyncio.to_thread(collected, reader.contents(store.ledger))
        agent = report.politeness.user_agent
        told = document(preparation.configuration, preparation.catalogue, report.stats, agent, there)
        await asyncio.to_thread(_write, report.folder / PROVENANCE, json.dumps(told, indent=1) + "\n")
    except StoreError as error:
        return replace(report, lost=[*report.lost, f"provenance: {error}"])
    return report


async def _close_books(report: Report, preparation: Preparation, store: Shelf) -> Report:
    """Write the summary, and the page about it. A disk that takes none of it costs these, not the farewell."""
    try:
        if report.stats.saved or preparation.findings or preparation.after_interruption or store.moved:
            await asyncio.to_thread(store.write_sums, reader.digests(store.ledger))
        await asyncio.to_thread(_write, report.folder / "summary.json", json.dumps(report.summary, indent=1) + "\n")
    except StoreError as error:
        code = min(report.stats.exit_code or 0, error.exit_code, key=PRECEDENCE.index)
        reason = report.stats.reason if code == report.stats.exit_code else str(error)
        stats = replace(report.stats, exit_code=code, reason=reason)
        return replace(report, stats=stats, lost=[*report.lost, f"summary: {error}"])
    return await _with_page(report, store)


async def _with_page(report: Report, store: Shelf) -> Report:
    """The report with its page beside it. Whatever goes wrong in making it is told, and costs nothing else."""
    from .report.survey import MOST_AT_THE_END, MOST_FROM_AFAR
    from .report.writing import write_report

    try:
        most = MOST_AT_THE_END if isinstance(store, DirectoryStore) else MOST_FROM_AFAR
        page = await asyncio.to_thread(write_report, store, report.stats.run, most)
    except Exception as error:
        log.exception("no report")
        return replace(report, lost=[*report.lost, f"report: {type(error).__name__}: {error}"])
    return replace(report, page=page)


async def engage(
    preparation: Preparation,
    store: Store,
    run: str,
    bus: ev.EventBus,
    stop: Stop,
    tally: Tally,
    chance: Chance,
    hours: Shift,
    hire: Hire = alone,
) -> None:
    """The harvest between its first and its last event: whatever the preparation lists is asked for and proved."""
    async with _at_hand(preparation.configuration) as configuration:
        task = Task(configuration, preparation, store, bus.emit, stop, chance.dice, chance.wall)
        bus.emit(_started(configuration, preparation, run, chance.wall()))
        try:
            async with hire(task) as labour:
                vigil = Vigil(hours, bus.emit, stop, labour.renew, chance.wall)
                async with vigil.keep():
                    if await vigil.opening():
                        await labour.run()
        except HarvestError as error:
            stop.drain(Cause(str(error), error.exit_code))
        except Exception as bug:
            log.exception("bug in the engine")
            stop.drain(Cause(f"a bug of ours: {type(bug).__name__}: {bug}", 1))
    reason, exit_code = ended_how(tally.stats, stop.cause, preparation.left_out)
    bus.emit(ev.HarvestEnded(chance.wall(), reason, exit_code))


def _started(configuration: Configuration, preparation: Preparation, run: str, now: float) -> ev.HarvestStarted:
    limits, plan = configuration.settings.limits, preparation.plan
    return ev.HarvestStarted(
        time=now,
        run=run,
        archive=configuration.profile.name,
        host=configuration.profile.host,
        out=str(configuration.place),
        listed=plan.listed,
        present=len(plan.present) - preparation.refreshed,
        wanted=preparation.wanted,
        rate=limits.rate,
        concurrency=limits.concurrency,
        endpoint=configuration.profile.endpoint,
        shape=configuration.request.shape,
        user_agent=user_agent(configuration.settings.contact),
        profile_sha256=profile_sha256(preparation.configuration),
    )


@asynccontextmanager
async def _at_hand(configuration: Configuration) -> AsyncIterator[Configuration]:
    """The configuration with an archive that answers: the demo is started, any other is taken as it is."""
    if not configuration.is_demo:
        yield configuration
        return
    from .demo import DemoArchive, parse_faults, serve

    async with serve(DemoArchive(latency=0.2, faults=parse_faults(DEMO_FAULTS))) as running:
        yield replace(configuration, profile=replace(configuration.profile, endpoint=running.dlget))


@contextmanager
def _log_file(path: Path) -> Iterator[None]:
    """Python's own log of this package, tracebacks of our bugs above all, in the run's folder."""
    handler = logging.FileHandler(path, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("harvester")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()


def _write(path: Path, text: str) -> None:
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")

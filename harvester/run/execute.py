"""One run from configuration to summary: the wiring that the command line and the library share."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import random
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from .. import events as ev
from ..archive.client import user_agent
from ..audit.recovery import relocate
from ..config.configuration import Configuration, shelf_of
from ..config.loading import CONFIG
from ..engine.interfaces import SpectrumWriter
from ..engine.rate_limit import wait_for_event
from ..engine.shutdown import Shutdown
from ..errors import HarvestError
from ..events.bus import EventBus
from ..events.politeness import PolitenessRecorder
from ..events.stats import StatsCollector, ended_how
from ..ledger.repair import ensure_usable
from ..ledger.writer import LedgerWriter
from ..model.exit_codes import StopReason
from ..model.findings import Sound
from ..model.schedule import RunWindow
from ..monitoring.event_log import EventLog
from ..storage.errors import translate_os_errors
from ..storage.interface import Store
from ..storage.lock import acquire_lock
from ..storage.run_folder import PROFILE
from .clock import ClockWatch, run_window
from .demo_archive import _at_hand
from .finish import RunResult, write_provenance, write_summary
from .observers import observing
from .prepare import Preparation
from .provenance import profile_sha256, profile_text
from .runners import HarvestJob, Runner, local_runner, runner_for

log = logging.getLogger(__name__)

Hire = Callable[[HarvestJob], AbstractAsyncContextManager[Runner]]

MOMENT = 0.01  # seconds between two looks at whether the ledger has taken in everything


@dataclass(frozen=True, slots=True)
class Clock:
    """What a test replaces to have a whole night in a second: the wall clock, and the dice."""

    now: Callable[[], float] = time.time
    rng: random.Random = field(default_factory=random.Random)


def new_run_name(now: datetime | None = None) -> str:
    """Sortable by time, and unique among runs of one directory."""
    return f"{now or datetime.now(UTC):%Y%m%dT%H%M%S}-{os.urandom(2).hex()}"


@contextmanager
def locked_store(configuration: Configuration, run: str) -> Iterator[Store]:
    """The store, on this machine ours alone. StoreError if it cannot be used, DirectoryHeldError if it is another's."""
    store = shelf_of(configuration)
    store.prepare()
    with acquire_lock(store.lock, run):
        store.prepare_for_writing()
        ensure_usable(store.ledger)
        relocate(store, configuration)
        yield store


def open_ledger(preparation: Preparation, store: Store, run: str, tally: StatsCollector) -> tuple[LedgerWriter, Path]:
    """The ledger, which begins to take in what is listed, and the run's own folder. Blocks. StoreError."""
    store.quarantine_existing(preparation.plan.suspect, "no sound spectrum")
    ledger = LedgerWriter(store.ledger, lambda: tally.stats)
    ledger.import_catalog(preparation.plan, preparation.catalog, preparation.configuration.request.request_key)
    ledger.write_findings([finding for finding in preparation.findings if isinstance(finding, Sound)])
    folder = store.state / "runs" / run
    with translate_os_errors(folder):
        folder.mkdir(parents=True, mode=0o700)
        (folder / CONFIG).write_text(preparation.configuration.as_toml(), "utf-8", "backslashreplace")
        (folder / PROFILE).write_bytes(profile_text(preparation.configuration).encode())
    return ledger, folder


async def execute(
    preparation: Preparation,
    store: Store,
    run: str,
    bus: EventBus,
    stop: Shutdown,
    tally: StatsCollector,
    chance: Clock | None = None,
) -> RunResult:
    """Fetch what the preparation found missing, and leave the books of the run beside the spectra.

    ``tally`` is on the bus already, before all who read from it.
    """
    chance = chance or Clock()
    settings = preparation.configuration.settings
    hours = run_window(chance.now(), settings.window, settings.deadline)
    book = PolitenessRecorder(user_agent(settings.contact))
    ledger, folder = open_ledger(preparation, store, run, tally)
    _allow_as_many_files_as_possible()
    with ledger, _log_file(folder / "harvester.log"):
        async with EventLog(folder / "events.jsonl") as log, observing(settings, bus, tally) as onlookers:
            bus.add(ledger, logged_only=True)
            bus.add(log, logged_only=True)
            bus.add(book)
            async with store:
                await run_engine(
                    preparation, store, run, bus, stop, tally, chance, hours, partial(runner_for, folder=folder)
                )
            while ledger.importing and not await wait_for_event(stop.draining, MOMENT):
                pass  # an interrupted run leaves the rest of the list to the next one
        await _last_rows(ledger, stop)
    lost = [f"{gone.observer}: {gone.error}" for gone in bus.failed_observers]
    lost += [f"{name}: {fault}" for name, fault in (("ledger", ledger.fault), ("event log", log.fault)) if fault]
    lost += onlookers.faults
    report = RunResult(tally.stats, folder, lost, book.politeness, hours.night)
    report = await write_summary(await write_provenance(report, preparation, store), preparation, store)
    return replace(report, warnings=[*report.warnings, *await onlookers.close(report.summary, stop)])


async def _last_rows(ledger: LedgerWriter, stop: Shutdown) -> None:
    """Let the ledger take in what it has not yet. A signal that comes meanwhile ends the patience for it."""
    impatient = asyncio.Event()
    stop.on_change(impatient.set)
    ledger.finish()
    while ledger.finishing:
        if await wait_for_event(impatient, MOMENT):
            ledger.give_up()


def _allow_as_many_files_as_possible() -> None:
    """Connections need descriptors, and many systems begin with few of those that they would allow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def run_engine(
    preparation: Preparation,
    store: SpectrumWriter,
    run: str,
    bus: EventBus,
    stop: Shutdown,
    tally: StatsCollector,
    chance: Clock,
    hours: RunWindow,
    hire: Hire = local_runner,
) -> None:
    """The harvest between its first and its last event: whatever the preparation lists is asked for and proved."""
    async with _at_hand(preparation.configuration) as configuration:
        task = HarvestJob(configuration, preparation, store, bus.emit, stop, chance.rng, chance.now)
        bus.emit(_started(configuration, preparation, run, chance.now()))
        try:
            async with hire(task) as labour:
                vigil = ClockWatch(hours, bus.emit, stop, labour.renew, chance.now)
                async with vigil.keep():
                    if await vigil.opening():
                        await labour.run()
        except HarvestError as error:
            stop.drain(StopReason(str(error), error.exit_code))
        except Exception as bug:
            log.exception("bug in the engine")
            stop.drain(StopReason(f"a bug of ours: {type(bug).__name__}: {bug}", 1))
    reason, exit_code = ended_how(tally.stats, stop.cause, preparation.left_out)
    bus.emit(ev.HarvestEnded(chance.now(), reason, exit_code))


def _started(configuration: Configuration, preparation: Preparation, run: str, now: float) -> ev.HarvestStarted:
    limits, plan = configuration.settings.limits, preparation.plan
    return ev.HarvestStarted(
        time=now,
        run=run,
        archive=configuration.profile.name,
        host=configuration.profile.host,
        out=str(configuration.location),
        listed=plan.listed,
        present=len(plan.present) - preparation.refreshed,
        wanted=preparation.wanted,
        rate=limits.rate,
        concurrency=limits.concurrency,
        endpoint=configuration.profile.endpoint,
        request_key=configuration.request.request_key,
        user_agent=user_agent(configuration.settings.contact),
        profile_sha256=profile_sha256(preparation.configuration),
        retries=len(preparation.leftovers),
        retries_until=now + max((retry.due for retry in preparation.leftovers), default=math.inf),
    )


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

"""One run from configuration to summary: the wiring that the command line and the library share."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import aiofiles

from . import events as ev
from .archive.client import DlgetArchive
from .catalog import Catalogue, Row, read_catalogue
from .engine import Engine
from .errors import UsageError
from .ledger.reader import failed_dids, taken_names
from .ledger.writer import LedgerWriter
from .outcomes import Rejected, Verified
from .pace import Pacer
from .plan import USUAL_RATE, HarvestPlan, make_plan
from .settings import CONFIG, Configuration
from .spectra import Target
from .stats import HarvestStats, Tally, ended_how
from .stopping import Stop
from .stores.commit import part_name
from .stores.directory import DirectoryStore
from .stores.lock import hold
from .verify import inspect
from .watchers.event_log import EventLog

LEDGER = "ledger.sqlite"

DEMO_COUNT = 300
DEMO_FAULTS = "http_500=0.02x1,truncated=0.01x1,traceback=0.01x1"  # passing ones: something to see, nothing lost


@dataclass(frozen=True, slots=True)
class Preparation:
    """Everything that is known before the first request."""

    configuration: Configuration
    catalogue: Catalogue
    plan: HarvestPlan
    targets: Sequence[Target]

    @property
    def left_out(self) -> bool:
        """Whether ``--limit`` or ``--only-failed`` leaves wanted spectra for another run."""
        return len(self.targets) < len(self.plan.wanted)

    @property
    def eta(self) -> float:
        """Seconds that the targets take at the allowed rate."""
        return len(self.targets) / (self.configuration.settings.limits.rate or USUAL_RATE)


@dataclass(frozen=True, slots=True)
class Report:
    """How a run ended: the numbers, where its files are, and which watchers were lost on the way."""

    stats: HarvestStats
    folder: Path
    lost: Sequence[ev.WatcherLost]

    @property
    def summary(self) -> dict[str, object]:
        """The content of summary.json."""
        return self.stats.summary(time.time()) | {"watchers_lost": [gone.watcher for gone in self.lost]}


def new_run_name(now: datetime | None = None) -> str:
    """Sortable by time, and unique among runs of one directory."""
    return f"{now or datetime.now(UTC):%Y%m%dT%H%M%S}-{os.urandom(2).hex()}"


def catalogue_of(configuration: Configuration) -> Catalogue:
    """The catalogue that the configuration names; the demo archive brings its own. UsageError without one."""
    settings = configuration.settings
    if settings.catalog is not None:
        return read_catalogue(settings.catalog, settings.id_column)
    if configuration.profile.name == "demo":
        from .demo import listing

        rows = [Row(entry.did, json.dumps({"label": str(int(entry.label))})) for entry in listing(DEMO_COUNT)]
        return Catalogue("the demo archive's own list", tuple(rows))
    raise UsageError(
        "no catalogue: give a CSV of publisher DIDs with --catalog FILE (or catalog = ... in config.toml),\n"
        "make one from the archive's own list with `python -m harvester discover URL --catalog FILE`,\n"
        "or see it at work first: python -m harvester --archive demo --concurrency 8"
    )


@contextmanager
def held(configuration: Configuration, run: str) -> Iterator[DirectoryStore]:
    """The output directory, ours alone. StoreError if it cannot be used, DirectoryHeldError if it is another's."""
    store = DirectoryStore(configuration.out)
    store.prepare()
    with hold(store.state / "lock", run):
        store.sweep()
        yield store


def prepare(configuration: Configuration, catalogue: Catalogue, store: DirectoryStore) -> Preparation:
    """Hold the catalogue against the disk. Changes nothing, asks nothing of the archive."""
    ledger = store.state / LEDGER
    plan = make_plan(catalogue, store.sizes(), taken_names(ledger))
    settings = configuration.settings
    targets: Sequence[Target] = plan.wanted
    if settings.only_failed:
        again = failed_dids(ledger)
        targets = [target for target in targets if target.did in again]
    return Preparation(configuration, catalogue, plan, targets[: settings.limit])


async def harvest(preparation: Preparation, store: DirectoryStore, run: str, bus: ev.EventBus, stop: Stop) -> Report:
    """Fetch what the preparation found missing, and leave the books of the run beside the spectra."""
    folder = store.state / "runs" / run
    folder.mkdir(parents=True, mode=0o700)
    tally = Tally()
    store.set_aside(preparation.plan.suspect)
    with LedgerWriter(store.state / LEDGER) as ledger, _log_file(folder / "harvester.log"):
        ledger.enrol(preparation.plan, preparation.catalogue.rows)
        (folder / CONFIG).write_text(preparation.configuration.as_toml(), encoding="utf-8")
        async with EventLog(folder / "events.jsonl") as log:
            for watcher in (tally, ledger, log):
                bus.add(watcher)
            await _run(preparation, store, run, bus, stop, tally)
        report = Report(tally.stats, folder, bus.lost)
        await _write(folder / "summary.json", json.dumps(report.summary, indent=1) + "\n")
    return report


async def _run(
    preparation: Preparation, store: DirectoryStore, run: str, bus: ev.EventBus, stop: Stop, tally: Tally
) -> None:
    """The engine between its first and its last event."""
    plan, limits = preparation.plan, preparation.configuration.settings.limits
    pacer = Pacer(limits.rate)
    async with AsyncExitStack() as stack:
        configuration = await stack.enter_async_context(_at_hand(preparation.configuration))
        contact = configuration.settings.contact
        client = DlgetArchive(configuration.request, limits, contact, bus.emit, pacer.debit)
        archive = await stack.enter_async_context(client)
        await stack.enter_async_context(store)
        bus.emit(_started(configuration, plan, len(preparation.targets), run))
        expected = configuration.expectation

        def prove(target: Target, body: bytes) -> Verified | Rejected:
            return inspect(body, target.did, expected)

        await Engine(preparation.targets, archive, store, prove, limits, pacer, bus.emit, stop).run()
    reason, exit_code = ended_how(tally.stats, stop.cause, preparation.left_out)
    bus.emit(ev.HarvestEnded(time.time(), reason, exit_code))


def _started(configuration: Configuration, plan: HarvestPlan, wanted: int, run: str) -> ev.HarvestStarted:
    limits = configuration.settings.limits
    return ev.HarvestStarted(
        time=time.time(),
        run=run,
        archive=configuration.profile.name,
        host=urlsplit(configuration.profile.endpoint).hostname or "",
        out=str(configuration.out),
        listed=plan.listed,
        present=len(plan.present),
        wanted=wanted,
        rate=limits.rate,
        concurrency=limits.concurrency,
    )


@asynccontextmanager
async def _at_hand(configuration: Configuration) -> AsyncIterator[Configuration]:
    """The configuration with an archive that answers: the demo is started, any other is taken as it is."""
    if configuration.profile.name != "demo":
        yield configuration
        return
    from .demo import DemoArchive, parse_faults, serve

    async with serve(DemoArchive(count=DEMO_COUNT, latency=0.2, faults=parse_faults(DEMO_FAULTS))) as running:
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


async def _write(path: Path, text: str) -> None:
    """Write a small file so that nobody ever reads half of it."""
    part = path.with_name(part_name(path.name))
    async with aiofiles.open(part, "w", encoding="utf-8") as file:
        await file.write(text)
        await file.flush()
        os.fsync(file.fileno())
    part.replace(path)

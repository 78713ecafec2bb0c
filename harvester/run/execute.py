"""Execute one run, from the open ledger to the written summary."""

from __future__ import annotations

import asyncio
import logging
import math
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from .. import events as ev
from ..archive.client import user_agent
from ..audit.recovery import relocate
from ..config.configuration import Configuration
from ..engine.rate_limit import wait_for_event
from ..engine.shutdown import Shutdown
from ..errors import HarvestError, resource_fault
from ..events.politeness import PolitenessRecorder
from ..events.stats import ended_how
from ..ledger.repair import ensure_usable
from ..ledger.writer import LedgerWriter
from ..model.exit_codes import StopReason
from ..model.findings import Sound
from ..model.schedule import RunWindow
from ..monitoring.event_log import EventLog
from ..storage.atomic import remove_stale_temp_files
from ..storage.errors import translate_os_errors
from ..storage.interface import Store
from ..storage.lock import acquire_lock
from .clock import WORK_LEFT, ClockWatch, run_window
from .context import RunContext, WriterT
from .demo_archive import with_running_archive
from .finish import RunResult, finish
from .observers import observing
from .provenance import profile_sha256, profile_text
from .report_preparation import ReportPreparation
from .runners import Runner, local_runner, runner_for

log = logging.getLogger(__name__)

StartRunner = Callable[[RunContext[WriterT]], AbstractAsyncContextManager[Runner]]

MOST_OPEN_FILES = 10_240  # where the hard limit is infinite and refused, as by macOS
LEDGER_POLL = 0.01  # seconds between two checks whether the ledger has written everything


@contextmanager
def locked_store(configuration: Configuration, run: str) -> Iterator[Store]:
    """Open the configured store and hold its lock for the run ``run``.

    StoreError if the store cannot be used, DirectoryHeldError if another run uses it.
    """
    store = configuration.open_store()
    store.prepare()
    with acquire_lock(store.lock, run) as store.lock_descriptors:
        store.prepare_for_writing()
        note = ensure_usable(store.ledger)
        if note is not None and store.state.runs.exists():  # a first run makes its ledger and says nothing
            store.notes.append(note)
        relocate(store, configuration)
        yield store


def open_ledger(run: RunContext[Store]) -> LedgerWriter:
    """Make the folder of the run and open the ledger, which starts to import the catalog.

    Block until that is done. StoreError. The folder gets the settings and the profile of the run; what is no spectrum
    under a spectrum's name is quarantined.
    """
    preparation = run.preparation
    run.store.quarantine_existing(preparation.plan.suspect, "no sound spectrum")
    ledger = LedgerWriter(run.store.ledger, lambda: run.stats.stats)
    ledger.import_catalog(preparation.plan, preparation.catalog, run.configuration.request.request_key)
    ledger.write_findings([finding for finding in preparation.findings if isinstance(finding, Sound)])
    with translate_os_errors(run.folder.path):
        for before in sorted(run.store.state.runs.glob("*/"))[-1:]:  # it may have been killed while it wrote there
            remove_stale_temp_files(before)
        run.folder.path.mkdir(parents=True, mode=0o700)
        run.folder.settings.write_text(run.configuration.as_toml(), "utf-8", "backslashreplace")
        run.folder.profile.write_bytes(profile_text(run.configuration).encode())
    return ledger


async def execute(run: RunContext[Store], start: StartRunner[Store] = runner_for) -> RunResult:
    """Download everything that the plan lists, then write provenance, summary and report."""
    window = run_window(run.clock.now(), run.settings.window, run.settings.deadline)
    politeness = PolitenessRecorder(user_agent(run.settings.contact))
    ledger = open_ledger(run)
    raise_open_file_limit()
    with log_file(run.folder.log):
        with ledger, ReportPreparation(run) as preparation:
            async with EventLog(run.folder.events) as event_log, observing(run) as observers:
                run.bus.add(ledger, logged_only=True)
                run.bus.add(event_log, logged_only=True)
                run.bus.add(preparation, logged_only=True)
                run.bus.add(politeness)
                async with run.store:
                    await run_engine(run, window, start)
                await finish_import(ledger, run.shutdown)
            await flush(ledger, run.shutdown)
        faults = [f"{failed.observer}: {failed.error}" for failed in run.bus.failed_observers]
        faults += [
            f"{name}: {fault}" for name, fault in (("ledger", ledger.fault), ("event log", event_log.fault)) if fault
        ]
        faults += observers.faults
        stats = run.stats.stats
        left = run.preparation.refresh_left + stats.remaining + stats.kept_transient if run.settings.refresh else None
        result = RunResult(stats, run.folder.path, faults, politeness.politeness, window.night, left)
        result = await finish(run, result, preparation)
        return replace(result, warnings=[*result.warnings, *await observers.close(result.summary, run.shutdown)])


async def finish_import(ledger: LedgerWriter, shutdown: Shutdown) -> None:
    """Wait until the ledger has imported the catalog.

    An interrupted run leaves the rest to the next one.
    """
    while ledger.importing and not await wait_for_event(shutdown.draining, LEDGER_POLL):
        pass


async def flush(ledger: LedgerWriter, shutdown: Shutdown) -> None:
    """Wait until the ledger has written its last rows.

    A signal that arrives in the meantime ends the wait.
    """
    signalled = asyncio.Event()
    shutdown.on_change(signalled.set)
    ledger.finish()
    while ledger.finishing:
        if await wait_for_event(signalled, LEDGER_POLL):
            ledger.give_up()


def raise_open_file_limit() -> None:
    """Raise the soft limit of open files to the hard one.

    Connections need descriptors, and defaults are small.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for most in (hard, MOST_OPEN_FILES):
        if most == soft:
            return
        with suppress(ValueError, OSError):  # the system allows less, which may be enough
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            return


async def run_engine(run: RunContext[WriterT], window: RunWindow, start: StartRunner[WriterT] = local_runner) -> None:
    """Download what the preparation lists, between the first and the last event of the run."""
    clock, shutdown, emit = run.clock, run.shutdown, run.bus.emit
    async with with_running_archive(run) as running:
        emit(_started(running, profile_sha256(run.configuration)))
        try:
            async with start(running) as runner:
                watch = ClockWatch(window, emit, shutdown, runner.renew, clock.now)
                async with watch.watching():
                    if await watch.wait_for_opening():
                        await runner.run()
        except HarvestError as error:
            shutdown.drain(StopReason(str(error), error.exit_code))
        except Exception as bug:  # noqa: BLE001 - it is logged, and the run ends in order
            shutdown.drain(_reason_of(bug))
    reason, exit_code = ended_how(run.stats.stats, shutdown.cause, run.preparation.left_out)
    if exit_code == 0 and run.preparation.refresh_left:
        reason, exit_code = "the rest of the refresh was left for another run", WORK_LEFT
    emit(ev.HarvestEnded(clock.now(), reason, exit_code))


def _reason_of(bug: Exception) -> StopReason:
    """Return why an exception of the engine stops the run; log a bug."""
    if fault := resource_fault(bug):
        return StopReason(str(fault), fault.exit_code)
    log.error("internal error in the engine", exc_info=bug)
    return StopReason(f"internal error: {type(bug).__name__}: {bug}", 1)


def _started(run: RunContext[WriterT], profile_digest: str) -> ev.HarvestStarted:
    limits, preparation, profile = run.settings.limits, run.preparation, run.configuration.profile
    now = run.clock.now()
    return ev.HarvestStarted(
        time=now,
        run=run.name,
        archive=profile.name,
        host=profile.host,
        out=str(run.configuration.location),
        listed=preparation.plan.listed,
        present=len(preparation.plan.present) - preparation.refreshed,
        wanted=preparation.wanted,
        rate=limits.rate,
        concurrency=limits.concurrency,
        endpoint=profile.endpoint,
        request_key=run.configuration.request.request_key,
        user_agent=user_agent(run.settings.contact),
        profile_sha256=profile_digest,
        retries=len(preparation.leftovers),
        retries_until=now + max((retry.due for retry in preparation.leftovers), default=math.inf),
        to_refresh=preparation.refreshed,
        refreshed_before=preparation.already_refreshed,
    )


class _LogHandler(logging.FileHandler):
    """A log file that may fail, which costs no spectrum."""

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):  # of opening the file, which logging itself does not expect
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        """Do nothing: events and summary, which are written on their own, say what happened."""


@contextmanager
def log_file(path: Path) -> Iterator[None]:
    """Write Python's log of this package, with the tracebacks of internal errors, to ``path``."""
    handler = _LogHandler(path, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("harvester")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()

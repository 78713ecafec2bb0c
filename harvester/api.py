"""The Python API: run, plan, open and verify a harvest from a program or a notebook.

Keyword arguments are the settings by their own names (docs/reference/settings.md), those of ``[limits]`` with or
without their table. The environment and config.toml apply as they do on the command line; a keyword takes precedence
over both. A wrong call raises a HarvestError with the message of the command line; the outcome of a run is a value.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AsyncExitStack, suppress
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from .audit.check_store import StoreCheck, check_store
from .catalog.from_python import catalog_from_python
from .catalog.packed_strings import StringMap
from .catalog.reader import Catalog
from .config.configuration import Configuration
from .config.from_python import constraints_from_python, setting_text
from .config.loading import load
from .dataset.stored_files import require_ledger
from .engine.shutdown import Shutdown
from .events import Event
from .ledger import queries
from .ledger.damage import explained_by_damage
from .model.exit_codes import StopReason
from .model.limits import Limits
from .results import Harvest
from .run.context import RunContext, new_run_name
from .run.execute import execute, locked_store
from .run.finish import RunResult
from .run.listing import listed_spectra
from .run.observers import check as check_observers
from .run.pools import check as check_workers
from .run.prepare import Preparation, catalog_of, prepare
from .storage.directory import DirectoryStore
from .storage.interface import Store
from .ui.display import displaying, style_for
from .ui.output_thread import OutputThread

if TYPE_CHECKING:
    from astropy.table import QTable

T = TypeVar("T")
PathName = str | os.PathLike[str]
RequestedSpectra = PathName | Iterable[Any]
"""A CSV file, or publisher DIDs, mappings, or a table (astropy, pandas, polars) with an ``id`` column."""

LIMITS = frozenset(field.name for field in fields(Limits))


async def harvest(
    catalog: RequestedSpectra | None = None,
    *,
    config: PathName | None = None,
    progress: str | None = None,
    on_event: Callable[[Event], None] | None = None,
    **settings: Any,
) -> Harvest:
    """Download the spectra in ``catalog`` that are not yet stored, and verify them.

    When it is cancelled it drains, as after the first Ctrl-C: requests in flight get ``limits.grace`` seconds to
    finish. Cancelled again, it aborts. CancelledError is raised once every file is complete and the directory is free.

    Args:
        catalog: a CSV file, or publisher DIDs, mappings, or a table (astropy, pandas, polars) with a column ``id``;
            None uses the setting ``catalog``.
        config: a settings file; None uses config.toml in the working directory if it exists.
        progress: ``auto``, ``rich`` or ``plain``; None prints nothing.
        on_event: called with each event, in order. If it raises, it is removed and named in the result's ``notes``.
        settings: any setting by its name; None unsets it.

    Returns:
        What is stored and what failed, with the numbers of the run. Failures of spectra, or an archive that is
        unavailable, are in this value and raise nothing.

    Raises:
        UsageError: a setting, the catalog or the archive's profile is wrong.
        StoreError: the directory cannot be written.
        DirectoryHeldError: another run is using the directory.

    Example:
        >>> result = asyncio.run(harvester.harvest("labels.csv", archive="demo", rate=0))
        >>> result.complete
        True
    """
    configuration = _configured(config, {**settings, "progress": progress}, catalog)
    check_observers(configuration.settings)
    check_workers(configuration.settings)
    shutdown = Shutdown()
    return await _drain_when_cancelled(
        asyncio.create_task(_harvest(configuration, catalog, shutdown, on_event)), shutdown
    )


def harvest_sync(
    catalog: RequestedSpectra | None = None,
    *,
    config: PathName | None = None,
    progress: str | None = None,
    on_event: Callable[[Event], None] | None = None,
    **settings: Any,
) -> Harvest:
    """Run ``harvest`` without ``await``, also while an event loop runs, as in a notebook.

    It runs in a thread with its own event loop, where ``on_event`` is called as well. KeyboardInterrupt (Ctrl-C, a
    notebook's stop button) drains, a second one aborts; it is raised when that is done. Arguments, result and
    exceptions are those of ``harvest``.

    Example:
        >>> result = harvester.harvest_sync("labels.csv", archive="demo", rate=0)
        >>> len(result), result.reason
        (12, 'complete')
    """
    return _in_own_thread(harvest(catalog, config=config, progress=progress, on_event=on_event, **settings))


def plan_harvest(
    catalog: RequestedSpectra | None = None, *, config: PathName | None = None, **settings: Any
) -> Preparation:
    """Compare ``catalog`` with what is stored; change nothing and send no requests.

    Args:
        catalog: as for ``harvest``.
        config: a settings file.
        settings: any setting by its name.

    Returns:
        The plan: ``wanted`` (number of spectra to download), ``targets``, ``eta`` in seconds, ``plan.counts()``.

    Raises:
        UsageError: a setting, the catalog or the archive's profile is wrong.

    Example:
        >>> plan = harvester.plan_harvest("labels.csv", archive="demo")
        >>> plan.wanted
        0
    """
    configuration = _configured(config, settings, catalog)
    return prepare(configuration, _catalog(configuration, catalog), DirectoryStore(configuration.out))


def open_harvest(out: PathName) -> Harvest:
    """Open the harvest in the directory ``out``, with the numbers of its last run.

    Args:
        out: the output directory of an earlier run.

    Raises:
        UsageError: there is no harvest in ``out``.

    Example:
        >>> harvester.open_harvest("data/demo")["na010010"].columns["label"]
        '0'
    """
    store = DirectoryStore(Path(out).absolute())
    require_ledger(store)
    with explained_by_damage(store.ledger):
        record = queries.last_run(store.ledger)
    return Harvest(store.folder, record.summary if record else {})


def list_spectra(
    archive: str = "ondrejov",
    *,
    pos: Any = None,
    size: Any = None,
    band: Any = None,
    time: Any = None,
    target: str = "",
    most: int | None = None,
    config: PathName | None = None,
    **settings: Any,
) -> QTable:
    """List what the archive has, as a table that ``harvest`` takes as its catalog.

    It sends requests, one at a time, and stores nothing. Rows are checked against the constraints as well; a value
    that the archive does not list excludes no row.

    Args:
        archive: a profile that names a service which lists spectra, or the address of an SSAP service.
        pos: the centre of a circle: a SkyCoord in any frame, or ``"RA DEC"`` (degrees, ICRS).
        size: its diameter, a Quantity or degrees; None is 0.1 degrees.
        band: two wavelengths, Quantities or metres, of which a spectrum has some; None is an open end.
        time: two Time, or dates in ISO 8601; None is an open end.
        target: the name of an object, as the archive understands it.
        most: list this many spectra at most.
        config: a settings file.
        settings: any setting by its name, such as ``rate``.

    Returns:
        A row per spectrum: id and what the archive lists of it, such as ra and dec (deg), wave_min and wave_max (m).

    Raises:
        UsageError: a constraint is wrong, or the archive lists no spectra.
        ArchiveError: the list cannot be had as a whole.

    Example:
        >>> from astropy.coordinates import SkyCoord
        >>> near = harvester.list_spectra("demo", pos=SkyCoord(236.912, 6.435, unit="deg"), rate=0)
        >>> len(near)
        10
    """
    constraints = constraints_from_python(pos, size, band, time, target)
    defaults = {"fluxcalib": None, "format": None} if "://" in archive else {}
    configuration = _configured(config, {**defaults, **settings, "archive": archive}, None)
    return _in_own_thread(listed_spectra(configuration, constraints, most))


def verify_store(
    out: PathName, *, fix: bool = False, processes: int = 1, config: PathName | None = None, **settings: Any
) -> StoreCheck:
    """Verify every file in ``out`` again, without a request to the archive.

    Args:
        out: the output directory.
        fix: move damaged files to quarantine and update the ledger, so that the next run downloads them again.
        processes: number of processes that read files; more than one need an importable ``__main__``.
        config: a settings file.
        settings: what was requested then, such as ``fluxcalib`` and ``band``.

    Returns:
        What was checked: ``sound`` (a count) and ``faults``.

    Raises:
        UsageError: there is no such folder.
        StoreError: the disk fails.

    Example:
        >>> harvester.verify_store("data/demo", archive="demo").faults
        []
    """
    configuration = _configured(config, {**settings, "out": Path(out).absolute()}, None)
    return check_store(configuration, fix=fix, processes=processes, progress=lambda done, total: None)


def _configured(config: PathName | None, settings: dict[str, Any], catalog: RequestedSpectra | None) -> Configuration:
    """Return the configuration of a call.

    A setting that is None is unset, as ``none`` is on the command line.
    """
    limits = {**(settings.pop("limits", None) or {})}
    limits |= {name: settings.pop(name) for name in LIMITS & settings.keys()}
    given = {name: setting_text(name, value) for name, value in settings.items()}
    if isinstance(catalog, (str, os.PathLike)):
        given["catalog"] = os.fspath(catalog)
    return load({**given, "limits": limits or None}, None if config is None else os.fspath(config), mark="")


def _catalog(configuration: Configuration, catalog: RequestedSpectra | None) -> Catalog:
    if catalog is None or isinstance(catalog, (str, os.PathLike)):
        return catalog_of(configuration, in_python=True)
    return catalog_from_python(catalog, configuration.catalog_rules(in_python=True))


async def _harvest(
    configuration: Configuration,
    requested: RequestedSpectra | None,
    shutdown: Shutdown,
    on_event: Callable[[Event], None] | None,
) -> Harvest:
    """Execute one run.

    What reads much of the disk runs in threads, since the event loop is the caller's.
    """
    out, name = configuration.out.absolute(), new_run_name()
    catalog = await asyncio.to_thread(_catalog, configuration, requested)
    async with AsyncExitStack() as stack:
        store = await asyncio.to_thread(stack.enter_context, locked_store(configuration, name))
        preparation = await asyncio.to_thread(prepare, configuration, catalog, store)
        result = await _run(RunContext.create(name, preparation, store, shutdown=shutdown), on_event)
    return Harvest(out, result.summary, StringMap((did, 0) for did in catalog.dids), tuple(result.warnings))


async def _run(run: RunContext[Store], on_event: Callable[[Event], None] | None) -> RunResult:
    out, settings = run.configuration.out, run.settings
    async with AsyncExitStack() as stack:
        if settings.progress != "none":
            output = OutputThread(sys.stdout)
            stack.callback(output.close)
            style = style_for(settings.progress)
            await stack.enter_async_context(displaying(style, output, run.bus, run.stats, out, settings.limits))
        if on_event is not None:
            run.bus.add(on_event)
        return await execute(run)


async def _drain_when_cancelled(work: asyncio.Task[T], shutdown: Shutdown) -> T:
    """Return what ``work`` returns.

    When cancelled, drain it, and raise CancelledError once it has ended.
    """
    cancelled = None
    while not work.done():
        try:
            await asyncio.wait((work,))
        except asyncio.CancelledError as error:
            cancelled = error
            shutdown.interrupt(StopReason("stopped by its caller", 130))
    result = work.result()
    if cancelled is not None:
        raise cancelled
    return result


def _in_own_thread(work: Coroutine[Any, Any, T]) -> T:
    """Return what ``work`` returns; each KeyboardInterrupt cancels it.

    One is raised once it has ended.
    """
    started: Future[Callable[[], object]] = Future()

    async def cancellable() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        started.set_result(lambda: loop.call_soon_threadsafe(task.cancel))
        return await work

    interrupted = None
    with ThreadPoolExecutor(1, "harvest") as thread:
        ended = thread.submit(asyncio.run, cancellable())
        while not ended.done():
            try:
                wait((ended,))
            except KeyboardInterrupt as error:
                interrupted = error
                with suppress(RuntimeError):  # the loop has closed: it has ended already
                    started.result()()
    if interrupted is not None:
        raise interrupted
    return ended.result()

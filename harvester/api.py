"""harvester as a library: a harvest in a coroutine or in a plain call, and what it leaves on disk, as values.

Keyword arguments are the settings by their own names (README, settings; those of ``[limits]`` with or without their
table). Environment and config.toml hold as they do for the command line; a keyword goes before both. What is wrong with
a call is a HarvestError, with the command line's sentence; what becomes of a harvest is in its value.
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
from typing import Any, TypeVar

from .audit.check_store import StoreCheck, check_store
from .catalog.from_python import catalog_from_python
from .catalog.packed_strings import StringMap
from .catalog.reader import Catalog
from .config.configuration import Configuration
from .config.loading import load
from .dataset.stored_files import require_ledger
from .engine.shutdown import Shutdown
from .events import Event
from .ledger import queries
from .model.exit_codes import StopReason
from .model.limits import Limits
from .results import Harvest
from .run.context import RunContext, new_run_name
from .run.execute import execute, locked_store
from .run.finish import RunResult
from .run.observers import check
from .run.prepare import Preparation, catalog_of, prepare
from .run.runners import check as check_labour
from .storage.directory import DirectoryStore
from .storage.interface import Store
from .ui.display import displaying, style_for
from .ui.output_thread import OutputThread

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
    """Fetch what ``catalog`` lists and the disk lacks, verify it, and return what came of it.

    config: a settings file. progress: ``auto``, ``rich``, ``plain``; None shows nothing. on_event: called
    with each event, in order; one that raises is dropped, and is named in the result's ``notes``.

    Cancelled, it drains as the first Ctrl-C does (what is in flight gets ``limits.grace`` to end), cancelled again it
    aborts; CancelledError is raised once it has ended, when every file is whole and the directory is free. UsageError,
    StoreError, DirectoryHeldError where no harvest comes about.
    """
    configuration = _configured(config, {**settings, "progress": progress}, catalog)
    check(configuration.settings)
    check_labour(configuration.settings)
    stop = Shutdown()
    return await _to_its_end(asyncio.create_task(_harvest(configuration, catalog, stop, on_event)), stop)


def harvest_sync(
    catalog: RequestedSpectra | None = None,
    *,
    config: PathName | None = None,
    progress: str | None = None,
    on_event: Callable[[Event], None] | None = None,
    **settings: Any,
) -> Harvest:
    """``harvest`` for callers without ``await``, also while an event loop runs, as in a notebook.

    It runs in a thread and a loop of its own, where ``on_event`` is called as well. KeyboardInterrupt (Ctrl-C, a
    notebook's stop button) drains, a second one aborts; it is raised when that is done.
    """
    return _in_own_thread(harvest(catalog, config=config, progress=progress, on_event=on_event, **settings))


def plan_harvest(
    catalog: RequestedSpectra | None = None, *, config: PathName | None = None, **settings: Any
) -> Preparation:
    """What a harvest would ask for: ``plan.counts()``, ``targets``, ``eta`` in seconds. Changes and asks nothing."""
    configuration = _configured(config, settings, catalog)
    return prepare(configuration, _catalog(configuration, catalog), DirectoryStore(configuration.out))


def open_harvest(out: PathName) -> Harvest:
    """What the directory ``out`` holds, and the numbers of its last run. UsageError if no harvest was ever there."""
    store = DirectoryStore(Path(out).absolute())
    require_ledger(store)
    record = queries.last_run(store.ledger)
    return Harvest(store.folder, record.summary if record else {})


def verify_store(
    out: PathName, *, fix: bool = False, processes: int = 1, config: PathName | None = None, **settings: Any
) -> StoreCheck:
    """Prove every file in ``out`` again, asking nothing; ``fix`` sets aside what is damaged, for the next harvest.

    More ``processes`` need an importable ``__main__``. UsageError if there is no such folder.
    """
    configuration = _configured(config, {**settings, "out": Path(out).absolute()}, None)
    return check_store(configuration, fix=fix, processes=processes, progress=lambda done, total: None)


def _configured(config: PathName | None, settings: dict[str, Any], catalog: RequestedSpectra | None) -> Configuration:
    """Where a setting is None it is said to be ``none``: None in Python, too, means without."""
    limits = {**(settings.pop("limits", None) or {})}
    limits |= {name: settings.pop(name) for name in LIMITS & settings.keys()}
    said = {name: _said(value) for name, value in settings.items()}
    if isinstance(catalog, (str, os.PathLike)):
        said["catalog"] = os.fspath(catalog)
    return load({**said, "limits": limits or None}, None if config is None else os.fspath(config), mark="")


def _said(value: object) -> object:
    if value is None:
        return "none"
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _catalog(configuration: Configuration, catalog: RequestedSpectra | None) -> Catalog:
    if catalog is None or isinstance(catalog, (str, os.PathLike)):
        return catalog_of(configuration)
    return catalog_from_python(catalog, configuration.settings.id_column, configuration.profile.takes_any_identifier)


async def _harvest(
    configuration: Configuration,
    requested: RequestedSpectra | None,
    stop: Shutdown,
    on_event: Callable[[Event], None] | None,
) -> Harvest:
    """One run. What reads much of the disk is done in threads: the loop is somebody else's."""
    out, name = configuration.out.absolute(), new_run_name()
    catalog = await asyncio.to_thread(_catalog, configuration, requested)
    async with AsyncExitStack() as stack:
        store = await asyncio.to_thread(stack.enter_context, locked_store(configuration, name))
        preparation = await asyncio.to_thread(prepare, configuration, catalog, store)
        result = await _run(RunContext.create(name, preparation, store, shutdown=stop), on_event)
    return Harvest(out, result.summary, StringMap((did, 0) for did in catalog.dids), tuple(result.warnings))


async def _run(run: RunContext[Store], on_event: Callable[[Event], None] | None) -> RunResult:
    out, settings = run.configuration.out, run.settings
    async with AsyncExitStack() as stack:
        if settings.progress != "none":
            outlet = OutputThread(sys.stdout)
            stack.callback(outlet.close)
            how = style_for(settings.progress)
            await stack.enter_async_context(displaying(how, outlet, run.bus, run.stats, out, settings.limits.grace))
        if on_event is not None:
            run.bus.add(on_event)
        return await execute(run)


async def _to_its_end(work: asyncio.Task[T], stop: Shutdown) -> T:
    """What ``work`` returns. Cancelled, stop it in order, and say so only once it has ended."""
    cancelled = None
    while not work.done():
        try:
            await asyncio.wait((work,))
        except asyncio.CancelledError as error:
            cancelled = error
            stop.interrupt(StopReason("stopped by its caller", 130))
    result = work.result()
    if cancelled is not None:
        raise cancelled
    return result


def _in_own_thread(work: Coroutine[Any, Any, T]) -> T:
    """What ``work`` returns. KeyboardInterrupt cancels it, as often as it comes, and is raised once it has ended."""
    begun: Future[Callable[[], object]] = Future()

    async def told() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        begun.set_result(lambda: loop.call_soon_threadsafe(task.cancel))
        return await work

    interrupted = None
    with ThreadPoolExecutor(1, "harvest") as thread:
        ended = thread.submit(asyncio.run, told())
        while not ended.done():
            try:
                wait((ended,))
            except KeyboardInterrupt as error:
                interrupted = error
                with suppress(RuntimeError):  # the loop has closed: it has ended already
                    begun.result()()
    if interrupted is not None:
        raise interrupted
    return ended.result()

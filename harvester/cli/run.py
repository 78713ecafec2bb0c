"""``run``: plan, fetch, verify, summary."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import click

from .options import configuration, wanted
from .plan import in_words

if TYPE_CHECKING:
    from ..events import EventBus
    from ..run import Preparation, Report
    from ..stopping import Stop
    from ..stores.directory import DirectoryStore

SIGNALS = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM", signal.SIGHUP: "SIGHUP"}


@click.command("run")
@wanted
@click.option("--progress", metavar="HOW", help="auto, rich, plain, json or none [auto]")
def command(**flags: Any) -> int:
    """Fetch what the catalogue lists and the disk lacks, verify it, and say what came of it.

    Ctrl-C once ends in order (what is in flight is finished), twice at once; the same command goes on later. Exit
    codes: 0 complete, 3 some spectra cannot be had, 4 worth another run, 5 archive unavailable, 6 local storage,
    7 request refused, 2 usage, 75 another harvest holds the directory.
    """
    from ..run import catalogue_of, held, new_run_name, prepare

    config = configuration(flags)
    catalogue = catalogue_of(config)
    run = new_run_name()
    with held(config, run) as store:
        preparation = prepare(config, catalogue, store)
        how = _progress(config.settings.progress)
        if how != "none":
            print("\n".join(in_words(preparation)), file=sys.stderr if how == "json" else sys.stdout, flush=True)
        return asyncio.run(_harvest(preparation, store, run, how))


def _progress(asked: str) -> str:
    """What ``auto`` means on this terminal."""
    from ..watchers.dashboard import can_redraw

    if asked != "auto":
        return asked
    return "rich" if can_redraw(sys.stdout) else "plain"


async def _harvest(preparation: Preparation, store: DirectoryStore, run: str, how: str) -> int:
    from ..events import EventBus
    from ..run import harvest
    from ..stopping import Stop

    bus, stop = EventBus(), Stop()
    with _signals(stop):
        async with _watching(how, bus, preparation):
            report = await harvest(preparation, store, run, bus, stop)
    _say_goodbye(report, preparation, how)
    return report.stats.exit_code or 0


@asynccontextmanager
async def _watching(how: str, bus: EventBus, preparation: Preparation) -> AsyncIterator[None]:
    """The watcher of the terminal, for as long as the harvest lasts."""
    from ..watchers.dashboard import Dashboard, Terminal
    from ..watchers.json_lines import JsonLines
    from ..watchers.plain import PlainLines

    async with AsyncExitStack() as stack:
        if how == "rich":
            out = preparation.configuration.out
            console = Terminal()
            dashboard = Dashboard(console, bus.emit, free_bytes=lambda: shutil.disk_usage(out).free)
            bus.add(await stack.enter_async_context(dashboard))
        elif how == "plain":
            bus.add(PlainLines(sys.stdout))
        elif how == "json":
            bus.add(JsonLines(sys.stdout))
        yield


@contextmanager
def _signals(stop: Stop) -> Iterator[None]:
    """The first signal drains, the second aborts, the third leaves at once."""
    from ..stopping import Cause

    loop = asyncio.get_running_loop()

    def heed(number: signal.Signals) -> None:
        if stop.aborting.is_set():
            os._exit(128 + number)
        stop.interrupt(Cause(f"stopped by {SIGNALS[number]}", 128 + number))

    for number in SIGNALS:
        loop.add_signal_handler(number, heed, number)
    try:
        yield
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)


def _say_goodbye(report: Report, preparation: Preparation, how: str) -> None:
    from rich.console import Console

    from ..watchers.farewell import Farewell, say
    from ..watchers.json_lines import JsonLines

    now = time.time()
    if how == "json":
        JsonLines(sys.stdout).end(report.summary, now)
    again = shlex.join(["python", "-m", "harvester", *sys.argv[1:]])
    lost = [f"{gone.watcher}: {gone.error}" for gone in report.lost]
    farewell = Farewell(report.stats, str(preparation.configuration.out), now, again, lost)
    say(Console(stderr=how == "json"), farewell)

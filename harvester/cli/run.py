"""``run``: plan, download, verify, and print a summary."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from . import discard_unwritten
from .hints import next_command
from .listing import all_option, with_listing
from .options import engine_options, load_configuration, observer_options, plan_options
from .plan import format_plan

if TYPE_CHECKING:
    from ..config.configuration import Configuration
    from ..engine.shutdown import Shutdown
    from ..run.context import RunContext
    from ..run.finish import RunResult
    from ..run.prepare import Preparation
    from ..storage.interface import Store
    from ..ui.display import Display
    from ..ui.keys import Keys
    from ..ui.output_thread import OutputThread
    from ..ui.summary import Commands, RunSummary

SIGNALS = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM", signal.SIGHUP: "SIGHUP"}


@click.command("run")
@plan_options
@all_option
@observer_options
@engine_options
@click.option("--processes", metavar="N|auto", help="worker processes, if one core is not enough, or auto [1]")
@click.option("--progress", metavar="STYLE", help="auto, rich, plain, json or none [auto]")
@click.option("--verbose", is_flag=True, help="list all faulty rows of the catalog")
@click.pass_context
def command(context: click.Context, /, **flags: Any) -> int:
    """Download the spectra in the catalog that are not yet stored, and verify them.

    The first Ctrl-C drains (requests in flight finish), the second aborts; the same command resumes later. Exit codes:
    0 complete, 3 some spectra are unavailable, 4 work left, 5 archive unavailable, 6 storage failed, 7 request refused,
    2 wrong usage, 75 another run is using the directory.

    \b
    Examples:
      harvester labels.csv
      harvester run --catalog labels.csv --out spectra --rate 2
      harvester run --all --archive ondrejov
      harvester run --catalog labels.csv --window 20:00-06:00 --progress plain
    """
    from ..run.context import RunContext, new_run_name
    from ..run.execute import locked_store
    from ..run.observers import check
    from ..run.pools import check as check_workers
    from ..run.prepare import catalog_of, prepare
    from ..ui.display import style_for

    lists_all, verbose = flags.pop("all_spectra"), flags.pop("verbose")
    config = load_configuration(dict(flags))
    check(config.settings)
    check_workers(config.settings)
    if lists_all:
        config = with_listing(context, config, flags)
    catalog = catalog_of(config, verbose)
    name = new_run_name()
    with locked_store(config, name) as store:
        preparation = prepare(config, catalog, store)
        style = style_for(config.settings.progress)
        if style != "none":
            _print("\n".join(format_plan(preparation)), sys.stderr if style == "json" else sys.stdout)
        gc.freeze()  # what is loaded and planned by now stays to the end: no collection walks through it again
        code = asyncio.run(_harvest(RunContext.create(name, preparation, store), style))
    discard_unwritten()  # lines that were lost are in the run's log, and no fault of what it stored
    return code


def _print(text: str, stream: TextIO) -> None:
    """Print, unless the stream is closed: that is no reason not to download."""
    with suppress(OSError):
        print(text, file=stream, flush=True)


async def _harvest(run: RunContext[Store], style: str) -> int:
    from ..run.execute import execute
    from ..ui.display import displaying
    from ..ui.output_thread import OutputThread

    location = run.configuration.location
    folder = location if isinstance(location, Path) else None
    output = OutputThread(sys.stdout)
    keys = _keys(run) if style == "rich" else None
    async with displaying(style, output, run.bus, run.stats, folder, run.settings.limits, keys) as display:
        with signals(run.shutdown, display.release_terminal):
            result = await execute(run)
    with _ignoring_signals():
        _print_summary(result, run, display)
    return result.stats.exit_code or 0


def _keys(run: RunContext[Store]) -> Keys:
    from ..ui.keys import Keys

    return Keys(run.controls, run.shutdown)


@contextmanager
def signals(shutdown: Shutdown, release_terminal: Callable[[], None]) -> Iterator[None]:
    """Drain at the first signal, abort at the second, and exit at once at the third.

    SIGHUP stays ignored where it is, as by nohup.
    """
    from ..model.exit_codes import StopReason

    loop = asyncio.get_running_loop()

    def handle(number: signal.Signals) -> None:
        if shutdown.aborting.is_set():
            release_terminal()
            os._exit(128 + number)
        shutdown.interrupt(StopReason(f"stopped by {SIGNALS[number]}", 128 + number))

    ignores_hangup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    handled = [number for number in SIGNALS if number is not signal.SIGHUP or not ignores_hangup]
    for number in handled:
        loop.add_signal_handler(number, handle, number)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


@contextmanager
def _ignoring_signals() -> Iterator[None]:
    """Ignore signals while the summary is printed, which takes a moment."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _print_summary(result: RunResult, run: RunContext[Store], display: Display) -> None:
    """Print the summary, on standard error if standard output has JSON lines or is closed.

    Where standard output is closed the run's log gets the summary as well.
    """
    from ..ui.output_thread import OutputThread

    summary = _summary(result, run.preparation)
    if display.style == "json":
        display.json_lines.end(result.summary, time.time())
    elif display.output.fault is None:
        _write(summary, display.output)
    display.output.close()
    if display.style == "json" or display.output.fault is not None:
        _write_and_close(summary, OutputThread(sys.stderr))
    if display.output.fault is not None:
        with suppress(OSError), run.folder.log.open("a", encoding="utf-8") as log:
            log.write(f"standard output cannot be written: {display.output.fault}\n")
            log.flush()
            _write_and_close(summary, OutputThread(log))


def _write_and_close(summary: RunSummary, output: OutputThread) -> None:
    _write(summary, output)
    output.close()


def _write(summary: RunSummary, output: OutputThread) -> None:
    from ..ui.summary import print_summary
    from ..ui.terminal import Terminal

    print_summary(Terminal(output), summary)


def _summary(result: RunResult, preparation: Preparation) -> RunSummary:
    from ..catalog.reader import describe_conflicts
    from ..storage.run_folder import RunFolder
    from ..ui.summary import RunSummary

    config, folder = preparation.configuration, RunFolder(result.folder)
    quarantine = folder.state.quarantine
    return RunSummary(
        result.stats,
        str(config.location),
        time.time(),
        _commands(config),
        result.warnings,
        quarantined=sum(1 for path in quarantine.glob("*.json")),
        quarantine=str(quarantine),
        politeness=result.politeness,
        nights_left=result.nights_left,
        refresh_left=result.refresh_left,
        page=str(result.page or ""),
        events=str(folder.events),
        log=str(folder.log) if folder.log.exists() else "",
        catalog_note=describe_conflicts(preparation.catalog.conflicts),
    )


def _commands(config: Configuration) -> Commands:
    """Return what to type next.

    The user's own command, so that archive and settings stay the same.
    """
    from ..model.invocation import command_line
    from ..ui.summary import Commands

    given = _without_secrets(sys.argv[1:])
    plain = [argument for argument in given if argument != "--only-failed"]
    return Commands(
        again=command_line(*plain),
        only_failed=command_line(*plain, "--only-failed"),
        failures=next_command("failures", config.location),
        status=next_command("status", config.location),
    )


def _without_secrets(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with the URL of a webhook masked up to its host."""
    from ..formatting import masked

    safe = list(arguments)
    for index, argument in enumerate(safe):
        name, equals, url = argument.partition("=")
        if name == "--notify" and equals:
            safe[index] = f"--notify={masked(url)}"
        elif index and safe[index - 1] == "--notify":
            safe[index] = masked(argument)
    return safe

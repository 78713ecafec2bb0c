"""``run``: plan, fetch, verify, summary."""

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

from .hints import next_command
from .options import engine_options, load_configuration, observer_options, plan_options
from .plan import in_words

if TYPE_CHECKING:
    from ..engine.shutdown import Shutdown
    from ..run.context import RunContext
    from ..run.finish import RunResult
    from ..run.prepare import Preparation
    from ..storage.interface import Store
    from ..ui.display import Display
    from ..ui.summary import Commands

SIGNALS = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM", signal.SIGHUP: "SIGHUP"}


@click.command("run")
@plan_options
@observer_options
@engine_options
@click.option("--processes", metavar="N", help="processes that fetch, where one core is the limit [1]")
@click.option("--progress", metavar="HOW", help="auto, rich, plain, json or none [auto]")
def command(**flags: Any) -> int:
    """Fetch what the catalog lists and the disk lacks, verify it, and say what came of it.

    Ctrl-C once ends in order (what is in flight is finished), twice at once; the same command goes on later. Exit
    codes: 0 complete, 3 some spectra cannot be had, 4 worth another run, 5 archive unavailable, 6 local storage,
    7 request refused, 2 usage, 75 another harvest holds the directory.
    """
    from ..run.context import RunContext, new_run_name
    from ..run.execute import locked_store
    from ..run.observers import check
    from ..run.prepare import catalog_of, prepare
    from ..run.runners import check as check_runner
    from ..ui.display import style_for

    config = load_configuration(flags)
    check(config.settings)
    check_runner(config.settings)
    catalog = catalog_of(config)
    name = new_run_name()
    with locked_store(config, name) as store:
        preparation = prepare(config, catalog, store)
        how = style_for(config.settings.progress)
        if how != "none":
            _show("\n".join(in_words(preparation)), sys.stderr if how == "json" else sys.stdout)
        gc.freeze()  # what is loaded and planned by now stays to the end: no collection walks through it again
        return asyncio.run(_harvest(RunContext.create(name, preparation, store), how))


def _show(words: str, stream: TextIO) -> None:
    """Print, unless nobody can hear it: that is no reason not to harvest."""
    with suppress(OSError):
        print(words, file=stream, flush=True)


async def _harvest(run: RunContext[Store], how: str) -> int:
    from ..run.execute import execute
    from ..ui.display import displaying
    from ..ui.keys import Keys
    from ..ui.output_thread import OutputThread

    location = run.configuration.location
    folder = location if isinstance(location, Path) else None
    outlet = OutputThread(sys.stdout)
    keys = Keys(run.controls, run.shutdown)
    async with displaying(how, outlet, run.bus, run.stats, folder, run.settings.limits.grace, keys) as stage:
        with signals(run.shutdown, stage.release_terminal):
            report = await execute(run)
    with _undisturbed():
        _say_goodbye(report, run.preparation, stage)
    return report.stats.exit_code or 0


@contextmanager
def signals(stop: Shutdown, let_go: Callable[[], None]) -> Iterator[None]:
    """The first signal drains, the second aborts, the third leaves at once."""
    from ..model.exit_codes import StopReason

    loop = asyncio.get_running_loop()

    def heed(number: signal.Signals) -> None:
        if stop.aborting.is_set():
            let_go()
            os._exit(128 + number)
        stop.interrupt(StopReason(f"stopped by {SIGNALS[number]}", 128 + number))

    for number in SIGNALS:
        loop.add_signal_handler(number, heed, number)
    try:
        yield
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """The last words are short: nobody needs to interrupt them."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say_goodbye(report: RunResult, preparation: Preparation, stage: Display) -> None:
    from ..storage.run_folder import StateFolder
    from ..ui.output_thread import OutputThread
    from ..ui.summary import RunSummary, print_summary
    from ..ui.terminal import Terminal

    if stage.style == "json":
        stage.json_lines.end(report.summary, time.time())
    heard = stage.style != "json" and stage.output.fault is None
    ear = stage.output if heard else OutputThread(sys.stderr)
    config = preparation.configuration
    kept = sum(1 for path in StateFolder(report.folder.parents[1]).quarantine.glob("*.json"))
    print_summary(
        Terminal(ear),
        RunSummary(
            report.stats,
            str(config.location),
            time.time(),
            _commands(preparation),
            report.warnings,
            quarantined=kept,
            politeness=report.politeness,
            nights_left=report.nights_left,
            page=str(report.page or ""),
            state_folder=str(config.state_folder),
        ),
    )
    for outlet in {stage.output, ear}:
        outlet.close()


def _commands(preparation: Preparation) -> Commands:
    """What to type next: the user's own command, so that it goes to the same archive with the same settings."""
    from ..model.invocation import command_line
    from ..ui.summary import Commands

    given = _without_secrets(sys.argv[1:])
    plain = [argument for argument in given if argument != "--only-failed"]
    out = preparation.configuration.location
    return Commands(
        again=command_line(*plain),
        only_failed=command_line(*plain, "--only-failed"),
        failures=next_command("failures", out),
        status=next_command("status", out),
    )


def _without_secrets(arguments: Sequence[str]) -> list[str]:
    """What was typed, fit for a log: of a webhook's address no more than its host."""
    from ..formatting import masked

    told = list(arguments)
    for place, argument in enumerate(told):
        name, equals, url = argument.partition("=")
        if name == "--notify" and equals:
            told[place] = f"--notify={masked(url)}"
        elif place and told[place - 1] == "--notify":
            told[place] = masked(argument)
    return told

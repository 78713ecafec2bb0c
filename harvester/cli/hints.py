"""Print what to type next, for the same harvest as the current command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..model.invocation import command_line
from .options import LIMITS, SHARED

if TYPE_CHECKING:
    from ..config.configuration import Configuration


def next_command(name: str, out: object, *more: str) -> str:
    """Return the command ``name`` ("": run) for the harvest in ``out``, with ``more`` options.

    It gets those options of the current command that identify the harvest and its archive; ``more`` takes precedence.
    """
    context = click.get_current_context()
    group = context.find_root().command
    assert isinstance(group, click.Group)
    command = group.get_command(context, name or "run")
    assert command is not None
    shared = SHARED.union(LIMITS)
    given = {**context.params, "out": out}
    options: list[str] = []
    for parameter in command.params:
        option = parameter.opts[0]
        value = given.get(parameter.name or "")
        if parameter.name in shared and value is not None and option not in more:
            options += [option, str(value)]
    return command_line(*([name] if name else []), *options, *more)


def download_missing(config: Configuration) -> str:
    """Return the command that downloads what is missing, by the catalog given or used before."""
    from ..report.data.run_record import again, run_of_everything

    store = config.open_store()
    has_catalog = config.settings.catalog is not None or config.is_demo
    run = None if has_catalog else run_of_everything(store)
    return next_command("", config.location) if run is None else again(store, run)

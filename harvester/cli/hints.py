"""What to type next, for the same harvest as the command that says so."""

from __future__ import annotations

import click

from .options import LIMITS, SHARED


def advised(name: str, out: object, *more: str) -> str:
    """The command ``name`` (empty: the run) for the harvest in ``out``, with ``more`` options at its end.

    It has those options that say which harvest of whom is meant, as the present command was given them; ``more`` wins.
    """
    from ..report.data.run_record import typed

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
    return typed(*([name] if name else []), *options, *more)

"""``config``: every setting, its value, and where the value comes from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from .options import LIMITS, engine_options, observer_options, plan_options

if TYPE_CHECKING:
    from ..config.loading import Loaded


@click.command("config")
@plan_options
@observer_options
@engine_options
@click.option("--changed", is_flag=True, help="show only settings that are not at their default")
@click.option("--toml", "as_toml", is_flag=True, help="print a config.toml that sets all of them")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
def command(changed: bool, as_toml: bool, as_json: bool, **flags: Any) -> int:
    """Show every setting with its value and where the value comes from.

    A flag takes precedence over the environment, that over config.toml of the working directory, that over the user's
    (~/.config/harvester/config.toml), that over the archive's profile, and the profile over the default.

    \b
    Examples:
      harvester config
      harvester config --archive ondrejov --rate 2 --changed
      harvester config --toml > config.toml
    """
    from ..config.loading import DEFAULT, load_with_sources
    from ..config.settings import setting_names

    loaded = load_with_sources(*_flags(flags))
    if as_toml:
        print(loaded.configuration.as_toml(), end="")
        return 0
    rows = [(name, _value(loaded, name), loaded.source(name)) for name in setting_names()]
    rows = [row for row in rows if not changed or row[2] != DEFAULT]
    if as_json:
        print(json.dumps({name: {"value": value, "source": source} for name, value, source in rows}, indent=1))
    else:
        print("\n".join(_table(rows)) or "all settings are at their default")
    return 0


def _flags(flags: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    file = flags.pop("config")
    limits = {name: value for name in LIMITS if (value := flags.pop(name)) is not None}
    return flags | ({"limits": limits} if limits else {}), file


def _value(loaded: Loaded, name: str) -> object:
    """Return the value of a setting as JSON has it, with the URL of a webhook masked."""
    from ..formatting import masked

    value: Any = loaded.configuration.settings
    for part in name.split("."):
        value = getattr(value, part)
    if name == "out":
        return str(loaded.configuration.location)
    if name == "notify" and value is not None:
        return masked(value)
    if isinstance(value, (str, int, float, bool, dict)) or value is None:
        return value
    if isinstance(value, (list, tuple)):
        return list(value)
    return str(value)


def _table(rows: list[tuple[str, object, str]]) -> Iterator[str]:
    """Yield the rows in three columns."""
    shown = [(name, "none" if value is None else json.dumps(value), source) for name, value, source in rows]
    widths = [max((len(row[column]) for row in shown), default=0) for column in (0, 1)]
    for name, value, source in shown:
        yield f"{name:<{widths[0]}}  {value:<{min(widths[1], 40)}}  {source}"

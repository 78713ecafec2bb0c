"""Read settings from environment variables.

They are called ``HARVESTER_<NAME>``, or ``HARVESTER_<TABLE>__<NAME>`` for a table's. Tables and lists are JSON, all
else is text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ..errors import UsageError
from ..formatting import masked
from .messages import did_you_mean
from .settings import PREFIX, TABLES, setting_names

_JSON = {
    *TABLES,
    *(
        f"{table}.{field.name}"
        for table, kind in TABLES.items()
        for field in fields(kind)
        if isinstance(getattr(kind(), field.name), (tuple, dict))
    ),
}
_JSON_OR_TEXT = {"band"}  # a band of one bare number is one, and said to be


def variable_of(name: str) -> str:
    """Return the variable of the setting or the table with this dotted name."""
    return PREFIX + name.upper().replace(".", "__")


def from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings that the variables give, nested as in config.toml.

    A variable of one setting precedes that of its table. UsageError if there is no such setting, or no JSON where a
    table or a list is expected.
    """
    names = {variable_of(name): name for name in [*TABLES, *setting_names()]}
    values: dict[str, Any] = {}
    for variable, text in environment.items():
        if variable.startswith(PREFIX) and variable not in names:
            hint = did_you_mean(variable, list(names), PREFIX)
            shown = masked(text) if "://" in text else text
            raise UsageError(f"environment variable {variable} = {shown!r}: there is no such setting{hint}")
    for variable, name in names.items():
        if variable in environment:
            table, _, leaf = name.rpartition(".")
            value = _parsed(variable, name, environment[variable])
            if not table:
                values[leaf] = value
            elif isinstance(values.setdefault(table, {}), dict):
                values[table][leaf] = value
    return values


def _parsed(variable: str, name: str, text: str) -> Any:
    if name not in _JSON | _JSON_OR_TEXT:
        return text
    try:
        return json.loads(text)
    except ValueError:
        if name in _JSON_OR_TEXT:
            return text
        raise UsageError(
            f"environment variable {variable} = {text!r}: it should be JSON; give plain values, "
            f"{variable_of('limits.rate')}=2 for nested ones"
        ) from None

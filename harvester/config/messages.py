"""Turn validation errors of pydantic into one sentence for the user."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..formatting import masked

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "a text",
    "tuple": "a list",
    "dict": "a table",
    "dataclass": "a table",
}
"""By the beginning of an error's type: ``int_parsing``, ``int_type``, ``int_from_float``."""
_UNREADABLE = ("parsing", "type", "from_float", "exact_type")


def error_sentence(error: ErrorDetails, where: str, known: Sequence[str], what: str) -> str:
    """Return one sentence about ``error``.

    Where the value was given, the value, and what is expected.

    where: the flag, variable or file; "" for an argument in Python. known: the existing names, each of a ``what``.
    """
    kind, value = error["type"], error["input"]
    key = ".".join(str(part) for part in error["loc"])
    if kind == "missing":
        return f"{where}: {key} is missing; add it"
    is_address = isinstance(value, str) and "://" in value
    is_unknown = kind in ("extra_forbidden", "unexpected_keyword_argument")
    safe = masked(str(value)) if key in ("notify", "proxy") or (is_address and (is_unknown or key == "out")) else value
    shown = (
        f"{where} {safe!r}"
        if where.startswith("--")
        else f"{where}: {key} = {safe!r}"
        if where
        else f"{key} = {safe!r}"
    )
    if is_unknown:
        return f"{shown}: there is no such {what}{did_you_mean(key, known)}"
    return f"{shown}: {_fault(kind, error['msg'])}"


def _fault(kind: str, message: str) -> str:
    expected, _, problem = kind.partition("_")
    if expected in _EXPECTED and problem in _UNREADABLE:
        return f"it should be {_EXPECTED[expected]}"
    return message.removeprefix("Value error, ").replace("Input should be ", "it should be ", 1)


def did_you_mean(wrong: str, right: Sequence[str], prefix: str = "") -> str:
    """Return the closest of the names ``right`` as the end of a sentence.

    Empty if none is close.

    prefix: the beginning of all names.
    """
    leaf = wrong.removeprefix(prefix).lower()
    elsewhere = [name for name in right if name.lower().endswith((f".{leaf}", f"__{leaf}"))]  # outside its table
    near = elsewhere or difflib.get_close_matches(wrong, right, 1, 0.6)
    return f"; did you mean {near[0]}?" if near else ""

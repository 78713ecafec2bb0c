"""Convert what the ledger contains.

What cannot be converted is a damaged ledger, not an internal error.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from ..model.failures import FailureKind
from .schema import RENAMED_KINDS


def json_object(text: str) -> dict[str, Any]:
    """Return the JSON object in ``text``. sqlite3.DatabaseError if it is none."""
    try:
        found = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise sqlite3.DatabaseError("a text that should be a JSON object is none")
    return found


def failure_kind(text: str) -> FailureKind:
    """Return the failure kind, also by a name that older versions gave it.

    Sqlite3.DatabaseError if there is none.
    """
    try:
        return FailureKind[RENAMED_KINDS.get(text, text).upper()]
    except (KeyError, AttributeError, TypeError):
        raise sqlite3.DatabaseError("a failure of an unknown kind") from None

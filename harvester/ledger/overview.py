"""Read what the ledger has of every spectrum, stored or missing, for a table of all.

A million rows take seconds: they stay tuples, in the order of ``COLUMNS``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from .remarks import has_table
from .schema import open_for_reading, using

COLUMNS = (
    "did", "name", "object", "status", "kind", "detail", "attempts", "label", "points", "bytes", "low", "high",
    "saved", "remarks",
)  # fmt: skip
"""low, high: metres; saved: seconds since 1970; remarks: JSON of level, invalid and remarks, None for a usual file."""

Row = tuple[str | float | None, ...]

_OVERVIEW = """
SELECT spectrum.did, name, coalesce(object, ''), status, kind, detail, attempts,
    {label}, points, bytes, wave_min, wave_max, saved, {remarks}
FROM spectrum {reading} {some}
"""
_SIMPLE = re.compile("[A-Za-z_][A-Za-z0-9_]*")
_ANY_LABEL = "(SELECT value FROM json_each(columns) WHERE key = :label)"  # takes twice the time
_REMARKS = (
    "CASE WHEN invalid OR remarks <> '[]' OR level <> 'science' THEN json_object('level', level, 'invalid', invalid, "
    "'remarks', json(remarks)) END"
)
_READING = "LEFT JOIN reading ON reading.did = spectrum.did AND reading.sha256 = spectrum.sha256"


def overview(path: Path, label: str, dids: Sequence[str] | None = None) -> Iterator[Row]:
    """Yield a row for each spectrum, or each of ``dids``, in the order of DIDs. StoreError.

    ``label``: the catalog's column of labels. There are no rows without a ledger.
    """
    connection = open_for_reading(path)
    if connection is None:
        return
    connection.row_factory = None
    with closing(connection), using(path):
        known = has_table(connection)
        sql = _OVERVIEW.format(
            label="json_extract(columns, '$.' || :label)" if _SIMPLE.fullmatch(label) else _ANY_LABEL,
            remarks=_REMARKS if known else "NULL",
            reading=_READING if known else "",
            some="" if dids is None else "WHERE spectrum.did IN (SELECT value FROM json_each(:dids))",
        )
        yield from connection.execute(sql, {"label": label, "dids": json.dumps(list(dids or ()))})

"""Say which spectra a table shows, in which order: from the page's query to SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from ..model.units import MJD_ZERO

DOUBTFUL = 0.5
"""The doubt from which on a spectrum counts as doubtful; 1 is the most."""

SORTS = {
    "number": "number",
    "name": "name COLLATE NOCASE",
    "object": "nullif(object, '') COLLATE NOCASE",
    "label": "coalesce(mine, label)",
    "time": "mjd",
    "doubt": "doubt",
    "unusual": "unusual",
    "status": "status",
    "saved": "saved",
    "points": "points",
}
"""The orders that a table can have, as SQL."""

STATES = {
    "stored": "status IN ('present', 'saved')",
    "failed": "status = 'failed'",
    "missing": "status NOT IN ('present', 'saved')",
}
_STATUS_KIND = "kind:"
_LABELS = {
    "any": "coalesce(mine, label, '') <> ''",
    "none": "coalesce(mine, label, '') = ''",
    "todo": "mine IS NULL AND status IN ('present', 'saved')",
    "mine": "mine IS NOT NULL",
    "disagree": "disagree = 1",
}
_LABEL_IS = "is:"


@dataclass(frozen=True, slots=True)
class Selection:
    """What a table shows.

    text: part of an object's name, a DID or a file name. label: a key of ``_LABELS``, or ``is:`` and a label. status: a
    key of ``STATES``, or ``kind:`` and a failure kind. since, until: the first and last day of the observation (UT).
    doubtful, picked: only those that are doubtful, or that another program has picked.
    """

    text: str = ""
    label: str = ""
    status: str = ""
    since: str = ""
    until: str = ""
    doubtful: bool = False
    picked: bool = False
    sort: str = "number"
    descending: bool = False

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> Selection:
        """Return the selection that a query string names. ValueError if a value has no meaning."""
        made = cls(
            query.get("text", "").strip()[:200],
            query.get("label", ""),
            query.get("status", ""),
            query.get("since", ""),
            query.get("until", ""),
            query.get("doubtful") == "1",
            query.get("picked") == "1",
            query.get("sort") or "number",
            query.get("descending") == "1",
        )
        made.sql()
        return made

    def sql(self) -> tuple[str, list[str | float]]:
        """Return a SELECT of row numbers, and its values. ValueError if a field has no meaning."""
        conditions: list[str] = []
        values: list[str | float] = []
        if self.text:
            like = "%" + self.text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
            conditions.append(r"(object LIKE ? ESCAPE '\' OR did LIKE ? ESCAPE '\' OR name LIKE ? ESCAPE '\')")
            values += [like, like, like]
        for prefix, field, column, known in (
            (_LABEL_IS, self.label, "coalesce(mine, label)", _LABELS),
            (_STATUS_KIND, self.status, "kind", STATES),
        ):
            if field.startswith(prefix):
                conditions.append(f"{column} = ?")
                values.append(field.removeprefix(prefix))
            elif field:
                conditions.append(_known(known, field))
        conditions += [f"mjd >= {_mjd(self.since)}"] if self.since else []
        conditions += [f"mjd < {_mjd(self.until) + 1}"] if self.until else []
        conditions += [f"(doubt >= {DOUBTFUL} OR remarks IS NOT NULL)"] if self.doubtful else []
        conditions += ["picked = 1"] if self.picked else []
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        return f"SELECT number FROM spectrum {where} {self._order()}", values  # noqa: S608 - made of constants

    def _order(self) -> str:
        expression = _known(SORTS, self.sort)
        direction = "DESC" if self.descending else "ASC"
        last = f"{expression} IS NULL, " if self.sort != "number" else ""
        return f"ORDER BY {last}{expression} {direction}" + (", number" if self.sort != "number" else "")


def _known(known: Mapping[str, str], value: str) -> str:
    if value not in known:
        raise ValueError(f"{value!r} is none of {', '.join(known)}")
    return known[value]


def _mjd(day: str) -> int:
    """Return the modified Julian date at the beginning of a day, like 2013-09-03. ValueError."""
    return (date.fromisoformat(day) - MJD_ZERO.date()).days

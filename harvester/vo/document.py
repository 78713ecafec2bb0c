"""One VOTable document, gathered into a value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..formatting import plain_line
from .votable_model import Event, Info, Row, ServiceDescriptor, VotableField, VotableTable

_MOST_KEPT = 10  # rows of a document that discovery looks at, unless it says how many


@dataclass(frozen=True, slots=True)
class Document:
    """A VOTable as a whole: its first table that has columns, the first rows of that, its services, its status."""

    url: str
    table: VotableTable = field(default_factory=lambda: VotableTable(()))
    rows: Sequence[Row] = ()
    services: Sequence[ServiceDescriptor] = ()
    infos: Sequence[Info] = ()

    @property
    def error(self) -> str | None:
        """The service's own words if it failed inside a 200 (DALI 1.1, section 4.4), wherever it says so."""
        failed = [info for info in self.infos if is_status(info, "ERROR")]
        return plain_line(failed[0].text) or "QUERY_STATUS=ERROR, without a word" if failed else None

    def service(self, identity: str) -> ServiceDescriptor | None:
        return next((service for service in self.services if service.id == identity), None)

    def value(self, row: Row, *names: str) -> str:
        """The cell of the column that has one of these names or roles; empty if there is none."""
        return cell(row, place_of(self.table, *names))


def is_status(info: Info, value: str) -> bool:
    return info.name.upper() == "QUERY_STATUS" and info.value.upper() == value


def gather(url: str, events: Iterable[Event], most: int = _MOST_KEPT) -> Document:
    """The document that ``url`` answered with, and the first ``most`` of its rows."""
    tables: list[VotableTable] = []
    rows: list[Row] = []
    services: list[ServiceDescriptor] = []
    infos: list[Info] = []
    for event in events:
        match event:
            case VotableTable() if event.fields or not tables:
                tables = [event] if not tables or not tables[0].fields else [*tables, event]
            case tuple() if len(tables) == 1 and len(rows) < most:
                rows.append(event)
            case ServiceDescriptor():
                services.append(event)
            case Info():
                infos.append(event)
    return Document(url, tables[0] if tables else VotableTable(()), rows, services, infos)


def place_of(table: VotableTable, *names: str) -> int | None:
    """The column with the first of these that fits: an ID, a name, or a role (utype without prefix), in any case."""
    for wanted in (name.casefold() for name in names):
        for place, one in enumerate(table.fields):
            if wanted in (one.id.casefold(), one.name.casefold(), one.role):
                return place
    return None


def cell(row: Row, place: int | None) -> str:
    """What is there, without blanks; empty where there is no such column, or the row ends before it."""
    return row[place].strip() if place is not None and place < len(row) else ""


def constant_of(table: VotableTable, *roles: str) -> VotableField | None:
    """The PARAM that stands for a column whose value is the same in all rows."""
    return next((one for role in roles for one in table.constants if one.role == role.casefold()), None)

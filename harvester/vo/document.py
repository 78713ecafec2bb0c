"""One VOTable document, gathered into a value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..formatting import plain_line
from .columns import ColumnMeaning, cell, column_index, constant
from .data_origin import DataOrigin, data_origin
from .votable_model import Event, Info, Row, ServiceDescriptor, VotableField, VotableTable

_MOST_KEPT = 10  # rows of a document that discovery looks at, unless it says how many
_STATUSES = ("OK", "ERROR", "OVERFLOW")
_MESSAGES = ("error", "message", "reason", "error_message")  # names of INFOs beside a status without a text


@dataclass(frozen=True, slots=True)
class Document:
    """A VOTable as a whole.

    It has the table of results, the first rows of that, the services and the status. ``url`` is where it came from,
    behind redirects: what relative addresses are relative to. ``row_count`` counts all rows that it had.
    """

    url: str
    table: VotableTable = field(default_factory=lambda: VotableTable(()))
    rows: Sequence[Row] = ()
    services: Sequence[ServiceDescriptor] = ()
    infos: Sequence[Info] = ()
    row_count: int = 0

    @property
    def error(self) -> str | None:
        """The service's own words if it failed inside a 200 (DALI 1.1, section 4.4).

        They may stand anywhere in the document.
        """
        failed = [text for status, text in map(query_status, self.infos) if status == "ERROR"]
        if not failed:
            return self._remark_instead
        others = [info.text or info.value for info in self.infos if info.name.casefold() in _MESSAGES]
        return plain_line(next(filter(None, [*failed, *others]), "")) or "QUERY_STATUS=ERROR, without a message"

    @property
    def _remark_instead(self) -> str | None:
        """What came in place of a table, without a status."""
        if self.table.fields or self.has_status:
            return None
        said = (plain_line(info.text or info.value) for info in self.infos if info.name.casefold() in _MESSAGES)
        return next(filter(None, said), None)

    @property
    def has_status(self) -> bool:
        """Whether the service gave a QUERY_STATUS of any kind."""
        return any(query_status(info)[0] for info in self.infos)

    @property
    def is_cut(self) -> bool:
        """Whether the service has more rows than it returned."""
        return any(is_status(info, "OVERFLOW") for info in self.infos)

    @property
    def origin(self) -> DataOrigin:
        """What it says about citation and rights of its data."""
        return data_origin((info.name, info.value or info.text) for info in self.infos)

    def service(self, identifier: str) -> ServiceDescriptor | None:
        """Return the service with that ID."""
        return next((service for service in self.services if service.id == identifier), None)

    def value(self, row: Row, *names: str) -> str:
        """Return the cell of the column with one of these names or roles; '' if there is none."""
        return cell(row, named_column(self.table, *names))

    def cell_of(self, row: Row, meaning: ColumnMeaning) -> str:
        """Return the cell of the column with that meaning, or the constant that stands for it.

        '' if there is none.
        """
        index = column_index(self.table, meaning)
        if index is not None:
            return cell(row, index)
        fixed = constant(self.table, meaning)
        return (fixed.value or "").strip() if fixed else ""


def query_status(info: Info) -> tuple[str, str]:
    """Return the status that an INFO tells (OK, ERROR, OVERFLOW or '') and the text with it.

    The standard has it in ``value``; some services write it as the text, or put a message behind it in ``value``.
    """
    if info.name.strip().upper() != "QUERY_STATUS":
        return "", ""
    for words, other in ((info.value, info.text), (info.text, "")):
        status, _, message = words.strip().partition(" ")
        if (name := status.strip(":;,.").upper()) in _STATUSES:
            return name, (message.strip() or other.strip())
    return "", ""


def is_status(info: Info, status: str) -> bool:
    """Return whether an INFO tells that status."""
    return query_status(info)[0] == status


def gather(url: str, events: Iterable[Event], most: int = _MOST_KEPT) -> Document:
    """Return the document at ``url`` with the first ``most`` rows of its table of results.

    That is the first table with columns in a RESOURCE of the type ``results``, else in one without a type, else any.
    """
    tables: list[VotableTable] = []
    rows: list[list[Row]] = []
    counts: list[int] = []
    services: list[ServiceDescriptor] = []
    infos: list[Info] = []
    for event in events:
        match event:
            case VotableTable():
                tables.append(event)
                rows.append([])
                counts.append(0)
            case tuple() if tables:
                counts[-1] += 1
                if len(rows[-1]) < most:
                    rows[-1].append(event)
            case ServiceDescriptor():
                services.append(event)
            case Info():
                infos.append(event)
    if not tables:
        return Document(url, services=services, infos=infos)
    best = min(range(len(tables)), key=lambda at: results_rank(tables[at]))
    return Document(url, tables[best], rows[best], services, infos, counts[best])


def results_rank(table: VotableTable) -> int:
    """Return how likely a table is the one of results.

    0 for one that says so, more for others.
    """
    return {"results": 0, "": 1}.get(table.resource_type, 2) + (0 if table.fields else 3)


def named_column(table: VotableTable, *names: str) -> int | None:
    """Return the column with the first of these that fits.

    An ID, a name, or a UTYPE without prefix, in any case.
    """
    for wanted in (name.casefold() for name in names):
        for index, one in enumerate(table.fields):
            if wanted in (one.id.casefold(), one.name.casefold(), one.role):
                return index
    return None


def column_name(column: VotableField) -> str:
    """Return what a column is called: its ID, else its name."""
    return column.id or column.name

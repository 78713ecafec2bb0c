"""The parts of a VOTable as plain values.

They are columns, constants, services, rows and remarks (VOTable 1.4, sections 3, 4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


class VotableError(Exception):
    """The document cannot be read; the message is a clause that says why."""


@dataclass(frozen=True, slots=True)
class VotableField:
    """A column, or a constant one that the service wrote as PARAM, then with its ``value``.

    Section 4.1, 4.2.
    """

    name: str
    id: str = ""
    datatype: str = ""
    unit: str = ""
    ucd: str = ""
    utype: str = ""
    xtype: str = ""
    value: str | None = None
    arraysize: str = ""
    null: str = ""
    """The whole number that stands for no value (section 4.7)."""

    @property
    def role(self) -> str:
        """The UTYPE without its prefix, of which services have their own: ``access.reference``."""
        return self.utype.rpartition(":")[2].casefold()


@dataclass(frozen=True, slots=True)
class Param:
    """An input of a service, with the values that it allows (section 4.7).

    ``ref`` names the column that it is.
    """

    name: str
    value: str = ""
    ref: str = ""
    unit: str = ""
    ucd: str = ""
    minimum: str = ""
    maximum: str = ""
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceDescriptor:
    """A service descriptor (DataLink 1.1, section 4)."""

    id: str
    access_url: str
    standard: str
    inputs: tuple[Param, ...]

    def input(self, name: str) -> Param | None:
        """Return the input of that name, which has no case (DALI 1.1, section 3.1)."""
        return next((param for param in self.inputs if param.name.casefold() == name.casefold()), None)


@dataclass(frozen=True, slots=True)
class Info:
    """An INFO, wherever it is.

    QUERY_STATUS may come before or behind the table (DALI 1.1, section 4.4).
    """

    name: str
    value: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class VotableTable:
    """The columns of the rows that follow, and the type of the RESOURCE that they are in."""

    fields: tuple[VotableField, ...]
    constants: tuple[VotableField, ...] = ()
    resource_type: str = ""
    name: str = ""

    def index_of(self, reference: str) -> int | None:
        """Return the position of the column with that ID.

        Of that name where no ID fits, as some services refer.
        """
        for names in ([field.id for field in self.fields], [field.name for field in self.fields]):
            if reference in names:
                return names.index(reference)
        return None


@dataclass(frozen=True, slots=True)
class SpectraTable:
    """A table of the TAP service at ``url`` with a row for each spectrum or format."""

    url: str
    name: str
    columns: VotableTable
    id_column: str
    url_column: str = ""
    """The column of the addresses, where the user names it."""
    takes_any_id: bool = False
    """Whether identifiers of any kind are in ``id_column``, as the user says."""

    @property
    def schema(self) -> str:
        """The schema that it is in, in lower case."""
        return self.name.rpartition(".")[0].casefold()


Row: TypeAlias = tuple[str, ...]
Event: TypeAlias = VotableTable | Row | ServiceDescriptor | Info

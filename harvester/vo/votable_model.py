"""What a VOTable says, as plain values: columns, constants, services, rows, remarks (VOTable 1.4, sections 3 and 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


class VotableError(Exception):
    """The document cannot be read; the message is a clause that says why."""


@dataclass(frozen=True, slots=True)
class VotableField:
    """A column, or a constant one that the service wrote as PARAM, then with its ``value`` (section 4.1, 4.2)."""

    name: str
    id: str = ""
    datatype: str = ""
    unit: str = ""
    ucd: str = ""
    utype: str = ""
    xtype: str = ""
    value: str | None = None
    arraysize: str = ""

    @property
    def role(self) -> str:
        """Its utype without the prefix, of which services have their own: ``access.reference``."""
        return self.utype.rpartition(":")[2].casefold()


@dataclass(frozen=True, slots=True)
class Param:
    """An input of a service, with the values that it allows (section 4.7); ``ref`` names the column that it is."""

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
        """Parameter names have no case (DALI 1.1, section 3.1)."""
        return next((param for param in self.inputs if param.name.casefold() == name.casefold()), None)


@dataclass(frozen=True, slots=True)
class Info:
    """An INFO, wherever it is: QUERY_STATUS may come before the table or behind it (DALI 1.1, section 4.4)."""

    name: str
    value: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class VotableTable:
    """What the rows that follow consist of."""

    fields: tuple[VotableField, ...]
    constants: tuple[VotableField, ...] = ()

    def place(self, reference: str) -> int | None:
        """The position of the column with that ID; of that name where no ID fits, as some services refer."""
        for names in ([field.id for field in self.fields], [field.name for field in self.fields]):
            if reference in names:
                return names.index(reference)
        return None


@dataclass(frozen=True, slots=True)
class SpectraTable:
    """A table of the TAP service at ``url`` with a row for each spectrum, or for each format of it."""

    url: str
    name: str
    columns: VotableTable
    id_column: str

    @property
    def schema(self) -> str:
        return self.name.rpartition(".")[0].casefold()


Row: TypeAlias = tuple[str, ...]
Event: TypeAlias = VotableTable | Row | ServiceDescriptor | Info

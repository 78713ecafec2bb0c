"""The parts of a VOTable that are being read: a table, a PARAM, a service.

Attributes have their names in lower case.
"""

from __future__ import annotations

from dataclasses import replace

from .votable_model import Param, ServiceDescriptor, VotableError, VotableField

MOST_COLUMNS = 2000


class TableDraft:
    """A TABLE whose columns are being read."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.fields: list[VotableField] = []
        self.constants: list[VotableField] = []
        self.is_emitted = False

    def add(self, columns: list[VotableField], attributes: dict[str, str]) -> None:
        if len(columns) >= MOST_COLUMNS:
            raise VotableError("it has more columns than expected")
        values = {
            name: attributes.get(name, "")
            for name in ("name", "datatype", "arraysize", "unit", "ucd", "utype", "xtype")
        }
        columns.append(VotableField(**values, id=attributes.get("id", ""), value=attributes.get("value")))

    def set_null(self, value: str) -> None:
        """Note what stands for no value in the latest column."""
        if self.fields and value:
            self.fields[-1] = replace(self.fields[-1], null=value)


class ParamDraft:
    """A PARAM whose VALUES are being read."""

    def __init__(self, attributes: dict[str, str]) -> None:
        self.attributes = attributes
        self.name = attributes.get("name", "").strip()
        self._limits = {"MIN": "", "MAX": ""}
        self._options: list[str] = []
        self._source = ""

    def add(self, name: str, attributes: dict[str, str]) -> None:
        value = attributes.get("value", "").strip()
        if name == "OPTION":
            if value and len(self._options) < MOST_COLUMNS:
                self._options.append(value)
        elif name == "LINK":  # how services said it before there was ref
            role = attributes.get("content-role", attributes.get("content_role", ""))
            self._source = value.removeprefix("#") if role.endswith("id-source") else self._source
        else:
            self._limits[name] = value

    def made(self) -> Param:
        values = {name: self.attributes.get(name, "").strip() for name in ("name", "value", "unit", "ucd")}
        ref = self.attributes.get("ref", "") or self._source
        return Param(
            **values, ref=ref, minimum=self._limits["MIN"], maximum=self._limits["MAX"], options=tuple(self._options)
        )


class ServiceDraft:
    """A RESOURCE, which is a service if it has an accessURL."""

    def __init__(self, name: str) -> None:
        self._id = name
        self._groups: list[str] = []
        self._inputs: list[Param] = []
        self._about: dict[str, str] = {}

    @property
    def is_about_inputs(self) -> bool:
        """Whether what comes now is an input of the service."""
        return "inputparams" in self._groups

    def open_group(self, name: str) -> None:
        self._groups.append(name.casefold())

    def close_group(self) -> None:
        if self._groups:
            self._groups.pop()

    def add(self, param: Param) -> None:
        if self.is_about_inputs:
            if len(self._inputs) < MOST_COLUMNS:
                self._inputs.append(param)
        elif not self._groups:
            self._about.setdefault(param.name.casefold(), param.value)

    def made(self) -> ServiceDescriptor | None:
        url = self._about.get("accessurl")
        return ServiceDescriptor(self._id, url, self._about.get("standardid", ""), tuple(self._inputs)) if url else None

"""What an archive's own documents tell about how to fetch from it: documents in, findings out. No I/O.

In this order, which covers the VO: a SODA service (its descriptor comes with any SSAP answer that has a row), the
datalink document of a dataset, the address in the SSAP row itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urljoin

from ..formatting import plain_line
from .document import Document, constant_of, place_of
from .urls import is_web, quote_url, with_query
from .votable_model import Param, ServiceDescriptor, SpectraTable, VotableField, VotableTable


@dataclass(frozen=True, slots=True)
class Findings:
    """How spectra are had from an archive, and which column says which they are."""

    mode: Mode
    endpoint: str
    standard: str = ""
    inputs: tuple[Param, ...] = ()
    id_column: str = ""
    ssap: str = ""
    source: SpectraTable | None = None
    """The table of a TAP service that lists them."""
    sample: str = ""
    """The DID that the archive was asked about."""
    hosts: tuple[str, ...] = ()
    """Where its addresses lead, besides the endpoint."""
    spectral_unit: str = ""
    """The unit of its files' wavelengths, as the list tells it (SSAP 1.1, section 4.2.5.6)."""

    def input(self, name: str) -> Param | None:
        return ServiceDescriptor("", self.endpoint, "", self.inputs).input(name)


def find_soda(document: Document) -> ServiceDescriptor | None:
    """The service that processes spectra: by its standard, old or new, else by its shape."""
    named = [one for one in document.services if re.search(r"/(soda|ssdp)#sync", one.standard, re.IGNORECASE)]
    shaped = [one for one in document.services if not one.standard and len(one.inputs) > 1]
    return next((one for one in [*named, *shaped] if one.input("ID") and is_web(address_of(document, one))), None)


def find_links(document: Document) -> ServiceDescriptor | None:
    """The service that gives the datalink document of a dataset."""
    named = (one for one in document.services if "datalink#links" in one.standard.casefold())
    return next((one for one in named if one.input("ID") and is_web(address_of(document, one))), None)


def read_soda(document: Document, service: ServiceDescriptor, sample: str = "") -> Findings:
    """What a SODA descriptor offers. A fixed input must be sent (DataLink 1.1, section 4.3): it joins the URL."""
    identity = service.input("ID")
    source = document.table.place(identity.ref) if identity and identity.ref else None
    fixed = {one.name: one.value for one in service.inputs if one.value and not one.options and one is not identity}
    return Findings(
        mode="soda",
        endpoint=with_query(address_of(document, service), fixed) if fixed else address_of(document, service),
        standard=service.standard,
        inputs=tuple(one for one in service.inputs if one.name not in fixed),
        id_column=_name(document.table.fields[source]) if source is not None else id_column(document.table),
        sample=sample,
    )


def spectral_unit(document: Document) -> str:
    """What SSAP says of the unit of wavelengths in the files (1.1, section 4.2.5.6), a column or a constant."""
    role = "char.spectralaxis.unit"
    constant = constant_of(document.table, role)
    told = next((document.value(row, role) for row in document.rows), "")
    return plain_line(told or (constant.value if constant else None) or "", 20)


def read_link(document: Document) -> tuple[str, str]:
    """The address of the dataset itself (``#this``) in its datalink document, or else why there is none."""
    faults = []
    for row in document.rows:
        fault = document.value(row, "error_message")
        if fault:
            faults.append(plain_line(fault))
        elif document.value(row, "semantics").rpartition("#")[2] == "this":
            url = document.value(row, "access_url")
            if is_web(url):
                return quote_url(url), ""
    return "", faults[0] if faults else "its datalink document has no #this"


def processing(document: Document) -> ServiceDescriptor | None:
    """The service behind a datalink document's ``#proc`` rows, else any SODA service in it."""
    rows = [row for row in document.rows if document.value(row, "semantics").endswith("#proc")]
    told = [document.service(document.value(row, "service_def")) for row in rows]
    usable = (one for one in told if one and one.input("ID") and is_web(address_of(document, one)))
    return next(usable, None) or find_soda(document)


def id_column(table: VotableTable) -> str:
    """The column with the publisher DIDs (SSAP 1.1, section 4.2.5); the creator's only where there is no other."""
    place = place_of(table, "curation.publisherdid", "ssa_pubdid", "obs_publisher_did", "dataid.creatordid")
    return _name(table.fields[place]) if place is not None else ""


def _name(column: VotableField) -> str:
    return column.id or column.name


def address_of(document: Document, service: ServiceDescriptor) -> str:
    """Where a service is, which may be told relative to the document; empty if that is no address."""
    try:
        return quote_url(urljoin(document.url, service.access_url))
    except ValueError:
        return ""


Mode = Literal["soda", "datalink", "direct"]

"""Read from an archive's own documents how its spectra are fetched.

Documents go in and findings come out. In this order, which covers the Virtual Observatory: a SODA service (its
descriptor comes with any SSAP answer that has a row), the datalink document of a dataset, the address in the SSAP row
itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urljoin

from ..formatting import plain_line
from ..model.failures import FetchError
from .columns import CREATOR_DID, PUBLISHER_DID, SPECTRAL_UNIT, cell, column_index
from .data_origin import DataOrigin
from .datalink import choose_file, comparable
from .document import Document, column_name
from .urls import Mode, is_web, quote_url, with_query
from .votable_model import Param, ServiceDescriptor, SpectraTable, VotableTable


@dataclass(frozen=True, slots=True)
class Findings:
    """How an archive's spectra are fetched, and which column identifies them."""

    mode: Mode
    endpoint: str
    standard: str = ""
    inputs: tuple[Param, ...] = ()
    id_column: str = ""
    ssap: str = ""
    source: SpectraTable | None = None
    """The table of a TAP service that lists them."""
    sample: str = ""
    """The DID of the row that was looked at."""
    sample_address: str = ""
    """The address in that row."""
    hosts: tuple[str, ...] = ()
    """Where its addresses lead, besides the endpoint."""
    spectral_unit: str = ""
    """The unit of its files' wavelengths, as the list gives it (SSAP 1.1, section 4.2.5.6)."""
    largest_size: float = 0.0
    """The largest SIZE in degrees that its SSAP service takes, where it demands a position; else 0."""
    moved_from: str = ""
    """The address that redirected to this service."""
    ignores_maxrec: bool = False
    """Whether it returned more rows than were requested: then a round number of them may be a limit of its own."""
    says_overflow: bool = False
    """Whether it said OVERFLOW with the one row that was requested: then it would say so of others."""

    origin: DataOrigin = field(default_factory=DataOrigin)
    """What the archive's answer says about citation and rights."""
    link_service: str = ""
    """What gives datalink documents for the values of ``link_column``, where that is not the publisher DID."""
    link_column: str = ""
    url_column: str = ""
    """The column of an SSAP answer with the addresses, where the user names it."""
    takes_any_id: bool = False
    """Whether identifiers of any kind are in ``id_column``, as the user says."""
    files_of_sample: int = 1
    """How many FITS files its datalink document names."""

    @property
    def by_did(self) -> bool:
        """Whether a spectrum is requested by its identifier, rather than by an address of its own."""
        return self.mode == "soda" or (self.mode == "datalink" and bool(self.endpoint))

    def input(self, name: str) -> Param | None:
        """Return the SODA parameter of that name, which has no case."""
        return ServiceDescriptor("", self.endpoint, "", self.inputs).input(name)


def find_soda(document: Document, did: str = "") -> ServiceDescriptor | None:
    """Return the service that processes spectra.

    It is known by its standard, old or new, else by its shape. It must answer at once, and take any DID: the descriptor
    in a datalink document may be for one file alone.
    """
    named = [one for one in document.services if re.search(r"/(soda|ssdp)#sync", one.standard, re.IGNORECASE)]
    shaped = [one for one in document.services if not one.standard and len(one.inputs) > 1]
    return next((one for one in [*named, *shaped] if _is_usable(document, one, did)), None)


def find_links(document: Document) -> ServiceDescriptor | None:
    """Return the service that gives the datalink document of a dataset."""
    named = (one for one in document.services if "datalink#links" in one.standard.casefold())
    return next((one for one in named if one.input("ID") and is_web(address_of(document, one))), None)


def id_reference(document: Document, service: ServiceDescriptor) -> int | None:
    """Return the column from which a service takes its ID.

    None where the descriptor names none that is there.
    """
    identifier = service.input("ID")
    return document.table.index_of(identifier.ref) if identifier and identifier.ref else None


def takes_did(document: Document, service: ServiceDescriptor) -> bool:
    """Return whether a service's ID is the publisher DID.

    Else it is the value of another column.
    """
    referred, did = id_reference(document, service), column_index(document.table, PUBLISHER_DID)
    if referred is None or did is None or referred == did:
        return True
    return all(cell(row, referred) == cell(row, did) for row in document.rows)


def _is_usable(document: Document, service: ServiceDescriptor, did: str) -> bool:
    identifier = service.input("ID")
    if identifier is None or not is_web(address_of(document, service)):
        return False
    if identifier.value and not identifier.options and not identifier.ref:
        return comparable(identifier.value) in (_subjects(document) if not did else {comparable(did)})
    return takes_did(document, service)


def _subjects(document: Document) -> set[str]:
    """Return the identifiers that a datalink document is about."""
    return {comparable(document.value(row, "ID")) for row in document.rows}


def read_soda(document: Document, service: ServiceDescriptor, sample: str = "") -> Findings:
    """Return what a SODA descriptor offers.

    A fixed input must be sent (DataLink 1.1, section 4.3): it joins the URL.
    """
    source, fixed = id_reference(document, service), _fixed(service)
    return Findings(
        mode="soda",
        endpoint=address_with_fixed(document, service),
        standard=service.standard,
        inputs=tuple(one for one in service.inputs if one.name not in fixed),
        id_column=column_name(document.table.fields[source]) if source is not None else id_column(document.table),
        sample=sample,
    )


def _fixed(service: ServiceDescriptor) -> dict[str, str]:
    """Return the inputs that have one value for all."""
    identity = service.input("ID")
    return {one.name: one.value for one in service.inputs if one.value and not one.options and one is not identity}


def address_with_fixed(document: Document, service: ServiceDescriptor) -> str:
    """Return where a service is, with the inputs that must be sent whatever is requested."""
    fixed, address = _fixed(service), address_of(document, service)
    return with_query(address, fixed) if fixed and address else address


def spectral_unit(document: Document) -> str:
    """Return what SSAP says of the unit of wavelengths in the files.

    It is a column or a constant (1.1, section 4.2.5.6).
    """
    units = [document.cell_of(row, SPECTRAL_UNIT) for row in document.rows]
    return plain_line(next(filter(None, units), ""), 20)


def read_link(document: Document) -> tuple[str, str]:
    """Return the address of the dataset itself (``#this``), or else why there is none.

    It is that of its datalink document.
    """
    try:
        url = choose_file(document)
    except FetchError as error:
        return "", error.failure.detail
    return (quote_url(url), "") if is_web(url) else ("", f"its datalink document leads to {plain_line(url, 80)!r}")


def processing(document: Document, did: str = "") -> ServiceDescriptor | None:
    """Return the service behind a datalink document's ``#proc`` rows.

    Else any SODA service in it.
    """
    rows = [row for row in document.rows if document.value(row, "semantics").endswith("#proc")]
    named = [document.service(document.value(row, "service_def")) for row in rows]
    usable = (one for one in named if one and "#async" not in one.standard and _is_usable(document, one, did))
    return next(usable, None) or find_soda(document, did)


def id_column(table: VotableTable) -> str:
    """Return the column with the publisher DIDs (SSAP 1.1, section 4.2.5), else the creator's.

    '' if there is none.
    """
    indexes = (column_index(table, meaning) for meaning in (PUBLISHER_DID, CREATOR_DID))
    return next((column_name(table.fields[index]) for index in indexes if index is not None), "")


def address_of(document: Document, service: ServiceDescriptor) -> str:
    """Return where a service is, which may be relative to the document.

    '' if that is not a valid URL.
    """
    try:
        return quote_url(urljoin(document.url, service.access_url))
    except ValueError:
        return ""

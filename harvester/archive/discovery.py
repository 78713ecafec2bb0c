"""What an archive's own documents tell about how to fetch from it: documents in, findings out. No I/O.

In this order, which covers the VO: a SODA service (its descriptor comes with any SSAP answer that has a row), the
datalink document of a dataset, the address in the SSAP row itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_address
from socket import inet_aton
from typing import Any
from urllib.parse import parse_qsl, quote, unquote_plus, urljoin, urlsplit

from ..words import plain_line
from .profile import ArchiveProfile, Mode
from .tables import Event, Field, Info, Param, Row, Service, SpectraTable, Table

_MOST_KEPT = 10  # rows of a document that discovery looks at, unless it says how many


@dataclass(frozen=True, slots=True)
class Document:
    """A VOTable as a whole: its first table that has columns, the first rows of that, its services, its status."""

    url: str
    table: Table = field(default_factory=lambda: Table(()))
    rows: Sequence[Row] = ()
    services: Sequence[Service] = ()
    infos: Sequence[Info] = ()

    @property
    def error(self) -> str | None:
        """The service's own words if it failed inside a 200 (DALI 1.1, section 4.4), wherever it says so."""
        failed = [info for info in self.infos if is_status(info, "ERROR")]
        return plain_line(failed[0].text) or "QUERY_STATUS=ERROR, without a word" if failed else None

    def service(self, identity: str) -> Service | None:
        return next((service for service in self.services if service.id == identity), None)

    def value(self, row: Row, *names: str) -> str:
        """The cell of the column that has one of these names or roles; empty if there is none."""
        return cell(row, place_of(self.table, *names))


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
        return Service("", self.endpoint, "", self.inputs).input(name)


def is_status(info: Info, value: str) -> bool:
    return info.name.upper() == "QUERY_STATUS" and info.value.upper() == value


def gather(url: str, events: Iterable[Event], most: int = _MOST_KEPT) -> Document:
    """The document that ``url`` answered with, and the first ``most`` of its rows."""
    tables: list[Table] = []
    rows: list[Row] = []
    services: list[Service] = []
    infos: list[Info] = []
    for event in events:
        match event:
            case Table() if event.fields or not tables:
                tables = [event] if not tables or not tables[0].fields else [*tables, event]
            case tuple() if len(tables) == 1 and len(rows) < most:
                rows.append(event)
            case Service():
                services.append(event)
            case Info():
                infos.append(event)
    return Document(url, tables[0] if tables else Table(()), rows, services, infos)


def place_of(table: Table, *names: str) -> int | None:
    """The column with the first of these that fits: an ID, a name, or a role (utype without prefix), in any case."""
    for wanted in (name.casefold() for name in names):
        for place, one in enumerate(table.fields):
            if wanted in (one.id.casefold(), one.name.casefold(), one.role):
                return place
    return None


def cell(row: Row, place: int | None) -> str:
    """What is there, without blanks; empty where there is no such column, or the row ends before it."""
    return row[place].strip() if place is not None and place < len(row) else ""


def constant_of(table: Table, *roles: str) -> Field | None:
    """The PARAM that stands for a column whose value is the same in all rows."""
    return next((one for role in roles for one in table.constants if one.role == role.casefold()), None)


def find_soda(document: Document) -> Service | None:
    """The service that processes spectra: by its standard, old or new, else by its shape."""
    named = [one for one in document.services if re.search(r"/(soda|ssdp)#sync", one.standard, re.IGNORECASE)]
    shaped = [one for one in document.services if not one.standard and len(one.inputs) > 1]
    return next((one for one in [*named, *shaped] if one.input("ID") and is_web(address_of(document, one))), None)


def find_links(document: Document) -> Service | None:
    """The service that gives the datalink document of a dataset."""
    named = (one for one in document.services if "datalink#links" in one.standard.casefold())
    return next((one for one in named if one.input("ID") and is_web(address_of(document, one))), None)


def read_soda(document: Document, service: Service, sample: str = "") -> Findings:
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
                return fit(url), ""
    return "", faults[0] if faults else "its datalink document has no #this"


def processing(document: Document) -> Service | None:
    """The service behind a datalink document's ``#proc`` rows, else any SODA service in it."""
    rows = [row for row in document.rows if document.value(row, "semantics").endswith("#proc")]
    told = [document.service(document.value(row, "service_def")) for row in rows]
    usable = (one for one in told if one and one.input("ID") and is_web(address_of(document, one)))
    return next(usable, None) or find_soda(document)


def id_column(table: Table) -> str:
    """The column with the publisher DIDs (SSAP 1.1, section 4.2.5); the creator's only where there is no other."""
    place = place_of(table, "curation.publisherdid", "ssa_pubdid", "obs_publisher_did", "dataid.creatordid")
    return _name(table.fields[place]) if place is not None else ""


def _name(column: Field) -> str:
    return column.id or column.name


def address_of(document: Document, service: Service) -> str:
    """Where a service is, which may be told relative to the document; empty if that is no address."""
    try:
        return fit(urljoin(document.url, service.access_url))
    except ValueError:
        return ""


def is_web(url: str) -> bool:
    """Whether it can be asked: HTTP, a host that may be one, a port that is one, and no credentials."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna")
        return parts.scheme in ("http", "https") and bool(host) and parts.port != 0 and "@" not in parts.netloc
    except ValueError:  # UnicodeError, too
        return False


def host_of(url: str) -> str:
    """The host of an address, in lower case; '' if it has none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def is_inside(host: str) -> bool:
    """Whether it is a number of this machine or of a private network. Names are not looked up."""
    host = host.rstrip(".")
    try:
        return not ip_address(host).is_global
    except ValueError:
        pass
    try:
        return not IPv4Address(inet_aton(host)).is_global  # 127.1, 0x7f000001, and what else systems understand
    except OSError:
        return host == "localhost" or host.endswith(".localhost")


def fit(url: str) -> str:
    """``url`` with nothing in it that an address may not have; what is encoded already stays as it is."""
    return quote(url.strip(), safe="%/:=&?~#+!$,;'@()*[]")


def with_query(url: str, values: dict[str, str]) -> str:
    """``url`` with these parameters, in place of its own of the same names, which have no case."""
    base, _, fragmentless = url.partition("#")[0].partition("?")
    ours = {name.casefold() for name in values}
    kept = [
        pair for pair in fragmentless.split("&") if pair and unquote_plus(pair.partition("=")[0]).casefold() not in ours
    ]
    added = [f"{quote(name, safe='')}={quote(value, safe='/:~')}" for name, value in values.items()]
    return f"{base}?{'&'.join([*kept, *added])}"


def query_of(url: str) -> dict[str, str]:
    """The parameters of an address, their names in capitals."""
    return {name.upper(): value for name, value in parse_qsl(urlsplit(url).query)}


def make_profile(findings: Findings, name: str, title: str) -> ArchiveProfile:
    """The archive as later runs need to know it. What it does not offer is not asked for by default."""
    return ArchiveProfile(
        name=name,
        title=title,
        endpoint=findings.endpoint,
        identity_card="DS_IDPUB" if findings.mode == "soda" else "",  # which DaCHS writes, and plain files lack
        step_tolerance=0.0,  # nobody promised even steps
        spectral_unit=findings.spectral_unit if findings.mode != "soda" else "",
        hosts=other_hosts(findings),
        ssap=findings.ssap,
        tap=findings.source.url if findings.source else "",
        table=findings.source.name if findings.source else "",
        mode=findings.mode,
        parameters=tuple(one.name for one in findings.inputs),
        fluxcalibs=_options(findings, "FLUXCALIB"),
        formats=_options(findings, "FORMAT"),
        settings=default_settings(findings),
    )


def default_settings(findings: Findings) -> dict[str, Any]:
    """What is asked for where the user says nothing and the usual is not offered; without SODA nothing is asked."""
    settings: dict[str, Any] = {}
    if findings.mode != "soda":
        return settings
    formats = _options(findings, "FORMAT")
    if "normalized" not in {value.casefold() for value in _options(findings, "FLUXCALIB")}:
        settings["fluxcalib"] = "none"
    if findings.input("FORMAT") is None:
        settings["format"] = "none"
    elif formats and "application/fits" not in formats:
        settings["format"] = next((value for value in formats if "fits" in value.casefold()), "none")
    return settings


def other_hosts(findings: Findings) -> tuple[str, ...]:
    """The hosts to which its addresses lead, besides the endpoint's."""
    return tuple(sorted({host for host in findings.hosts if host and host != host_of(findings.endpoint)}))


def _options(findings: Findings, name: str) -> tuple[str, ...]:
    param = findings.input(name)
    return param.options if param else ()


def in_words(findings: Findings, named: str) -> list[tuple[str, str]]:
    """What was found where ``named`` was asked, a line each: what it is about, and the words."""
    documents = findings.endpoint or "whose address the list tells"
    how = {
        "soda": f"by SODA ({findings.standard or 'by its shape'}), {findings.endpoint}",
        "datalink": f"what the datalink document of each calls #this, {documents}",
        "direct": "at the address in each row of the list; no service processes them",
    }
    lines = [("fetch", how[findings.mode]), ("ids", findings.id_column and f"in the column {findings.id_column}")]
    elsewhere = sorted({host_of(findings.endpoint), *findings.hosts} - {"", host_of(named)})
    words = "another host than you named: the archive says that its spectra are there, and later runs will ask it"
    lines.append(("hosts", f"{', '.join(elsewhere)}, {words}" if elsewhere else ""))
    if findings.mode != "soda":
        lines.append(("wavelengths", f"in {findings.spectral_unit or 'the unit that each file names'}"))
        lines.append(("proofs", "structure and science; no card is known that names the DID (see identity_card)"))
    elif findings.input("FLUXCALIB") and "fluxcalib" in default_settings(findings):
        words = "normalized is not offered: FLUXCALIB is left out, spectra come as they were observed"
        lines.append(("by default", f"{words} (--fluxcalib says otherwise)"))
    if findings.source:
        lines.append(("list", f"in pages, from the table {findings.source.name} of TAP, {findings.source.url}"))
    for param in findings.inputs:
        limits = f"{param.minimum} to {param.maximum} {param.unit}" if param.minimum or param.maximum else ""
        about = f"{limits} in what it was asked about (other spectra may differ)" if limits else "any value"
        if param.name.upper() != "ID":
            lines.append((param.name, ", ".join(param.options) or about))
    return [(plain_line(about), plain_line(words, 600)) for about, words in lines if words]

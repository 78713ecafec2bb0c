"""Find out how to fetch from an archive, by the few documents that say so.

And list all it has.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from ..errors import ArchiveError, UsageError
from ..formatting import plain_line
from ..model.failures import FailureKind
from ..vo.adql import conditions, select
from ..vo.columns import ADDRESS, MEDIA_TYPE, cell, named_index
from ..vo.constraints import Constraints
from ..vo.descriptors import (
    Findings,
    address_of,
    find_links,
    find_soda,
    id_column,
    id_reference,
    processing,
    read_link,
    read_soda,
    spectral_unit,
    takes_did,
)
from ..vo.document import Document, column_name
from ..vo.identity import absolute_address
from ..vo.listing import CatalogWriter, ListingSummary
from ..vo.media_types import MediaKind, media_kind
from ..vo.urls import host_of, is_inside, is_web, query_of, quote_url, with_query
from ..vo.votable_model import Row, SpectraTable
from .client import ServiceUnavailableError, VoClient, in_short
from .first_answer import first_answer
from .ssap import list_at_once
from .tap import (
    TapService,
    base_of,
    columns_of,
    fields_for,
    find_tap_table,
    is_tap,
    named_table,
    select_table,
    spectra_tables,
    with_columns,
)
from .tap_pages import Tell, list_by_pages

_NO_SERVICE = (FailureKind.NOT_FOUND, FailureKind.CONNECTION_LOST, FailureKind.GONE)


@dataclass(frozen=True, slots=True)
class TableChoice:
    """Which table of a TAP service the user names, and which of its columns.

    '' where that is to be found out.
    """

    table: str = ""
    id_column: str = ""
    url_column: str = ""

    def __bool__(self) -> bool:
        return bool(self.table or self.id_column or self.url_column)


async def discover(
    client: VoClient,
    url: str,
    constraints: Constraints,
    table: str | None = None,
    by_tap: bool = False,
    columns: TableChoice | None = None,
) -> Findings:
    """Return how spectra are fetched from the archive at ``url``.

    That is an SSAP service, the datalink (dlget) address of one dataset, or a TAP service (with that ``table``), which
    its name or ``by_tap`` tells, or else its answers. ArchiveError, with what to try next, where it is none.
    """
    choice = replace(columns or TableChoice(), table=table or "")
    findings = await _findings(client, url, constraints, choice, by_tap)
    for host in (host_of(findings.endpoint), *findings.hosts):
        _keep_out(url, host)
    return findings


async def _findings(
    client: VoClient, url: str, constraints: Constraints, choice: TableChoice, by_tap: bool
) -> Findings:
    if by_tap or is_tap(url):
        return await _by_table(client, base_of(url), constraints, choice)
    if choice:
        return await _by_named_table(client, url, constraints, choice)
    end = urlsplit(url).path.rstrip("/").rpartition("/")[2].casefold()
    if "ID" in query_of(url):
        return await _of_one(client, url)
    if end in ("dlget", "dlmeta"):
        raise UsageError(
            f"{url}: this address alone does not tell what is offered: "
            f"give one of its spectra ('{url}?ID=ivo://...'), or the archive's SSAP address"
        )
    try:
        answer = await first_answer(client, url, constraints)
    except ServiceUnavailableError as error:
        return await _by_tap_after_all(client, url, constraints, error)
    findings = await _by_listing(client, answer.document)
    findings = replace(
        findings,
        ssap=answer.url,
        largest_size=answer.largest_size,
        origin=answer.document.origin,
        moved_from=url if host_of(answer.url) != host_of(url) else "",
        ignores_maxrec=answer.document.row_count > 1 and answer.maxrec == 1,
    )
    return replace(findings, source=await find_tap_table(client, answer.url, findings.sample))


async def _by_tap_after_all(
    client: VoClient, url: str, constraints: Constraints, error: ServiceUnavailableError
) -> Findings:
    """Return what a TAP service of any name tells, where ``url`` is no SSAP service.

    ArchiveError if it is neither.
    """
    if error.failure.kind not in (*_NO_SERVICE, FailureKind.REFUSED_REQUEST, FailureKind.UNEXPECTED_STATUS):
        raise error
    try:
        return await _by_table(client, base_of(url), constraints, TableChoice())
    except ServiceUnavailableError:
        pass
    except ArchiveError as refusal:
        if str(refusal).startswith(base_of(url)) and "no TAP service" not in str(refusal):
            raise
    if error.failure.kind not in _NO_SERVICE:
        raise error
    raise ArchiveError(f"{error}; give the address of its SSAP (or TAP) service itself") from None


async def _by_named_table(client: VoClient, url: str, constraints: Constraints, choice: TableChoice) -> Findings:
    """Return what a TAP service tells whose address does not say that it is one."""
    try:
        return await _by_table(client, base_of(url), constraints, choice)
    except ServiceUnavailableError as error:
        words = "--table makes it the address of a TAP service; give that service's, or leave --table out"
        raise type(error)(url, replace(error.failure, detail=f"{error.failure.detail}; {words}")) from None


async def _by_table(client: VoClient, base: str, constraints: Constraints, choice: TableChoice) -> Findings:
    """Return what a row of a TAP service's table tells, which has what a row of SSAP has."""
    source = await _source(client, base, choice)
    fields = fields_for(source, columns_of(source, has_addresses=True, by_did=False))
    service = TapService(client, base)
    wanted = conditions(source, constraints)
    document = await service.document(select(source, fields, wanted, 1), 1)
    if wanted and not document.rows:
        document = await service.document(select(source, fields, [], 1), 1)
    findings = await _by_listing(client, document, source)
    return replace(findings, source=source, id_column=source.id_column, origin=document.origin)


async def _source(client: VoClient, base: str, choice: TableChoice) -> SpectraTable:
    if choice.table and (choice.id_column or choice.url_column):
        return await named_table(client, base, choice.table, choice.id_column, choice.url_column)
    try:
        tables = await spectra_tables(client, base)
        source = select_table(tables, base, choice.table or None)
    except ServiceUnavailableError as error:
        if not choice.table or error.failure.kind in _NO_SERVICE:
            raise
        return await named_table(client, base, choice.table, "", "")
    return with_columns(source, choice.id_column, choice.url_column)


async def _of_one(client: VoClient, url: str) -> Findings:
    """Return what the datalink document of one dataset tells, which is a sibling of its dlget."""
    address, question, query = url.partition("?")
    sibling = re.sub(r"/dlget/?$", "/dlmeta", address) + question + query
    document = await client.document(sibling, may_move=True)
    found = await _by_links(document, sibling, query_of(url)["ID"])
    if found is None:
        raise ArchiveError(f"{sibling}: {read_link(document)[1]}")
    return found


async def _by_links(document: Document, url: str, did: str) -> Findings | None:
    service = processing(document, did)
    if service:
        return read_soda(document, service, did)
    file = read_link(document)[0]
    if not file:
        return None
    endpoint = _without_id(url) if query_of(url).get("ID") == did else ""  # else each document has its own address
    return Findings("datalink", endpoint, sample=did, hosts=(host_of(url), host_of(file)))


async def _by_listing(client: VoClient, document: Document, source: SpectraTable | None = None) -> Findings:
    """Return what an SSAP answer tells, or else the datalink document of its first row."""
    column = id_column(document.table)
    if not document.rows:
        raise ArchiveError(f"{in_short(document.url)}: {_why_empty(document)}, so it does not tell how to fetch one")
    document = _with_address_first(document, source)
    row = document.rows[0]
    did = document.value(row, column) if column else ""
    address = _address(document, source)
    service = find_soda(document)
    if service:
        return replace(read_soda(document, service, did), sample_address=address)
    links = await _links_of(client, document, did, address)
    if links:
        return replace(links, id_column=column, spectral_unit=spectral_unit(document), sample_address=address)
    if not is_web(address):
        words = "it offers neither a service nor an address to fetch spectra from"
        columns = plain_line(", ".join(column_name(one) for one in document.table.fields), 300)
        raise ArchiveError(f"{in_short(document.url)}: {words}; its columns: {columns} (name one with --url-column)")
    return Findings(
        "direct",
        "",
        id_column=column,
        sample=did,
        sample_address=address,
        hosts=(host_of(address),),
        spectral_unit=spectral_unit(document),
    )


def _with_address_first(document: Document, source: SpectraTable | None) -> Document:
    """Return the document with a row in front that has an address, if there is one."""
    if source and source.url_column:
        return document
    return replace(document, rows=sorted(document.rows, key=lambda row: not _row_address(document, row)))


def _row_address(document: Document, row: Row) -> str:
    """Return the address in a row as it can be requested; '' for none, or one by FTP."""
    address = absolute_address(document.cell_of(row, ADDRESS), document.url)
    return quote_url(address) if is_web(address) else ""


def _address(document: Document, source: SpectraTable | None) -> str:
    """Return the address in the first row, as it can be requested; '' if there is none."""
    row = document.rows[0]
    if not (source and source.url_column):
        return _row_address(document, row)
    address = absolute_address(cell(row, named_index(document.table, source.url_column)), document.url)
    return quote_url(address) if is_web(address) else ""


def _why_empty(document: Document) -> str:
    if document.is_cut:
        return (
            "it says OVERFLOW and gives no row: it has more than it returns at once; "
            "narrow the list with --time, --pos and --size, or --band"
        )
    if document.table.fields or document.has_status:
        return "it lists no spectrum" if document.table.fields else "no list of spectra came, and no error: it is empty"
    return "it is no list of spectra (no table, no error)"


async def _links_of(client: VoClient, listing: Document, did: str, address: str) -> Findings | None:
    """Return what the datalink document of the first row tells; None where it has none."""
    links = find_links(listing)
    kind = media_kind(listing.cell_of(listing.rows[0], MEDIA_TYPE), address)
    column = id_reference(listing, links) if links and not takes_did(listing, links) else None
    if kind is MediaKind.DATALINK and address and (column is not None or not (links and did)):
        url = address
    elif links and (did or column is not None):
        value = cell(listing.rows[0], column) if column is not None else did
        url = with_query(address_of(listing, links), {"ID": value})
    else:
        return None
    _keep_out(listing.url, host_of(url))
    document = await client.document(url, may_move=True)
    found = await _by_links(document, url, did)
    if found is None and kind is MediaKind.DATALINK:  # it is no spectrum either
        raise ArchiveError(f"{url}: {read_link(document)[1]}")
    if found and column is not None and url != address and links:
        name = column_name(listing.table.fields[column])
        return replace(found, endpoint="", link_service=address_of(listing, links), link_column=name)
    return found


def _keep_out(origin: str, host: str) -> None:
    """Raise ArchiveError where an archive out in the world leads into the user's own network."""
    if is_inside(host) and not is_inside(host_of(origin)):
        words = "inside a private network, where nothing is requested because an archive says so"
        raise ArchiveError(f"{in_short(origin)}: it leads to {host}, {words}")


def _without_id(url: str) -> str:
    base, _, query = url.partition("?")
    kept = "&".join(pair for pair in query.split("&") if pair.partition("=")[0].upper() != "ID")
    return f"{base}?{kept}" if kept else base


async def list_spectra(
    client: VoClient,
    findings: Findings,
    constraints: Constraints,
    sink: CatalogWriter,
    most: int | None = None,
    tell: Tell = lambda rows, total: None,
    keep_incomplete: bool = False,
    say: Callable[[str], None] = lambda words: None,
) -> ListingSummary:
    """Write every spectrum that the archive lists into ``sink``.

    By TAP where there is one and it works, else by SSAP. IncompleteListError if it may lack some, unless
    ``keep_incomplete``; ``say`` is called with what takes long.
    """
    if findings.source is None:
        return await list_at_once(client, findings, constraints, sink, most, keep_incomplete, say)
    try:
        return await list_by_pages(client, findings, constraints, sink, tell, most)
    except ArchiveError as error:
        if not findings.ssap:
            raise
        listed = await list_at_once(client, findings, constraints, sink, most, keep_incomplete, say)
        return replace(listed, remark=f"by SSAP, since TAP failed ({error})")

"""Surveys an archive: asks for the few documents that tell how to fetch from it, and for the list of all it has."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import urlsplit

from ..errors import ArchiveError, UsageError
from ..model.failures import FailureKind
from ..vo.adql import conditions, select
from ..vo.constraints import Constraints
from ..vo.descriptors import (
    Findings,
    address_of,
    find_links,
    find_soda,
    id_column,
    processing,
    read_link,
    read_soda,
    spectral_unit,
)
from ..vo.document import Document
from ..vo.listing import ADDRESS, FORMAT, CatalogWriter, ListingSummary
from ..vo.urls import host_of, is_inside, is_web, query_of, with_query
from .client import ServiceUnavailableError, VoClient, in_short
from .ssap import list_at_once
from .tap import base_of, fields_for, find_tap_table, is_tap, select_table, spectra_tables, sync_query_url
from .tap_pages import Tell, list_by_pages


async def discover(
    asker: VoClient, url: str, constraints: Constraints, table: str | None = None, by_tap: bool = False
) -> Findings:
    """How spectra are had from the archive at ``url``: an SSAP service, the datalink (dlget) of one dataset, or a TAP
    service (with that ``table``), which its name or ``by_tap`` tells.
    """
    findings = await _findings(asker, url, constraints, table, by_tap)
    for host in (host_of(findings.endpoint), *findings.hosts):
        _keep_out(url, host)
    return findings


async def _findings(asker: VoClient, url: str, constraints: Constraints, table: str | None, by_tap: bool) -> Findings:
    if by_tap or is_tap(url):
        return await _by_table(asker, base_of(url), constraints, table)
    if table:
        return await _by_named_table(asker, url, constraints, table)
    end = urlsplit(url).path.rstrip("/").rpartition("/")[2].casefold()
    if "ID" in query_of(url):
        return await _of_one(asker, url)
    if end in ("dlget", "dlmeta"):
        raise UsageError(
            f"{url}: this address alone does not tell what is offered: "
            f"give one of its spectra ('{url}?ID=ivo://...'), or the archive's SSAP address"
        )
    findings = await _by_listing(asker, await _first_row(asker, url, constraints))
    return replace(findings, ssap=url, source=await find_tap_table(asker, url, findings.sample))


async def _first_row(asker: VoClient, url: str, constraints: Constraints) -> Document:
    """One that meets the constraints, else any: how spectra are fetched does not depend on which are wanted."""
    query = {"REQUEST": "queryData", "MAXREC": "1"}
    narrowed = constraints.parameters()
    try:
        document = await asker.document(with_query(url, query | narrowed))
    except ServiceUnavailableError as error:
        if error.failure.kind not in (FailureKind.NOT_FOUND, FailureKind.CONNECTION_LOST):
            raise
        raise ArchiveError(f"{error}; give the address of its SSAP (or TAP) service itself") from None
    return document if document.rows or not narrowed else await asker.document(with_query(url, query))


async def _by_named_table(asker: VoClient, url: str, constraints: Constraints, table: str) -> Findings:
    """From a TAP service whose address does not tell that it is one."""
    try:
        return await _by_table(asker, base_of(url), constraints, table)
    except ServiceUnavailableError as error:
        words = "--table makes it the address of a TAP service; give that service's, or leave --table out"
        raise type(error)(url, replace(error.failure, detail=f"{error.failure.detail}; {words}")) from None


async def _by_table(asker: VoClient, base: str, constraints: Constraints, name: str | None) -> Findings:
    """From a row of a TAP service's table, which has what a row of SSAP has."""
    source = select_table(await spectra_tables(asker, base), base, name)
    fields, wanted = fields_for(source, with_address=True), conditions(source, constraints)
    document = await asker.document(sync_query_url(base, select(source, fields, wanted, 1), 1))
    if wanted and not document.rows:
        document = await asker.document(sync_query_url(base, select(source, fields, [], 1), 1))
    findings = await _by_listing(asker, document)
    return replace(findings, source=source, id_column=source.id_column)


async def _of_one(asker: VoClient, url: str) -> Findings:
    """From the datalink document of one dataset, which is a sibling of its dlget."""
    address, question, query = url.partition("?")
    sibling = re.sub(r"/dlget/?$", "/dlmeta", address) + question + query
    document = await asker.document(sibling)
    found = await _by_links(document, sibling, query_of(url)["ID"])
    if found is None:
        raise ArchiveError(f"{sibling}: {read_link(document)[1]}")
    return found


async def _by_links(document: Document, url: str, did: str) -> Findings | None:
    service = processing(document)
    if service:
        return read_soda(document, service, did)
    file = read_link(document)[0]
    if not file:
        return None
    endpoint = _without_id(url) if query_of(url).get("ID") == did else ""  # else each document has its own address
    return Findings("datalink", endpoint, sample=did, hosts=(host_of(url), host_of(file)))


async def _by_listing(asker: VoClient, document: Document) -> Findings:
    """From an SSAP answer, and the datalink document of its first row where the answer itself does not tell."""
    column = id_column(document.table)
    if not document.rows:
        empty = "it lists no spectrum" if document.table.fields else "it is no list of spectra (no table, no error)"
        raise ArchiveError(f"{in_short(document.url)}: {empty}, so it does not tell how to fetch one")
    row = document.rows[0]
    did = document.value(row, column)
    service = find_soda(document)
    if service:
        return read_soda(document, service, did)
    links = await _links_of(asker, document, did)
    if links:
        return replace(links, id_column=column, spectral_unit=spectral_unit(document))
    address = document.value(row, *ADDRESS)
    if not is_web(address):
        words = "it offers neither a service nor an address to fetch spectra from"
        raise ArchiveError(f"{in_short(document.url)}: {words}")
    unit = spectral_unit(document)
    return Findings("direct", "", id_column=column, sample=did, hosts=(host_of(address),), spectral_unit=unit)


async def _links_of(asker: VoClient, listing: Document, did: str) -> Findings | None:
    links = find_links(listing)
    address = listing.value(listing.rows[0], *ADDRESS)
    mime = listing.value(listing.rows[0], *FORMAT)
    if links and did:
        url = with_query(address_of(listing, links), {"ID": did})
    elif "content=datalink" in mime and is_web(address):
        url = address
    else:
        return None
    _keep_out(listing.url, host_of(url))
    document = await asker.document(url)
    found = await _by_links(document, url, did)
    if found is None and url == address:  # it is no spectrum either
        raise ArchiveError(f"{url}: {read_link(document)[1]}")
    return found


def _keep_out(origin: str, host: str) -> None:
    """ArchiveError where an archive out in the world leads into the user's own network."""
    if is_inside(host) and not is_inside(host_of(origin)):
        words = "inside a private network, where nothing is asked because an archive says so"
        raise ArchiveError(f"{in_short(origin)}: it leads to {host}, {words}")


def _without_id(url: str) -> str:
    base, _, query = url.partition("?")
    kept = "&".join(pair for pair in query.split("&") if pair.partition("=")[0].upper() != "ID")
    return f"{base}?{kept}" if kept else base


async def list_spectra(
    asker: VoClient,
    findings: Findings,
    constraints: Constraints,
    sink: CatalogWriter,
    most: int | None = None,
    tell: Tell = lambda rows, total: None,
) -> ListingSummary:
    """Every spectrum that the archive lists, into ``sink``: by TAP where there is one and it works, else by SSAP."""
    if findings.source is None:
        return await list_at_once(asker, findings, constraints, sink, most)
    try:
        return await list_by_pages(asker, findings.source, constraints, sink, tell, findings.mode != "soda", most)
    except ArchiveError as error:
        if not findings.ssap:
            raise
        listed = await list_at_once(asker, findings, constraints, sink, most)
        return replace(listed, remark=f"by SSAP, since TAP failed ({error})")

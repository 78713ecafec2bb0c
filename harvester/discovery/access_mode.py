"""Find out from some rows of a list how spectra are fetched.

By a service, by links, or at their addresses.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import ArchiveError
from ..formatting import plain_line
from ..model.failures import FailureKind
from ..vo.columns import ADDRESS, MEDIA_TYPE, cell, named_index
from ..vo.datalink import count_files
from ..vo.descriptors import (
    Findings,
    address_with_fixed,
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
from ..vo.media_types import MediaKind, media_kind
from ..vo.urls import host_of, is_inside, is_web, query_of, quote_url, with_query
from ..vo.votable_model import Row
from .client import ServiceUnavailableError, VoClient, in_short

_MOST_TRIED = 4  # rows of one answer whose datalink documents are requested
_OF_THAT_ROW = (
    FailureKind.NOT_FOUND,
    FailureKind.GONE,
    FailureKind.FORBIDDEN,
    FailureKind.REFUSED_REQUEST,
    FailureKind.SERVER_ERROR,
    FailureKind.CONNECTION_LOST,
)


class UnusableRowError(ArchiveError):
    """The rows that were looked at do not tell how to fetch a spectrum; others may."""


@dataclass(frozen=True, slots=True)
class TableChoice:
    """Which table of a TAP service the user names, and which columns of a list.

    '' where that is to be found out.
    """

    table: str = ""
    id_column: str = ""
    url_column: str = ""

    def __bool__(self) -> bool:
        return bool(self.table or self.id_column or self.url_column)


NO_CHOICE = TableChoice()


async def by_links(document: Document, url: str, did: str) -> Findings | None:
    """Return what the datalink document of one dataset tells.

    None if it names neither service nor file.
    """
    service = processing(document, did)
    if service:
        return read_soda(document, service, did)
    file = read_link(document)[0]
    if not file:
        return None
    endpoint = _without_id(url) if query_of(url).get("ID") == did else ""  # else each document has its own address
    hosts = (host_of(url), host_of(file))
    return Findings("datalink", endpoint, sample=did, hosts=hosts, files_of_sample=count_files(document))


async def by_listing(client: VoClient, document: Document, choice: TableChoice = NO_CHOICE) -> Findings:
    """Return what a list's rows tell, or else the datalink document of one of them.

    UnusableRowError where those documents name no file.
    """
    if not document.rows:
        raise ArchiveError(f"{in_short(document.url)}: {_why_empty(document)}")
    rows = _rows_to_try(document, choice)
    refusal: UnusableRowError | None = None
    for row in rows:
        try:
            return await _by_row(client, replace(document, rows=[row, *document.rows]), choice)
        except UnusableRowError as error:
            refusal = refusal or error
    raise refusal or ArchiveError(f"{in_short(document.url)}: it has no rows")


def _rows_to_try(document: Document, choice: TableChoice) -> list[Row]:
    """Return some rows, those with an address first."""
    rows = sorted(document.rows, key=lambda row: not _address(document, row, choice))
    step = max(1, len(rows) // _MOST_TRIED)
    return [rows[0], *rows[step::step][: _MOST_TRIED - 1]]


async def _by_row(client: VoClient, document: Document, choice: TableChoice) -> Findings:
    """Return what the first row of a list tells."""
    name = choice.id_column or id_column(document.table)
    did = document.value(document.rows[0], name) if name else ""
    address = _address(document, document.rows[0], choice)
    service = find_soda(document)
    if service:
        return replace(read_soda(document, service, did), sample_address=address)
    links = await _links_of(client, document, did, address)
    if links:
        return replace(links, id_column=name, spectral_unit=spectral_unit(document), sample_address=address)
    if not is_web(address):
        raise UnusableRowError(f"{in_short(document.url)}: {_without_addresses(document)}")
    return Findings(
        "direct",
        "",
        id_column=name,
        sample=did,
        sample_address=address,
        hosts=(host_of(address),),
        spectral_unit=spectral_unit(document),
    )


def _without_addresses(document: Document) -> str:
    names = plain_line(", ".join(column_name(one) for one in document.table.fields), 300)
    words = "it offers neither a service nor a URL to download spectra from"
    return f"{words}; its columns: {names} (name one with --url-column)"


def _address(document: Document, row: Row, choice: TableChoice) -> str:
    """Return the address in a row as it can be requested; '' for none, or one by FTP."""
    named = named_index(document.table, choice.url_column) if choice.url_column else None
    text = cell(row, named) if named is not None else document.cell_of(row, ADDRESS)
    address = absolute_address(text, document.url)
    return quote_url(address) if is_web(address) else ""


def _why_empty(document: Document) -> str:
    if document.is_cut:
        return (
            "it says OVERFLOW and gives no row: it has more than it returns at once; "
            "narrow the list with --time, --pos and --size, or --band"
        )
    advice = "so it does not show how to download one; if it wants a place, give --pos 'RA DEC' and --size DEG"
    if document.table.fields:
        return f"it lists no spectrum, {advice}"
    if document.has_status:
        return f"no list of spectra came, and no error: it is empty, {advice}"
    return "it is not a list of spectra (no table, no error); give the address of its SSAP or TAP service"


async def _links_of(client: VoClient, listing: Document, did: str, address: str) -> Findings | None:
    """Return what the datalink document of the first row tells; None where it has none."""
    links = find_links(listing)
    kind = media_kind(listing.cell_of(listing.rows[0], MEDIA_TYPE), address)
    column = id_reference(listing, links) if links and not takes_did(listing, links) else None
    if kind is MediaKind.DATALINK and address and (column is not None or not (links and did)):
        url = address
    elif links and (did or column is not None):
        value = cell(listing.rows[0], column) if column is not None else did
        url = with_query(address_with_fixed(listing, links), {"ID": value})
    else:
        return None
    keep_out(listing.url, host_of(url))
    document = await _document(client, url)
    if document is None:
        return None
    found = await by_links(document, url, did)
    if found is None and kind is MediaKind.DATALINK:  # it is no spectrum either
        words = "ask its operator for an address of the files themselves"
        raise UnusableRowError(f"{url}: {read_link(document)[1]}; {words}")
    if found and column is not None and url != address and links:
        name = column_name(listing.table.fields[column])
        return replace(found, endpoint="", link_service=address_with_fixed(listing, links), link_column=name)
    return found


async def _document(client: VoClient, url: str) -> Document | None:
    """Return a datalink document; None if the file itself comes in its place."""
    try:
        return await client.document(url, may_move=True)
    except ServiceUnavailableError as error:
        if "not a VOTable but a FITS file" in error.failure.detail:
            return None
        if error.failure.kind in _OF_THAT_ROW:
            raise UnusableRowError(str(error)) from None
        raise


def keep_out(origin: str, host: str) -> None:
    """Raise ArchiveError where an archive out in the world leads into the user's own network."""
    if is_inside(host) and not is_inside(host_of(origin)):
        words = "inside a private network, where nothing is requested because an archive says so"
        raise ArchiveError(f"{in_short(origin)}: it leads to {host}, {words}")


def _without_id(url: str) -> str:
    base, _, query = url.partition("?")
    kept = "&".join(pair for pair in query.split("&") if pair.partition("=")[0].upper() != "ID")
    return f"{base}?{kept}" if kept else base

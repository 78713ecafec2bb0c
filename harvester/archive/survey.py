"""Surveys an archive: asks for the few documents that tell how to fetch from it, and for the list of all it has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Protocol
from urllib.parse import urlsplit

from ..errors import ArchiveError
from ..words import plain_line
from .asker import Asker
from .constraints import Constraints
from .discovery import (
    Document,
    Findings,
    address_of,
    find_links,
    find_soda,
    host_of,
    id_column,
    is_status,
    is_web,
    processing,
    query_of,
    read_link,
    read_soda,
    spectral_unit,
    with_query,
)
from .listing import Listing
from .tables import Event, Info, Table

MAXRECS = (100_000, 1_000_000)  # DaCHS gives 10,000 unasked, and a million at most
_ROWS_A_SPECTRUM = 4  # more formats than any archive serves


class Sink(Protocol):
    """Where a list goes. ``begin`` forgets what came before: the archive is asked again for more rows."""

    def begin(self, columns: Sequence[str]) -> None: ...

    def write(self, row: dict[str, str]) -> None: ...


@dataclass(frozen=True, slots=True)
class Listed:
    """What came of a listing: spectra written, rows read, rows without a publisher DID, spectra outside."""

    spectra: int
    rows: int
    nameless: int
    outside: int
    more: bool
    """Whether the archive has more than it told; then ``--max`` was reached."""


async def discover(asker: Asker, url: str, constraints: Constraints) -> Findings:
    """How spectra are had from the archive at ``url``: an SSAP service, or the datalink (dlget) of one dataset."""
    end = urlsplit(url).path.rstrip("/").rpartition("/")[2].casefold()
    if "ID" in query_of(url):
        return await _of_one(asker, url)
    if end in ("dlget", "dlmeta"):
        raise ArchiveError(
            f"{url}: this address alone does not tell what is offered: "
            f"give one of its spectra ('{url}?ID=ivo://...'), or the archive's SSAP address"
        )
    if end in ("tap", "sync"):
        raise ArchiveError(f"{url}: TAP tells no way to fetch spectra; give the archive's SSAP address")
    document = await asker.document(with_query(url, {"REQUEST": "queryData", "MAXREC": "1"} | constraints.parameters()))
    return replace(await _by_listing(asker, document), ssap=url)


async def _of_one(asker: Asker, url: str) -> Findings:
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


async def _by_listing(asker: Asker, document: Document) -> Findings:
    """From an SSAP answer, and the datalink document of its first row where the answer itself does not tell."""
    column = id_column(document.table)
    if not document.rows:
        empty = "it lists no spectrum" if document.table.fields else "it is no list of spectra (no table, no error)"
        raise ArchiveError(f"{document.url}: {empty}, so it does not tell how to fetch one")
    row = document.rows[0]
    did = document.value(row, column)
    service = find_soda(document)
    if service:
        return read_soda(document, service, did)
    links = await _links_of(asker, document, did)
    if links:
        return replace(links, id_column=column, spectral_unit=spectral_unit(document))
    address = document.value(row, "access.reference", "access_url")
    if not is_web(address):
        raise ArchiveError(f"{document.url}: it offers neither a service nor an address to fetch spectra from")
    unit = spectral_unit(document)
    return Findings("direct", "", id_column=column, sample=did, hosts=(host_of(address),), spectral_unit=unit)


async def _links_of(asker: Asker, listing: Document, did: str) -> Findings | None:
    links = find_links(listing)
    address = listing.value(listing.rows[0], "access.reference", "access_url")
    mime = listing.value(listing.rows[0], "access.format", "access_format")
    if links and did:
        url = with_query(address_of(listing, links), {"ID": did})
    elif "content=datalink" in mime and is_web(address):
        url = address
    else:
        return None
    document = await asker.document(url)
    found = await _by_links(document, url, did)
    if found is None and url == address:  # it is no spectrum either
        raise ArchiveError(f"{url}: {read_link(document)[1]}")
    return found


def _without_id(url: str) -> str:
    base, _, query = url.partition("?")
    kept = "&".join(pair for pair in query.split("&") if pair.partition("=")[0].upper() != "ID")
    return f"{base}?{kept}" if kept else base


async def list_spectra(
    asker: Asker, findings: Findings, constraints: Constraints, sink: Sink, most: int | None = None
) -> Listed:
    """Every spectrum that the archive lists, into ``sink``. Asks again with more MAXREC where there are more rows.

    SSAP has no pages (1.1, section 8.10.2): where the archive's own limit is reached, ArchiveError says what to do.
    """
    if not findings.ssap:
        raise ArchiveError("the list comes from the archive's SSAP service: give that address")
    if not findings.id_column:
        raise ArchiveError(f"{findings.ssap}: its rows name no publisher DID, by which spectra are asked for")
    limits = list(MAXRECS) if most is None else [min(most * _ROWS_A_SPECTRUM, MAXRECS[-1]), MAXRECS[-1]]
    while True:
        maxrec = limits.pop(0)
        answer = _Answer(findings, constraints, sink, most, is_last=not limits)
        query = {"REQUEST": "queryData", "MAXREC": str(maxrec)} | constraints.parameters()
        async with aclosing(asker.events(with_query(findings.ssap, query))) as events:
            async for event in events:
                if answer.take(event):
                    break
        if answer.error is not None:
            limits = [_allowed(answer.error, maxrec, findings.ssap)]
        elif not answer.more or answer.has_enough:
            return answer.listed()
        elif not limits or (answer.is_whole and answer.rows < maxrec):
            raise ArchiveError(
                f"{findings.ssap}: it lists {answer.rows:,} rows in one answer and says that there are more: "
                "narrow the list with --band, --time, --pos or --target, and make several"
            )


class _Answer:
    """One answer to queryData, on its way into the sink."""

    def __init__(
        self, findings: Findings, constraints: Constraints, sink: Sink, most: int | None, is_last: bool
    ) -> None:
        self._findings = findings
        self._constraints = constraints
        self._sink = sink
        self._most = most
        self._is_last = is_last
        self._listing: Listing | None = None
        self.more = False
        self.is_whole = True
        self.error: str | None = None

    @property
    def rows(self) -> int:
        return self._listing.rows if self._listing else 0

    @property
    def has_enough(self) -> bool:
        return self._listing is not None and self._listing.spectra == self._most

    def take(self, event: Event) -> bool:
        """Whether the rest of the answer needs no reading."""
        match event:
            case tuple() if self._listing:
                return self._write(self._listing.take(event))
            case Table() if self._listing is None and event.place(self._findings.id_column) is not None:
                by_address = self._findings.mode != "soda"
                self._listing = Listing(event, self._findings.id_column, self._constraints, by_address)
                self._sink.begin(self._listing.header)
            case Info() if is_status(event, "OVERFLOW"):
                self.more = True  # told before the rows, which then are not all: not worth their while
                self.is_whole = self._listing is not None or self._most is not None or self._is_last
                return not self.is_whole
            case Info() if is_status(event, "ERROR"):
                self.error = plain_line(event.text) or "QUERY_STATUS=ERROR, without a word"
                return True
        return False

    def _write(self, spectra: Iterable[dict[str, str]]) -> bool:
        for spectrum in spectra:
            self._sink.write(spectrum)
        return self.has_enough

    def listed(self) -> Listed:
        """What came of it, the last spectrum included."""
        listing = self._listing
        if listing is None:
            raise ArchiveError(f"{self._findings.ssap}: it has no table with a column {self._findings.id_column}")
        if self.has_enough:
            self.more = True
        else:
            self._write(listing.rest())
        return Listed(listing.spectra, listing.rows, listing.nameless, listing.outside, self.more)


def _allowed(words: str, maxrec: int, url: str) -> int:
    """The MAXREC that an error names as the highest."""
    smaller = [int(number) for number in re.findall(r"\d{2,9}", words) if int(number) < maxrec]
    if "maxrec" in words.casefold() and smaller:
        return max(smaller)
    raise ArchiveError(f"{url}: the service says: {words}")

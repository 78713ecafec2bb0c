"""Find out how to fetch from an archive, by the few documents that say so.

And list all it has.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit

from ..errors import ArchiveError, UsageError
from ..model.failures import FailureKind
from ..vo.adql import conditions, select
from ..vo.constraints import Constraints
from ..vo.descriptors import Findings, read_link
from ..vo.listing import CatalogWriter, ListingSummary
from ..vo.urls import host_of, query_of
from ..vo.votable_model import SpectraTable
from .access_mode import NO_CHOICE, TableChoice, UnusableRowError, by_links, by_listing, keep_out
from .client import ServiceUnavailableError, VoClient
from .first_answer import SOME_ROWS, FirstAnswer, first_answer
from .ssap import list_at_once
from .tap import (
    columns_of,
    fields_for,
    find_tap_table,
    named_table,
    select_table,
    spectra_tables,
    with_columns,
)
from .tap_pages import Tell, list_by_pages
from .tap_service import TapService, base_of, is_tap

_NO_SERVICE = (FailureKind.NOT_FOUND, FailureKind.CONNECTION_LOST, FailureKind.GONE)
_MAY_BE_TAP = (
    *_NO_SERVICE,
    FailureKind.REFUSED_REQUEST,
    FailureKind.UNEXPECTED_STATUS,
    FailureKind.SERVER_ERROR,
)


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
    choice = replace(columns or NO_CHOICE, table=table or "")
    findings = await _findings(client, url, constraints, choice, by_tap)
    for host in (host_of(findings.endpoint), *findings.hosts):
        keep_out(url, host)
    return findings


async def _findings(
    client: VoClient, url: str, constraints: Constraints, choice: TableChoice, by_tap: bool
) -> Findings:
    if by_tap or is_tap(url):
        return await _by_table(client, base_of(url), constraints, choice)
    if choice.table:
        return await _by_named_table(client, url, constraints, choice)
    end = urlsplit(url).path.rstrip("/").rpartition("/")[2].casefold()
    if "ID" in query_of(url):
        return await _of_one(client, url)
    if end in ("dlget", "dlmeta"):
        raise UsageError(
            f"{url}: this address alone does not show what the archive offers: "
            f"give one of its spectra ('{url}?ID=ivo://...'), or the archive's SSAP address"
        )
    try:
        answer, findings = await _by_ssap(client, url, constraints, choice)
    except ServiceUnavailableError as error:
        return await _by_tap_after_all(client, url, constraints, choice, error)
    findings = replace(
        findings,
        ssap=answer.url,
        largest_size=answer.largest_size,
        origin=answer.document.origin,
        moved_from=url if host_of(answer.url) != host_of(url) else "",
        ignores_maxrec=answer.document.row_count > 1 and answer.maxrec == 1,
        says_overflow=answer.document.row_count == answer.maxrec and answer.document.is_cut,
        url_column=choice.url_column,
        takes_any_id=bool(choice.id_column),
    )
    if choice:  # a table of TAP would have other columns
        return findings
    return replace(findings, source=await find_tap_table(client, answer.url, findings.sample))


async def _by_ssap(
    client: VoClient, url: str, constraints: Constraints, choice: TableChoice
) -> tuple[FirstAnswer, Findings]:
    """Return the first answer of an SSAP service that tells enough, and what it tells."""
    answer = await first_answer(client, url, constraints)
    try:
        return answer, await by_listing(client, answer.document, choice)
    except UnusableRowError:
        if answer.maxrec >= SOME_ROWS:
            raise
    answer = await first_answer(client, url, constraints, SOME_ROWS)
    return answer, await by_listing(client, answer.document, choice)


async def _by_tap_after_all(
    client: VoClient, url: str, constraints: Constraints, choice: TableChoice, error: ServiceUnavailableError
) -> Findings:
    """Return what a TAP service of any name tells, where ``url`` is no SSAP service.

    ArchiveError if it is neither.
    """
    if error.failure.kind not in _MAY_BE_TAP:
        raise error
    try:
        return await _by_table(client, base_of(url), constraints, choice)
    except ServiceUnavailableError:
        pass
    except ArchiveError as refusal:
        if str(refusal).startswith(base_of(url)) and "not a TAP service" not in str(refusal):
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
    named = TableChoice("", source.id_column, source.url_column)
    for rows in (1, SOME_ROWS):
        document = await service.document(select(source, fields, wanted, rows), rows)
        if wanted and not document.rows:
            document = await service.document(select(source, fields, [], rows), rows)
        try:
            findings = await by_listing(client, document, named)
            break
        except UnusableRowError:
            if rows == SOME_ROWS:
                raise
    moved_from = base if host_of(service.base) != host_of(base) else ""
    source = replace(source, url=service.base)
    return replace(findings, source=source, id_column=source.id_column, origin=document.origin, moved_from=moved_from)


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
    found = await by_links(document, sibling, query_of(url)["ID"])
    if found is None:
        words = "give the ID of another of its spectra, or the archive's SSAP or TAP address"
        raise ArchiveError(f"{sibling}: {read_link(document)[1]}; {words}")
    return found


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

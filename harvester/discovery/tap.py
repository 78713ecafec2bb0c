"""Find which tables of a TAP service list spectra.

Queries are written in the dialect that the service takes (TAP 1.1).

Services differ: some know ``votable`` but not ``votable/td``, some have neither LOWER nor subqueries, some cut the
answer that describes their columns, some describe them in ``/tables`` alone. The fewest requests settle it.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from urllib.parse import urlsplit

from ..errors import ArchiveError
from ..formatting import plain_line
from ..model.failures import Failure, FailureKind, FetchError
from ..vo.adql import column, is_table_name, literal, select
from ..vo.columns import ADDRESS, PUBLISHER_DID, cell, column_index, named_index
from ..vo.constraints import Constraints
from ..vo.descriptors import id_column
from ..vo.document import Document
from ..vo.listing import ListingColumns, ListingReader
from ..vo.urls import with_query
from ..vo.vosi import LARGEST_TABLESET, read_tables
from ..vo.votable_model import Event, SpectraTable, VotableError, VotableField, VotableTable
from .client import ServiceUnavailableError, VoClient
from .uws import result_of_job

FORMATS = (
    "votable/td",
    "votable",
    "application/x-votable+xml;serialization=TABLEDATA",
    "application/x-votable+xml",
    "",
)
_RESOURCES = re.compile(r"/(?:sync|async|tables|capabilities|availability|examples)?/*$")
_NAMED = re.compile(r"(?<![a-z])tap(?![a-z])", re.IGNORECASE)
_FORMAT_REFUSED = re.compile(r"format|votable/td|serializ", re.IGNORECASE)
_REFUSALS = (FailureKind.REFUSED_REQUEST, FailureKind.SERVER_ERROR, FailureKind.UNEXPECTED_STATUS)
_SCHEMA_COLUMNS = ("table_name", "column_name", "datatype", "unit", "ucd", "utype")
_TELLING = ("ssa_pubdid", "obs_publisher_did", "access_url", "accref")  # columns of tables that list files
_MOST_COLUMNS = 50_000
_MOST_TABLES = 40
_MOST_TRIED = 3
_OBSCORE = "ivoa.ObsCore"


def is_tap(url: str) -> bool:
    """Return whether an address is called like a TAP service.

    Such are ``/tap``, ``/tap/sync``, ``/tap_obs`` and ``/TAP/tables``. The standard prescribes no name.
    """
    return _NAMED.search(base_of(url).rpartition("/")[2]) is not None


def base_of(url: str) -> str:
    """Return the address of a TAP service, without the resource below it."""
    return _RESOURCES.sub("", re.split(r"[?#]", url, maxsplit=1)[0])


def sync_query_url(base: str, adql: str, most: int, form: str = FORMATS[0]) -> str:
    """Return the URL that answers ``adql`` with ``most`` rows at most.

    The answer can be read as it comes.
    """
    return with_query(f"{base}/sync", query_parameters(adql, most, form))


def query_parameters(adql: str, most: int, form: str) -> dict[str, str]:
    """Return the parameters of a query (TAP 1.1, section 2.7)."""
    asked = {"REQUEST": "doQuery", "LANG": "ADQL", "RESPONSEFORMAT": form, "MAXREC": str(most), "QUERY": adql}
    return {name: value for name, value in asked.items() if value}


class TapService:
    """The TAP service at ``base``. ArchiveError, in its own words, where it refuses.

    Which form of answer it takes is remembered by ``client``.
    """

    def __init__(self, client: VoClient, base: str) -> None:
        self.client = client
        self.base = base
        self.uses_jobs = False
        """Whether queries are run as jobs (UWS), since the synchronous resource takes too long."""

    async def document(self, adql: str, most: int) -> Document:
        """Return what answers ``adql``, with ``most`` rows at most."""
        while True:
            try:
                return await self.client.document(await self._address(adql, most), most)
            except ServiceUnavailableError as error:
                if not self._takes_another_form(error.failure):
                    raise

    async def events(self, adql: str, most: int) -> AsyncGenerator[Event, None]:
        """Yield what answers ``adql``, as it comes."""
        async with aclosing(self.client.events(await self._address(adql, most))) as events:
            async for event in events:
                yield event

    async def _address(self, adql: str, most: int) -> str:
        """Return where the answer is: of the synchronous resource, or of a job that is done."""
        form = self.client.dialects.get(self.base, FORMATS[0])
        if self.uses_jobs:
            return await result_of_job(self.client, self.base, query_parameters(adql, most, form))
        return sync_query_url(self.base, adql, most, form)

    def _takes_another_form(self, failure: Failure) -> bool:
        """Return whether another form is worth a request; then it is what will be used."""
        form = self.client.dialects.get(self.base, FORMATS[0])
        at = FORMATS.index(form)
        if failure.kind not in _REFUSALS or not _FORMAT_REFUSED.search(failure.detail) or at + 1 == len(FORMATS):
            return False
        self.client.dialects[self.base] = FORMATS[at + 1]
        return True


async def spectra_tables(client: VoClient, base: str, is_thorough: bool = True) -> list[SpectraTable]:
    """Return the tables that list spectra.

    ArchiveError where there is no TAP service at ``base``. ``is_thorough``: where TAP_SCHEMA does not answer or knows
    none, ``/tables`` is read, and ObsCore is tried.
    """
    service = TapService(client, base)
    refusal: ArchiveError | None = None
    try:
        tables = await _tables_of_schema(service)
    except ServiceUnavailableError as error:
        if not is_thorough or error.failure.kind not in _REFUSALS:
            raise
        refusal, tables = error, {}
    found = _listing_tables(base, tables)
    if found or not is_thorough:
        return found
    found = _listing_tables(base, await _tables_of_vosi(client, base))
    if not found and refusal:
        found = _listing_tables(base, await _by_first_row(service, _OBSCORE))
        if not found:
            raise refusal
    return found


async def named_table(client: VoClient, base: str, name: str, id_name: str, url_name: str) -> SpectraTable:
    """Return the table of that ``name``, with the columns that the user names.

    ArchiveError if it is not there.
    """
    if not is_table_name(name):
        raise ArchiveError(f"{base}: {plain_line(name, 80)!r} is no name of a table")
    service = TapService(client, base)
    document = await service.document(f"SELECT TOP 1 * FROM {name}", 1)
    columns = document.table
    for option, wanted in (("--id-column", id_name), ("--url-column", url_name)):
        if wanted and named_index(columns, wanted) is None:
            names = plain_line(", ".join(one.name for one in columns.fields), 600)
            raise ArchiveError(f"{base}: {name} has no column {wanted} ({option}); it has {names or 'none'}")
    return SpectraTable(base, name, columns, id_name or id_column(columns), url_name, bool(id_name))


async def _tables_of_schema(service: TapService) -> dict[str, VotableTable]:
    """Return the columns of all tables that have one of the significant columns.

    They are as TAP_SCHEMA describes them.
    """
    names = ", ".join(literal(each) for name in _TELLING for each in (name, name.upper()))
    adql = f"SELECT table_name, column_name FROM TAP_SCHEMA.columns WHERE column_name IN ({names})"
    document = await service.document(adql, _MOST_COLUMNS)
    if not document.table.fields:
        raise ArchiveError(f"{service.base}: it is no TAP service that tells of its tables")
    index = named_index(document.table, "table_name")
    found = sorted({name for row in document.rows if is_table_name(name := cell(row, index))})
    if not found:
        return {}
    chosen = found[:_MOST_TABLES]
    described = await _described(service, f"table_name IN ({', '.join(map(literal, chosen))})")
    for name in [name for name in chosen if name not in described][:_MOST_TRIED]:
        described |= await _by_first_row(service, name)
    return described


async def _described(service: TapService, condition: str) -> dict[str, VotableTable]:
    """Return the columns of tables that fulfil ``condition``.

    None where the answer was cut, since some would lack.
    """
    document = await service.document(_schema_query(condition), _MOST_COLUMNS)
    return {} if document.is_cut else _grouped(document)


async def _by_first_row(service: TapService, name: str) -> dict[str, VotableTable]:
    """Return the columns of a table as its first row comes with them.

    None where it is not there.
    """
    try:
        document = await service.document(f"SELECT TOP 1 * FROM {name}", 1)
    except ServiceUnavailableError as error:
        if error.failure.kind not in _REFUSALS:
            raise
        return {}
    return {name: document.table} if document.table.fields else {}


def _schema_query(condition: str) -> str:
    return f"SELECT {', '.join(_SCHEMA_COLUMNS)} FROM TAP_SCHEMA.columns WHERE {condition}"


def _grouped(document: Document) -> dict[str, VotableTable]:
    indexes = [named_index(document.table, name) for name in _SCHEMA_COLUMNS]
    by_table: dict[str, list[VotableField]] = {}
    for row in document.rows:
        table, *values = (cell(row, index) for index in indexes)
        if is_table_name(table) and values[0]:
            field = dict(zip(("name", "datatype", "unit", "ucd", "utype"), values, strict=True))
            by_table.setdefault(table, []).append(VotableField(**field))
    return {name: VotableTable(tuple(fields)) for name, fields in by_table.items()}


async def _tables_of_vosi(client: VoClient, base: str) -> dict[str, VotableTable]:
    """Return the tables that ``/tables`` describes; none where there is no such document."""
    try:
        document = await client.body(f"{base}/tables", LARGEST_TABLESET)
        return {name: table for name, table in read_tables([document.body]).items() if is_table_name(name)}
    except (FetchError, VotableError, ArchiveError):
        return {}


def _listing_tables(base: str, tables: dict[str, VotableTable]) -> list[SpectraTable]:
    """Return those with addresses, and with publisher DIDs where any table has some."""
    made = [
        SpectraTable(base, name, table, id_column(table))
        for name, table in sorted(tables.items())
        if column_index(table, ADDRESS) is not None
    ]
    with_dids = [one for one in made if column_index(one.columns, PUBLISHER_DID) is not None]
    return with_dids or made


def fields_for(source: SpectraTable, columns: ListingColumns) -> list[VotableField]:
    """Return the columns that a listing reads."""
    reader = ListingReader(source.columns, source.url, Constraints(), columns)
    return [source.columns.fields[index] for index in reader.indexes]


def columns_of(source: SpectraTable, has_addresses: bool, by_did: bool) -> ListingColumns:
    """Return which columns of a table a listing reads.

    ``by_did``: spectra are requested by their identifier.
    """
    return ListingColumns(
        source.id_column if source.takes_any_id or by_did else "",
        source.url_column,
        has_addresses=has_addresses,
        reads_addresses=has_addresses,
    )


def select_table(tables: Sequence[SpectraTable], base: str, name: str | None) -> SpectraTable:
    """Return the table that is named, else the only one besides ObsCore, else ObsCore.

    Raises ArchiveError.
    """
    names = plain_line(", ".join(table.name for table in tables), 600)
    if name is not None:
        named = [table for table in tables if table.name.casefold() == name.casefold()]
        if not named:
            raise ArchiveError(f"{base}: it has no table {name} of spectra; those that it has: {names or 'none'}")
        return named[0]
    if not tables:
        raise ArchiveError(
            f"{base}: none of its tables lists spectra "
            "(none has a column ssa_pubdid, obs_publisher_did or access_url); "
            "name one with --table, and its columns with --id-column and --url-column"
        )
    own = [table for table in tables if not _is_obscore(table)]
    if len(own) > 1:
        raise ArchiveError(f"{base}: several of its tables list spectra: {names}; choose one with --table")
    return own[0] if own else tables[0]


def _is_obscore(table: SpectraTable) -> bool:
    return table.name.casefold().replace('"', "") == _OBSCORE.casefold()


async def find_tap_table(client: VoClient, ssap: str, did: str) -> SpectraTable | None:
    """Return the table behind an SSAP service.

    Its host must have TAP at the usual place, and that spectrum in it.

    One that answers otherwise has none, as most have: that is no fault.
    """
    parts = urlsplit(ssap)
    base = f"{parts.scheme}://{parts.netloc}/tap"
    try:
        tables = [table for table in await spectra_tables(client, base, is_thorough=False) if not _is_obscore(table)]
        near = sorted(tables, key=lambda table: table.schema not in parts.path.casefold().split("/"))
        for table in near[:_MOST_TRIED]:
            if did and table.id_column and await _has(client, table, did):
                return table
    except ArchiveError:
        return None
    return None


async def _has(client: VoClient, table: SpectraTable, did: str) -> bool:
    condition = f"{column(table.id_column)} = {literal(did)}"
    fields = fields_for(table, columns_of(table, has_addresses=False, by_did=True))
    document = await TapService(client, table.url).document(select(table, fields, [condition], 1), 1)
    return bool(document.rows)


def with_columns(source: SpectraTable, id_name: str, url_name: str) -> SpectraTable:
    """Return ``source`` with the columns that the user names in place of those found."""
    if not (id_name or url_name):
        return source
    return replace(source, id_column=id_name or source.id_column, url_column=url_name, takes_any_id=bool(id_name))

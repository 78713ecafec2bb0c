"""Find which tables of a TAP service list spectra, and what their columns are.

Services differ: some have neither LOWER nor subqueries, some cut the answer that describes their columns, some
describe them in ``/tables`` alone. The fewest requests settle it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from ..errors import ArchiveError
from ..formatting import plain_line
from ..model.failures import FetchError
from ..vo.adql import column, is_table_name, literal, select
from ..vo.columns import ADDRESS, PUBLISHER_DID, cell, column_index, named_index
from ..vo.constraints import Constraints
from ..vo.descriptors import id_column
from ..vo.document import Document
from ..vo.listing import ListingColumns, ListingReader
from ..vo.vosi import LARGEST_TABLESET, read_tables
from ..vo.votable_model import SpectraTable, VotableError, VotableField, VotableTable
from .client import ServiceUnavailableError, VoClient
from .tap_service import REFUSALS, TapService

_SCHEMA_COLUMNS = ("table_name", "column_name", "datatype", "unit", "ucd", "utype")
_TELLING = ("ssa_pubdid", "obs_publisher_did", "access_url", "accref")  # columns of tables that list files
_MOST_COLUMNS = 50_000
_MOST_TABLES = 40
_MOST_TRIED = 3
_ROUND = 100  # rows: a multiple of this may be a limit that a service does not mention
_OBSCORE = "ivoa.ObsCore"


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
        if not is_thorough or error.failure.kind not in REFUSALS:
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
        raise ArchiveError(f"{base}: {plain_line(name, 80)!r} is not the name of a table")
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
    found: set[str] = set()
    while True:
        behind = f" AND table_name NOT IN ({', '.join(map(literal, sorted(found)))})" if found else ""
        document = await service.document(adql + behind, _MOST_COLUMNS)
        if not document.table.fields:
            raise ArchiveError(f"{service.base}: it is not a TAP service that describes its tables")
        index = named_index(document.table, "table_name")
        new = {name for row in document.rows if is_table_name(name := cell(row, index))} - found
        found |= new
        if not (document.is_cut and new) or len(found) >= _MOST_TABLES:
            break
    return await _described(service, sorted(found)[:_MOST_TABLES]) if found else {}


async def _described(service: TapService, names: Sequence[str]) -> dict[str, VotableTable]:
    """Return the columns of these tables.

    Those of fewer at once are requested where the answer was cut, since some would lack.
    """
    query = _schema_query(f"table_name IN ({', '.join(map(literal, names))})")
    document = await service.document(query, _MOST_COLUMNS)
    if not document.is_cut:
        found = _grouped(document)
    elif len(names) > 1:
        half = len(names) // 2
        found = await _described(service, names[:half]) | await _described(service, names[half:])
    else:
        found = {}
    doubtful = names if len(document.rows) % _ROUND == 0 else [name for name in names if name not in found]
    for name in doubtful[:_MOST_TRIED]:
        found |= await _by_first_row(service, name)
    return found


async def _by_first_row(service: TapService, name: str) -> dict[str, VotableTable]:
    """Return the columns of a table as its first row comes with them.

    None where it is not there.
    """
    try:
        document = await service.document(f"SELECT TOP 1 * FROM {name}", 1)
    except ServiceUnavailableError as error:
        if error.failure.kind not in REFUSALS:
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
    """Return the tables that ``/tables`` describes; none where there is no such document.

    It may leave their columns out unless these are requested (VOSI 1.1, section 2.4).
    """
    found: dict[str, VotableTable] = {}
    for address in (f"{base}/tables", f"{base}/tables?detail=max"):
        try:
            document = await client.body(address, LARGEST_TABLESET, may_move=True)
            tables = read_tables([document.body])
        except (FetchError, VotableError, ArchiveError):
            break
        found = {name: table for name, table in tables.items() if is_table_name(name)}
        if not found or any(table.fields for table in found.values()):
            break
    return found


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

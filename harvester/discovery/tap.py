"""Which tables of a TAP service list spectra: those with publisher DIDs, as TAP_SCHEMA tells (TAP 1.1, section 4)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from ..errors import ArchiveError
from ..formatting import plain_line
from ..vo.adql import column, is_table_name, literal, select
from ..vo.constraints import Constraints
from ..vo.descriptors import id_column
from ..vo.document import place_of
from ..vo.listing import ADDRESS, ListingReader
from ..vo.urls import with_query
from ..vo.votable_model import SpectraTable, VotableField, VotableTable
from .client import VoClient

_RESOURCES = re.compile(r"/(?:sync|async|tables|capabilities|availability|examples)?/*$")
_NAMED = re.compile(r"(?<![a-z])tap(?![a-z])", re.IGNORECASE)
_TOLD = ("table_name", "column_name", "datatype", "unit", "ucd", "utype")
_COLUMNS = (
    f"SELECT {', '.join(_TOLD)} FROM TAP_SCHEMA.columns WHERE table_name IN (SELECT table_name FROM TAP_SCHEMA.columns "
    "WHERE LOWER(column_name) IN ('ssa_pubdid', 'obs_publisher_did'))"
)
_MOST_COLUMNS = 50_000
_MOST_TRIED = 3


def is_tap(url: str) -> bool:
    """By its name: ``/tap``, ``/tap/sync``, ``/tap_obs``, ``/TAP/tables``; the standard prescribes none."""
    return _NAMED.search(base_of(url).rpartition("/")[2]) is not None


def base_of(url: str) -> str:
    return _RESOURCES.sub("", re.split(r"[?#]", url, maxsplit=1)[0])


def sync_query_url(base: str, adql: str, most: int) -> str:
    """The address that answers ``adql`` with ``most`` rows at most, in a form that can be read as it comes."""
    asked = {"REQUEST": "doQuery", "LANG": "ADQL", "RESPONSEFORMAT": "votable/td", "MAXREC": str(most), "QUERY": adql}
    return with_query(f"{base}/sync", asked)


async def spectra_tables(asker: VoClient, base: str) -> list[SpectraTable]:
    """All tables with publisher DIDs and addresses. ArchiveError where there is no TAP service at ``base``."""
    url = sync_query_url(base, _COLUMNS, _MOST_COLUMNS)
    document = await asker.document(url, _MOST_COLUMNS)
    if not document.table.fields:
        raise ArchiveError(f"{base}: it is no TAP service that tells of its tables")
    by_table: dict[str, list[VotableField]] = {}
    for row in document.rows:
        name, *told = (document.value(row, each) for each in _TOLD)
        if is_table_name(name) and told[0]:
            field = dict(zip(("name", "datatype", "unit", "ucd", "utype"), told, strict=True))
            by_table.setdefault(name, []).append(VotableField(**field))
    made = (_made(base, name, VotableTable(tuple(fields))) for name, fields in sorted(by_table.items()))
    return [table for table in made if table]


def _made(base: str, name: str, columns: VotableTable) -> SpectraTable | None:
    did = id_column(columns)
    return SpectraTable(base, name, columns, did) if did and place_of(columns, *ADDRESS) is not None else None


def fields_for(source: SpectraTable, with_address: bool) -> list[VotableField]:
    """The columns that a listing reads."""
    probe = ListingReader(source.columns, source.id_column, Constraints(), with_address)
    return [source.columns.fields[place] for place in probe.places]


def select_table(tables: Sequence[SpectraTable], base: str, name: str | None) -> SpectraTable:
    """The one that is named, else the only one there is besides ObsCore, else ObsCore alone. ArchiveError."""
    names = plain_line(", ".join(table.name for table in tables), 600)
    if name is not None:
        named = [table for table in tables if table.name.casefold() == name.casefold()]
        if not named:
            raise ArchiveError(f"{base}: it has no table {name} of spectra; those that it has: {names or 'none'}")
        return named[0]
    if not tables:
        raise ArchiveError(
            f"{base}: none of its tables lists spectra (none has a column ssa_pubdid or obs_publisher_did)"
        )
    own = [table for table in tables if not _is_obscore(table)]
    if len(own) > 1:
        raise ArchiveError(f"{base}: several of its tables list spectra: {names}; choose one with --table")
    return own[0] if own else tables[0]


def _is_obscore(table: SpectraTable) -> bool:
    return table.name.casefold().replace('"', "") == "ivoa.obscore"


async def find_tap_table(asker: VoClient, ssap: str, did: str) -> SpectraTable | None:
    """The table behind an SSAP service, where its host has TAP at the usual place and a table with that spectrum.

    One that answers otherwise has none, as most have: no fault of anybody's.
    """
    parts = urlsplit(ssap)
    base = f"{parts.scheme}://{parts.netloc}/tap"
    try:
        tables = [table for table in await spectra_tables(asker, base) if not _is_obscore(table)]
        near = sorted(tables, key=lambda table: table.schema not in parts.path.casefold().split("/"))
        for table in near[:_MOST_TRIED]:
            if did and await _has(asker, table, did):
                return table
    except ArchiveError:
        return None
    return None


async def _has(asker: VoClient, table: SpectraTable, did: str) -> bool:
    condition = f"{column(table.id_column)} = {literal(did)}"
    document = await asker.document(
        sync_query_url(table.url, select(table, fields_for(table, False), [condition], 1), 1)
    )
    return bool(document.rows)

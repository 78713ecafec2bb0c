"""Answer synchronous TAP queries over the demo catalog (TAP 1.1).

There are a table like SSAP's, ObsCore, and TAP_SCHEMA. As DaCHS does: errors are VOTables in a 200, rows are BINARY
unless votable/td is requested, an overflow is marked behind the rows, and a result with the column of DIDs describes
the datalink service, too. The queries that it understands are those of ``adql``, a small part of the language.
"""

from __future__ import annotations

import base64
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice

from ..model.target import SpectrumId
from .adql import AdqlError, AdqlQuery, Row, parse
from .columns import FIELDS, FITS_MIME, VOTABLE_MIME, DemoColumn, constants, declared, rows_of
from .fits import Value
from .observations import SyntheticObservation, observe
from .vosi import COLUMNS_OF, DATA, MOST_ROWS, NOT_IN_TABLE, OBSCORE, USUAL_ROWS, schema_rows
from .votables import HEAD, error_votable, links_block, row, service, stream

_PIECE = 200  # rows in one piece of the stream
_TD = ("votable/td", "application/x-votable+xml;serialization=tabledata", "text/xml")
_BINARY = ("", "votable", "application/x-votable+xml")
_DIDS = {DATA: "ssa_pubdid", OBSCORE: "obs_publisher_did"}


@dataclass(frozen=True, slots=True)
class DemoCatalog:
    """What TAP queries: all DIDs, as they are stored and in order, and the archive's own URL."""

    dids: Sequence[SpectrumId]
    in_order: Sequence[SpectrumId]
    base: str

    def rows(self, query: AdqlQuery) -> Iterator[Row]:
        """Yield the rows that may match, in the requested order, or as they are stored."""
        names = [name.lower() for name, *_ in COLUMNS_OF[query.table]]
        if query.table not in _DIDS:
            yield from schema_rows(query.table)
            return
        column, behind = query.beyond
        first = bisect_right(self.in_order, behind) if query.order and column == query.order else 0
        for did in islice(self.in_order if query.order else self.dids, first, None):
            for values in self._values(query.table, observe(did)):
                yield dict(zip(names, values, strict=True))

    def _values(self, table: str, it: SyntheticObservation) -> Iterator[list[Value]]:
        if table == DATA:
            kept = [place for place, (name, *_) in enumerate(FIELDS) if name not in NOT_IN_TABLE]
            for values in rows_of(it, (FITS_MIME, VOTABLE_MIME), self.base):
                yield [values[place] for place in kept]
            return
        half = it.exposure / 86400 / 2
        yield [
            *("spectrum", "CCD700", it.did, f"{self.base}/ccd700/q/sdl/dlmeta?ID={it.did}"),
            *("application/x-votable+xml;content=datalink", 20, it.star.name, it.star.ra, it.star.dec),
            *(it.mid_time - half, it.mid_time + half, *(limit * 1e-10 for limit in it.wave_limits)),
        ]


def _columns_of(table: str) -> frozenset[str]:
    if table not in COLUMNS_OF:
        raise AdqlError(f"No such table known: {table}")
    return frozenset(name.lower() for name, *_ in COLUMNS_OF[table])


def answer_tap(parameters: Iterable[tuple[str, str]], catalog: DemoCatalog) -> Iterator[bytes]:
    """Yield the pieces of the document; errors are documents, too, all with status 200."""
    given = {name.upper(): value for name, value in parameters}
    try:
        query, maxrec, in_text = _read(given)
    except AdqlError as error:
        yield error_votable(str(error))
        return
    yield from (
        _counted(query, catalog, maxrec, in_text) if query.counted else _listed(query, catalog, maxrec, in_text)
    )


def _read(given: Mapping[str, str]) -> tuple[AdqlQuery, int, bool]:
    if given.get("REQUEST", "doQuery") != "doQuery":
        raise AdqlError("This service only supports REQUEST=doQuery")
    if not given.get("LANG"):
        raise AdqlError("Field lang: Required parameter 'lang' missing.")
    if given["LANG"].partition("-")[0] != "ADQL":
        raise AdqlError(f"This service does not support the query language {given['LANG']}")
    wanted = "".join((given.get("RESPONSEFORMAT") or given.get("FORMAT", "")).lower().split())
    if wanted not in (*_TD, *_BINARY):
        raise AdqlError(f"Cannot serialize in {wanted!r}.")
    maxrec = given.get("MAXREC", "") or str(USUAL_ROWS)
    if not maxrec.isdecimal():
        raise AdqlError(f"Field maxrec: {maxrec!r} is not a valid literal for maxrec")
    if not given.get("QUERY"):
        raise AdqlError("Field query: Required parameter 'query' missing.")
    try:
        query = parse(given["QUERY"], _columns_of, schema_rows)
    except AdqlError as error:
        raise AdqlError(f"Field query: {error}") from None
    if query.order and query.order != _DIDS.get(query.table):
        raise AdqlError(f"The demo archive cannot put anything in the order of {query.order}")
    return query, min(int(maxrec), MOST_ROWS), wanted in _TD


def _counted(query: AdqlQuery, catalog: DemoCatalog, maxrec: int, in_text: bool) -> Iterator[bytes]:
    number = sum(query.matches(each) for each in catalog.rows(query))
    yield _head([(query.counted, "int", "", "", "meta.number", "")], query.table, in_text)
    yield from _data([[number]], [("int", "")], in_text)
    yield _tail(in_text, maxrec <= 1)


def _listed(query: AdqlQuery, catalog: DemoCatalog, maxrec: int, in_text: bool) -> Iterator[bytes]:
    """Return TOP rows, or MAXREC without a TOP.

    More than MAXREC are an overflow, unless TOP asked for as many.
    """
    known = {column[0].lower(): column for column in COLUMNS_OF[query.table]}
    names = query.columns or tuple(known)
    columns = [known[name] for name in names]
    kinds = [(datatype, arraysize) for _, datatype, arraysize, *_ in columns]
    limit = maxrec if query.top is None else query.top
    numbers = count()
    matching = ([each[name] for name in names] for each in catalog.rows(query) if query.matches(each))
    yield _head(columns, query.table, in_text)
    yield from _data((values for values, _ in zip(islice(matching, limit), numbers, strict=False)), kinds, in_text)
    sent = next(numbers)
    is_cut = sent > maxrec or (query.top is None and sent == maxrec)
    has_links = query.table == DATA and "ssa_pubdid" in names
    yield _tail(in_text, is_cut, service(links_block(catalog.base), "links") if has_links else "")


def _head(columns: Iterable[DemoColumn], table: str, in_text: bool) -> bytes:
    fields = declared(columns) + (constants() if table == DATA else "")
    status = '<INFO name="QUERY_STATUS" value="OK">Query successful</INFO>'
    opening = "<TABLEDATA>" if in_text else '<BINARY><STREAM encoding="base64">'
    return f'{HEAD}<RESOURCE type="results">{status}<TABLE name="result">{fields}<DATA>{opening}'.encode()


def _data(rows: Iterable[Sequence[Value]], kinds: Sequence[tuple[str, str]], in_text: bool) -> Iterator[bytes]:
    """Yield base64 in pieces.

    Three bytes are four characters, and the rest of a piece begins the next.
    """
    left, rows = b"", iter(rows)
    while piece := list(islice(rows, _PIECE)):
        if in_text:
            yield "".join(map(row, piece)).encode()
            continue
        data = left + stream(kinds, piece)
        whole = len(data) - len(data) % 3
        left = data[whole:]
        yield base64.b64encode(data[:whole])
    yield base64.b64encode(left)


def _tail(in_text: bool, is_cut: bool = False, services: str = "") -> bytes:
    closing = "</TABLEDATA>" if in_text else "</STREAM></BINARY>"
    status = '<INFO name="QUERY_STATUS" value="OVERFLOW"/>' if is_cut else ""
    return f"{closing}</DATA></TABLE>{status}</RESOURCE>{services}</VOTABLE>".encode()

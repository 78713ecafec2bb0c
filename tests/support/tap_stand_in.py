"""A small TAP service over SQLite, whose habits can be those of other services than DaCHS."""

from __future__ import annotations

import re
import sqlite3
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from aiohttp import web

OBSCORE = {
    "obs_publisher_did": ("char", "", "obscore:Curation.PublisherDID"),
    "dataproduct_type": ("char", "", "obscore:ObsDataset.dataProductType"),
    "target_name": ("char", "", "obscore:Target.Name"),
    "t_min": ("double", "d", "obscore:Char.TimeAxis.Coverage.Bounds.Limits.StartTime"),
    "access_url": ("char", "", "obscore:Access.Reference"),
    "access_format": ("char", "", "obscore:Access.Format"),
    "access_estsize": ("long", "kbyte", "obscore:Access.Size"),
}
Columns = Mapping[str, tuple[str, str, str]]


@dataclass
class TapStandIn:
    """One table, and what the service refuses: ``refuse`` has regular expressions on a query, and what it says then.

    ``limit``: rows of an answer at most, which it says by OVERFLOW. ``formats``: the RESPONSEFORMATs that it knows.
    ``slowest``: pages larger than that are refused as too slow. ``is_ordered``: whether ORDER BY is heeded.
    ``top_of_maxrec``: the highest MAXREC that is accepted. ``tables_need_detail``: whether ``/tables`` has columns only
    with ``detail=max``. ``status``: of refusals.
    """

    rows: Sequence[Sequence[object]]
    name: str = "ivoa.ObsCore"
    columns: Columns = field(default_factory=lambda: OBSCORE)
    refuse: Mapping[str, str] = field(default_factory=dict)
    limit: int = 1_000_000
    formats: Sequence[str] = ()
    slowest: int = 1_000_000
    has_schema: bool = True
    tables_document: bool = False
    is_ordered: bool = True
    top_of_maxrec: int = 1_000_000
    tables_need_detail: bool = False
    status: int = 400
    queries: list[str] = field(default_factory=list)

    def handler(self, path: str = "/tap") -> Callable[[web.Request], web.Response]:
        """Return what answers requests below ``path``."""

        def handle(request: web.Request) -> web.Response:
            if request.path == f"{path}/tables" and self.tables_document:
                has_columns = not self.tables_need_detail or request.query.get("detail") == "max"
                return web.Response(text=self._tableset(has_columns), content_type="text/xml")
            if request.path != f"{path}/sync":
                return web.Response(status=404, text="<html><body>Not Found</body></html>")
            return self.answer({name.upper(): value for name, value in request.query.items()}, request)

        return handle

    def answer(self, query: Mapping[str, str], request: web.Request) -> web.Response:
        """Return the answer to one query."""
        adql = query["QUERY"]
        self.queries.append(adql)
        if self.formats and query.get("RESPONSEFORMAT") not in self.formats:
            return self._refusal(f"unknown format: {query.get('RESPONSEFORMAT')}")
        for pattern, words in self.refuse.items():
            if re.search(pattern, adql, re.IGNORECASE):
                return self._refusal(words)
        if not self.has_schema and "TAP_SCHEMA" in adql:
            return self._refusal("unknown table TAP_SCHEMA.columns")
        if int(query.get("MAXREC", "1")) > self.top_of_maxrec:
            return self._refusal(f"MAXREC must not exceed {self.top_of_maxrec:,}")
        top = int(match[1]) if (match := re.search(r"TOP (\d+)", adql)) else 1_000_000
        if "ORDER BY" in adql and top > self.slowest:
            return self._refusal("query timed out after 60 seconds")
        most = min(top, int(query.get("MAXREC", "1000000")), self.limit)
        try:
            names, rows = self._select(adql, f"http://{request.host}")
        except sqlite3.Error as error:
            return self._refusal(str(error))
        return web.Response(text=self._votable(names, rows[:most], most < min(top, len(rows))), content_type="text/xml")

    def _refusal(self, words: str) -> web.Response:
        return web.Response(
            status=self.status, text=_status("ERROR", escape(words)).join(_FRAME), content_type="text/xml"
        )

    def _select(self, adql: str, base: str) -> tuple[list[str], list[tuple[object, ...]]]:
        database = sqlite3.connect(":memory:")
        try:
            database.execute(f"CREATE TABLE listed ({', '.join(self.columns)})")
            filled = [
                [str(one).replace("BASE", base) if isinstance(one, str) else one for one in row] for row in self.rows
            ]
            database.executemany(f"INSERT INTO listed VALUES ({', '.join('?' * len(self.columns))})", filled)
            database.execute("CREATE TABLE schema_columns (table_name, column_name, datatype, unit, ucd, utype)")
            about = [(self.name, name, kind, unit, "", utype) for name, (kind, unit, utype) in self.columns.items()]
            database.executemany("INSERT INTO schema_columns VALUES (?, ?, ?, ?, ?, ?)", about)
            sql = re.sub(r"TOP \d+ ", "", adql).replace("TAP_SCHEMA.columns", "schema_columns")
            sql = re.sub(rf"FROM {re.escape(self.name)}\b", "FROM listed", sql, flags=re.IGNORECASE)
            if not self.is_ordered:
                sql = re.sub(r" ORDER BY .*", "", sql)
            found = database.execute(sql)
            rows = found.fetchall()
            if not self.is_ordered:
                rows.sort(key=lambda row: zlib.crc32(repr(row).encode()))
            return [each[0] for each in found.description], rows
        finally:
            database.close()

    def _votable(self, names: Sequence[str], rows: Sequence[Sequence[object]], is_cut: bool) -> str:
        fields = ""
        for name in names:
            kind, unit, utype = self.columns.get(name, ("char", "", ""))
            size = ' arraysize="*"' if kind == "char" else ""
            fields += f'<FIELD name="{name}" datatype="{kind}"{size} unit="{unit}" utype="{utype}"/>'
        cells = "".join(f"<TR>{''.join(map(_cell, row))}</TR>" for row in rows)
        table = f"<TABLE>{fields}<DATA><TABLEDATA>{cells}</TABLEDATA></DATA></TABLE>"
        return f"{_status('OK')}{table}{_status('OVERFLOW') if is_cut else ''}".join(_FRAME)

    def _tableset(self, has_columns: bool) -> str:
        columns = "".join(
            f"<column><name>{name}</name><unit>{unit}</unit><utype>{utype}</utype><dataType>{kind}</dataType></column>"
            for name, (kind, unit, utype) in self.columns.items()
            if has_columns
        )
        return (
            f"<tableset><schema><name>ivoa</name><table><name>{self.name}</name>{columns}</table></schema></tableset>"
        )


_FRAME = ('<VOTABLE version="1.4"><RESOURCE type="results">', "</RESOURCE></VOTABLE>")


def _cell(value: object) -> str:
    return f"<TD>{'' if value is None else escape(str(value))}</TD>"


def _status(value: str, text: str = "") -> str:
    return f'<INFO name="QUERY_STATUS" value="{value}">{text}</INFO>'


def obscore_row(number: int, did: str | None = None, kind: str = "spectrum", url: str = "") -> list[object]:
    """Return a row of ObsCore with an address on the same server."""
    address = url or f"BASE/files/{number}.fits"
    return [did, kind, f"star {number}", 55000.0 + number, address, "application/fits", 12]

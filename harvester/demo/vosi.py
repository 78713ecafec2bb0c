"""Describe the services: VOSI availability and capabilities (VOSI 1.1, sections 3 and 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape

from .adql import Row
from .columns import FIELDS
from .responses import XML, DemoResponse

_STYLE = "<?xml version='1.0' encoding='utf-8'?>\n<?xml-stylesheet href='/static/xsl/vosi.xsl' type='text/xsl'?>\n"
_INTERFACES = {
    "ivo://ivoa.net/std/SSA": ("base", "ssa/ssap.xml?"),
    "ivo://ivoa.net/std/SODA#sync-1.0": ("base", "sdl/dlget"),
    "ivo://ivoa.net/std/DataLink#links-1.0": ("base", "sdl/dlmeta"),
    "ivo://ivoa.net/std/VOSI#availability": ("full", "{service}/availability"),
    "ivo://ivoa.net/std/VOSI#capabilities": ("full", "{service}/capabilities"),
}


def availability(since: datetime) -> DemoResponse:
    """Return that it is available ``since`` the server started.

    DaCHS says so with its database down, too.
    """
    space = 'xmlns:avl="http://www.ivoa.net/xml/VOSIAvailability/v1.0"'
    said = f"<avl:available>true</avl:available><avl:upSince>{since:%Y-%m-%dT%H:%M:%SZ}</avl:upSince>"
    return DemoResponse(f"{_STYLE}<avl:availability {space}>{said}</avl:availability>".encode(), XML)


def capabilities(service: str, base: str) -> DemoResponse:
    """Return the interfaces of ``service`` (ssa or sdl), and DaCHS' header for a password."""
    kinds = {
        standard: interface for standard, interface in _INTERFACES.items() if (service, standard[-3:]) != ("sdl", "SSA")
    }
    listed = "".join(
        f'<capability standardID="{standard}"><interface role="std" xsi:type="vs:ParamHTTP">'
        f'<accessURL use="{use}">{base}/ccd700/q/{path.format(service=service)}</accessURL></interface></capability>'
        for standard, (use, path) in kinds.items()
    )
    spaces = (
        'xmlns:cap="http://www.ivoa.net/xml/VOSICapabilities/v1.0" xmlns:vs="http://www.ivoa.net/xml/VODataService/v1.1"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    )
    document = f"{_STYLE}<cap:capabilities {spaces}>{listed}</cap:capabilities>"
    return DemoResponse(document.encode(), XML, headers={"WWW-Authenticate": 'Basic realm="X-Unconfigured"'})


DATA, OBSCORE, TABLES, COLUMNS = "ccd700.data", "ivoa.obscore", "tap_schema.tables", "tap_schema.columns"


NOT_IN_TABLE = ("ssa_score", "location_ra", "location_dec", "preview")  # what only SSAP's answer has


MOST_ROWS, USUAL_ROWS = 1_000_000, 20_000


_OBS = "obscore:"


# name, datatype, arraysize, unit, ucd, utype
COLUMNS_OF: Mapping[str, Sequence[tuple[str, str, str, str, str, str]]] = {
    DATA: [each for each in FIELDS if each[0] not in NOT_IN_TABLE],
    OBSCORE: [
        ("dataproduct_type", "char", "*", "", "meta.id", f"{_OBS}ObsDataset.dataProductType"),
        ("obs_collection", "char", "*", "", "meta.id", f"{_OBS}DataID.Collection"),
        ("obs_publisher_did", "char", "*", "", "meta.ref.uri;meta.curation", f"{_OBS}Curation.PublisherDID"),
        ("access_url", "char", "*", "", "meta.ref.url", f"{_OBS}Access.Reference"),
        ("access_format", "char", "*", "", "meta.code.mime", f"{_OBS}Access.Format"),
        ("access_estsize", "long", "", "kbyte", "phys.size;meta.file", f"{_OBS}Access.Size"),
        ("target_name", "char", "*", "", "meta.id;src", f"{_OBS}Target.Name"),
        (
            "s_ra",
            "double",
            "",
            "deg",
            "pos.eq.ra",
            f"{_OBS}Char.SpatialAxis.Coverage.Location.Coord.Position2D.Value2.C1",
        ),
        (
            "s_dec",
            "double",
            "",
            "deg",
            "pos.eq.dec",
            f"{_OBS}Char.SpatialAxis.Coverage.Location.Coord.Position2D.Value2.C2",
        ),
        (
            "t_min",
            "double",
            "",
            "d",
            "time.start;obs.exposure",
            f"{_OBS}Char.TimeAxis.Coverage.Bounds.Limits.StartTime",
        ),
        ("t_max", "double", "", "d", "time.end;obs.exposure", f"{_OBS}Char.TimeAxis.Coverage.Bounds.Limits.StopTime"),
        ("em_min", "double", "", "m", "em.wl;stat.min", f"{_OBS}Char.SpectralAxis.Coverage.Bounds.Limits.LoLimit"),
        ("em_max", "double", "", "m", "em.wl;stat.max", f"{_OBS}Char.SpectralAxis.Coverage.Bounds.Limits.HiLimit"),
    ],
    TABLES: [(name, "char", "*", "", "", "") for name in ("schema_name", "table_name", "description")],
    COLUMNS: [
        (name, "char", "*", "", "", "")
        for name in ("table_name", "column_name", "datatype", "arraysize", "unit", "ucd", "utype")
    ],
}


_DESCRIPTIONS = {
    DATA: "Spectra of the demo archive, a row for each format",
    OBSCORE: "ObsCore 1.1: the same, a row for each spectrum",
    TABLES: "Tables of this service",
    COLUMNS: "Their columns",
}


def schema_rows(table: str) -> list[Row]:
    if table == TABLES:
        return [
            {"schema_name": name.partition(".")[0], "table_name": name, "description": words}
            for name, words in _DESCRIPTIONS.items()
        ]
    names = ("column_name", "datatype", "arraysize", "unit", "ucd", "utype")
    return [
        {"table_name": name, **dict(zip(names, (column[0].lower(), *column[1:]), strict=True))}
        for name, columns in COLUMNS_OF.items()
        for column in columns
    ]


def tables_document() -> bytes:
    """Return VOSI's list of tables (VOSI 1.1, section 4)."""
    names = (
        'xmlns:vtm="http://www.ivoa.net/xml/VOSITables/v1.0" xmlns:vs="http://www.ivoa.net/xml/VODataService/v1.1"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    )
    text = ""
    for table, columns in COLUMNS_OF.items():
        inner = "".join(_column_element(*column) for column in columns)
        described = f"<name>{table}</name><description>{escape(_DESCRIPTIONS[table])}</description>{inner}"
        text += f'<schema><name>{table.partition(".")[0]}</name><table type="output">{described}</table></schema>'
    return f"<vtm:tableset {names}>{text}</vtm:tableset>".encode()


def _column_element(name: str, datatype: str, arraysize: str, unit: str, ucd: str, utype: str) -> str:
    tags = {"name": name.lower(), "unit": unit, "ucd": ucd, "utype": utype}
    inner = "".join(f"<{tag}>{escape(value)}</{tag}>" for tag, value in tags.items() if value)
    size = f' arraysize="{arraysize}"' if arraysize else ""
    return f'<column>{inner}<dataType xsi:type="vs:VOTableType"{size}>{datatype}</dataType></column>'


def capabilities_document(base: str) -> bytes:
    """Return VOSI's list of what the service can do (VOSI 1.1, section 3; TAPRegExt 1.0)."""
    names = (
        'xmlns:cap="http://www.ivoa.net/xml/VOSICapabilities/v1.0" xmlns:vs="http://www.ivoa.net/xml/VODataService/v1.1"'
        ' xmlns:tr="http://www.ivoa.net/xml/TAPRegExt/v1.0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    )
    limits = f'<default unit="row">{USUAL_ROWS}</default><hard unit="row">{MOST_ROWS}</hard>'
    tap = (
        '<capability standardID="ivo://ivoa.net/std/TAP" xsi:type="tr:TableAccess">'
        f'<interface role="std" xsi:type="vs:ParamHTTP"><accessURL use="base">{base}/tap</accessURL></interface>'
        '<language><name>ADQL</name><version ivo-id="ivo://ivoa.net/std/ADQL#v2.0">2.0</version></language>'
        "<outputFormat><mime>application/x-votable+xml</mime><alias>votable</alias></outputFormat>"
        "<outputFormat><mime>application/x-votable+xml;serialization=TABLEDATA</mime><alias>votable/td</alias></outputFormat>"
        f"<outputLimit>{limits}</outputLimit></capability>"
    )
    return f"<cap:capabilities {names}>{tap}</cap:capabilities>".encode()

"""Write the metadata by which astronomers' tools read Parquet: VOParquet, and astropy's.

VOParquet (IVOA Note, version 1.0, 2025) puts a VOTable without data into the file's metadata; its FIELDs give units,
UCDs and descriptions. It is VOTable 1.3, whose units may be Angstrom (1.4 deprecates them for 0.1nm). Each column has
one FIELD, in their order: else readers have to discard all of them (section 2.3), as TOPCAT does. astropy joins columns
by the ID of the FIELD, TOPCAT by its name. No VOTable type joins with Parquet's timestamps in astropy, and no ID has a
blank: such a FIELD has an ID of its own, and astropy's ``parquet.votable`` shows one more column, without values.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from ..formatting import plain_line
from .schema import TEXT, TIME, ExportField

_NAMESPACE = "http://www.ivoa.net/xml/VOTable/v1.3"
_XML_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_DATATYPES = {
    "string": "unicodeChar", "float64": "double", "float32": "float", "int64": "long", "bool": "boolean",
    TIME: "long",  # as Parquet stores it
}  # fmt: skip


def file_metadata(fields: Iterable[ExportField], title: str, rows: int | None = None) -> dict[str, str]:
    """Return the key-value metadata of a Parquet file with these columns."""
    fields = list(fields)
    lengths = {f"table::len::{one.name}": str(max(one.longest, 1)) for one in fields if one.kind == TEXT}
    return {
        "IVOA.VOTable-Parquet.version": "1.0",
        "IVOA.VOTable-Parquet.content": votable(fields, title, rows),
        "table_meta_yaml": astropy_header(fields, title),
        **lengths,  # without them astropy warns and reads each column twice
    }


def votable(fields: Iterable[ExportField], title: str, rows: int | None = None) -> str:
    """Return the VOTable without data that describes ``fields``."""
    root = ET.Element("VOTABLE", {"version": "1.3", "xmlns": _NAMESPACE})
    resource = ET.SubElement(root, "RESOURCE", {"type": "results"})
    ET.SubElement(resource, "COOSYS", {"ID": "ICRS", "system": "ICRS"})
    table = ET.SubElement(resource, "TABLE", {"name": "spectra"} | ({} if rows is None else {"nrows": str(rows)}))
    ET.SubElement(table, "DESCRIPTION").text = plain_line(title, 500)
    for position, field in enumerate(fields, 1):
        joins = field.kind != TIME and _XML_NAME.fullmatch(field.name)
        named = {"ID": field.name if joins else f"votable_{position}", "name": plain_line(field.name, 500)}
        element = ET.SubElement(table, "FIELD", named | dict(_attributes(field)))
        meaning = f"{field.meaning}; milliseconds since 1970-01-01" if field.kind == TIME else field.meaning
        ET.SubElement(element, "DESCRIPTION").text = plain_line(meaning, 500)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode")


def _attributes(field: ExportField) -> Iterator[tuple[str, str]]:
    inner = field.kind.removeprefix("list<").removesuffix(">")
    yield "datatype", _DATATYPES[inner]
    if field.kind == TEXT:
        yield "arraysize", str(max(field.longest, 1))  # with * astropy reads objects, which join with no text
    elif inner != field.kind:
        yield "arraysize", str(field.size or "*")
    if unit := "ms" if field.kind == TIME else _votable_unit(field.unit):
        yield "unit", unit
    if field.ucd:
        yield "ucd", field.ucd
    if field.name in ("ra", "dec"):
        yield "ref", "ICRS"


def parsed_unit(unit: str) -> Any:
    """Return ``unit`` as astropy's; None for '' and for what is no unit."""
    if not unit:
        return None
    from ..fits.flux_unit import flux_unit

    parsed, notes = flux_unit(unit)
    return None if notes else parsed


def _votable_unit(unit: str) -> str:
    """Return ``unit`` as VOTable 1.3 spells it, '' if it cannot be."""
    parsed = parsed_unit(unit)
    with suppress(ValueError):
        return "" if parsed is None else str(parsed.to_string("cds"))
    return ""


def astropy_header(fields: Iterable[ExportField], title: str) -> str:
    """Return the YAML from which ``astropy.table.Table.read`` takes units and descriptions."""
    from astropy.table import Column, meta

    columns = [
        Column(name=one.name, dtype=object, unit=parsed_unit(one.unit), description=one.meaning) for one in fields
    ]
    return "\n".join(meta.get_yaml_from_header({"cols": columns, "meta": {"description": plain_line(title, 500)}}))

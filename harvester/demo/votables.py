"""Write the VOTables of dlget and dlmeta, and the service blocks that SSAP shares.

The standards are VOTable 1.4, DataLink 1.0 and SODA 1.0.
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from urllib.parse import quote

import numpy as np

from ..model.target import SpectrumId
from .fits import Value, original_size
from .observations import SyntheticObservation, observe
from .synthesis import SyntheticSpectrum

HEAD = (
    '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    ' xsi:schemaLocation="http://www.ivoa.net/xml/VOTable/v1.3 http://vo.ari.uni-heidelberg.de/docs/schemata/VOTable-1.4.xsd">'
)
_LONGEST_UNCUT = 6.7735e-07  # metres; no grid of the demo reaches beyond these two
_SHORTEST_UNCUT = 6.2549e-07
_FORMATS = {
    "VOTable, binary encoding": "application/x-votable+xml",
    "VOTable, tabledata encoding": "application/x-votable+xml;serialization=tabledata",
    "Tab separated values": "text/plain",
    "Comma separated values": "text/csv",
    "FITS binary table": "application/fits",
    "VOTable 1.5 beta": "application/x-votable+xml;serialization=TABLEDATA;version=1.5",
}
_CALIBRATIONS = dict.fromkeys(("relative", "UNCALIBRATED", "normalized"))
_MID_TIME = {
    "datatype": "double",
    "arraysize": "",
    "unit": "d",
    "xtype": "mjd",
    "ucd": "time.epoch",
    "utype": "spec:Spectrum.Char.TimeAxis.Coverage.Location.Value",
}
_SUBJECT = "<DESCRIPTION>The publisher DID of the dataset of interest</DESCRIPTION>"
_DATALINK_FIELDS = (
    ("ID", "char", "meta.id;meta.main"),
    ("access_url", "char", "meta.ref.url"),
    ("service_def", "char", "meta.code"),
    ("error_message", "char", "meta.code.error"),
    ("description", "char", "meta.note"),
    ("semantics", "char", "meta.code"),
    ("content_type", "char", "meta.code.mime"),
    ("content_length", "long", "phys.size;meta.file"),
    ("local_semantics", "char", "meta.id.assoc"),
)


def param(name: str, value: Value, inner: str = "", **attributes: str) -> str:
    """Return a PARAM; its datatype is text unless ``attributes`` have another."""
    given = {"datatype": "char", "arraysize": "*"} | attributes
    written = "".join(f' {key}="{escape(text)}"' for key, text in given.items() if text)
    return f'<PARAM name="{name}" value="{escape(str(value))}"{written}>{inner}</PARAM>'


def field(name: str, datatype: str, arraysize: str = "", **attributes: str) -> str:
    """Return a FIELD whose ID is its name."""
    given = {"datatype": datatype, "arraysize": arraysize or ("*" if datatype == "char" else "")} | attributes
    written = "".join(f' {key}="{escape(text)}"' for key, text in given.items() if text)
    return f'<FIELD ID="{name}" name="{name}"{written}/>'


def row(values: Iterable[Value]) -> str:
    """Return a TR of TABLEDATA."""
    return "<TR>" + "".join(f"<TD>{escape(str(value), quote=False)}</TD>" for value in values) + "</TR>"


def stream(fields: Sequence[tuple[str, str]], rows: Iterable[Sequence[Value]]) -> bytes:
    """Return rows in BINARY, by the fields' datatypes (VOTable 1.4, section 5.3)."""
    return b"".join(_binary(value, *kind) for row in rows for value, kind in zip(row, fields, strict=True))


def _binary(value: Value, datatype: str, arraysize: str) -> bytes:
    if datatype == "char":
        text = str(value).encode()
        return struct.pack(">i", len(text)) + text
    number = float if datatype in ("double", "float") else int
    values = [number(each) for each in (str(value).split() if arraysize else [value])]
    values = values or [math.nan] * int(arraysize)
    return struct.pack(f">{len(values)}{ {'double': 'd', 'float': 'f', 'int': 'i', 'long': 'q'}[datatype] }", *values)


def error_votable(message: str) -> bytes:
    """Return the document that says ERROR in a 200 (DALI 1.1, section 4.4.2)."""
    info = f'<INFO name="QUERY_STATUS" value="ERROR">{escape(message, quote=False)}</INFO>'
    return f'{HEAD}<RESOURCE type="results">{info}</RESOURCE></VOTABLE>'.encode()


def soda_block(base: str, did: str = "", wave_limits: tuple[float, float] = (_SHORTEST_UNCUT, _LONGEST_UNCUT)) -> str:
    """Return the inputs of dlget, for one ``did`` or for the column ssa_pubDID.

    ``wave_limits`` in metres.
    """
    low, high = (str(np.float32(limit)) for limit in wave_limits)
    limits = f'<VALUES><MIN value="{low}"/><MAX value="{high}"/></VALUES>'
    reference = {} if did else {"ref": "ssa_pubDID"}
    return "".join(
        [
            '<GROUP name="inputParams">',
            param("ID", did, _SUBJECT, ucd="meta.id;meta.main", **reference),
            param("FLUXCALIB", "", options(_CALIBRATIONS), ucd="phot.calib", utype="ssa:Char.FluxAxis.Calibration"),
            param("BAND", "", limits, datatype="double", arraysize="2", unit="m", xtype="interval", ucd="em.wl"),
            param("FORMAT", "", options(_FORMATS), ucd="meta.code.mime", utype="ssa:Access.Format"),
            "</GROUP>",
            param("accessURL", f"{base}/ccd700/q/sdl/dlget", ucd="meta.ref.url"),
            param("standardID", "ivo://ivoa.net/std/SODA#sync-1.0"),
        ]
    )


def options(values: Mapping[str, str | None]) -> str:
    """Return a VALUES with the legal values by their titles; one without a title is its own."""
    texts = (f'<OPTION name="{title}" value="{value or title}"/>' for title, value in values.items())
    return f"<VALUES>{''.join(texts)}</VALUES>"


def links_block(base: str) -> str:
    """Return where the datalink documents of an SSAP result's rows are."""
    group = f'<GROUP name="inputParams">{param("ID", "", ref="ssa_pubDID", ucd="meta.id;meta.main")}</GROUP>'
    standard = param("standardID", "ivo://ivoa.net/std/DataLink#links-1.0")
    return group + standard + param("accessURL", f"{base}/ccd700/q/sdl/dlmeta")


def service(inner: str, name: str, identifier: str = "") -> str:
    given = f'ID="{identifier}" ' if identifier else ""
    return f'<RESOURCE {given}name="{name}" type="meta" utype="adhoc:service">{inner}</RESOURCE>'


def full_did(text: str) -> str:
    """Return the DID of an ID as DaCHS reads it.

    A path below its own authority unless it is an ivo URI.
    """
    return text if text.startswith("ivo://") else f"ivo://asu.cas.cz/~?{text}"


def datalink_votable(base: str, ids: Iterable[str], known: Callable[[str], bool]) -> bytes:
    """Return the links of all ``ids`` in their order, then a row for each unknown one.

    DataLink 1.0, section 3.4.
    """
    rows: list[str] = []
    faults: list[str] = []
    services: list[str] = []
    for did in ids:
        if not known(did):
            message = "NotFoundFault: No spectrum with this pubDID known here"
            if not did:
                message = "Fault: string index out of range"
            faults.append(row([full_did(did) if did else "", "", "", message, "", "#this", "", -1, ""]))
            continue
        name = f"procsvc{len(services) - 1 if services else ''}"
        observation = observe(SpectrumId(did))
        rows += _links(base, observation, name)
        low, high = (limit * 1e-10 for limit in observation.wave_limits)
        services.append(service(soda_block(base, did, (low, high)), "proc_svc", name))
    fields = "".join(
        field(name, datatype, ucd=ucd, unit="byte" if name == "content_length" else "")
        for name, datatype, ucd in _DATALINK_FIELDS
    )
    status = '<INFO name="QUERY_STATUS" value="OK"/>'
    table = f'<TABLE name="dlresponse">{fields}<DATA><TABLEDATA>{"".join(rows + faults)}</TABLEDATA></DATA></TABLE>'
    style = "<?xml-stylesheet href='/static/xsl/datalink-to-html.xsl' type='text/xsl'?>"
    document = f'{style}{HEAD}{status}<RESOURCE type="results">{table}</RESOURCE>{"".join(services)}</VOTABLE>'
    return document.encode()


def product_url(base: str, path: str) -> str:
    return f"{base}/getproduct/{quote(path)}"


def _links(base: str, observation: SyntheticObservation, service_name: str) -> list[str]:
    did, product = observation.did, product_url(base, observation.accref)
    return [
        row([did, "", service_name, "", "An interactive service on this dataset.", "#proc", "", -1, ""]),
        row([did, product, "", "", "The full dataset.", "#this", "image/fits", original_size(observation), ""]),
        row([did, f"{product}?preview=True", "", "", "A preview for the dataset.", "#preview", "", -1, ""]),
    ]


def spectrum_votable(
    observation: SyntheticObservation, spectrum: SyntheticSpectrum, *, unit: str = "", tabledata: bool = False
) -> bytes:
    """Return what dlget sends without FORMAT.

    It has both columns, the flux in ``unit``, and the essential metadata.
    """
    columns = field(
        "spectral", "double", unit="Angstrom", ucd="em.wl", utype="spec:Spectrum.Data.SpectralAxis.Value"
    ) + field("flux", "double", unit=unit, ucd="phot.flux.density", utype="spec:Spectrum.Data.FluxAxis.Value")
    metadata = "".join(
        [
            param("ssa_pubDID", observation.did, utype="spec:Spectrum.Curation.PublisherDID"),
            param("ssa_targname", observation.star.name, ucd="meta.id;src", utype="spec:Spectrum.Target.Name"),
            param("ssa_dateObs", observation.mid_time, **_MID_TIME),
        ]
    )
    about = 'name="spectrum" utype="spec:Spectrum"'
    table = f"<TABLE {about}>{columns}{metadata}<DATA>{_data(spectrum, tabledata)}</DATA></TABLE>"
    return f'{HEAD}<RESOURCE utype="spec:Spectrum">{table}</RESOURCE></VOTABLE>'.encode()


def spectrum_votable_size(observation: SyntheticObservation) -> int:
    """Return the size of that document in binary, in which all numbers are as long as zeros."""
    zeros = np.zeros(observation.points)
    return len(spectrum_votable(observation, SyntheticSpectrum(zeros, zeros), unit="count"))


def _data(spectrum: SyntheticSpectrum, tabledata: bool) -> str:
    if tabledata:
        rows = zip(spectrum.wave.tolist(), spectrum.flux.tolist(), strict=True)
        return f"<TABLEDATA>{''.join(map(row, rows))}</TABLEDATA>"
    pixels = np.column_stack((spectrum.wave, spectrum.flux)).astype(">f8").tobytes()
    return f'<BINARY><STREAM encoding="base64">{base64.b64encode(pixels).decode()}</STREAM></BINARY>'

"""One raw request, and what matters of its answer in a form that two servers' answers can be compared in."""

from __future__ import annotations

import gzip
import http.client
import io
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

from astropy.io import fits

_NAMESPACE = "{http://www.ivoa.net/xml/VOTable/v1.3}"
_PATIENCE = 60.0  # seconds
_INFOS = {"QUERY_STATUS", "SERVICE_PROTOCOL", "warning"}
_SPECTRUM = {"ssa_pubDID", "ssa_targname", "ssa_dateObs"}
_PROSE = {"DESCRIPTION", "COOSYS", "LINK"}


@dataclass(frozen=True, slots=True)
class Exchange:
    """What came back; the server's own address is ``BASE`` in headers and body."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes

    def essence(self) -> Any:
        """The body without what is chance or decoration."""
        kind = self.headers.get("Content-Type", "")
        if self.body.startswith(b"SIMPLE") and kind == "application/fits":
            return _cards_and_data(self.body)
        if b"<VOTABLE" in self.body[:500]:
            return _votable(ElementTree.fromstring(self.body))
        if b"availability" in self.body[:500]:
            return [(child.tag, len(child.text or "")) for child in ElementTree.fromstring(self.body)]
        if kind == "text/html":
            return _words(self.body.decode())
        return self.body


def ask(base: str, method: str, path: str, headers: Mapping[str, str]) -> Exchange:
    """The answer to a request that has no header but these; a gzipped body comes unpacked."""
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=_PATIENCE)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    said = {name: value.replace(base, "BASE") for name, value in response.getheaders() if name != "Date"}
    if said.get("Content-Encoding") == "gzip" and body:
        body = gzip.decompress(body)
    return Exchange(response.status, response.reason, said, body.replace(base.encode(), b"BASE"))


def raw(base: str, request: str) -> bytes:
    """All that one request brings until the server closes."""
    with socket.create_connection((urlsplit(base).hostname, urlsplit(base).port), _PATIENCE) as connection:
        connection.sendall(request.encode())
        return b"".join(iter(lambda: connection.recv(65536), b""))


def interfaces(answer: Exchange) -> set[tuple[str, str]]:
    """Standard and address of each capability that has a standard."""
    tree = ElementTree.fromstring(answer.body)
    return {
        (capability.get("standardID", ""), capability.findtext("interface/accessURL", ""))
        for capability in tree
        if capability.get("standardID")
    }


def _cards_and_data(body: bytes) -> list[Any]:
    with fits.open(io.BytesIO(body)) as hdus:
        cards = [str(card) for hdu in hdus for card in hdu.header.cards]
        return [*cards, body[hdus[1].fileinfo()["datLoc"] :]]


def _words(page: str) -> list[str]:
    """Title, heading, the first sentences, and what the failing code said: not the address of the operators."""
    lead = page.partition('<div class="errmsg">')
    shown = re.sub(r"<[^>]+>", " ", lead[0]) + lead[2].partition("</div>")[0]
    return shown.replace(" .", ".").split()


def _votable(element: ElementTree.Element) -> Any:
    """Tag, attributes, text and children; rows in the order of their text, since neither server promises any."""
    tag = element.tag.removeprefix(_NAMESPACE)
    attributes = dict(element.attrib)
    text = " ".join((element.text or "").split())
    if tag == "INFO" and "In table" in attributes["value"]:
        attributes["value"] = attributes["value"].partition(": ")[2]
    if tag == "PARAM" and attributes["name"].startswith("INPUT:"):
        return tag, attributes["name"]
    if tag == "TABLE":
        del attributes["name"]
    if attributes.get("ref", "").startswith("system"):
        del attributes["ref"]
    if attributes.get("utype", "").startswith("spec:") and tag == "PARAM":
        attributes.pop("ID", "")  # by chance
    children = [_votable(child) for child in _kept(element)]
    return tag, sorted(attributes.items()), text, sorted(children) if tag == "TABLEDATA" else children


def _kept(element: ElementTree.Element) -> Iterator[ElementTree.Element]:
    for child in element:
        tag, utype = child.tag.removeprefix(_NAMESPACE), child.get("utype", "")
        left_out = (
            tag in _PROSE
            or (tag == "INFO" and child.get("name") not in _INFOS)
            or (tag == "GROUP" and utype.startswith(("stc:", "spec:")))
            or (tag == "VALUES" and not len(child))
            or (tag == "PARAM" and element.get("utype") == "spec:Spectrum" and child.get("name") not in _SPECTRUM)
        )
        if not left_out:
            yield child

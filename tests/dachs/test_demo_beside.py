"""The demo archive held against the genuine server: the same requests, the same answers, over the same spectra.

Left out on purpose, because no one who harvests meets them: pages for browsers beyond their first words, several ranges
in one Range, queries that are no ADQL, previews of VOTables; and in VOTables the prose, the STC groups, the SDM's sixty
PARAMs.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from harvester.demo import FAULTS, listed_dids
from harvester.demo.observations import observe
from harvester.demo.soda import SpectrumRequest
from tests.dachs.conftest import COUNT
from tests.dachs.exchange import ask, interfaces, raw
from tests.dachs.witness import Witness

DID = next(iter(listed_dids(1)))
NAME = DID.rpartition("/")[2]
ID, FITS = f"ID={quote(DID, safe='')}", "FORMAT=application%2Ffits"
DLGET, DLMETA, SSAP = "/ccd700/q/sdl/dlget?", "/ccd700/q/sdl/dlmeta?", "/ccd700/q/ssa/ssap.xml?"
TAP = "/tap/sync?"
PRODUCT = f"/getproduct/{observe(DID).accref}"
QUERY = "REQUEST=queryData"
VOTABLE = "FORMAT=application%2Fx-votable%2Bxml"

CASES: dict[str, list[str]] = {
    DLGET: [
        *(f"{ID}&{FITS}{calibrated}" for calibrated in (
            "", "&FLUXCALIB=", "&FLUXCALIB=normalized", "&FLUXCALIB=relative", "&FLUXCALIB=UNCALIBRATED",
            "&FLUXCALIB=RELATIVE", "&FLUXCALIB=bogus", "&FLUXCALIB=absolute", "&FLUXCALIB=relative&FLUXCALIB=relative",
        )),
        *(f"{ID}&{FITS}&BAND={band}" for band in (
            "", "6.5e-07+6.6e-07", "6.5e-07%206.6e-07", "-Inf+6.6e-07", "6.5e-07+%2BInf", "5e-07+6.3e-07",
            "4e-07+5e-07", "6.6e-07+6.5e-07", "6500+6600", "6.50000001e-07+6.50000002e-07", "red", "6.5e-07/6.6e-07",
            "6.5e-07,6.6e-07", "6.5e-07", "1+2+3", "NaN+NaN", "6.5e-07+6.6e-07&BAND=6.5e-07+6.6e-07",
            "6.5e-07+6.6e-07&FLUXCALIB=normalized", "6.5e-07+6.6e-07&FLUXCALIB=relative",
        )),
        *(f"{ID}{form}" for form in (
            "", "&FORMAT=", f"&{VOTABLE}", "&FORMAT=application/x-votable+xml", f"&{VOTABLE}%3Bserialization=tabledata",
            f"&{VOTABLE};serialization=tabledata", f"&{VOTABLE}%3Bserialization=TABLEDATA%3Bversion=1.5",
            f"&{VOTABLE}&FLUXCALIB=normalized", f"&{VOTABLE}&FLUXCALIB=relative", "&FORMAT=text/plain", "&FORMAT=fits",
            "&FORMAT=image/fits", "&FORMAT=application/pdf", "&RESPONSEFORMAT=application/fits", f"&{FITS}&{FITS}",
        )),
        *(f"{ID}&{FITS}&{more}" for more in (
            "foo=1", "Foo=1&BAR=2", "LAMBDA_MIN=6e-7&LAMBDA_MAX=7e-7", "RUNID=x", "foo=1&FLUXCALIB=bogus",
        )),
        f"{ID}&FORMAT=fits&FLUXCALIB=bogus&BAND=red",
        *(f"ID={did}&{FITS}" for did in (
            "", "nosuch", NAME, f"{quote(DID)}x", quote(DID).upper(), f"{quote(DID)}%20", "ivo://elsewhere/x",
            "ivo://asu.cas.cz/stel/ccd700/", f"{quote(DID)}%00", f"{quote(DID)}%FF", "nosuch&foo=1",
        )),
        "", FITS, f"{ID}&ID=nosuch&{FITS}", f"ID=nosuch&{ID}&{FITS}", f"id={quote(DID)}&format=application/fits&band=",
    ],
    DLMETA: [
        "", ID, f"{ID}&{ID}", f"{ID}&ID=nosuch", f"ID=nosuch&{ID}", "ID=nosuch", "ID=ivo://elsewhere/x", "ID=",
        f"{ID}&RESPONSEFORMAT=bogus", f"{ID}&RESPONSEFORMAT=votable", f"{ID}&MAXREC=1", f"{ID}&foo=1",
    ],
    SSAP: [
        "", "REQUEST=bogus", "MAXREC=1", QUERY, "request=queryData&maxrec=1",
        *(f"{QUERY}&{more}" for more in (
            "MAXREC=0", "MAXREC=1", f"MAXREC={2 * COUNT}", f"MAXREC={2 * COUNT + 1}", f"MAXREC={2 * COUNT - 1}",
            "MAXREC=-1", "MAXREC=x", "MAXREC=1&MAXREC=2", "TOP=1", "TOP=x", "MAXREC=5&TOP=1", "foo=1&MAXREC=1",
            "VERSION=9&MAXREC=1", "FORMAT=METADATA", "FORMAT=metadata", "FORMAT=image/fits", "FORMAT=fits",
            "FORMAT=native&MAXREC=2", "FORMAT=compliant&MAXREC=2", "FORMAT=votable&MAXREC=2", "FORMAT=all&MAXREC=2",
            "FORMAT=xml&MAXREC=2", "FORMAT=graphic&MAXREC=2", "FORMAT=bogus&MAXREC=2",
            f"POS={observe(DID).star.ra},{observe(DID).star.dec}&SIZE=0.1", "POS=1,2&SIZE=0.1", "POS=1,2&MAXREC=1",
            "POS=bad&SIZE=1", "POS=1,2,3&SIZE=1", "POS=1,2&SIZE=x", "BAND=6.76e-7/", "BAND=1e-7/2e-7", "BAND=red",
            "TIME=2004-01-01/2005-01-01", "TIME=2004-01-01", "TIME=bad", "MTIME=2016-01-01/", "MTIME=2017-01-01/",
            "FLUXCALIB=RELATIVE", "FLUXCALIB=any&MAXREC=1", "FLUXCALIB=bogus", f"PUBDID={quote(DID)}", "PUBDID=nosuch",
            "TARGETNAME=galex", "TARGETNAME=hip", f"TARGETNAME={quote(observe(DID).star.name)}",
        )),
    ],
    TAP: [
        "", "LANG=X&QUERY=a", "LANG=ADQL", "LANG=ADQL&QUERY=a&FORMAT=nosuch", "LANG=ADQL&MAXREC=x&QUERY=SELECT+1",
        *(f"LANG=ADQL&{form}QUERY={quote(query)}" for form in ("", "FORMAT=votable/td&") for query in (
            "SELECT ssa_pubdid, mime, ssa_targname FROM ccd700.data WHERE mime='image/fits' ORDER BY ssa_pubdid",
            "SELECT TOP 3 ssa_pubdid, ssa_dateobs FROM ccd700.data WHERE mime='image/fits' ORDER BY ssa_pubdid",
            "SELECT COUNT(*) AS n FROM ccd700.data", "SELECT nosuch FROM ccd700.data",
        )),
        *(f"LANG=ADQL&MAXREC={most}&QUERY=SELECT+ssa_pubdid+FROM+ccd700.data+ORDER+BY+ssa_pubdid" for most in (
            1, 2 * COUNT - 1, 2 * COUNT, 2 * COUNT + 1,
        )),
        *(f"LANG=ADQL&MAXREC=3&QUERY=SELECT+TOP+{top}+ssa_pubdid+FROM+ccd700.data+ORDER+BY+ssa_pubdid" for top in (
            2, 3, 4,
        )),
        "LANG=ADQL&MAXREC=1&QUERY=SELECT+COUNT(*)+AS+n+FROM+ccd700.data",
    ],
    "": [
        "/ccd700/q/ssa/availability", "/ccd700/q/sdl/availability", "/tap/availability", f"/ccd700/q/sdl/dlget/?{ID}",
        "/ccd700/q/sdl/nosuch", "/ccd700/q/nosuch/dlget", "/nosuch/q/sdl/dlget", "/ccd700/q/sdl", PRODUCT,
        PRODUCT.replace(".fit", ".vot"), f"{PRODUCT}x", "/getproduct/ccd700/nosuch.fit", f"{PRODUCT}?preview=True",
    ],
}  # fmt: skip
REQUESTS: list[tuple[str, str, dict[str, str]]] = [
    *(("GET", path + query, {}) for path, queries in CASES.items() for query in queries),
    ("HEAD", f"{DLGET}{ID}&{FITS}", {}),
    ("HEAD", f"{DLGET}ID=nosuch", {}),
    ("HEAD", f"{SSAP}{QUERY}&MAXREC=1", {}),
    ("HEAD", f"{DLMETA}{ID}", {}),
    ("PUT", f"{DLGET}{ID}&{FITS}", {}),
    ("OPTIONS", f"{DLGET}{ID}&{FITS}", {}),
    ("GET", f"{DLGET}{ID}&{FITS}", {"Range": "bytes=0-99"}),
    ("GET", f"{DLGET}{ID}&{FITS}", {"If-Modified-Since": "Sun, 22 Nov 2037 21:03:32 GMT"}),
    *(
        ("GET", path, {"Accept-Encoding": "gzip"})
        for path in (f"{DLGET}{ID}&{FITS}", f"{DLGET}ID=nosuch", f"{DLGET}{ID}&foo=1", f"{DLMETA}{ID}", PRODUCT)
    ),
    ("GET", f"{SSAP}{QUERY}&MAXREC=1", {"Accept-Encoding": "gzip"}),
    *(
        ("GET", PRODUCT, {"Range": wanted})
        for wanted in (
            "bytes=0-99",
            "bytes=100-",
            "bytes=-100",
            "bytes=0-99999999",
            "bytes=99999999-",
            "bytes=5-2",
            "x",
        )
    ),
    ("GET", PRODUCT, {"If-Modified-Since": "Sun, 22 Nov 2037 21:03:32 GMT"}),
    ("GET", PRODUCT, {"If-Modified-Since": "Sun, 22 Nov 1998 21:03:32 GMT"}),
]


@pytest.fixture(scope="module")
def demo() -> Iterator[str]:
    command = [sys.executable, "-m", "harvester", "demo", "--count", str(COUNT)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield process.stdout.readline().partition("/ccd700/")[0]
        process.terminate()


@pytest.mark.parametrize(("method", "path", "headers"), REQUESTS, ids=str)
def test_the_demo_answers_as_the_genuine_server_does(
    witness: Witness, demo: str, method: str, path: str, headers: dict[str, str]
) -> None:
    genuine, ours = ask(witness.url, method, path, headers), ask(demo, method, path, headers)
    assert (ours.status, ours.reason) == (genuine.status, genuine.reason)
    assert ours.headers == genuine.headers
    assert ours.essence() == genuine.essence()


def test_a_zipped_answer_without_content_is_broken_in_the_same_way(witness: Witness, demo: str) -> None:
    line = f"GET {DLGET}{ID}&BAND=4e-07+5e-07 HTTP/1.1"
    request = f"{line}\r\nHost: x\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
    ends = [raw(base, request).partition(b"\r\n\r\n")[2] for base in (witness.url, demo)]
    assert ends[0] == ends[1] == b"\x03" + bytes(9)


def test_maintenance_has_the_same_words_and_asks_for_time(witness: Witness) -> None:
    with witness.in_maintenance("Back on Monday"):
        genuine = ask(witness.url, "GET", f"{DLGET}{ID}", {})
    ours = FAULTS["http_503"].spoil(SpectrumRequest(observe(DID), NAME))
    assert (genuine.status, genuine.headers["Content-Type"], genuine.body) == (503, ours.content_type, ours.body)
    assert genuine.headers["Retry-After"] == "3600"
    assert ours.headers["Retry-After"] == "1", "no one waits for an hour in a demo"


def test_the_demo_claims_no_interface_that_the_genuine_server_lacks(witness: Witness, demo: str) -> None:
    for service in ("ssa", "sdl"):
        path = f"/ccd700/q/{service}/capabilities"
        genuine, ours = (interfaces(ask(base, "GET", path, {})) for base in (witness.url, demo))
        assert ours <= genuine
        assert {standard.partition("#")[2] or "SSA" for standard, _ in genuine - ours} <= {"tables", "aux"}

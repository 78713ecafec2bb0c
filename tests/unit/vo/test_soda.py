"""The query, byte for byte as the notebook sent it, every value encoded exactly once."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from harvester.model.band import Band, parse_band
from harvester.model.target import SpectrumId, parse_did
from harvester.vo.soda import SodaRequest

DLGET = "http://voarchive.asu.cas.cz/ccd700/q/sdl/dlget"
GENUINE = SpectrumId("ivo://asu.cas.cz/stel/ccd700/vh130075")


def query(request: SodaRequest, did: str = GENUINE) -> str:
    return request.url(SpectrumId(did)).partition("?")[2]


def test_it_is_the_notebooks_query_to_the_byte() -> None:
    request = SodaRequest(DLGET, "normalized", parse_band("6500 6600 AA"), "application/fits")
    assert request.url(GENUINE) == (
        f"{DLGET}?ID=ivo%3A%2F%2Fasu.cas.cz%2Fstel%2Fccd700%2Fvh130075&FLUXCALIB=normalized"
        "&BAND=6.5e-07+6.6e-07&FORMAT=application%2Ffits"
    )


@pytest.mark.parametrize(
    ("request_", "names"),
    [
        (SodaRequest(DLGET), ["ID", "FLUXCALIB", "FORMAT"]),
        (SodaRequest(DLGET, None, None, None), ["ID"]),
        (SodaRequest(DLGET, None, Band(1e-7, 2e-7)), ["ID", "BAND", "FORMAT"]),
        (SodaRequest(DLGET, "relative", Band(1e-7, 2e-7), None), ["ID", "FLUXCALIB", "BAND"]),
    ],
)
def test_what_is_not_requested_is_left_out_and_the_order_stays(request_: SodaRequest, names: list[str]) -> None:
    assert [name for name, _ in parse_qsl(query(request_), strict_parsing=True)] == names


def test_open_ends_are_spelled_as_dali_has_them() -> None:
    request = SodaRequest(DLGET, None, parse_band("-Inf 6.6e-07"), None)
    assert query(request).endswith("&BAND=-Inf+6.6e-07")
    request = SodaRequest(DLGET, None, parse_band("6.5e-07 +Inf"), None)
    assert query(request).endswith("&BAND=6.5e-07+%2BInf")


@pytest.mark.parametrize(
    ("did", "encoded"),
    [
        ("ivo://org/~?a b", "ivo%3A%2F%2Forg%2F~%3Fa+b"),
        ("ivo://org/a%20b", "ivo%3A%2F%2Forg%2Fa%2520b"),
        ("ivo://org/a+b", "ivo%3A%2F%2Forg%2Fa%2Bb"),
        ("ivo://org/a&ID=b;c#d", "ivo%3A%2F%2Forg%2Fa%26ID%3Db%3Bc%23d"),
        ("ivo://org/hvězda", "ivo%3A%2F%2Forg%2Fhv%C4%9Bzda"),
        ("ivo://org/🔭", "ivo%3A%2F%2Forg%2F%F0%9F%94%AD"),
        ("ivo://org/e\u0301 \u00e9", "ivo%3A%2F%2Forg%2Fe%CC%81+%C3%A9"),
    ],
)
def test_odd_identifiers_are_encoded_exactly_once(did: str, encoded: str) -> None:
    assert query(SodaRequest(DLGET, None, None, None), did) == f"ID={encoded}"


@settings(max_examples=100)
@given(st.text(st.characters(codec="utf-8").filter(str.isprintable), min_size=1, max_size=30), st.text(max_size=8))
def test_the_archive_reads_back_what_was_meant(path: str, fluxcalib: str) -> None:
    did = parse_did(f"ivo://org/x{path}")
    fluxcalib = fluxcalib.encode("utf-8", "ignore").decode()
    request = SodaRequest(DLGET, fluxcalib, parse_band("6.5e-7 6.6e-7"))
    url = request.url(did)
    assert url.isascii()
    assert "\n" not in url
    sent = parse_qsl(urlsplit(url).query, keep_blank_values=True, strict_parsing=True)
    assert sent == request.parameters(did)
    assert str(URL(url, encoded=True)) == url, "aiohttp's own URL type must not encode it a second time"


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("http://x/dlget", "http://x/dlget?ID=ivo%3A%2F%2Fo%2Fp"),
        ("http://x/dlget?", "http://x/dlget?ID=ivo%3A%2F%2Fo%2Fp"),
        ("http://x/q?set=a", "http://x/q?set=a&ID=ivo%3A%2F%2Fo%2Fp"),
        ("http://x/q?set=a&", "http://x/q?set=a&ID=ivo%3A%2F%2Fo%2Fp"),
    ],
)
def test_an_access_url_keeps_its_own_query_also_where_it_ends_as_the_vo_has_them_end(endpoint: str, url: str) -> None:
    assert SodaRequest(endpoint, None, None, None).url(SpectrumId("ivo://o/p")) == url

"""The demo on the wire: DaCHS' status table, its manners, the faults by name, and its log."""

from __future__ import annotations

import asyncio
import gzip
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree

import aiohttp
import pytest
import pytest_asyncio
from yarl import URL

from harvester.demo import (
    COLLECTION,
    FAULTS,
    DemoArchive,
    FaultPlan,
    Planned,
    RunningArchive,
    listed_dids,
    parse_faults,
    serve,
)
from harvester.demo.fits import original_fits, original_size
from harvester.demo.observations import observe
from harvester.demo.request_log import RequestLog

DIDS = list(listed_dids(40))
DID, OTHER = DIDS[0], DIDS[1]
NAME = DID.rpartition("/")[2]
SIZE = original_size(observe(DID))
FITS = "application%2Ffits"
PLAIN = {"Accept-Encoding": "identity"}


@pytest_asyncio.fixture
async def archive() -> AsyncIterator[RunningArchive]:
    async with serve(DemoArchive(count=len(DIDS))) as running:
        yield running


async def exchange(url: str, method: str = "GET", headers: str = "", version: str = "1.1") -> bytes:
    """Everything that one raw request brings until the server closes."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    target = f"{parts.path}?{parts.query}"
    writer.write(
        f"{method} {target} HTTP/{version}\r\nHost: {parts.netloc}\r\nConnection: close\r\n{headers}\r\n".encode()
    )
    try:
        return await reader.read()
    finally:
        writer.close()


async def get(url: str, **options: str) -> tuple[int, str, bytes]:
    """Status, media type and body, sent with the query exactly as in ``url``."""
    async with (
        aiohttp.ClientSession(headers=PLAIN | options) as session,
        session.get(URL(url, encoded=True), allow_redirects=False) as response,
    ):
        return response.status, response.headers.get("Content-Type", ""), await response.read()


STATUS_TABLE = [
    ("{id}&{fits}", 200, "application/fits"),
    ("{id}&{fits}&FLUXCALIB=", 200, "application/fits"),
    ("{id}&{fits}&FLUXCALIB=normalized", 200, "application/fits"),
    ("{id}&{fits}&FLUXCALIB=relative", 200, "application/fits"),
    ("{id}&{fits}&FLUXCALIB=UNCALIBRATED", 200, "application/fits"),
    ("{id}&{fits}&FLUXCALIB=bogus", 422, "text/plain"),
    ("{id}&{fits}&BAND=6.5e-07+6.6e-07", 200, "application/fits"),
    ("{id}&{fits}&BAND=6.5e-07%206.6e-07", 200, "application/fits"),
    ("{id}&{fits}&BAND=-Inf+6.6e-07", 200, "application/fits"),
    ("{id}&{fits}&BAND=6.5e-07+%2BInf", 200, "application/fits"),
    ("{id}&{fits}&BAND=", 200, "application/fits"),
    ("{id}&{fits}&BAND=4e-07+5e-07", 204, "text/plain"),
    ("{id}&{fits}&BAND=6.6e-07+6.5e-07", 204, "text/plain"),
    ("{id}&{fits}&BAND=6500+6600", 204, "text/plain"),
    ("{id}&{fits}&BAND=6.50000001e-07+6.50000002e-07", 204, "text/plain"),
    ("{id}&{fits}&BAND=red", 422, "text/plain"),
    ("{id}&{fits}&BAND=6.5e-07/6.6e-07", 422, "text/plain"),
    ("{id}&{fits}&BAND=6.5e-07,6.6e-07", 422, "text/plain"),
    ("{id}&{fits}&BAND=6.5e-07", 422, "text/plain"),
    ("{id}&{fits}&BAND=1+2+3", 422, "text/plain"),
    ("{id}&{fits}&BAND=NaN+NaN", 500, "text/html"),
    ("{id}&{fits}&LAMBDA_MIN=6.5e-07", 422, "text/plain"),
    ("{id}&{fits}&foo=1", 422, "text/plain"),
    ("{id}", 200, "application/x-votable+xml"),
    ("{id}&FORMAT=application/x-votable%2Bxml", 200, "application/x-votable+xml"),
    ("{id}&FORMAT=application/x-votable+xml", 422, "text/plain"),
    ("{id}&FORMAT=application/x-votable%2Bxml%3Bserialization=tabledata", 200, "application/x-votable+xml"),
    ("{id}&FORMAT=text/csv", 200, "text/csv"),
    ("{id}&FORMAT=text/plain", 200, "text/plain"),
    ("{id}&FORMAT=fits", 422, "text/plain"),
    ("{id}&FORMAT=image/fits", 422, "text/plain"),
    ("{id}&RESPONSEFORMAT=application/fits", 200, "application/x-votable+xml"),
    ("ID=ivo://asu.cas.cz/stel/ccd700/nosuch&{fits}", 404, "text/html"),
    ("ID=ivo://elsewhere/stel/ccd700/{name}&{fits}", 404, "text/html"),
    ("ID={name}&{fits}", 404, "text/html"),
    ("{id}%20&{fits}", 404, "text/html"),
    ("ID=&{fits}", 500, "text/html"),
    ("{id}%00&{fits}", 500, "text/html"),
    ("{id}%FF&{fits}", 500, "text/html"),
    ("{fits}", 422, "text/plain"),
    ("{id}&ID=nosuch&{fits}", 404, "text/html"),
    ("ID=nosuch&{id}&{fits}", 200, "application/fits"),
    ("{id}&{fits}&FLUXCALIB=normalized&FLUXCALIB=normalized", 422, "text/plain"),
    ("{id}&{fits}&BAND=6.5e-07+6.6e-07&BAND=6.5e-07+6.6e-07", 422, "text/plain"),
]


@pytest.mark.parametrize(("query", "status", "media_type"), STATUS_TABLE, ids=str)
async def test_status_table(archive: RunningArchive, query: str, status: int, media_type: str) -> None:
    query = query.format(id=f"ID={quote(DID, safe='')}", name=NAME, fits=f"FORMAT={FITS}")
    seen, typed, body = await get(f"{archive.dlget}?{query}")
    assert (seen, typed.partition(";")[0]) == (status, media_type)
    if status == 422:
        assert body.startswith((b"UsageError: Field ", b"MultiValuedParamNotSupported: "))
    assert (status == 204) == (body == b"")


async def test_refusals_read_as_those_of_dachs(archive: RunningArchive) -> None:
    raw = await exchange(f"{archive.dlget}?ID={DID}&FLUXCALIB=bogus")
    assert raw.startswith(b"HTTP/1.1 422 Unknown Status\r\n")
    assert b"UsageError: Field FLUXCALIB: 'bogus' is not a valid value for FLUXCALIB" in raw
    _, _, body = await get(f"{archive.dlget}?id={DID}&foo=1")
    assert body.strip().endswith(b"The following parameter(s) are not accepted by this service: foo")


async def test_answers_are_chunked_without_validators_and_named_by_the_first_id(archive: RunningArchive) -> None:
    raw = await exchange(f"{archive.dlget}?id={OTHER}&ID={DID}&format={FITS}", headers="Range: bytes=0-99\r\n")
    head = raw.partition(b"\r\n\r\n")[0].decode()
    assert head.startswith("HTTP/1.1 200 OK")
    assert "Transfer-Encoding: chunked" in head
    assert "Server: DaCHS/2.7 twistedWeb/22.4.0" in head
    assert f"Content-Disposition: attachment; filename={OTHER.rpartition('/')[2]}_proc.fits" in head
    assert not any(name in head for name in ("Content-Length", "ETag", "Last-Modified", "Accept-Ranges"))
    assert DID.encode() in raw


async def test_http_1_0_gets_the_body_until_the_close(archive: RunningArchive) -> None:
    raw = await exchange(f"{archive.dlget}?ID={DID}&FORMAT={FITS}", version="1.0")
    assert len(raw.partition(b"\r\n\r\n")[2]) % 2880 == 0


async def test_gzip_is_honoured_and_breaks_a_204(archive: RunningArchive) -> None:
    raw = await exchange(f"{archive.dlget}?ID={DID}&BAND=4e-07+5e-07", headers="Accept-Encoding: gzip\r\n")
    assert raw.startswith(b"HTTP/1.1 204 No Content\r\n")
    assert raw.endswith(b"\r\n\r\n\x03" + bytes(9))
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.get(f"{archive.dlget}?ID={DID}&FORMAT={FITS}") as response,
    ):
        assert response.headers["Content-Encoding"] == "gzip"
        packed = await response.read()
    assert len(gzip.decompress(packed)) % 2880 == 0


@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS", "HEAD"])
async def test_every_method_is_served_as_get(archive: RunningArchive, method: str) -> None:
    raw = await exchange(f"{archive.dlget}?ID={DID}&FORMAT={FITS}", method)
    assert raw.startswith(b"HTTP/1.1 200 OK")
    assert (b"SIMPLE  =" in raw) == (method != "HEAD")


async def test_forms_are_read(archive: RunningArchive) -> None:
    async with (
        aiohttp.ClientSession(headers=PLAIN) as session,
        session.post(archive.dlget, data={"ID": DID, "FORMAT": "application/fits"}) as response,
    ):
        assert response.status == 200
        assert (await response.read()).startswith(b"SIMPLE")


async def test_other_addresses(archive: RunningArchive) -> None:
    assert (await get(f"{archive.dlget}/?ID={DID}"))[0] == 301
    assert (await get(f"{archive.url}/ccd700/q/nosuch/dlget"))[0] == 404
    for service in ("ssa", "sdl"):
        status, media_type, body = await get(f"{archive.url}/ccd700/q/{service}/availability")
        assert (status, media_type) == (200, "text/xml")
        assert b"available>true<" in body


async def test_products_are_static_files(archive: RunningArchive) -> None:
    _, _, document = await get(f"{archive.dlmeta}?ID={DID}")
    cells = [cell.text for cell in ElementTree.fromstring(document).iter("{http://www.ivoa.net/xml/VOTable/v1.3}TD")]
    url = next(text for text in cells if text and text.endswith(".fit"))
    raw = await exchange(url)
    head, _, body = raw.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert b"Last-Modified: " in head
    assert (await get(url.replace(".fit", ".vot")))[0] == 200
    assert (await get(url.replace("/getproduct/", "/getproduct/x")))[0] == 404


@pytest.mark.parametrize(
    ("header", "status", "length"),
    [
        ("Range: bytes=0-99", 206, 100),
        ("Range: bytes=100-", 206, SIZE - 100),
        ("Range: bytes=-100", 206, 100),
        ("Range: bytes=0-99999999", 206, SIZE),
        ("Range: bytes=99999999-", 416, 0),
        ("Range: bytes=5-2", 200, SIZE),
        ("Range: nonsense", 200, SIZE),
        ("If-Modified-Since: Sun, 22 Nov 2037 21:03:32 GMT", 304, 0),
        ("If-Modified-Since: Sun, 22 Nov 1998 21:03:32 GMT", 200, SIZE),
        ("If-Modified-Since: yesterday", 200, SIZE),
    ],
)
async def test_parts_of_a_product(archive: RunningArchive, header: str, status: int, length: int) -> None:
    whole = original_fits(observe(DID))
    raw = await exchange(f"{archive.url}/getproduct/{observe(DID).accref}", headers=f"{header}\r\n")
    head, _, body = raw.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert (len(whole), len(body)) == (SIZE, length)
    assert body in whole


async def test_a_preview_of_what_is_no_picture(archive: RunningArchive) -> None:
    status, media_type, _ = await get(f"{archive.url}/getproduct/{observe(DID).accref}?preview=True")
    assert (status, media_type) == (500, "text/plain")


@pytest.mark.parametrize("service", ["ssa", "sdl"])
async def test_services_say_what_they_are_and_since_when(archive: RunningArchive, service: str) -> None:
    _, _, text = await get(f"{archive.url}/ccd700/q/{service}/capabilities")
    found = {each.get("standardID", "").rpartition("/")[2] for each in ElementTree.fromstring(text)}
    assert {"SODA#sync-1.0", "DataLink#links-1.0"} < found
    assert ("SSA" in found) == (service == "ssa")
    _, _, text = await get(f"{archive.url}/ccd700/q/{service}/availability")
    since = ElementTree.fromstring(text).findtext("{http://www.ivoa.net/xml/VOSIAvailability/v1.0}upSince", "")
    assert datetime.fromisoformat(since) <= datetime.now(UTC)


async def test_a_semicolon_ends_a_parameter(archive: RunningArchive) -> None:
    status, _, body = await get(f"{archive.dlget}?ID={DID}&FORMAT=application/x-votable%2Bxml;serialization=tabledata")
    assert (status, b"serialization" in body) == (422, True)


async def test_any_well_formed_did_can_be_known() -> None:
    async with serve(DemoArchive(count=0, knows_any=True)) as archive:
        assert (await get(f"{archive.dlget}?ID={COLLECTION}ua160034&FORMAT={FITS}"))[0] == 200
        assert (await get(f"{archive.dlget}?ID=ivo://elsewhere/ua160034&FORMAT={FITS}"))[0] == 404
        assert (await get(f"{archive.dlget}?ID={COLLECTION}&FORMAT={FITS}"))[0] == 404


SHOWN_BY_STATUS = {name: int(name[5:]) for name in FAULTS if name.startswith("http_")} | {"no_data": 204}
SHOWN_BY_BODY = {
    "empty", "html", "html_typed", "votable_error", "traceback", "truncated", "torn", "malformed", "too_large", "drip",
    "wrong_spectrum", "wrong_band", "no_rows", "nan", "not_monotonic", "zero_flux", "counts",
}  # fmt: skip
SHOWN_BY_CONNECTION = {"cut_off", "disconnect", "stall", "stall_in_body", "garbled"}


def failing(name: str, times: int | None = None) -> DemoArchive:
    return DemoArchive(count=len(DIDS), faults=FaultPlan({DID: Planned(name, times)}), drip=0.0)


def test_every_fault_is_tested() -> None:
    assert set(FAULTS) == set(SHOWN_BY_STATUS) | SHOWN_BY_BODY | SHOWN_BY_CONNECTION


@pytest.mark.parametrize(("name", "status"), SHOWN_BY_STATUS.items())
async def test_faults_of_status(name: str, status: int) -> None:
    async with serve(failing(name)) as archive:
        raw = await exchange(f"{archive.dlget}?ID={DID}&FORMAT={FITS}")
        assert int(raw.split()[1]) == status
        assert (b"Retry-After: 1\r\n" in raw) == (status in (429, 503))


@pytest.mark.parametrize("name", sorted(SHOWN_BY_BODY))
async def test_faults_of_body(name: str) -> None:
    query = f"FLUXCALIB=normalized&BAND=6.5e-07+6.6e-07&FORMAT={FITS}"
    async with serve(failing(name, times=1)) as archive:
        status, media_type, faulty = await get(f"{archive.dlget}?ID={DID}&{query}")
        _, _, whole = await get(f"{archive.dlget}?ID={DID}&{query}")
    assert status == 200
    typed = {"html_typed": "text/html", "votable_error": "text/xml"}
    assert media_type == typed.get(name, "application/fits")
    assert whole.startswith(b"SIMPLE")
    assert (faulty == whole) == (name == "drip")
    lengths = {
        "empty": 0,
        "truncated": len(whole) - 2880,
        "torn": len(whole) - 1000,
        "too_large": len(whole) + (24 << 20),
    }
    assert len(faulty) == lengths.get(name, len(faulty))
    if name == "traceback":
        assert faulty.startswith(whole + b"\n\n\nXXXXXX Internal error in DaCHS software.")
    if name == "wrong_spectrum":
        assert DID.encode() + b"'" not in faulty


async def test_faults_of_connection() -> None:
    names = sorted(SHOWN_BY_CONNECTION)
    plan = FaultPlan({did: Planned(name) for did, name in zip(DIDS, names, strict=False)})
    async with serve(DemoArchive(count=len(DIDS), faults=plan)) as archive:
        urls = {name: f"{archive.dlget}?ID={did}&FORMAT={FITS}" for did, name in zip(DIDS, names, strict=False)}
        assert await exchange(urls["disconnect"]) == b""
        garbled = await exchange(urls["garbled"])
        assert garbled
        assert not garbled.startswith(b"HTTP/")
        cut_off = await exchange(urls["cut_off"])
        assert cut_off.startswith(b"HTTP/1.1 200 OK")
        assert not cut_off.endswith(b"0\r\n\r\n")
        for name in ("stall", "stall_in_body"):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(exchange(urls[name]), 0.2)


async def test_passing_faults_pass_and_others_stay() -> None:
    async with serve(failing("http_500", times=2)) as archive:
        assert [(await get(f"{archive.dlget}?ID={DID}&FORMAT={FITS}"))[0] for _ in range(3)] == [500, 500, 200]


def test_shares_are_of_the_dids_and_the_same_every_time() -> None:
    plan = parse_faults("truncated=0.1, http_503=0.2x3")
    planned = [plan.planned(did) for did in listed_dids(4000)]
    assert planned == [parse_faults("truncated=0.1,http_503=0.2x3").planned(did) for did in listed_dids(4000)]
    assert 320 < planned.count(Planned("truncated")) < 480
    assert 680 < planned.count(Planned("http_503", 3)) < 920
    assert plan.by_did == {}


@pytest.mark.parametrize("text", ["nosuch=0.1", "nan", "nan=2", "nan=x", "nan=0.1xx", "nan=0.6,stall=0.6"])
def test_bad_shares_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"fault|share|nan"):
        parse_faults(text)


async def test_queue_computes_so_many_at_once_and_refuses_none() -> None:
    config = DemoArchive(count=len(DIDS), workers=1, work=0.01, latency=0.001)
    async with serve(config) as archive:
        answers = await asyncio.gather(*(get(f"{archive.dlget}?ID={did}&FORMAT={FITS}") for did in DIDS[:8]))
        assert [status for status, _, _ in answers] == [200] * 8
        assert archive.log.most_in_flight > 1


async def test_log_counts_what_came(archive: RunningArchive) -> None:
    for did in (DID, DID, OTHER):
        await get(f"{archive.dlget}?ID={did}&FORMAT={FITS}", **{"User-Agent": "tester"})
    assert archive.log.requests == 3
    assert archive.log.by_did == {DID: 2, OTHER: 1}
    assert archive.log.statuses == {200: 3}
    assert {entry.user_agent for entry in archive.log.entries} == {"tester"}


def test_log_knows_its_busiest_second() -> None:
    times = iter([0.0, 0.5, 0.9, 1.1, 5.0, 6.0])
    log = RequestLog(clock=lambda: next(times))
    for _ in range(6):
        log.arrive("GET", "/ccd700/q/sdl/dlget", DID, "")
    assert log.busiest_second == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_program_announces_itself_and_ends_cleanly(number: signal.Signals) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "harvester", "demo", "--count", "3", "--faults", "nan=0.5", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    url = (await process.stdout.readline()).decode().strip()
    assert (await get(f"{url}?ID={DID}&FORMAT={FITS}"))[0] == 200
    process.send_signal(number)
    assert await process.wait() == 0

"""SSAP and datalink of the demo: pyvo completes a search, a datalink and a processed download against it."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Iterator

import aiohttp
import pytest
import pyvo
from astropy.io import fits as astropy_fits
from astropy.io import votable
from yarl import URL

from harvester.demo import DemoArchive, RunningArchive, listed_dids, serve
from harvester.demo.observations import observe

DIDS = list(listed_dids(60))
STAR = observe(DIDS[0]).star


@pytest.fixture(scope="module")
def archive() -> Iterator[RunningArchive]:
    """A demo archive in a thread of its own, for clients that block."""
    started: list[RunningArchive] = []
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def run() -> None:
        async with serve(DemoArchive(count=len(DIDS))) as running:
            started.append(running)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    assert ready.wait(10)
    yield started[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
    loop.close()


def search(archive: RunningArchive, **constraints: object) -> pyvo.dal.SSAResults:
    return pyvo.dal.SSAService(f"{archive.ssap}?").search(**constraints)


def test_every_spectrum_is_listed_twice(archive: RunningArchive) -> None:
    rows = search(archive)
    assert len(rows) == 2 * len(DIDS)
    assert [row["ssa_pubDID"] for row in rows][::2] == DIDS
    assert {row["mime"] for row in rows} == {"image/fits", "application/x-votable+xml"}


def test_constraints_hold(archive: RunningArchive) -> None:
    of_star = [did for did in DIDS if observe(did).star == STAR]

    def found(**constraints: object) -> list[str]:
        return [row["ssa_pubDID"] for row in search(archive, format="image/fits", **constraints)]

    assert found() == DIDS
    assert found(TARGETNAME=STAR.name.lower()) == of_star
    assert found(POS=f"{STAR.ra},{STAR.dec}", SIZE=0.01) == of_star
    assert found(POS=f"{STAR.ra},{STAR.dec}") == DIDS
    assert found(PUBDID=DIDS[7]) == [DIDS[7]]
    assert found(BAND="4e-07/5e-07") == []
    assert found(BAND="6.5e-07") == DIDS
    assert found(TIME="1990-01-01/1991-01-01") == []
    assert DIDS[0] in found(TIME="2004-01-01/2004-01-03")
    assert len(search(archive, format="fits")) == 0


def test_the_rest_of_the_constraints_hold_too(archive: RunningArchive) -> None:
    assert len(search(archive, FLUXCALIB="uncalibrated")) == 2 * len(DIDS)
    assert len(search(archive, FLUXCALIB="RELATIVE")) == 0
    assert len(search(archive, MTIME="2016-01-01/2017-01-01")) == 2 * len(DIDS)
    assert len(search(archive, MTIME="2017-01-01/")) == 0
    assert len(search(archive, BAND="red")) == 0, "DaCHS takes it for the name of a band"
    with pytest.warns(pyvo.dal.DALOverflowWarning):
        assert len(search(archive, TOP=3)) == 3


async def test_sizes_are_those_of_the_products(archive: RunningArchive) -> None:
    for record in list(search(archive))[:4]:
        async with aiohttp.ClientSession() as session, session.get(record["accref"]) as response:
            assert len(await response.read()) == record["accsize"]


async def test_a_list_is_zipped_on_request(archive: RunningArchive) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{archive.ssap}?REQUEST=queryData") as response:
        assert response.headers["Content-Encoding"] == "gzip"
        assert (await response.text()).count("<TR>") == 2 * len(DIDS)


def test_overflow_is_said(archive: RunningArchive) -> None:
    with pytest.warns(pyvo.dal.DALOverflowWarning):
        rows = search(archive, maxrec=5)
    assert len(rows) == 5


@pytest.mark.parametrize("query", ["REQUEST=queryData&MAXREC=0", "REQUEST=queryData&FORMAT=METADATA"])
async def test_metadata_has_no_rows(archive: RunningArchive, query: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{archive.ssap}?{query}") as response:
        body = await response.read()
    assert b'<RESOURCE type="meta">' in body
    assert b'<FIELD ID="accref"' in body
    assert b"OUTPUT:ssa_fluxcalib" in body
    assert b"<TR>" not in body


@pytest.mark.parametrize(
    "query",
    [
        "",
        "REQUEST=bogus",
        "REQUEST=queryData&MAXREC=x",
        "REQUEST=queryData&POS=here&SIZE=1",
        "REQUEST=queryData&POS=1,2,3&SIZE=1",
        "REQUEST=queryData&POS=1,2&SIZE=x",
        "REQUEST=queryData&TIME=bad",
        "REQUEST=queryData&TOP=x",
        "REQUEST=queryData&FLUXCALIB=bogus",
    ],
)
async def test_errors_are_votables_in_a_200(archive: RunningArchive, query: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{archive.ssap}?{query}") as response:
        assert response.status == 200
        assert response.content_type == "text/xml"
        assert b'<INFO name="QUERY_STATUS" value="ERROR">Field ' in await response.read()


def test_pyvo_takes_the_error_for_one(archive: RunningArchive) -> None:
    with pytest.raises(pyvo.dal.DALQueryError, match="within POS"):
        search(archive, POS="here", SIZE=1)


def test_datalink_and_processed_download(archive: RunningArchive) -> None:
    record = search(archive, format="image/fits")[3]
    links = record.getdatalink()
    assert [row["semantics"] for row in links] == ["#proc", "#this", "#preview"]
    soda = links.get_adhocservice_by_ivoid("ivo://ivoa.net/std/SODA#sync")
    assert _options(soda, "FLUXCALIB") == {"relative", "UNCALIBRATED", "normalized"}
    stream = record.processed(band=(6.5e-07, 6.6e-07), FLUXCALIB="normalized", FORMAT="application/fits")
    with astropy_fits.open(io.BytesIO(stream.read())) as hdus:
        assert hdus[1].header["DS_IDPUB"] == DIDS[3]
        assert hdus[1].data["spectral"][0] >= 6500


def _options(resource: votable.tree.Resource, name: str) -> set[str]:
    group = next(group for group in resource.groups if group.name == "inputParams")
    param = next(entry for entry in group.entries if entry.name == name)
    return {value for _, value in param.values.options}


async def test_datalink_of_many_and_of_none(archive: RunningArchive) -> None:
    async def document(*dids: str, **headers: str) -> bytes:
        form = aiohttp.FormData([("ID", did) for did in dids])
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(archive.dlmeta, data=form) as response,
        ):
            assert response.status == 200
            return await response.read()

    many = await document(DIDS[0], DIDS[1], DIDS[0], "ivo://nosuch/x")
    assert many.count(b"<TR>") == 10
    assert many.count(b"adhoc:service") == 3
    assert b"NotFoundFault: No spectrum with this pubDID known here" in many
    assert b"<TR>" not in await document()
    assert b"<html" in await document(DIDS[0], **{"User-Agent": "Mozilla/5.0"})


# The archive says Angstrom in its tables, so the demo does; astropy minds it.
@pytest.mark.filterwarnings("ignore:The unit 'Angstrom' has been deprecated in the VOUnit standard")
@pytest.mark.parametrize("suffix", ["", "&FORMAT=application/x-votable%2Bxml%3Bserialization=tabledata"])
async def test_spectrum_as_votable(archive: RunningArchive, suffix: str) -> None:
    url = URL(f"{archive.dlget}?ID={DIDS[0]}{suffix}", encoded=True)
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        table = votable.parse_single_table(io.BytesIO(await response.read()))
    assert len(table.array) == observe(DIDS[0]).points

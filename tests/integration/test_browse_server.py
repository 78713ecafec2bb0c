"""What the browse server answers, and to whom; the run that it watches does not notice."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import aiohttp
import numpy as np
import pytest
from astropy.io import fits

from harvester.catalog.reader import read_catalog
from harvester.catalog.rules import CatalogRules
from harvester.demo import DemoArchive, listed_dids, serve
from harvester.storage.run_folder import StateFolder
from tests.support.browsing import all_read, browsing, client_of
from tests.support.harvests import harvest_from

COUNT = 12


async def test_the_table_has_what_the_ledger_and_the_files_have(harvested: Path) -> None:
    async with browsing(harvested) as (session, rules), client_of(rules) as client:
        about = await client.get("/api/about")
        assert about["counts"]["status"] == {"saved": COUNT}
        assert about["labeller"] is None
        await all_read(session, COUNT)
        view = await client.get("/api/view?sort=time")
        rows = (await client.get(f"/api/rows?view={view['view']}&start=0&count=500"))["rows"]
        assert view["total"] == len(rows) == COUNT
        found = {row["name"]: row for row in rows}
        for file in harvested.glob("*.fits"):
            with fits.open(file) as hdus:
                assert found[file.stem]["object"] == hdus[1].header["OBJECT"]
        times = [row["mjd"] for row in rows]
        assert times == sorted(times)
        place = await client.get(f"/api/where?view={view['view']}&number={rows[5]['number']}")
        assert place == {"place": 5}


async def test_the_curve_is_the_file_s_to_the_last_bit(harvested: Path) -> None:
    async with browsing(harvested) as (_, rules), client_of(rules) as client:
        facts = await client.get("/api/spectrum/1")
        async with client.session.get(f"{client.base}/api/flux/1") as response:
            body = await response.read()
    with fits.open(facts["path"]) as hdus:
        wave, flux = (np.asarray(hdus[1].data.field(number), float) for number in (0, 1))
        cards = {keyword: value for part, keyword, value, _ in facts["cards"] if part == "table"}
        assert cards["OBJECT"] == hdus[1].header["OBJECT"]
    points, segments, length = np.frombuffer(body, "<u4", 3).tolist()
    assert (points, segments, length) == (wave.size, 1, wave.size)
    np.testing.assert_array_equal(np.frombuffer(body, "<f8", points, 16), wave)
    np.testing.assert_array_equal(np.frombuffer(body, "<f8", points, 16 + 8 * points), flux)


async def test_who_has_neither_token_nor_address_gets_nothing(out: Path) -> None:
    async with browsing(out, "anna") as (session, rules), client_of(rules) as client:
        for headers in ({"Host": f"evil.example:{rules.port}"}, {"Origin": "http://evil.example"}):
            for path in ("/", "/page/app.js", "/api/about", "/api/flux/1", "/live"):
                async with client.session.get(f"{client.base}{path}", headers=headers) as response:
                    assert response.status == 403, (headers, path)
        async with aiohttp.ClientSession() as stranger, stranger.get(f"{client.base}/api/about") as response:
            assert response.status == 403
            assert rules.token not in await response.text()
        async with client.session.post(f"{client.base}/api/undo", json={}) as response:
            assert response.status == 403, "no Origin: another page's form could do that"
        for path, status in (("/page/../session.py", 404), ("/page/session.py", 404), ("/api/spectrum/99", 404)):
            async with client.session.get(f"{client.base}{path}") as response:
                assert response.status == status
                assert response.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
        assert session.labels is not None
        for given in (
            {"number": 1, "label": "10"},
            {"number": 2**64, "label": "1"},
            {"number": 1, "label": []},
            {},
            [1],
        ):
            assert await client.post("/api/label", given) == (400, "a number and a label from 0 to 9 are expected\n")
        assert (await client.post("/api/label", {"number": 77, "label": "1"}))[0] == 404
        assert not session.labels.labels


async def test_labels_are_a_catalog_once_they_are_acknowledged(out: Path) -> None:
    async with browsing(out, "anna") as (_, rules), client_of(rules) as client:
        await client.get("/api/about")
        for number, label in ((1, "3"), (2, "0"), (1, "2")):
            status, text = await client.post("/api/label", {"number": number, "label": label})
            assert status == 200
        assert json.loads(text)["given"] == 2
        catalog = read_catalog(str(out / "labels" / "anna.csv"), CatalogRules())
        assert [json.loads(columns) for columns in catalog.columns] == [{"label": "0"}, {"label": "2"}]
        assert catalog.conflicts == []
        status, text = await client.post("/api/undo", {})
        assert (status, json.loads(text)["number"], json.loads(text)["given"]) == (200, 1, 2)
        facts = await client.get("/api/spectrum/1")
        assert facts["mine"] == facts["labels"]["anna"] == "3"
        pairs = await client.get("/api/agreement")
        assert [(pair["one"], pair["other"], pair["both"]) for pair in pairs] == [("catalog", "anna", 2)]


async def test_no_label_is_taken_where_none_was_requested(out: Path) -> None:
    async with browsing(out) as (_, rules), client_of(rules) as client:
        assert (await client.post("/api/label", {"number": 1, "label": "1"}))[0] == 409
        assert not (out / "labels").exists()


async def test_a_damaged_and_a_vanished_file_say_so(out: Path) -> None:
    one, other = sorted(out.glob("*.fits"))[:2]
    one.write_bytes(one.read_bytes()[:-1] + b"x")
    other.unlink()
    async with browsing(out) as (session, rules), client_of(rules) as client:
        await client.get("/api/about")
        numbers = {row["name"]: row["number"] for row in session.index.rows(list(range(1, COUNT + 1)))}
        damaged = await client.get(f"/api/spectrum/{numbers[one.stem]}")
        assert "SHA-256 differs" in damaged["damaged"]
        gone = await client.get(f"/api/spectrum/{numbers[other.stem]}")
        assert gone["damaged"] == "the file is gone"
        async with client.session.get(f"{client.base}/api/flux/{numbers[other.stem]}") as response:
            assert response.status == 404


async def test_a_harvest_that_was_removed_meanwhile_is_one_sentence(out: Path) -> None:
    async with browsing(out, "anna") as (session, rules), client_of(rules) as client:
        await all_read(session, COUNT)  # what reads on would meet half of a folder
        shutil.rmtree(out)
        assert (await client.get("/api/spectrum/2"))[
            "damaged"
        ] == "it is not stored any more; the next run downloads it"
        status, sentence = await client.post("/api/label", {"number": 2, "label": "1"})
        assert (status, "no such file or directory" in sentence) == (503, True)


async def test_a_harvest_is_shown_while_it_runs_and_is_not_touched(tmp_path: Path) -> None:
    """The page is there first; a second and a third look see the spectra come."""
    watched, dids = tmp_path / "watched", list(listed_dids(60))
    async with serve(DemoArchive(count=60, latency=0.02)) as archive:
        await harvest_from(archive, watched, dids[:20])
        state = StateFolder.below(watched)
        async with browsing(watched) as (session, rules), client_of(rules) as client:
            assert (await client.get("/api/spectrum/20"))["number"] == 20, "an answer waits until the rows are known"
            async with client.session.get(f"{client.base}/live") as stream:
                harvest = asyncio.create_task(harvest_from(archive, watched, dids))
                states, most = set(), 0
                async with asyncio.timeout(60):
                    async for line in stream.content:
                        if line.startswith(b"data: ") and b'"recent"' in line:
                            status = json.loads(line[6:])
                            states.add(status["state"])
                            most = max(most, status["saved"])
                            if status["state"] == "ended" and status["present"] + status["saved"] == 60:
                                break
                done = await harvest
            assert done.report.stats.exit_code == 0, "the harvest had its lock"
            assert "ended" in states
            await all_read(session, 60)  # the ledger has the end of a run before the event log has
            assert session.index.counts()["status"] == {"saved": 60}
        opened = [
            str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink() and link.exists()
        ]
        assert not [path for path in opened if str(state.path) in path], "nothing of the harvest stays open"
        with closing(sqlite3.connect(state.ledger)) as ledger:
            assert ledger.execute("SELECT count(*) FROM spectrum WHERE status = 'saved'").fetchone() == (60,)


async def test_variants_come_from_the_archive_one_request_each(out: Path) -> None:
    async with (
        serve(DemoArchive(count=COUNT)) as archive,
        browsing(out, archive=archive.dlget) as (_, rules),
        client_of(rules) as client,
    ):
        about = await client.get("/api/about")
        assert about["variants"] == ["none", "normalized", "relative", "UNCALIBRATED"]
        before = archive.log.requests
        async with client.session.get(f"{client.base}/api/flux/1?fluxcalib=relative") as response:
            body = await response.read()
            assert response.headers["X-Flux-Label"] == "Relative flux (maximum = 1)"
        assert archive.log.requests == before + 1
        points = int(np.frombuffer(body, "<u4", 1)[0])
        assert np.frombuffer(body, "<f8", points, 16 + 8 * points).max() == pytest.approx(1)
        async with client.session.get(f"{client.base}/api/flux/1?fluxcalib=other") as response:
            assert response.status == 400

"""``send`` and ``browse --samp`` on a real hub, with a client of another library's making at the other end."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from click.testing import CliRunner, Result
from pyvo.samp import SAMPHubServer, SAMPIntegratedClient, conf

from harvester.browse.index import SpectraIndex
from harvester.cli import commands
from harvester.errors import UsageError
from harvester.ledger import queries
from harvester.storage.run_folder import StateFolder
from tests.support.browsing import browsing, client_of, page_of
from tests.support.chromium import ABSENT, BROWSER

COUNT = 12


@contextmanager
def environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
        os.environ |= {name: before} if before is not None else {}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A hub that only these tests know of."""
    file = tmp_path_factory.mktemp("hub") / "samp"
    with environment("SAMP_HUB", f"std-lockurl:{file.as_uri()}"), conf.set_temp("use_internet", False):
        server = SAMPHubServer(web_profile=False, mode="multiple", addr="127.0.0.1")
        server.start()
        try:
            yield
        finally:
            server.stop()


class Viewer:
    """What TOPCAT is to a hub: it reads tables and spectra, and says which rows a user picks."""

    def __init__(self, name: str = "TOPCAT", refuses: str = "") -> None:
        self.refuses = refuses
        self.tables: list[Table] = []
        self.received: list[tuple[str, dict[str, Any]]] = []
        self.client = SAMPIntegratedClient(name=name, metadata={"samp.name": name})

    def __enter__(self) -> Viewer:
        self.client.connect()
        for mtype in ("table.load.votable", "spectrum.load.ssa-generic", "coord.pointAt.sky"):
            self.client.bind_receive_call(mtype, self.receive)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()

    def receive(self, _: str, __: str, message: str, mtype: str, parameters: dict[str, Any], ___: object) -> None:
        self.received.append((mtype, parameters))
        if mtype == "table.load.votable":
            self.tables.append(Table.read(parameters["url"].removeprefix("file://"), format="votable"))
        status = "samp.error" if self.refuses else "samp.ok"
        answer = {"samp.status": status, "samp.result": {}, "samp.error": {"samp.errortxt": self.refuses}}
        self.client.reply(message, answer)

    def say(self, mtype: str, **parameters: Any) -> None:
        self.client.notify_all({"samp.mtype": mtype, "samp.params": parameters})


def send(*arguments: str) -> Result:
    done = CliRunner().invoke(commands, ["send", *arguments], standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return done


def test_the_table_arrives_with_units_times_and_addresses(hub: None, harvested: Path) -> None:
    with Viewer() as topcat:
        done = send("--out", str(harvested), "--to", "topcat")
        assert (done.return_value, done.output) == (0, "sent to TOPCAT\n")
    (table,) = topcat.tables
    assert len(table) == COUNT
    assert (table["ra"].unit, table["wave_min"].unit, table["mjd"].unit, table["exposure"].unit) == (
        "deg",
        "nm",
        "d",
        "s",
    )
    assert table["ra"].meta["ucd"] == "pos.eq.ra;meta.main"
    for row in table:
        with fits.open(str(row["access_url"]).removeprefix("file://")) as hdus:
            assert row["object_name"] == hdus[1].header["OBJECT"]
            assert row["did"] == hdus[1].header["DS_IDPUB"]
    assert np.isfinite(table["mjd"]).all()
    assert set(table["label"]) <= {0, 1, 2, 3}


def test_a_spectrum_arrives_and_its_position_is_pointed_at(hub: None, harvested: Path) -> None:
    name = min(path.stem for path in harvested.glob("*.fits"))
    with Viewer() as viewer:
        assert send(name, "--out", str(harvested)).return_value == 0
    (mtype, parameters), (pointed, position) = viewer.received
    assert (mtype, pointed) == ("spectrum.load.ssa-generic", "coord.pointAt.sky")
    assert parameters["url"] == (harvested / f"{name}.fits").absolute().as_uri()
    assert parameters["meta"]["Access.Format"] == "application/fits"
    with fits.open(harvested / f"{name}.fits") as hdus:
        assert parameters["spectrum-id"] == hdus[1].header["DS_IDPUB"]
    assert -90 <= float(position["dec"]) <= 90


def test_what_no_program_takes_is_said(
    hub: None, harvested: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = ["--out", str(harvested)]
    with Viewer("Aladin", refuses="no room") as aladin:
        refused = send(*out)
        assert (refused.return_value, "Aladin: no room" in refused.output) == (5, True)
        absent = send(*out, "--to", "splat")
        assert (absent.return_value, "no program called 'splat' took it" in absent.output) == (5, True)
        assert len(aladin.tables) == 1
    with pytest.raises(UsageError, match="no spectrum is called"):
        send("nothing", *out)
    monkeypatch.setenv("SAMP_HUB", f"std-lockurl:{(tmp_path / 'none').as_uri()}")
    without = send(*out)
    assert (without.return_value, "no SAMP hub is running: start TOPCAT" in without.output) == (5, True)


async def until(found: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not found():  # noqa: ASYNC110 - threads of the hub's clients change it
            await asyncio.sleep(0.02)


async def test_rows_that_are_picked_elsewhere_are_selected_on_the_page(hub: None, out: Path, tmp_path: Path) -> None:
    """The table comes from ``harvester send``; the viewer names it by its id, as TOPCAT does."""
    with Viewer() as topcat:
        async with browsing(out) as (session, _), session.following_picks():
            done = await asyncio.to_thread(send, "--out", str(out))
            assert set(done.output.removeprefix("sent to ").strip().split(", ")) == {"TOPCAT", "harvester browse"}
            (sent,) = topcat.received
            dids = [str(did) for did in topcat.tables[0]["did"]]
            with session.listener() as messages:
                topcat.say("table.highlight.row", row="3", **{"table-id": sent[1]["table-id"]})
                pointed = await asyncio.wait_for(next_picked(messages), 20)
                assert f'"numbers": [{session.index.number_of(dids[3])}]' in pointed
                topcat.say("table.select.rowList", **{"url": sent[1]["url"], "row-list": ["1", "4", "x", "99"]})
                assert '"count": 2' in await asyncio.wait_for(next_picked(messages), 20)
                picked = {row["did"] for row in map(session.index.row, range(1, COUNT + 1)) if row["picked"]}
                assert picked == {dids[1], dids[4]}
                topcat.say("table.highlight.row", row="3", **{"table-id": "another table"})
                theirs = tmp_path / "theirs.vot"
                Table({"ID": dids[5:8]}).write(theirs, format="votable")
                topcat.say("table.load.votable", url=theirs.as_uri(), name="a subset")
                assert '"count": 3' in await asyncio.wait_for(next_picked(messages), 20), "a table of theirs is a pick"
    assert set(queries.stored_dids(StateFolder.below(out).ledger)) == set(dids), "nothing of the harvest changed"


async def test_the_page_sends_its_table_and_a_spectrum_and_follows_the_picks_in_them(hub: None, out: Path) -> None:
    with Viewer() as topcat, Viewer("Aladin", refuses="no room") as aladin:
        async with browsing(out) as (session, rules), client_of(rules) as client:
            found = await client.get("/api/programs")
            assert found["problem"] == ""
            assert found["table"] == found["spectrum"] == ["Aladin", "TOPCAT"]
            name = min(file.stem for file in out.glob("*.fits"))
            view = await client.get(f"/api/view?text={name}")
            assert view["total"] == 1, "what is sent is what the filters leave"
            assert (await client.post("/api/send", {"view": view["view"], "to": "topcat"}))[0] == 200
            assert [str(each) for each in topcat.tables.pop()["name"]] == [name]
            view = await client.get("/api/view?sort=name&descending=1")
            sent = await client.post("/api/send", {"view": view["view"], "to": "topcat"})
            assert sent == (200, '{"took": ["TOPCAT"], "refused": []}')
            (table,) = topcat.tables
            names = [str(name) for name in table["name"]]
            assert names == sorted((file.stem for file in out.glob("*.fits")), reverse=True), "as the page has them"
            assert aladin.received == []
            with session.listener() as messages:
                parameters = topcat.received[1][1]
                topcat.say("table.select.rowList", **{"table-id": parameters["table-id"], "row-list": ["0", "1"]})
                assert '"count": 2' in await asyncio.wait_for(next_picked(messages), 20)
            status, text = await client.post("/api/send", {"number": 1, "to": ""})
            assert (status, '"refused": ["Aladin: no room"' in text) == (200, True)
            assert [mtype for mtype, _ in topcat.received[2:]] == ["spectrum.load.ssa-generic", "coord.pointAt.sky"]


async def test_what_the_page_cannot_send_is_one_sentence(
    hub: None, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = min(out.glob("*.fits"))
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    async with browsing(out) as (session, rules), client_of(rules) as client:
        await client.get("/api/about")
        number = next(n for n in range(1, COUNT + 1) if session.index.row(n)["name"] == file.stem)
        damaged = await client.post("/api/send", {"number": number})
        assert (damaged[0], "SHA-256 differs" in damaged[1]) == (409, True)
        for given in ({}, [1], {"number": True, "view": 3}, {"number": -1}, {"number": 1, "to": 5}):
            assert await client.post("/api/send", given) == (400, "a view or the number of a spectrum is expected\n")
        assert (await client.post("/api/send", {"view": "v99"}))[0] == 410
        assert (await client.post("/api/send", {"number": 99}))[0] == 404
        monkeypatch.setattr("harvester.browse.api_routes.MOST_SENT", 3)
        view = await client.get("/api/view")
        assert (await client.post("/api/send", {"view": view["view"]}))[1] == "12 rows are too many; filter 3\n"
    monkeypatch.setenv("SAMP_HUB", f"std-lockurl:{(tmp_path / 'none').as_uri()}")
    async with browsing(out) as (_, rules), client_of(rules) as client:
        assert "no SAMP hub is running; start TOPCAT" in (await client.get("/api/programs"))["problem"]
        status, text = await client.post("/api/send", {"number": 2})
        assert (status, "no SAMP hub is running" in text) == (503, True)


async def test_a_hub_that_is_started_again_is_joined_again(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when TOPCAT is closed and opened while the page is open."""
    monkeypatch.setenv("SAMP_HUB", f"std-lockurl:{(tmp_path / 'samp').as_uri()}")
    async with browsing(out) as (_, rules), client_of(rules) as client:
        for _ in range(2):
            with conf.set_temp("use_internet", False):
                server = SAMPHubServer(web_profile=False, mode="multiple", addr="127.0.0.1")
                server.start()
            assert (await client.get("/api/programs"))["problem"] == ""
            await asyncio.to_thread(server.stop)
            assert "no SAMP hub is running" in (await client.get("/api/programs"))["problem"]


@pytest.mark.skipif(BROWSER is None, reason=ABSENT)
async def test_the_button_sends_and_is_disabled_with_a_sentence_without_a_hub(
    hub: None, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disabled = "[...document.querySelectorAll('.choices button')].map((one) => one.disabled)"
    with Viewer("<b>TOPCAT</b>") as topcat:
        async with browsing(out) as (_, rules), page_of(rules) as tab:
            await tab.press("t")
            await tab.until(f"{disabled}.length === 4 && !{disabled}.includes(true)")
            assert "The table: 12 rows" in await tab.text("#help")
            await tab.see("document.querySelectorAll('.choices')[0].lastElementChild.click()")
            await tab.until("document.getElementById('sent').innerText === 'Sent to <b>TOPCAT</b>.'")
            assert len(topcat.tables[0]) == COUNT
            await tab.press("Escape")
            monkeypatch.setenv("SAMP_HUB", f"std-lockurl:{(tmp_path / 'none').as_uri()}")
        async with browsing(out) as (_, rules), page_of(rules) as tab:
            await tab.see("document.getElementById('send-button').click()")
            await tab.until(
                "document.getElementById('sent').innerText.startsWith('No SAMP hub is running; start TOPCAT')"
            )
            assert await tab.see(disabled) == [True, True]
            assert tab.complaints == []


async def test_picks_are_written_outside_the_event_loop(
    hub: None, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []
    fill = SpectraIndex.fill_by_did

    def watched(index: SpectraIndex, column: str, values: Any) -> None:
        threads.extend([threading.get_ident()] if column == "picked" else [])
        fill(index, column, values)

    monkeypatch.setattr(SpectraIndex, "fill_by_did", watched)
    with Viewer() as topcat:
        async with browsing(out) as (session, _), session.following_picks():
            theirs = tmp_path / "theirs.vot"
            Table({"ID": [session.index.row(number)["did"] for number in (1, 2)]}).write(theirs, format="votable")
            with session.listener() as messages:
                topcat.say("table.load.votable", url=theirs.as_uri(), name="a subset")
                await asyncio.wait_for(next_picked(messages), 20)
    assert threads
    assert threading.get_ident() not in threads


async def next_picked(messages: asyncio.Queue[str]) -> str:
    while not (text := await messages.get()).startswith("event: picked"):
        pass
    return text


async def test_a_table_that_cannot_be_used_is_refused_with_a_reason(hub: None, harvested: Path, tmp_path: Path) -> None:
    strange, broken = tmp_path / "strange.vot", tmp_path / "broken.vot"
    Table({"name": ["x"]}).write(strange, format="votable")
    broken.write_text("<html>")
    urls = [strange.as_uri(), broken.as_uri(), "http://elsewhere.example/t.vot", (tmp_path / "none.vot").as_uri()]
    with Viewer() as topcat:
        async with browsing(harvested) as (session, _), session.following_picks():
            (browse,) = [each for each, name in named(topcat).items() if name == "harvester browse"]
            for url in urls:
                message = {"samp.mtype": "table.load.votable", "samp.params": {"url": url}}
                answer = await asyncio.to_thread(topcat.client.call_and_wait, browse, message, "20")
                assert answer["samp.status"] == "samp.error"
                assert "Traceback" not in answer["samp.error"]["samp.errortxt"]


def named(viewer: Viewer) -> dict[str, str]:
    clients = viewer.client.get_registered_clients()
    return {each: viewer.client.get_metadata(each).get("samp.name", "") for each in clients}


async def test_browse_says_that_it_needs_a_hub(
    harvested: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMP_HUB", f"std-lockurl:{(tmp_path / 'none').as_uri()}")
    async with browsing(harvested) as (session, _):
        with pytest.raises(UsageError, match="no SAMP hub is running"):
            async with session.following_picks():
                pass


def test_every_thread_of_the_clients_ends(hub: None, harvested: Path) -> None:
    before = threading.active_count()
    with Viewer():
        send("--out", str(harvested))
    assert threading.active_count() <= before

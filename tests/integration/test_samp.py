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

from harvester.browse.picks import following_picks
from harvester.cli import commands
from harvester.errors import UsageError
from harvester.ledger import queries
from harvester.storage.run_folder import StateFolder
from tests.support.browsing import browsing

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
        async with browsing(out) as (session, _), following_picks(session):
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
        async with browsing(harvested) as (session, _), following_picks(session):
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
            async with following_picks(session):
                pass


def test_every_thread_of_the_clients_ends(hub: None, harvested: Path) -> None:
    before = threading.active_count()
    with Viewer():
        send("--out", str(harvested))
    assert threading.active_count() <= before

"""The browse page in a real browser: by keyboard, with a million rows, with hostile text, on a phone, in the dark."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sqlite3
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest

from harvester.browse.index import VIEWS
from harvester.browse.selection import Selection
from harvester.catalog.reader import read_catalog
from harvester.catalog.rules import CatalogRules
from harvester.demo import DemoArchive, listed_dids, serve
from harvester.palette import DARK, LIGHT
from harvester.storage.run_folder import StateFolder
from tests.support.browsing import SHOWN, browsing, page_of, synthetic_ledger
from tests.support.chromium import ABSENT, BROWSER, Tab, chromium
from tests.support.harvests import harvest_from

pytestmark = pytest.mark.skipif(BROWSER is None, reason=ABSENT)

COUNT = 30
CHOSEN = "document.querySelector('.row[aria-selected=true]')?.getAttribute('aria-rowindex')"
DRAWN = (
    "(() => { const c = document.getElementById('plot');"
    " const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
)
INK = DRAWN + " let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n; })()"
COLUMN = (
    "[...document.querySelectorAll('.row')].sort((a, b) => a.ariaRowIndex - b.ariaRowIndex)"
    ".map((row) => row.querySelector('.{name}')?.innerText ?? '')"
)
HOSTILE = "<img src=x onerror=alert(1)>"


async def pressed(tab: Tab, *keys: str, shows: str) -> None:
    await tab.press(*keys)
    await tab.until(shows)


async def labelled(tab: Tab, key: str, given: str) -> None:
    """Give a label, and wait until the next spectrum is shown."""
    before = await tab.see(SHOWN)
    shows = f"document.getElementById('given').innerText === '{given}' && {SHOWN} !== '{before}'"
    await pressed(tab, key, shows=shows)


async def ready(tab: Tab) -> None:
    """Wait until every file is read, and the doubts are known."""
    await tab.until("!document.getElementById('foot').innerText.includes('read ')")


async def test_the_page_is_used_by_keyboard_alone(harvested: Path) -> None:
    async with browsing(harvested) as (_, rules), page_of(rules) as tab:
        assert rules.token not in await tab.see("location.href + document.documentElement.outerHTML")
        assert await tab.see(CHOSEN) == "1"
        await pressed(tab, "j", "j", "ArrowDown", "k", shows=f"{CHOSEN} === '3'")
        await pressed(tab, "End", shows=f"{CHOSEN} === '{COUNT}'")
        await pressed(tab, "Home", shows=f"{CHOSEN} === '1'")
        first = await tab.until(f"{SHOWN} === '1' && document.getElementById('object').innerText")
        assert await tab.until(INK) > 1000, "a curve is drawn"
        whole = await tab.see(DRAWN + " return d.join(); })()")
        await pressed(tab, "h", shows=DRAWN + f" return d.join() !== {json.dumps(whole)}; }})()")
        await pressed(tab, "s", shows="document.getElementById('sigma').innerText === '2 px'")
        await pressed(tab, "c", shows="document.getElementById('cards').open")
        assert "DS_IDPUB" in await tab.text("#cards")
        await pressed(tab, "?", shows="document.getElementById('help').open")
        assert "the whole spectrum" in await tab.text("#help")
        await pressed(tab, "Escape", shows="!document.getElementById('help').open")
        await tab.press("/")
        await tab.type("no such object")
        await tab.until("document.getElementById('foot').innerText.startsWith('0 spectra')")
        assert await tab.text("#object") == "No spectrum fits"
        await tab.see("document.getElementById('text').select()")
        await tab.type(first[:6])
        await tab.until(f"document.getElementById('object').innerText.startsWith({json.dumps(first[:6])})")
        await pressed(tab, "Enter", shows="document.activeElement.id === 'table'")
        assert tab.complaints == []
        assert {re.split(r"[/?]", url)[2] for url in tab.asked if not url.startswith("data:")} == {
            f"127.0.0.1:{rules.port}"
        }


async def test_labels_are_given_by_keys_and_are_durable_at_once(out: Path) -> None:
    async with browsing(out, "anna") as (session, rules), page_of(rules) as tab:
        await ready(tab)
        await tab.until("document.getElementById('sort').value === 'doubt-'")
        assert session.labels is not None
        for number, key in enumerate("3102", 1):
            await labelled(tab, key, f"{number} by anna")
            assert list(read_catalog(str(session.labels.path), CatalogRules()).dids) == list(session.labels.labels)
        assert list(session.labels.labels.values()) == list("3102")
        event = "new KeyboardEvent('keydown', {key, bubbles: true})"
        await tab.see(f"for (const key of '0123456789') document.body.dispatchEvent({event})")
        await tab.until("document.getElementById('given').innerText === '5 by anna'")
        assert list(session.labels.labels.values()) == list("31020"), "no spectrum is labelled before it is seen"
        await pressed(tab, "u", shows="document.getElementById('given').innerText === '4 by anna'")
        await pressed(tab, "u", shows="document.getElementById('given').innerText === '3 by anna'")
        assert await tab.until(f"{CHOSEN} === '4' && {SHOWN}"), "it is the one whose label was taken back"
        await pressed(tab, "r", shows=f"document.getElementById('foot').innerText.startsWith('{COUNT - 3} spectra')")
        await tab.until("document.querySelectorAll('.row .doubt').length > 10")
        doubts = [float(text) for text in await tab.see(COLUMN.format(name="doubt")) if text]
        assert len(doubts) > 10
        assert doubts == sorted(doubts, reverse=True), "the most doubtful first"
        assert tab.complaints == []
    async with browsing(out, "petr") as (_, rules), page_of(rules) as tab:
        await pressed(tab, "1", shows="document.getElementById('given').innerText === '1 by petr'")
        await tab.see("[...document.querySelectorAll('#labels button')].at(-1).click()")
        await tab.until("document.querySelector('#help table') !== null")
        assert "anna and petr" in await tab.text("#help")
    assert {path.name for path in (out / "labels").glob("*.csv")} == {"anna.csv", "petr.csv"}


async def test_the_number_of_labels_is_right_though_the_page_is_read_again_during_one(out: Path) -> None:
    """Doubts that are computed again come while a label is on its way to the disk."""
    held = (
        "(() => { const real = window.fetch; window.fetch = async (path, options) => {"
        " if (path.includes('/api/label')) await new Promise((done) => { window.goOn = done; });"
        " return real(path, options); }; })()"
    )
    again = "performance.getEntriesByType('resource').filter((one) => one.name.includes('/api/about')).length"
    async with browsing(out, "anna") as (session, rules), page_of(rules) as tab:
        await ready(tab)
        await tab.see(held)
        before = await tab.see(again)
        await pressed(tab, "1", shows="window.goOn !== undefined")
        session._send("judged", {"version": session.index.version})
        await tab.until(f"{again} > {before}")
        await tab.see("window.goOn()")
        await tab.until("document.getElementById('given').innerText === '1 by anna'")


async def test_rows_stay_in_sight_while_they_are_read_again(out: Path) -> None:
    """Each label, file or event reads them again: a table that goes blank in between cannot be read."""
    watched = (
        "window.blank = 0; new MutationObserver(() => {"
        " window.blank += document.querySelectorAll('.row .quiet').length; })"
        ".observe(document.getElementById('space'), {childList: true})"
    )
    asked = "performance.getEntriesByType('resource').filter((one) => one.name.includes('/api/rows')).length"
    async with browsing(out) as (session, rules), page_of(rules) as tab:
        await ready(tab)
        await tab.until("!document.querySelector('.row .quiet')")
        await tab.see(watched)
        for _ in range(3):
            before = await tab.see(asked)
            session._send("judged", {"version": session.index.version + 1_000 + before})
            await tab.until(f"{asked} > {before}")
        assert await tab.see("window.blank") == 0


async def test_an_order_that_other_pages_have_displaced_is_made_again(out: Path) -> None:
    async with browsing(out) as (session, rules), page_of(rules) as tab:
        await ready(tab)
        for _ in range(VIEWS):
            session.index.view(Selection())
        session._send("judged", {"version": session.index.version + 1_000})
        await tab.until("!document.querySelector('.row .quiet')")
        await pressed(tab, "End", shows=f"{SHOWN} === '{COUNT}'")
        for _ in range(VIEWS):
            session.index.view(Selection())
        session.announce_picked(session.mark_picked([session.index.row(7)["did"]], True))
        await tab.until(f"{SHOWN} === '7'")
        assert [one for one in tab.complaints if "410" not in one] == []


async def test_a_page_left_open_over_a_restart_says_what_to_do(harvested: Path) -> None:
    async with AsyncExitStack() as stack:
        async with browsing(harvested) as (_, rules):
            tab = await stack.enter_async_context(page_of(rules))
        await tab.until("document.getElementById('live').innerText.startsWith('The server has ended')")
        async with browsing(harvested, port=rules.port):
            await tab.until("document.getElementById('live').innerText.startsWith('The server was started again')")
            await tab.press("j")
            await tab.until("document.getElementById('trouble').innerText.includes('open the address that')")


async def test_a_million_rows_scroll(tmp_path: Path) -> None:
    million = 1_000_000
    synthetic_ledger(tmp_path / "out", million)
    async with browsing(tmp_path / "out") as (_, rules), page_of(rules) as tab:
        await tab.until("document.getElementById('foot').innerText.startsWith('1\u202f000\u202f000 spectra')")
        await pressed(tab, "End", shows=f"{CHOSEN} === '{million}'")
        await tab.until("document.querySelector('.row[aria-rowindex=\"1000000\"] .name')?.innerText === 's0999999'")
        assert await tab.see("document.querySelectorAll('.row').length") < 60, "only the rows in sight exist"
        await tab.see("document.getElementById('table').scrollTop = document.getElementById('table').scrollHeight / 2")
        middle = "Number(document.querySelectorAll('.row')[10]?.getAttribute('aria-rowindex'))"
        assert abs(await tab.until(f"{middle} > 400000 && {middle} < 600000 && {middle}") - million / 2) < 100
        await tab.until("!document.querySelector('.row .quiet')")
        await tab.see("document.querySelector('.head.object').click()")
        await tab.until(f"{CHOSEN} && {CHOSEN} !== '{million}'", 60)
        await pressed(
            tab, "Home", shows="document.querySelector('.row[aria-rowindex=\"1\"] .object')?.innerText === 'HD 0'"
        )
        await tab.press("/")
        await tab.type("s0123456")
        await tab.until("document.getElementById('foot').innerText.startsWith('1 spectrum')")
        await tab.until("document.querySelector('.row .name')?.innerText === 's0123456'")
        assert [one for one in tab.complaints if "404" not in one] == [], "the files are not there"


async def test_text_of_a_server_stays_text(out: Path) -> None:
    """A name that is markup, in ledger, label and header; a name that reverses what follows."""
    file = min(out.glob("*.fits"))
    body = file.read_bytes()
    at = body.rindex(b"OBJECT  = ")
    card = f"OBJECT  = '{HOSTILE}'".ljust(80).encode()
    file.write_bytes(body[:at] + card + body[at + 80 :])
    with closing(sqlite3.connect(StateFolder.below(out).ledger)) as ledger, ledger:
        columns = json.dumps({"label": "<b>bold</b>"})
        ledger.execute(
            "UPDATE entry SET object = ?, sha256 = ?, columns = ? WHERE name = ?",
            (HOSTILE, hashlib.sha256(file.read_bytes()).hexdigest(), columns, file.stem),
        )
        ledger.execute(
            "UPDATE entry SET status = 'failed', kind = 'not_found', object = ?, detail = ? WHERE name <> ?",
            ("\u202eevil\x1b[31m", f"HTTP 404: {HOSTILE}", file.stem),
        )
    async with browsing(out) as (_, rules), page_of(rules) as tab:
        await tab.press("/")
        await tab.type(HOSTILE)
        await tab.until(f"document.getElementById('object').innerText === {json.dumps(HOSTILE)}")
        assert await tab.text(".row .object") == HOSTILE
        assert "<b>bold</b>" in await tab.text(".row .label")
        assert HOSTILE in await tab.see("document.getElementById('cards').textContent")
        assert HOSTILE in await tab.see("document.getElementById('plot').getAttribute('aria-label')")
        await tab.see("document.getElementById('text').select()")
        await tab.type("evil")
        await tab.until(f"document.querySelector('.quoted')?.innerText.includes({json.dumps(HOSTILE)})")
        assert await tab.text("#object") == "evil", "neither direction nor colour is the server's"
        assert await tab.see("document.querySelectorAll('img, b, iframe').length") == 0
        assert tab.complaints == []


async def test_another_page_can_neither_read_nor_frame_nor_label(out: Path) -> None:
    """A page of another site in the same browser, which knows the port but not the token."""
    async with (
        browsing(out, "anna") as (session, rules),
        page_of(rules, "--host-resolver-rules=MAP * 127.0.0.1") as tab,
    ):
        await tab.go(f"http://evil.example:{rules.port}/")
        assert "Host header" in await tab.text("body")
        await tab.go("data:text/html,<p>evil</p>")
        base = f"http://127.0.0.1:{rules.port}"
        assert (
            await tab.see(f"fetch('{base}/api/about', {{credentials: 'include'}}).then(() => 'read', () => 'refused')")
            == "refused"
        )
        body = "JSON.stringify({number: 1, label: '1'})"
        options = f"{{method: 'POST', credentials: 'include', mode: 'no-cors', body: {body}}}"
        await tab.see(f"fetch('{base}/api/label', {options}).catch(() => 0)")
        assert session.labels is not None
        assert not session.labels.labels


async def test_a_harvest_is_seen_while_it_runs(tmp_path: Path) -> None:
    out, dids = tmp_path / "out", list(listed_dids(80))
    async with serve(DemoArchive(count=80, latency=0.1)) as archive:
        await harvest_from(archive, out, dids[:10])
        async with browsing(out) as (_, rules), page_of(rules) as tab:
            harvest = asyncio.create_task(harvest_from(archive, out, dids))
            await tab.until("document.getElementById('live').dataset.state === 'running'")
            await tab.until("document.getElementById('live').innerText.includes('80 of 80 stored')", 60)
            await harvest
            await tab.until("document.getElementById('foot').innerText.startsWith('80 spectra')")
            assert tab.complaints == []


async def test_what_other_programs_pick_is_selected(out: Path) -> None:
    async with browsing(out) as (session, rules), page_of(rules) as tab:
        dids = [session.index.row(number)["did"] for number in (4, 9, 20)]
        session.announce_picked(session.mark_picked(dids[1:2], True))
        await tab.until(f"{SHOWN} === '9'")
        session.announce_picked(session.mark_picked(dids, False))
        await tab.until("document.getElementById('foot').innerText.startsWith('3 spectra')")
        await tab.until("document.querySelectorAll('.row.picked').length === 3")
        await pressed(tab, "End", shows=f"{SHOWN} === '20'")
        assert tab.complaints == []


async def test_it_fits_a_phone_and_suits_the_dark(harvested: Path) -> None:
    async with browsing(harvested, "anna") as (_, rules), page_of(rules) as tab:
        ground = "getComputedStyle(document.body).backgroundColor"
        for dark, colours in ((False, LIGHT), (True, DARK)):
            for width in (320, 390, 768, 1400):
                await tab.look(width, 844, dark=dark, phone=width < 500)
                assert await tab.see("document.documentElement.scrollWidth") == width
            rgb = ", ".join(str(int(colours.page[at : at + 2], 16)) for at in (1, 3, 5))
            assert await tab.see(ground) == f"rgb({rgb})"
        await tab.look(390, 844, phone=True)
        small = "[...document.querySelectorAll('.give')].filter((one) => one.offsetHeight < 44).length"
        assert await tab.see(small) == 0, "a thumb hits every label"
        await tab.see("document.querySelector('.give').click()")
        await tab.until("document.getElementById('given').innerText === '1 by anna'")


async def test_a_browser_without_the_token_sees_why(harvested: Path) -> None:
    async with browsing(harvested) as (_, rules), chromium() as tab:
        await tab.go(f"http://127.0.0.1:{rules.port}/")
        assert "open the address that `harvester browse` printed" in await tab.text("body")


def test_the_scripts_make_no_markup_of_text() -> None:
    """What the browser tests try is so by construction: no module can turn text into markup or code."""
    page = Path(__file__).parents[2] / "harvester" / "browse" / "page"
    scripts = {path.name: path.read_text() for path in page.glob("*.js")}
    assert len(scripts) > 5
    forbidden = re.compile(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|new Function|https?://(?!aladin)"
    )
    assert {name: forbidden.findall(text) for name, text in scripts.items() if forbidden.search(text)} == {}

"""A browse server over a harvest, a program that talks to it, and a page of it in Chromium."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiohttp

from harvester.browse.access_rules import AccessRules
from harvester.browse.labels import FOLDER, open_labels
from harvester.browse.server import serve
from harvester.browse.session import Session
from harvester.config.loading import load
from harvester.ledger.schema import open_for_writing
from harvester.storage.run_folder import StateFolder
from tests.support.chromium import Tab, chromium

SHOWN = "document.body.dataset.shown"
"""The number of the spectrum whose facts and curve are shown."""


@asynccontextmanager
async def browsing(
    out: Path, labeller: str = "", port: int = 0, **settings: Any
) -> AsyncIterator[tuple[Session, AccessRules]]:
    """Serve the harvest in ``out``; with a ``labeller`` it can be labelled."""
    names = {"labels": {"names": {"0": "emission", "1": "absorption", "2": "unknown", "3": "double-peak"}}}
    config = load({"out": str(out), **names, **settings})
    async with AsyncExitStack() as stack:
        labels = stack.enter_context(open_labels(out / FOLDER, labeller)) if labeller else None
        session = Session(config, config.open_store(), labels, labeller)
        yield session, await stack.enter_async_context(serve(session, port))


async def all_read(session: Session, count: int) -> None:
    """Wait until the time and shape of ``count`` spectra are known."""
    async with asyncio.timeout(30):
        while session.reader.read < count:  # noqa: ASYNC110 - a thread changes it
            await asyncio.sleep(0.02)


class Client:
    """A program that has the cookie."""

    def __init__(self, session: aiohttp.ClientSession, rules: AccessRules) -> None:
        self.session, self.base = session, f"http://127.0.0.1:{rules.port}"

    async def get(self, path: str) -> Any:
        async with self.session.get(f"{self.base}{path}") as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def post(self, path: str, body: object) -> tuple[int, str]:
        async with self.session.post(f"{self.base}{path}", json=body, headers={"Origin": self.base}) as response:
            return response.status, await response.text()


@asynccontextmanager
async def client_of(rules: AccessRules) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        async with session.get(rules.url) as response:
            assert response.status == 200
            cookie = response.headers["Set-Cookie"]
            assert "HttpOnly" in cookie
            assert "SameSite=Strict" in cookie
        yield Client(session, rules)


@asynccontextmanager
async def page_of(rules: AccessRules, *flags: str) -> AsyncIterator[Tab]:
    """Open the page in Chromium, and wait until the first spectrum is shown."""
    async with chromium(*flags) as tab:
        await tab.look(1400, 900)
        await tab.go(rules.url)
        await tab.until(f"{SHOWN} && document.body.dataset.live", 180)  # a million rows, on a busy machine
        yield tab


def synthetic_ledger(out: Path, count: int) -> None:
    """A ledger that lists ``count`` spectra, one in a thousand as failed, the others as stored; there are no files."""
    ledger = StateFolder.below(out).ledger
    ledger.parent.mkdir(parents=True)
    with closing(open_for_writing(ledger)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute(_SYNTHETIC, (count,))


_SYNTHETIC = """
WITH RECURSIVE number(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM number WHERE i + 1 < ?)
INSERT INTO entry(did, name, folded, columns, status, attempts, bytes, sha256, points, object, kind, detail, saved)
SELECT printf('ivo://example.org/a/s%07d', i), printf('s%07d', i), printf('s%07d', i),
    json_object('label', CAST(i % 4 AS TEXT)), iif(i % 1000 = 7, 'failed', 'saved'), 1, 40320, 'ab', 2048,
    'HD ' || (i * 7919 % 999983), iif(i % 1000 = 7, 'not_found', NULL), '', 1e9
FROM number
"""

"""Asks an archive for documents rather than spectra: as politely as a harvest, one at a time, read as they come."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from random import Random
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from ..archive.client import MOST_HOPS, WORDS, user_agent
from ..archive.http_errors import failure_from_exception
from ..archive.responses import failure_from_response
from ..archive.url_policy import resolve_redirect
from ..engine.backoff import wait_before_retry
from ..engine.rate_limit import RateLimiter
from ..errors import ArchiveError
from ..model.failures import Failure, FailureKind, FetchError
from ..model.limits import Limits
from ..vo.document import Document, gather
from ..vo.urls import is_web, quote_url
from ..vo.votable import MOST_BYTES, VotableReader
from ..vo.votable_model import Event, VotableError

_PIECE = 64 * 1024
_LARGEST = 64 << 20  # bytes of a document of which some rows count; some services send all that they have
LONGEST_LISTING = 3600.0  # seconds; a million rows over a slow line
_LONGEST_SHOWN = 200
_LONGEST_WAIT = 300.0  # seconds that a server may ask for
_WORTH_TELLING = 1.0  # seconds
_MOST_ATTEMPTS = 4  # somebody waits for the answer: a minute or two, not the night that a harvest has


class ServiceUnavailableError(ArchiveError):
    """A document could not be had, or not as a whole; ``failure`` tells whether it may be had later."""

    def __init__(self, url: str, failure: Failure) -> None:
        super().__init__(f"{in_short(url)}: {failure.detail}")
        self.url = url
        self.failure = failure


def in_short(url: str) -> str:
    """An address as people read it: without a password, and without a query that is in a language of its own."""
    shown = re.sub(r"(?<=://)[^/?#]*@", "", url)
    return shown if len(shown) <= _LONGEST_SHOWN else shown.partition("?")[0]


class VoClient:
    """One connection to an archive. An async context manager. ArchiveError, in the archive's words, where it fails.

    ``tell`` hears of waits that somebody would wonder about.
    """

    def __init__(self, limits: Limits, contact: str | None, tell: Callable[[str], None] = lambda words: None) -> None:
        self._limits = limits
        self._tell = tell
        self._headers = {"Accept-Encoding": "identity", "User-Agent": user_agent(contact)}
        self._pacer = RateLimiter(limits.rate)
        self._never = asyncio.Event()
        self._chance = Random()  # noqa: S311 - it spreads retries and keeps no secrets
        self._session: aiohttp.ClientSession
        self.requests = 0

    async def __aenter__(self) -> Self:
        limits = self._limits
        self._session = aiohttp.ClientSession(
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            headers=self._headers,
            connector=aiohttp.TCPConnector(limit=1, force_close=True),
            timeout=aiohttp.ClientTimeout(
                total=LONGEST_LISTING, sock_connect=limits.connect_timeout, sock_read=limits.read_timeout
            ),
            requote_redirect_url=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def document(self, url: str, most: int = 10) -> Document:
        """The VOTable at ``url`` with ``most`` of its rows; some services ignore MAXREC.

        ArchiveError too if it says ERROR in a 200.
        """
        seen: list[Event] = []
        rows = 0
        async with aclosing(self.events(url, _LARGEST)) as events:
            async for event in events:
                rows += isinstance(event, tuple)
                if rows <= most or not isinstance(event, tuple):
                    seen.append(event)
        document = gather(url, seen, most)
        if document.error:
            raise ArchiveError(f"{in_short(url)}: the service says: {document.error}")
        return document

    async def events(self, url: str, most_bytes: int = MOST_BYTES) -> AsyncGenerator[Event, None]:
        """What the VOTable at ``url`` says, as it comes."""
        reader = VotableReader(most_bytes)
        try:
            async with aclosing(self._pieces(quote_url(url))) as pieces:
                async for piece in pieces:
                    for event in reader.feed(piece):
                        yield event
            for event in reader.close():
                yield event
        except VotableError as error:
            words = f"the answer is no VOTable as it should be: {error}"
            raise ServiceUnavailableError(url, Failure(FailureKind.CONNECTION_LOST, words)) from None
        except FetchError as error:
            raise ServiceUnavailableError(url, error.failure) from None
        except (aiohttp.ClientError, OSError) as error:
            raise ServiceUnavailableError(url, failure_from_exception(error)) from None

    async def wait_after(self, error: ServiceUnavailableError, attempt: int) -> None:
        """Waits as long as is due after the ``attempt``-th failure (from 1); raises it, at once, if that is in vain."""
        failure = error.failure
        wait = wait_before_retry(failure, attempt, self._limits, self._chance) if attempt < _MOST_ATTEMPTS else None
        if wait is None:
            raise error
        if (failure.retry_after or 0.0) > _LONGEST_WAIT:
            words = f"{failure.detail}; it wants to be left alone for {wait / 60:,.0f} minutes: ask again then"
            raise ServiceUnavailableError(error.url, replace(failure, detail=words))
        if wait >= _WORTH_TELLING:
            self._tell(f"waiting {wait:.0f} s: {error}")
        await asyncio.sleep(wait)

    async def _pieces(self, url: str) -> AsyncGenerator[bytes, None]:
        place: str = url
        for _ in range(MOST_HOPS + 1):
            if not is_web(place):
                raise ArchiveError(f"{in_short(place)}: that is no address")
            await self._pacer.acquire(self._never)
            self.requests += 1
            async with self._session.get(URL(place, encoded=True), allow_redirects=False) as seen:
                location = seen.headers.get("Location")
                if seen.status in (301, 302, 303, 307, 308) and location:
                    place = resolve_redirect(url, place, location)
                    continue
                if seen.status != 200:
                    said = await seen.content.read(WORDS)
                    raise FetchError(failure_from_response(seen.status, seen.headers, said, time.time()), url)
                if seen.headers.get("Content-Encoding", "identity").lower() not in ("identity", ""):
                    raise ArchiveError(f"{in_short(url)}: the answer is compressed, which was not asked for")
                async for piece in seen.content.iter_chunked(_PIECE):
                    yield piece
                return
        raise ArchiveError(f"{in_short(url)}: {urlsplit(url).hostname} redirects more than {MOST_HOPS} times")

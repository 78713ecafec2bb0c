"""Request documents of an archive, rather than spectra.

As politely as a harvest, one at a time, read as they come.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from random import Random
from types import TracebackType
from typing import Self
from urllib.parse import urljoin, urlsplit

import aiohttp
from yarl import URL

from ..archive.client import MOST_HOPS, user_agent
from ..archive.connection import STRAIGHT, Connection
from ..archive.content_encoding import WORDS, words_of
from ..archive.http_errors import failure_from_exception
from ..archive.interim_responses import BoundedResponse
from ..archive.responses import failure_from_response
from ..archive.url_policy import resolve_redirect
from ..engine.backoff import wait_before_retry
from ..engine.rate_limit import RateLimiter
from ..errors import ArchiveError
from ..formatting import count, plain_line, plural
from ..model.failures import Failure, FailureKind, FetchError
from ..model.limits import Limits
from ..model.outcomes import Fetched
from ..vo.document import Document, gather
from ..vo.urls import host_of, is_inside, is_web, quote_url
from ..vo.votable import MOST_BYTES, VotableReader, read_votable
from ..vo.votable_model import Event, VotableError, VotableTable
from .unpack import DamagedPackingError, Unpacker

_PIECE = 64 * 1024
_LARGEST = 64 << 20  # bytes of a document of which some rows count; some services send all that they have
LONGEST_LISTING = 3600.0  # seconds; a million rows over a slow line
_LONGEST_SHOWN = 200
_LONGEST_WAIT = 300.0  # seconds that a server may ask for
_WORTH_TELLING = 1.0  # seconds
_MOST_ATTEMPTS = 4  # a user waits for the answer: a minute or two, not the hours that a harvest has
_JOB = re.compile(rb"<(?:\w+:)?jobId>\s*([A-Za-z0-9_.-]{1,200})\s*<")
_CREATED = (201, 202)
_REDIRECTS = (301, 302, 303, 307, 308)


class ServiceUnavailableError(ArchiveError):
    """A document could not be had, or not as a whole.

    ``failure`` says whether it may be had later.
    """

    def __init__(self, url: str, failure: Failure) -> None:
        super().__init__(f"{in_short(url)}: {failure.detail}")
        self.url = url
        self.failure = failure


@dataclass(slots=True)
class TapDialect:
    """What a TAP service was found to take."""

    base: str
    """Where it is, behind redirects."""
    form: int = 0
    """Which of the usual forms of response."""
    most: int | None = None
    """The highest number of rows that it lets be requested; 0 where none may be."""
    is_ordered: bool = True
    """Whether it takes ORDER BY."""
    is_known: bool = False
    """Whether it answered a query in this dialect."""


_ADVICE = {
    FailureKind.UNREACHABLE: "check host and port of the address, or name the way out with --proxy",
    FailureKind.TLS: "check the host's name, or give the address with http:// if it has no TLS",
    FailureKind.TIMEOUT: "try again later, or narrow the list with --pos, --time or --band",
    FailureKind.BUSY: "try again later",
    FailureKind.FORBIDDEN: "ask the archive's operator for access",
    FailureKind.NOT_FOUND: "give the address of its SSAP or TAP service",
    FailureKind.GONE: "give the address of its SSAP or TAP service",
    FailureKind.CONNECTION_LOST: "give the address of its SSAP or TAP service; --verbose shows each request",
    FailureKind.REDIRECT_BLOCKED: "give the address that it leads to, if you trust it",
}
_ADVICE_ELSE = "--verbose shows each request; what it names can be given with --pos and --size, --time or --band"


def advised(error: ServiceUnavailableError) -> ServiceUnavailableError:
    """Return the error with what to try next, unless it says so already."""
    failure = error.failure
    if re.search(r"--[a-z]|\bgive\b|ask again", failure.detail):
        return error
    words = f"{failure.detail}; {_ADVICE.get(failure.kind, _ADVICE_ELSE)}"
    return ServiceUnavailableError(error.url, replace(failure, detail=words))


def in_short(url: str) -> str:
    """Return an address as people read it.

    Without a password, and without a query that is a language of its own.
    """
    shown = re.sub(r"(?<=://)[^/?#]*@", "", url)
    return shown if len(shown) <= _LONGEST_SHOWN else shown.partition("?")[0]


class VoClient:
    """One connection to an archive. An async context manager.

    ArchiveError, in the archive's words, where it fails. ``tell`` is called with waits that a user would wonder about,
    ``on_request`` with every address that is requested.
    """

    def __init__(
        self,
        limits: Limits,
        contact: str | None,
        tell: Callable[[str], None] = lambda words: None,
        on_request: Callable[[str], None] = lambda url: None,
        connection: Connection = STRAIGHT,
    ) -> None:
        self._connection = connection
        self._limits = limits
        self._tell = tell
        self._on_request = on_request
        self._headers = {"Accept-Encoding": "identity", "User-Agent": user_agent(contact)}
        self._rate_limiter = RateLimiter(limits.rate)
        self._never = asyncio.Event()
        self._chance = Random()  # noqa: S311 - it spreads retries and keeps no secrets
        self._session: aiohttp.ClientSession
        self._moved: dict[str, str] = {}
        self._passed: dict[str, frozenset[str]] = {}
        self.dialects: dict[str, TapDialect] = {}
        """How TAP services are queried, by the address that was given for them."""
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
            response_class=BoundedResponse,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def document(self, url: str, most: int = 10, may_move: bool = False) -> Document:
        """Return the VOTable at ``url`` with ``most`` of its rows; some services ignore MAXREC.

        ``may_move``: a redirect may lead to another host, once. ArchiveError too if it says ERROR in a 200.
        """
        seen: list[Event] = []
        rows = 0
        count = 0
        async with aclosing(self.events(url, _LARGEST, may_move)) as events:
            async for event in events:
                if isinstance(event, VotableTable):
                    rows = 0
                is_row = isinstance(event, tuple)
                rows += is_row
                count += is_row
                if rows <= most or not is_row:
                    seen.append(event)
        document = replace(gather(self.address_behind(url), seen, most), row_count=count)
        if document.error:
            failure = Failure(FailureKind.REFUSED_REQUEST, f"the service says: {document.error}", 200)
            raise ServiceUnavailableError(url, failure)
        return document

    async def events(
        self, url: str, most_bytes: int = MOST_BYTES, may_move: bool = False
    ) -> AsyncGenerator[Event, None]:
        """Yield what the VOTable at ``url`` says, as it comes."""
        reader = VotableReader(most_bytes)
        try:
            async with aclosing(self._pieces(quote_url(url), int(may_move))) as pieces:
                async for piece in pieces:
                    for event in reader.feed(piece):
                        yield event
            for event in reader.close():
                yield event
        except VotableError as error:
            words = f"the response is not a VOTable as it should be: {error}"
            raise ServiceUnavailableError(url, Failure(FailureKind.CONNECTION_LOST, words)) from None
        except FetchError as error:
            raise ServiceUnavailableError(url, error.failure) from None
        except (aiohttp.ClientError, OSError) as error:
            raise ServiceUnavailableError(url, failure_from_exception(error)) from None

    def address_behind(self, url: str) -> str:
        """Return where ``url`` was redirected to when it was requested last; itself if it was not."""
        return self._moved.get(quote_url(url), url)

    def hosts_behind(self, url: str) -> frozenset[str]:
        """Return the hosts that redirects of ``url`` led through, its own included."""
        return self._passed.get(quote_url(url), frozenset()) | {host_of(url)}

    async def body(self, url: str, most_bytes: int, may_move: bool = False) -> Fetched:
        """Return all of what ``url`` answers with, unpacked. FetchError, with what is wrong.

        ``may_move``: redirects may lead to other hosts.
        """
        body = bytearray()
        try:
            async with aclosing(self._pieces(quote_url(url), MOST_HOPS if may_move else 0)) as pieces:
                async for piece in pieces:
                    body += piece
                    if len(body) > most_bytes:
                        words = f"more than {count(most_bytes)} bytes (limits.max_bytes)"
                        raise FetchError(Failure(FailureKind.TOO_LARGE, words, 200), url)
        except (aiohttp.ClientError, OSError) as error:
            raise FetchError(failure_from_exception(error), url) from error
        return Fetched(bytes(body), self.address_behind(url))

    async def post(self, url: str, fields: dict[str, str]) -> str:
        """Send a form; return where the response redirects to, or the job in it is, else ``url``.

        FetchError, with what is wrong.
        """
        await self._rate_limiter.acquire(self._never)
        self.requests += 1
        self._on_request(url)
        headers, proxy = self._connection.headers(url, url), self._connection.proxy_for(url)
        address = URL(quote_url(url), encoded=True)
        try:
            async with self._session.post(
                address, data=fields, allow_redirects=False, headers=headers, proxy=proxy
            ) as seen:
                location = seen.headers.get("Location")
                if seen.status in (*_REDIRECTS, *_CREATED) and location:
                    return resolve_redirect(url, url, location)
                said = words_of(await seen.content.read(WORDS), seen.headers.get("Content-Encoding", ""))
                if seen.status != 200 and seen.status not in _CREATED:
                    raise FetchError(_failure(seen.status, seen.headers, said), url)
                job = _JOB.search(said)
                return f"{url}/{job[1].decode()}" if job else url
        except (aiohttp.ClientError, OSError) as error:
            raise FetchError(failure_from_exception(error), url) from error

    async def wait_after(self, error: ServiceUnavailableError, attempt: int) -> None:
        """Wait as long as is due after the ``attempt``-th failure (from 1).

        Raise it, at once, if that is in vain.
        """
        failure = error.failure
        wait = wait_before_retry(failure, attempt, self._limits, self._chance) if attempt < _MOST_ATTEMPTS else None
        if wait is None:
            raise error
        if (failure.retry_after or 0.0) > _LONGEST_WAIT:
            words = (
                f"{failure.detail}; it wants to be left alone for {plural(round(wait / 60), 'minute')}: ask again then"
            )
            raise ServiceUnavailableError(error.url, replace(failure, detail=words))
        if wait >= _WORTH_TELLING:
            self._tell(f"waiting {wait:.0f} s: {error}")
        await asyncio.sleep(wait)

    async def _pieces(self, url: str, most_moves: int) -> AsyncGenerator[bytes, None]:
        place: str = url
        hosts: set[str] = set()
        for _ in range(MOST_HOPS + 1):
            if not is_web(place):
                raise ArchiveError(f"{in_short(place)}: that is not a valid URL")
            await self._rate_limiter.acquire(self._never)
            self.requests += 1
            self._on_request(place)
            headers, proxy = self._connection.headers(place, url), self._connection.proxy_for(place)
            address = URL(place, encoded=True)
            async with self._session.get(address, allow_redirects=False, headers=headers, proxy=proxy) as seen:
                location = seen.headers.get("Location")
                if seen.status in _REDIRECTS and location:
                    if len(hosts) < most_moves:
                        hosts |= _next_host(place, location) - {host_of(url)}
                    place = self._moved[url] = resolve_redirect(url, place, location, hosts)
                    self._passed[url] = frozenset(hosts)
                    continue
                if seen.status != 200:
                    said = words_of(await seen.content.read(WORDS), seen.headers.get("Content-Encoding", ""))
                    raise FetchError(_failure(seen.status, seen.headers, said), url)
                async for piece in _unpacked(seen):
                    yield piece
                return
        raise ArchiveError(f"{in_short(url)}: {urlsplit(url).hostname} redirects more than {MOST_HOPS} times")


def _next_host(place: str, location: str) -> set[str]:
    """Return the host that a service moved to.

    None if an archive in the world leads into a private network.
    """
    try:
        host = host_of(urljoin(place, location))
    except ValueError:  # it is no address, which resolving it will say
        return set()
    return set() if not host or (is_inside(host) and not is_inside(host_of(place))) else {host}


async def _unpacked(seen: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    """Yield the body's pieces as they are unpacked."""
    unpacker = Unpacker(seen.headers.get("Content-Encoding", ""))
    try:
        async for piece in seen.content.iter_chunked(_PIECE):
            for part in unpacker.feed(piece):
                yield part
        for part in unpacker.close():
            yield part
    except DamagedPackingError as error:
        raise FetchError(Failure(FailureKind.CONNECTION_LOST, f"its packed answer {error}"), str(seen.url)) from None


def _failure(status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    """Return what an answer that is no 200 means, in the words of its VOTable if it has one.

    DALI 1.1, section 4.2.
    """
    failure = failure_from_response(status, headers, body, time.time())
    try:
        error = gather("", read_votable([body])).error if b"<votable" in body[:4096].lower() else None
    except VotableError:
        error = None
    return replace(failure, detail=f"HTTP {status}: {plain_line(error)}") if error else failure

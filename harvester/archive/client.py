"""Fetch spectra from one archive by aiohttp.

It is set up so that nothing passes that is not a whole, plain response.

What aiohttp does by default, and why it is set otherwise here, was measured against raw sockets: gzip cut short is
accepted, a 204 with gzip breaks the next request (DaCHS), redirects carry secrets to other hosts, connections that the
server just closed fail the next request, and a request whose connection dies before the headers is silently sent again
(which cannot be switched off, so it is counted).
"""

from __future__ import annotations

import asyncio
import platform
import time
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Self

import aiohttp
from yarl import URL

from .. import events as ev
from .._version import __version__
from ..model.failures import Failure, FailureKind, FetchError
from ..model.limits import Limits
from ..model.outcomes import Fetched
from ..model.target import Target
from .access import AccessMethod, DatalinkAccess
from .connection import STRAIGHT, Connection
from .content_encoding import WORDS, decoded, too_large, unpacked_file, words_of
from .http_errors import failure_from_exception
from .interim_responses import BoundedResponse
from .responses import failure_from_response
from .url_policy import check_url, resolve_redirect

if TYPE_CHECKING:
    from .link_batches import LinkBatches

KEEP_ALIVE = 4.0  # seconds; shorter than any server's (Apache has 5), so that we are the ones who hang up
MOST_HOPS = 3


def user_agent(contact: str | None) -> str:
    """Return the User-Agent.

    Who sends requests, and that they copy (IVOA Note SoftID 1.0, section 2.2).
    """
    purpose = f"IVOA-copy; mailto:{contact}" if contact else "IVOA-copy"
    return f"harvester/{__version__} ({purpose}) aiohttp/{aiohttp.__version__} Python/{platform.python_version()}"


class ArchiveClient:
    """An archive whose spectra are fetched by ``access``.

    It is an async context manager, which owns one connection pool. ``acquire_followup`` waits for the slot of a further
    request for the same spectrum; False if none is to be sent. ``acquire_repeat`` does so after a connection was lost
    before its response, when aiohttp silently sends the request again; ``confirm`` is called
    just before the bytes of a request leave, and raises FetchError if they must not; ``sent`` when they have left.
    """

    def __init__(
        self,
        access: AccessMethod,
        limits: Limits,
        contact: str | None,
        emit: Callable[[ev.Event], None],
        acquire_followup: Callable[[], Awaitable[bool]],
        now: Callable[[], float] = time.time,
        connection: Connection = STRAIGHT,
        acquire_repeat: Callable[[], Awaitable[bool]] | None = None,
        sent: Callable[[], None] = lambda: None,
        confirm: Callable[[], None] = lambda: None,
    ) -> None:
        self._access = access
        self._limits = limits
        self._headers = {"Accept-Encoding": "identity", "User-Agent": user_agent(contact)}
        self._emit = emit
        self._acquire_followup = acquire_followup
        self._acquire_repeat = acquire_repeat or acquire_followup
        self._sent = sent
        self._confirm = confirm
        self._now = now
        self._connection = connection
        self._links: LinkBatches | None = None
        self._session: aiohttp.ClientSession
        self._retired: list[tuple[float, aiohttp.ClientSession]] = []

    async def __aenter__(self) -> Self:
        self._session = self._new_session()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for session in (self._session, *(old for _, old in self._retired)):
            await session.close()

    def look_ahead(self, targets: Iterable[Target]) -> Iterable[Target]:
        """Return the targets to fetch, of which the links of several are then requested at once."""
        access = self._access
        if not isinstance(access, DatalinkAccess) or not access.service or access.most == 1:
            return targets
        from .link_batches import LinkBatches, LookAhead  # and with it an XML parser, which few archives need

        ahead = LookAhead(targets)
        self._links = LinkBatches(access.service, access.most, ahead)
        return ahead

    async def renew(self) -> None:
        """Drop every connection and resolved address.

        The machine slept, or has another network now. What is in flight may end on the old connections; the next
        request gets a new one.
        """
        now = asyncio.get_running_loop().time()
        over = [(end, old) for end, old in self._retired if end <= now]
        self._retired = [pair for pair in self._retired if pair not in over]
        self._retired.append((now + self._limits.total_timeout, self._session))
        self._session = self._new_session()
        for _, old in over:
            await old.close()

    def _new_session(self) -> aiohttp.ClientSession:
        limits = self._limits
        return aiohttp.ClientSession(
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            headers=self._headers,
            connector=aiohttp.TCPConnector(limit=limits.concurrency, keepalive_timeout=KEEP_ALIVE, ttl_dns_cache=60),
            timeout=aiohttp.ClientTimeout(
                total=limits.total_timeout, sock_connect=limits.connect_timeout, sock_read=limits.read_timeout
            ),
            requote_redirect_url=False,
            request_class=_reporting(self._confirm, self._on_wire),
            response_class=BoundedResponse,
        )

    async def fetch(self, target: Target, reached: Callable[[ev.Phase], None]) -> Fetched:
        """Request one spectrum once, in a slot that was acquired.

        FetchError for anything but a whole 200.
        """
        url = self._access.url(target)
        try:
            answer = await self._batched(self._links, target, reached) if self._links else None
            if answer is None:
                answer = await self._follow(target, url, reached)
                onward = self._access.next_url(target, answer)
                if onward is not None:
                    url = onward
                    await self._acquire(url)
                    answer = await self._follow(target, url, reached)
        except (aiohttp.ClientError, OSError) as error:
            raise FetchError(failure_from_exception(error), url) from error
        return unpacked_file(answer, self._limits.max_bytes)

    async def _batched(self, links: LinkBatches, target: Target, reached: Callable[[ev.Phase], None]) -> Fetched | None:
        """Return the response at the file's address, as a document about several has it.

        None if none has it, or it is not valid any more.
        """
        known = await self._known_file(links, target, reached)
        if not known:
            return None
        try:
            return await self._follow(target, known, reached)
        except FetchError as error:
            if not links.has_expired(target, error.failure):
                raise
        except (aiohttp.ClientError, OSError) as error:
            raise FetchError(failure_from_exception(error), known) from error
        finally:
            links.settle(target)
        await self._acquire(known)
        return None

    async def _known_file(self, links: LinkBatches, target: Target, reached: Callable[[ev.Phase], None]) -> str:
        """Return the file's address as a document about several has it, '' if none has.

        The slot is left for the next request, which it is for.
        """
        address, was_used = await links.address(target, lambda url: self._follow(target, url, reached))
        if was_used:
            await self._acquire(self._access.url(target))
        return check_url(address, self._access.hosts) if address else ""

    async def _follow(self, target: Target, url: str, reached: Callable[[ev.Phase], None]) -> Fetched:
        place = url
        for hop in range(MOST_HOPS + 1):
            if hop:
                await self._acquire(url)
            answer = await self._exchange(target, place, url, reached)
            if isinstance(answer, Fetched):
                return answer
            place = resolve_redirect(url, place, answer, self._access.hosts)
        raise FetchError(Failure(FailureKind.REDIRECT_BLOCKED, f"more than {MOST_HOPS} redirects"), url)

    async def _acquire(self, url: str, acquire: Callable[[], Awaitable[bool]] | None = None) -> None:
        if not await (acquire or self._acquire_followup)():
            raise FetchError(Failure(FailureKind.CONNECTION_LOST, "stopped before the next request"), url)

    async def _exchange(
        self, target: Target, url: str, origin: str, reached: Callable[[ev.Phase], None]
    ) -> Fetched | str:
        """Return the response to one request, or the address that it redirects to."""
        sent = asyncio.get_running_loop().time()
        reached(ev.Phase.RESPONSE)
        address = URL(url, encoded=True)
        headers, proxy = self._headers_and_proxy(url, origin)
        async with self._session.get(
            address, allow_redirects=False, middlewares=(self._repeat_in_a_slot(),), headers=headers, proxy=proxy
        ) as seen:
            reached(ev.Phase.BODY)
            most = self._limits.max_bytes if seen.status == 200 else WORDS
            raw = await _read(seen, most)
            latency = asyncio.get_running_loop().time() - sent
            self._emit(ev.ResponseReceived(self._now(), target, seen.status, latency, len(raw)))
            location = seen.headers.get("Location")
            if seen.status in (301, 302, 303, 307, 308) and location:
                return location
            encoding = seen.headers.get("Content-Encoding", "identity")
            if seen.status != 200:
                raise FetchError(
                    failure_from_response(seen.status, seen.headers, words_of(raw, encoding), self._now()), url
                )
            return Fetched(decoded(raw, encoding, most), url, tuple(seen.headers.items()))

    def _headers_and_proxy(self, url: str, origin: str) -> tuple[dict[str, str] | None, str | None]:
        """Return what a request has beside what all have.

        Nothing, at no cost, for nearly all archives.
        """
        if self._connection.is_straight:
            return None, None
        return self._connection.headers(url, origin), self._connection.proxy_for(url)

    def _repeat_in_a_slot(self) -> aiohttp.ClientMiddlewareType:
        """Let aiohttp's silent repeat of one request wait for a slot of its own."""
        first = True

        async def wait(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
            nonlocal first
            if not first:
                await self._acquire(str(request.url), self._acquire_repeat)
            first = False
            return await handler(request)

        return wait

    def _on_wire(self, url: str) -> None:
        self._emit(ev.RequestSent(self._now(), url))
        self._sent()


def _reporting(confirm: Callable[[], None], report: Callable[[str], None]) -> type[aiohttp.ClientRequest]:
    """Return requests that ``report`` their URL as soon as their bytes have left.

    ``confirm`` is called before.
    aiohttp's traces cost a fifth of a request.
    """

    class ReportingRequest(aiohttp.ClientRequest):
        async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
            confirm()
            try:
                return await super().send(conn)
            finally:  # not before: a busy machine may stop us in between, and the sliding second would begin too early
                report(str(self.url))

    return ReportingRequest


async def _read(seen: aiohttp.ClientResponse, most: int) -> bytes:
    """Return the body as it came.

    A 200 of more than ``most`` bytes is refused, of others that much is enough.
    """
    if seen.status == 200 and (seen.content_length or 0) > most:
        raise FetchError(too_large(most), str(seen.url))
    body = bytearray()
    async for chunk in seen.content.iter_any():
        body += chunk
        if len(body) > most:
            seen.close()
            if seen.status == 200:
                raise FetchError(too_large(most), str(seen.url))
            break
    return bytes(body)

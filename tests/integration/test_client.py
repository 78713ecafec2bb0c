"""The HTTP client against raw sockets: what aiohttp lets pass silently does not pass here."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest

from harvester import events as ev
from harvester.archive.access import DatalinkAccess, SodaAccess
from harvester.archive.client import ArchiveClient
from harvester.model.failures import FailureKind, FetchError
from harvester.model.limits import Limits
from harvester.model.outcomes import Fetched
from harvester.model.target import SpectrumId, Target
from harvester.vo.soda import SodaRequest
from tests.unit.archive.test_access import document

TARGET = Target(SpectrumId("ivo://a/b/one"), "one")
BODY = b"S" * 5760


Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class RawServer:
    """Answers each request with the bytes that ``reply`` makes of its path; ``seen`` are the request heads."""

    reply: Callable[[str], bytes]
    seen: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.seen.append(head)
        writer.write(self.reply(head.split()[1]))
        await writer.drain()


@asynccontextmanager
async def serving(reply: bytes | Callable[[str], bytes], talk: Conversation | None = None) -> AsyncIterator[RawServer]:
    """A server on loopback; all its connections are closed, and its tasks ended, when it goes."""
    served = RawServer(reply if callable(reply) else lambda path: reply)
    tasks: set[asyncio.Task[None] | None] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            try:
                await (talk or served.answer)(reader, writer)
            finally:
                writer.close()
                await writer.wait_closed()

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    served.port = server.sockets[0].getsockname()[1]
    async with server:
        yield served
    for task in tasks:
        assert task is not None
        task.cancel()
    await asyncio.gather(*(task for task in tasks if task), return_exceptions=True)


def waiting(turns: list[None]) -> Callable[[], Awaitable[bool]]:
    async def turn() -> bool:
        turns.append(None)
        return True

    return turn


async def ask(served: RawServer, **limits: float) -> tuple[Fetched, list[ev.Event], list[None]]:
    events: list[ev.Event] = []
    turns: list[None] = []
    bounds = Limits(**{"max_bytes": 100_000, "read_timeout": 1.0, "total_timeout": 2.0, **limits})  # type: ignore[arg-type]
    request = SodaRequest(f"{served.url}/dlget", None, None, None)
    async with ArchiveClient(SodaAccess(request), bounds, None, events.append, waiting(turns)) as archive:
        return await archive.fetch(TARGET, lambda phase: None), events, turns


async def refused(reply: bytes | Callable[[str], bytes], **limits: float) -> FetchError:
    async with serving(reply) as served:
        with pytest.raises(FetchError) as caught:
            await ask(served, **limits)
    return caught.value


def ok(body: bytes, *headers: str, length: int | None = None) -> bytes:
    head = ["HTTP/1.1 200 OK", *headers]
    if length is not None:
        head.append(f"Content-Length: {length}")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def redirect(place: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()


async def test_a_whole_answer_comes_through_with_its_headers() -> None:
    async with serving(ok(BODY, "Server: test", length=len(BODY))) as served:
        fetched, events, turns = await ask(served)
    assert fetched.body == BODY
    assert dict(fetched.headers)["Server"] == "test"
    assert [type(event) for event in events] == [ev.RequestSent, ev.ResponseReceived]
    assert turns == []
    assert "Accept-Encoding: identity" in served.seen[0]
    assert "Cookie" not in served.seen[0]


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (ok(BODY[:100], length=5760), FailureKind.CONNECTION_LOST),
        (ok(b"", length=5760), FailureKind.CONNECTION_LOST),
        (ok(b"1000\r\n" + BODY[:100], "Transfer-Encoding: chunked"), FailureKind.CONNECTION_LOST),
        (ok(b"5\r\nhello\r\n", "Transfer-Encoding: chunked"), FailureKind.CONNECTION_LOST),
        (b"", FailureKind.CONNECTION_LOST),
        (b"HTTP/1.1 200 OK\r\nContent-Le", FailureKind.CONNECTION_LOST),
        (b"SSH-2.0-OpenSSH_9.2\r\n", FailureKind.PROTOCOL_ERROR),
        (ok(b"", "Content-Length: -5"), FailureKind.PROTOCOL_ERROR),
        (ok(BODY, "Content-Length: 10", "Transfer-Encoding: chunked"), FailureKind.PROTOCOL_ERROR),
        (ok(b"", "X: " + "y" * 9000), FailureKind.PROTOCOL_ERROR),
        (ok(gzip.compress(BODY)[:-9], "Content-Encoding: gzip", "Connection: close"), FailureKind.CONNECTION_LOST),
        (ok(gzip.compress(BODY) + b"more", "Content-Encoding: gzip", "Connection: close"), FailureKind.CONNECTION_LOST),
        (ok(b"not gzip", "Content-Encoding: gzip", "Connection: close"), FailureKind.CONNECTION_LOST),
        (ok(BODY, "Content-Encoding: br", "Connection: close"), FailureKind.PROTOCOL_ERROR),
        (ok(gzip.compress(b"\0" * 9_000_000), "Content-Encoding: gzip", "Connection: close"), FailureKind.TOO_LARGE),
        (ok(b"", length=300_000_000), FailureKind.TOO_LARGE),
        (ok(b"x" * 200_000, "Connection: close"), FailureKind.TOO_LARGE),
        (b"HTTP/1.1 204 No Content\r\n\r\n", FailureKind.NO_DATA),
        (b"HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\n\r\nhello", FailureKind.UNEXPECTED_STATUS),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", FailureKind.UNEXPECTED_STATUS),
        (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", FailureKind.UNEXPECTED_STATUS),
        (b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n", FailureKind.UNEXPECTED_STATUS),
    ],
)
async def test_what_is_no_whole_plain_200_is_a_failure_of_its_kind(reply: bytes, kind: FailureKind) -> None:
    assert (await refused(reply)).failure.kind is kind


async def test_an_answer_that_is_closed_without_a_length_is_left_to_verification() -> None:
    async with serving(ok(BODY[:100], "Connection: close")) as served:
        fetched, _, _ = await ask(served)
    assert len(fetched.body) == 100  # HTTP cannot tell: the FITS structure has to


async def test_gzip_that_no_one_requested_is_undone_if_it_is_whole() -> None:
    async with serving(ok(gzip.compress(BODY), "Content-Encoding: gzip", "Connection: close")) as served:
        fetched, _, _ = await ask(served)
    assert fetched.body == BODY


async def test_a_silent_repeat_of_aiohttp_is_counted_and_waits_for_its_turn() -> None:
    async with serving(b"") as served:
        events: list[ev.Event] = []
        turns: list[None] = []
        request = SodaRequest(f"{served.url}/dlget", None, None, None)
        async with ArchiveClient(SodaAccess(request), Limits(), None, events.append, waiting(turns)) as archive:
            with pytest.raises(FetchError):
                await archive.fetch(TARGET, lambda phase: None)
    assert len(served.seen) == sum(isinstance(event, ev.RequestSent) for event in events) == 2
    assert len(turns) == 1


@pytest.mark.parametrize(
    "place",
    [
        "http://elsewhere.example/secret",
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "http://user:password@127.0.0.1/x",
        "//elsewhere.example/x",
    ],
)
async def test_a_redirect_to_where_a_careful_client_does_not_go_is_refused(place: str) -> None:
    error = await refused(redirect(place))
    assert error.failure.kind is FailureKind.REDIRECT_BLOCKED
    assert "password" not in error.failure.detail


async def test_a_redirect_on_the_same_host_is_followed_in_its_turn() -> None:
    def reply(path: str) -> bytes:
        return redirect("/there") if path.startswith("/dlget") else ok(BODY, length=len(BODY))

    async with serving(reply) as served:
        fetched, _, turns = await ask(served)
    assert fetched.body == BODY
    assert len(turns) == 1


async def test_a_redirect_to_a_host_that_the_profile_names_is_followed() -> None:
    def reply(path: str) -> bytes:
        return redirect(f"http://localhost:{served.port}/there") if path != "/there" else ok(BODY, length=len(BODY))

    async with serving(reply) as served:
        route = SodaAccess(SodaRequest(f"{served.url}/dlget", None, None, None), hosts=("localhost",))
        async with ArchiveClient(route, Limits(), None, lambda event: None, waiting([])) as archive:
            assert (await archive.fetch(TARGET, lambda phase: None)).body == BODY


async def test_a_document_and_its_file_are_two_requests_and_the_second_waits_for_its_turn() -> None:
    def reply(path: str) -> bytes:
        link = f"{TARGET.did}|{served.url}/one.fits|||#this|image/fits|"
        body = BODY if path == "/one.fits" else document(link)
        return ok(body, "Connection: close", length=len(body))

    turns: list[None] = []
    events: list[ev.Event] = []
    async with serving(reply) as served:
        route = DatalinkAccess(f"{served.url}/links", ("127.0.0.1",))
        async with ArchiveClient(route, Limits(), None, events.append, waiting(turns)) as archive:
            fetched = await archive.fetch(TARGET, lambda phase: None)
    assert (fetched.body, fetched.url) == (BODY, f"{served.url}/one.fits")
    assert len(turns) == 1
    assert sum(isinstance(event, ev.RequestSent) for event in events) == len(served.seen) == 2


async def test_a_stop_between_a_document_and_its_file_is_heeded() -> None:
    async def no_turn() -> bool:
        return False

    async with serving(lambda path: ok(document(f"{TARGET.did}|{served.url}/f|||#this||"))) as served:
        route = DatalinkAccess(f"{served.url}/links", ("127.0.0.1",))
        async with ArchiveClient(route, Limits(), None, lambda event: None, no_turn) as archive:
            with pytest.raises(FetchError, match="stopped before the next request"):
                await archive.fetch(TARGET, lambda phase: None)
    assert len(served.seen) == 1


async def test_a_redirect_loop_ends_after_three_hops() -> None:
    async with serving(redirect("/dlget")) as served:
        with pytest.raises(FetchError) as caught:
            await ask(served)
    assert caught.value.failure.kind is FailureKind.REDIRECT_BLOCKED
    assert len(served.seen) == 4


async def test_a_host_that_refuses_or_does_not_exist_is_unreachable() -> None:
    async with serving(b"") as served:
        pass
    for url in (served.url, "http://no-such-host.invalid"):
        request = SodaRequest(f"{url}/dlget", None, None, None)
        async with ArchiveClient(SodaAccess(request), Limits(), None, lambda event: None, waiting([])) as archive:
            with pytest.raises(FetchError) as caught:
                await archive.fetch(TARGET, lambda phase: None)
        assert caught.value.failure.kind is FailureKind.UNREACHABLE


async def test_a_body_that_drips_for_ever_is_ended_by_the_total_timeout() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b".")
            await asyncio.sleep(0.05)

    async with serving(b"", drip) as served:
        with pytest.raises(FetchError) as caught:
            await ask(served, read_timeout=0.5, total_timeout=0.8)
    assert caught.value.failure.kind is FailureKind.TIMEOUT


async def test_words_of_an_error_page_cannot_harm_a_terminal() -> None:
    page = b"<html><script>x</script><h1>Sorry \x1b[31m\x07</h1></html>"
    error = await refused(f"HTTP/1.1 500 Oops\r\nContent-Length: {len(page)}\r\n\r\n".encode() + page)
    assert error.failure.kind is FailureKind.SERVER_ERROR
    assert "Sorry" in error.failure.detail
    assert error.failure.detail.isprintable()


async def test_a_request_is_reported_as_sent_when_its_bytes_have_left() -> None:
    """A machine that stops the program before the write would otherwise shorten the rate limit's second."""
    arrived: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def sent() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(0.0)  # what has not arrived by now never does
                arrived.append(connection.recv(4096))
                connection.sendall(ok(BODY))

        route = SodaAccess(SodaRequest(f"http://127.0.0.1:{listener.getsockname()[1]}/get", fluxcalib="normalized"))
        async with ArchiveClient(route, Limits(), None, lambda event: None, waiting([]), sent=sent) as archive:
            assert (await archive.fetch(TARGET, lambda phase: None)).body == BODY
    assert [request.split(b"?")[0] for request in arrived] == [b"GET /get"]

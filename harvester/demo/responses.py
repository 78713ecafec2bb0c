"""Represent responses as values, and render the pages in which DaCHS wraps its errors."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from html import escape

from aiohttp import web

HTML = "text/html"
TEXT = "text/plain"
XML = "text/xml"


class Delivery(Enum):
    """How a response reaches the client."""

    WHOLE = auto()
    CUT_OFF = auto()
    """Head and half the body, then the connection is gone without the last chunk."""
    DISCONNECT = auto()
    """The connection is closed before a byte of an answer."""
    STALL = auto()
    """Not a byte ever comes."""
    STALL_IN_BODY = auto()
    """Head and half the body, then silence."""
    DRIP = auto()
    """Whole, but in small pieces with pauses between them."""
    RAW = auto()
    """The body is all that is sent, without an HTTP head."""


@dataclass(frozen=True, slots=True)
class DemoResponse:
    """One response; ``file_name`` is for Content-Disposition, ``static`` for a Content-Length."""

    body: bytes
    content_type: str
    status: int = 200
    file_name: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    delivery: Delivery = Delivery.WHOLE
    static: bool = False


def usage_error(message: str) -> DemoResponse:
    return DemoResponse(f"UsageError: {message}\n".encode(), TEXT, 422)


def multi_valued(name: str, values: list[str]) -> DemoResponse:
    words = f"Inputs for the parameter {name} must not have more than one value; however, {values} was passed in."
    return DemoResponse(f"MultiValuedParamNotSupported: Field {name}: {words}\n".encode(), TEXT, 422)


def no_data() -> DemoResponse:
    """Return a 204: no data within the cutout is no error (SODA 1.0, section 5.1)."""
    return DemoResponse(b"", TEXT, 204)


def _text(words: str) -> str:
    return escape(words, quote=False)


def page(
    status: int, title: str, lead: str, message: str = "", headers: Mapping[str, str] | None = None
) -> DemoResponse:
    """Return an error in HTML, worded as DaCHS words it.

    ``message`` is that of the failing code.
    """
    title = f"DC Demo -- {title}"
    text = f"""<html xmlns="http://www.w3.org/1999/xhtml"><head><title>{_text(title)}</title>
<link rel="stylesheet" href="/static/css/gavo_dc.css" type="text/css" /></head>
<body><h1>{_text(title)} ({status})</h1><p>{_text(lead)}</p><div class="errmsg">{_text(message)}</div>
<p>If you think this is a fault of the service, please tell its operators.</p><hr />
<address>This is the demo archive of harvester; nothing here was ever observed.</address>{" " * 700}</body></html>
"""
    return DemoResponse(text.encode(), HTML, status, headers=headers or {})


def not_found(message: str) -> DemoResponse:
    return page(404, "Not Found", "We're sorry, but the resource you requested could not be located.", message)


def server_error(exception: str, message: str) -> DemoResponse:
    lead = f"Your action has caused a(n) {exception} exception to occur.  As additional info, the failing code gave:"
    return page(500, "Uncaught Exception", lead, message)


def moved(to: str, query: str) -> DemoResponse:
    lead = "The resource you requested is available from a different URL."
    location = {"Location": f"{to}?{query}"}
    return page(301, "Moved Permanently", lead, f"This is supposed to redirect to {to}", location)


SERVER = "DaCHS/2.7 twistedWeb/22.4.0"


_REASONS = {416: "Requested Range not satisfiable", 422: "Unknown Status"}  # twisted 22 does not know the phrase


_AFTER_A_204 = b"\x03\0\0\0\0\0\0\0\0\0"  # what twisted's gzip encoder writes behind a 204 that has no body


_PIECE = 1024


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends responses until ``closing`` is set, which ends those that stall.

    ``drip`` is their pause in seconds.
    """

    drip: float
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, request: web.Request, answer: DemoResponse) -> web.StreamResponse:
        match answer.delivery:
            case Delivery.STALL:
                return await self.stall(request)
            case Delivery.DISCONNECT:
                return hang_up(request)
            case Delivery.RAW:
                if request.transport:
                    request.transport.write(answer.body)
                return hang_up(request)
        body = answer.body
        response = new_response(request, answer)
        if "gzip" in request.headers.get("Accept-Encoding", "") and not answer.static:
            response.headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body, 6, mtime=0)
        await response.prepare(request)
        if answer.status == 204:
            return await _send_no_content(request, response)
        if request.method != "HEAD":
            await self._send_body(request, response, body, answer.delivery)
        return response

    async def _send_body(
        self, request: web.Request, response: web.StreamResponse, body: bytes, delivery: Delivery
    ) -> None:
        if delivery is Delivery.WHOLE:
            if body:
                await response.write(body)
            return
        if delivery is Delivery.DRIP:
            for start in range(0, len(body), _PIECE):
                await response.write(body[start : start + _PIECE])
                await asyncio.sleep(self.drip)
            return
        await response.write(body[: len(body) // 2])
        if delivery is Delivery.STALL_IN_BODY:
            await self.closing.wait()
        hang_up(request)

    async def stream(self, request: web.Request, head: DemoResponse, pieces: Iterable[bytes]) -> web.StreamResponse:
        """Return a response whose body is sent piece by piece; others are served in between."""
        response = new_response(request, head)
        packer = None
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            response.headers["Content-Encoding"] = "gzip"
            packer = zlib.compressobj(wbits=31)
        await response.prepare(request)
        for piece in pieces:
            await response.write(packer.compress(piece) if packer else piece)
            await asyncio.sleep(0)
        await response.write_eof(packer.flush() if packer else b"")
        return response

    async def stall(self, request: web.Request) -> web.StreamResponse:
        await self.closing.wait()
        return hang_up(request)


async def _send_no_content(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    await response.write_eof()
    if "Content-Encoding" in response.headers and request.transport:
        request.transport.write(_AFTER_A_204)
    return response


def new_response(request: web.Request, answer: DemoResponse) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, reason=_REASONS.get(answer.status), headers=answer.headers)
    response.headers["Server"] = SERVER
    if answer.content_type:
        response.headers["Content-Type"] = answer.content_type
    if answer.file_name:
        response.headers["Content-Disposition"] = f"attachment; filename={answer.file_name}"
    if answer.static:
        response.content_length = len(answer.body)
    elif answer.status != 204 and request.version >= (1, 1):
        response.enable_chunked_encoding()
    return response


def hang_up(request: web.Request) -> web.StreamResponse:
    """Close the connection once the written bytes are sent.

    The returned response is never used.
    """
    if request.transport:
        request.transport.close()
    return web.StreamResponse()

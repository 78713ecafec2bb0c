"""Answers on the wire, with the manners of twisted: chunks without length or validators, gzip even where it breaks."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from aiohttp import web

from .answers import Answer, Delivery

SERVER = "DaCHS/2.7 twistedWeb/22.4.0"
_REASONS = {416: "Requested Range not satisfiable", 422: "Unknown Status"}  # twisted 22 does not know the phrase
_AFTER_A_204 = b"\x03\0\0\0\0\0\0\0\0\0"  # what twisted's gzip encoder writes behind a 204 that has no body
_PIECE = 1024


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends answers until ``closing`` is set, which ends those that stall; ``drip`` is their pause in seconds."""

    drip: float
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, request: web.Request, answer: Answer) -> web.StreamResponse:
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

    async def stream(self, request: web.Request, head: Answer, pieces: Iterable[bytes]) -> web.StreamResponse:
        """An answer whose body comes piece by piece; others are served in between."""
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


def new_response(request: web.Request, answer: Answer) -> web.StreamResponse:
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
    """Closes the connection once what was written is out; the response returned is never seen by anybody."""
    if request.transport:
        request.transport.close()
    return web.StreamResponse()

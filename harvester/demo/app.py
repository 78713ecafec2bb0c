"""Route the URLs of the demo archive: dlget, dlmeta, SSAP, TAP, products, availability."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from urllib.parse import parse_qsl

from aiohttp import web

from ..model.target import SpectrumId
from .catalog import COLLECTION, listed_dids
from .config import DemoArchive
from .observations import observe
from .products import preview, product
from .request_log import RequestLog
from .responses import HTML, XML, DemoResponse, Sender, hang_up, moved, not_found, page, usage_error
from .soda import RefusedError, read_request, refuse_unknown
from .ssap import answer_query
from .tap import DemoCatalog, answer_tap
from .vosi import availability, capabilities, capabilities_document, tables_document
from .votables import datalink_votable

_WELL_FORMED = re.compile(re.escape(COLLECTION) + r"[!-~]{1,1000}")
_DLMETA_KNOWN = frozenset({"ID", "RESPONSEFORMAT", "MAXREC", "VERB"})
_NUMBER = web.RequestKey("number", int)

Parameters = list[tuple[str, str]]
Handler = Callable[[web.Request, Parameters], Awaitable[web.StreamResponse]]


class DemoApp:
    """The handlers of one server, with what they share."""

    def __init__(self, config: DemoArchive, log: RequestLog) -> None:
        self.config = config
        self.log = log
        self._sender = Sender(config.drip)
        self._dids = tuple(listed_dids(config.count))
        self._sorted = sorted(self._dids)
        self._known = frozenset(self._dids)
        self._product_dids = {did.rpartition("/")[2]: did for did in self._dids}
        self._since = datetime.now(UTC)
        self._slots = asyncio.Semaphore(config.workers) if config.workers else None

    def close(self) -> None:
        """End the responses that stall."""
        self._sender.closing.set()

    def application(self) -> web.Application:
        # Twisted serves every method as GET; aiohttp's own HEAD and trailing-slash manners would differ.
        application = web.Application(client_max_size=1 << 24)
        routes: dict[str, Handler] = {
            "/ccd700/q/sdl/dlget": self._dlget,
            "/ccd700/q/sdl/dlget/": self._slash,
            "/ccd700/q/sdl/dlmeta": self._dlmeta,
            "/ccd700/q/ssa/ssap.xml": self._ssap,
            "/tap/sync": self._tap,
            "/tap/tables": self._tap_tables,
            "/tap/capabilities": self._tap_capabilities,
            "/tap/availability": self._availability,
            "/ccd700/q/{service:ssa|sdl}/availability": self._availability,
            "/ccd700/q/{service:ssa|sdl}/capabilities": self._capabilities,
            "/getproduct/{path:.+}": self._product,
            "/{path:.*}": self._elsewhere,
        }
        for path, handler in routes.items():
            application.router.add_route("*", path, self._logged(handler))
        return application

    def knows(self, did: str) -> bool:
        return did in self._known or (self.config.knows_any and _WELL_FORMED.fullmatch(did) is not None)

    def _logged(self, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            parameters = await _parameters(request)
            did = next((value for name, value in reversed(parameters) if name.upper() == "ID"), "")
            request[_NUMBER] = self.log.arrive(request.method, request.path, did, request.headers.get("User-Agent", ""))
            status = 0
            try:
                response = await handler(request, parameters)
                status = response.status if response.prepared else 0
            except ConnectionResetError:
                return hang_up(request)  # the client went away; DaCHS, too, has done its computing by then
            finally:
                self.log.leave(status)
            return response

        return handle

    async def _dlget(self, request: web.Request, parameters: Parameters) -> web.StreamResponse:
        try:
            wanted = read_request(parameters, self.knows)
        except RefusedError as refused:
            await self._take_time("", 1)
            return await self._sender.send(request, refused.answer)
        did, number = wanted.observation.did, request[_NUMBER]
        await self._take_time(did, number)
        fault = self.config.faults.fault(did, number)
        return await self._sender.send(request, fault.spoil(wanted) if fault else wanted.answer())

    async def _take_time(self, did: str, number: int) -> None:
        if self.config.latency:
            digest = hashlib.blake2b(f"{did} {number}".encode(), digest_size=2).digest()
            await asyncio.sleep(self.config.latency * (0.5 + int.from_bytes(digest, "big") / 65536))
        if self._slots:
            async with self._slots:
                await asyncio.sleep(self.config.work)

    async def _dlmeta(self, request: web.Request, parameters: Parameters) -> web.StreamResponse:
        if refused := refuse_unknown([name.upper() for name, _ in parameters], _DLMETA_KNOWN):
            return await self._sender.send(request, refused)
        wanted = [value for name, value in parameters if name.upper() == "RESPONSEFORMAT" and value]
        if any("votable" not in value for value in wanted):
            words = f"Field responseformat: {wanted[-1]!r} is not a valid value for responseformat"
            return await self._sender.send(request, usage_error(words))
        if "Mozilla" in request.headers.get("User-Agent", ""):
            shown = page(200, "Datalink", "Links of a spectrum, for browsers.")
            return await self._sender.send(request, replace(shown, content_type=f"{HTML};charset=utf-8"))
        ids = [value for name, value in parameters if name.upper() == "ID"]
        document = datalink_votable(_base(request), ids, self.knows)
        return await self._sender.send(request, DemoResponse(document, "application/x-votable+xml;content=datalink"))

    async def _ssap(self, request: web.Request, parameters: Parameters) -> web.StreamResponse:
        pieces = answer_query(parameters, self._dids, _base(request))
        return await self._stream(request, pieces, '"result..vot"')

    async def _tap(self, request: web.Request, parameters: Parameters) -> web.StreamResponse:
        return await self._stream(
            request, answer_tap(parameters, DemoCatalog(self._dids, self._sorted, _base(request)))
        )

    async def _stream(self, request: web.Request, pieces: Iterator[bytes], file_name: str = "") -> web.StreamResponse:
        first = next(pieces)
        failed, table = b'value="ERROR"' in first, b'type="results"' in first
        # TAP names what is not its default.
        kind = ";serialization=TABLEDATA" if first.endswith(b"<TABLEDATA>") and not file_name else ""
        head = DemoResponse(
            b"",
            XML if failed else f"application/x-votable+xml{kind}",
            file_name=file_name if table and not failed else "",
        )
        return await self._sender.stream(request, head, chain([first], pieces))

    async def _tap_tables(self, request: web.Request, parameters: Parameters) -> web.StreamResponse:
        return await self._sender.send(request, DemoResponse(tables_document(), XML))

    async def _tap_capabilities(self, request: web.Request, parameters: Parameters) -> web.StreamResponse:
        return await self._sender.send(request, DemoResponse(capabilities_document(_base(request)), XML))

    async def _product(self, request: web.Request, parameters: Parameters) -> web.StreamResponse:
        if request.method == "HEAD":
            return await self._sender.stall(request)  # DaCHS 2.7 never answers this one
        stem, _, ending = request.match_info["path"].rpartition("/")[2].rpartition(".")
        did = self._product_dids.get(stem) or SpectrumId(COLLECTION + stem)
        observation = observe(did)
        right = request.match_info["path"] == f"{observation.accref.rpartition('.')[0]}.{ending}"
        if not right or ending not in ("fit", "vot") or not self.knows(did):
            words = f"No dataset with accref {request.match_info['path']} known here."
            return await self._sender.send(request, not_found(words))
        if ("preview", "True") in parameters:
            return await self._sender.send(request, preview())
        return await self._sender.send(request, product(observation, ending, request.headers))

    async def _availability(self, request: web.Request, parameters: Parameters) -> web.StreamResponse:
        return await self._sender.send(request, availability(self._since))

    async def _capabilities(self, request: web.Request, parameters: Parameters) -> web.StreamResponse:
        return await self._sender.send(request, capabilities(request.match_info["service"], _base(request)))

    async def _slash(self, request: web.Request, parameters: Parameters) -> web.StreamResponse:
        query = request.rel_url.raw_query_string
        return await self._sender.send(request, moved(f"{_base(request)}/ccd700/q/sdl/", query))

    async def _elsewhere(self, request: web.Request, parameters: Parameters) -> web.StreamResponse:
        return await self._sender.send(request, not_found(_nothing_at(request.path)))


async def _parameters(request: web.Request) -> Parameters:
    """Return the parameters of the query and, for POST, of the form.

    Bytes that are no UTF-8 stay as surrogates. A semicolon separates parameters as well, as in the version of twisted
    that DaCHS uses.
    """
    query = request.rel_url.raw_query_string.replace(";", "&")
    parameters = parse_qsl(query, keep_blank_values=True, errors="surrogateescape")
    if request.method == "POST":
        form = (await request.read()).decode("utf-8", "surrogateescape")
        parameters += parse_qsl(form, keep_blank_values=True, errors="surrogateescape")
    return parameters


def _nothing_at(path: str) -> str:
    match path.split("/")[1:]:
        case ["ccd700", "q", "ssa" | "sdl"]:
            return "No renderer given and service has no default"
        case ["ccd700", "q", "ssa" | "sdl", renderer, *_]:
            return f"renderer '{renderer}' could not be located in registered renderers"
        case ["ccd700", "q", service, *_]:
            return f"No such service: {service}"
    return "No matching RD"


def _base(request: web.Request) -> str:
    return f"http://{request.host}"

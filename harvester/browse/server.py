"""Serve the page and what it asks for, on 127.0.0.1."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.resources import files

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from ..errors import UsageError
from ..palette import DARK, LIGHT, css_variables
from .access_rules import HEADERS, AccessRules
from .api_routes import ApiRoutes
from .session import Session

HEARTBEAT = 15.0  # seconds, so that a page that has gone is noticed
_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


@asynccontextmanager
async def serve(session: Session, port: int = 0) -> AsyncIterator[AccessRules]:
    """Serve on 127.0.0.1 (port 0: any free one) as long as the context lasts.

    UsageError if the port is taken.
    """
    try:
        listening = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise UsageError(f"--port {port}: {(error.strerror or '').lower()}; choose another") from None
    rules = AccessRules(listening.getsockname()[1])
    stopped = asyncio.Event()
    runner = web.AppRunner(_application(session, rules, stopped), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.SockSite(runner, listening).start()
        async with session.running():
            yield rules
            stopped.set()
    finally:
        stopped.set()
        await runner.cleanup()


def _application(session: Session, rules: AccessRules, stopped: asyncio.Event) -> web.Application:
    routes = ApiRoutes(session)
    app = web.Application(middlewares=[_guard(rules)], client_max_size=64 * 1024)
    page = {**_page_files(), "colours.css": _colours().encode()}

    async def index(request: web.Request) -> web.Response:
        response = web.Response(body=page["index.html"], content_type="text/html", charset="utf-8")
        response.set_cookie(rules.cookie, rules.token, httponly=True, samesite="Strict", path="/")
        return response

    async def static(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in page:
            raise web.HTTPNotFound
        return web.Response(body=page[name], content_type=_TYPES[name.rpartition(".")[2]], charset="utf-8")

    async def live(request: web.Request) -> web.StreamResponse:
        return await _stream(request, session, stopped)

    app.router.add_get("/", index)
    app.router.add_get("/page/{name}", static)
    app.router.add_get("/live", live)
    routes.add_routes(app.router)
    return app


def _guard(rules: AccessRules) -> Middleware:
    """Return a middleware that refuses what the rules refuse, and sets all headers."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        refusal = rules.refusal(request.method, request.headers, request.query, request.cookies)
        if refusal is not None:
            return web.Response(status=403, text=f"refused: {refusal}\n", headers=HEADERS)
        try:
            response = await handler(request)
        except web.HTTPException as error:
            response = web.Response(status=error.status, text=f"{error.text or error.reason}\n")
        if not response.prepared:
            response.headers.update(HEADERS)
        return response

    return guard


async def _stream(request: web.Request, session: Session, stopped: asyncio.Event) -> web.StreamResponse:
    """Send the page what changes, until it has gone or the server stops."""
    response = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream"})
    with session.listener() as queue:
        await response.prepare(request)
        await response.write(b"retry: 1000\n\n")
        while not stopped.is_set():
            waiting = asyncio.create_task(queue.get())
            stopping = asyncio.create_task(stopped.wait())
            done, _ = await asyncio.wait({waiting, stopping}, timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
            text = waiting.result() if waiting in done else ":\n\n"
            for task in (waiting, stopping):
                task.cancel()
            try:
                await response.write(text.encode())
            except ConnectionError:
                break
    return response


def _page_files() -> Mapping[str, bytes]:
    folder = files(__package__) / "page"
    return {each.name: each.read_bytes() for each in folder.iterdir() if each.name.rpartition(".")[2] in _TYPES}


def _colours() -> str:
    """Return the colours of the light and the dark page."""
    light, dark = css_variables(LIGHT), css_variables(DARK)
    return f":root{{{light}}}\n@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"

"""Define the routes below ``/api``: spectra, orders, labels and FLUXCALIB variants."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from ..config.configuration import Configuration
from ..dataset.stored_files import DamagedError
from ..errors import HarvestError, UsageError
from ..fits.spectrum import Spectrum
from ..formatting import count, plain_line
from ..ledger import queries
from ..run.calibrations import fetch_calibrations, offered_fluxcalibs
from . import facts
from .index import MOST_ROWS, View
from .programs import MOST_SENT
from .selection import Selection
from .session import Session

NEIGHBOURS = 8
LABELS = tuple("0123456789")
AS_SERVED = "none"
"""What the page calls the variant without FLUXCALIB."""

Handler = Callable[[web.Request], Awaitable[web.Response]]


class ApiRoutes:
    """The routes below ``/api``. Files and database are read in threads."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._index = session.index
        self._labelling = asyncio.Lock()
        self._requesting = asyncio.Lock()

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add all routes."""
        for path, handler in (
            ("/api/about", self._about),
            ("/api/view", self._view),
            ("/api/rows", self._rows),
            ("/api/where", self._where),
            ("/api/spectrum/{number:[0-9]+}", self._spectrum),
            ("/api/flux/{number:[0-9]+}", self._flux),
            ("/api/agreement", self._agreement),
            ("/api/programs", self._programs),
        ):
            router.add_get(path, self._answered(handler))
        router.add_post("/api/label", self._answered(self._label))
        router.add_post("/api/undo", self._answered(self._undo))
        router.add_post("/api/send", self._answered(self._send))

    def _answered(self, handler: Handler) -> Handler:
        """Wait for the ledger's rows, and show errors that are the user's or the disk's."""

        async def answer(request: web.Request) -> web.Response:
            await self._session.loaded.wait()
            try:
                return await handler(request)
            except HarvestError as error:
                raise web.HTTPServiceUnavailable(text=str(error)) from None

        return answer

    async def _about(self, _: web.Request) -> web.Response:
        """Say what the page is about: harvest, labels, variants."""
        session = self._session
        counts = await asyncio.to_thread(self._index.counts)
        labelling = session.configuration.settings.labels
        return web.json_response({
            "harvest": str(session.configuration.location),
            "labeller": session.labeller if session.labels is not None else None,
            "file": str(session.labels.path) if session.labels is not None else None,
            "given": len(session.labels.labels) if session.labels is not None else 0,
            "names": {label: plain_line(labelling.names.get(label, "")) for label in LABELS},
            "counts": counts,
            "variants": _variants(session.configuration),
            "run": await asyncio.to_thread(session.status),
            **session.progress(),
        })  # fmt: skip

    async def _view(self, request: web.Request) -> web.Response:
        """Make an order of rows, and give it a key."""
        try:
            view = await asyncio.to_thread(self._index.view, Selection.parse(request.query))
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from None
        return web.json_response({"view": view.key, "total": len(view.numbers), "version": view.version})

    async def _rows(self, request: web.Request) -> web.Response:
        view, start = self._known_view(request), _integer(request, "start")
        numbers = view.numbers[start : start + min(_integer(request, "count"), MOST_ROWS)].tolist()
        rows = await asyncio.to_thread(self._index.rows, numbers)
        return web.json_response({"start": start, "rows": [_plain(row) for row in rows]})

    async def _where(self, request: web.Request) -> web.Response:
        """Say at which place of an order a spectrum is, -1 if it is not in it."""
        view, number = self._known_view(request), _integer(request, "number")
        try:
            place = await asyncio.to_thread(view.numbers.index, number)
        except ValueError:
            place = -1
        return web.json_response({"place": place})

    def _known_view(self, request: web.Request) -> View:
        return self._view_of(request.query.get("view", ""))

    def _view_of(self, key: str) -> View:
        try:
            return self._index.known_view(key)
        except KeyError:
            raise web.HTTPGone(text="this order of the table was made too long ago; ask for it again") from None

    async def _spectrum(self, request: web.Request) -> web.Response:
        return web.json_response(await asyncio.to_thread(self._facts, _number(request)))

    def _facts(self, number: int) -> dict[str, Any]:
        session, row = self._session, self._row(number)
        found = facts.of_row(row)
        stored, spectrum = row["status"] in ("present", "saved"), None
        found |= {"damaged": "", "cards": [], "notes": [], "fluxLabel": "", "path": ""}
        if stored:
            found["path"] = plain_line(str(session.store.path(row["name"])), 400)
            try:
                spectrum = session.read_file(row["did"])
            except DamagedError as error:
                found["damaged"] = plain_line(str(error))
            else:
                found |= facts.of_file(spectrum)
                requested = facts.requested_fluxcalib(queries.request_parameters(session.store.ledger))
                found["fluxLabel"] = facts.flux_label(spectrum, requested)
        near = dict(session.reader.neighbours(number, NEIGHBOURS, spectrum))
        found["nearest"] = [{**_plain(each), "distance": round(near[each["number"]], 3)} for each in self._some(near)]
        votes = Counter(label for each in found["nearest"] if (label := each["mine"] or each["label"]))
        found["labels"] = session.labels_of(row["did"])
        found["reasons"] = facts.reasons(found, found["labels"], votes, session.configuration.settings.labels.names)
        star = [] if row["star"] is None else self._index.same_star(number, row["star"], 40)
        found["star"] = [_plain(each) for each in self._index.rows(star)]
        return found

    def _some(self, near: Mapping[int, float]) -> list[dict[str, Any]]:
        return self._index.rows(list(near))

    def _row(self, number: int) -> Mapping[str, Any]:
        try:
            return self._index.row(number)
        except KeyError:
            raise web.HTTPNotFound(text="there is no spectrum of that number") from None

    async def _flux(self, request: web.Request) -> web.Response:
        """Return the curve: of the stored file, or, where a FLUXCALIB is named, from the archive."""
        row = await asyncio.to_thread(self._row, _number(request))
        wanted = request.query.get("fluxcalib")
        if wanted is None:
            try:
                spectrum = await asyncio.to_thread(self._session.read_file, row["did"])
            except DamagedError as error:
                raise web.HTTPNotFound(text=plain_line(str(error))) from None
            label = ""
        else:
            if wanted not in _variants(self._session.configuration):
                raise web.HTTPBadRequest(text="the archive does not offer this FLUXCALIB")
            setting = None if wanted == AS_SERVED else wanted
            spectrum, label = await self._from_archive(row["did"], setting)
        body = await asyncio.to_thread(facts.arrays, spectrum)
        headers = {"X-Flux-Label": label.encode("ascii", "replace").decode()}
        return web.Response(body=body, content_type="application/octet-stream", headers=headers)

    async def _from_archive(self, did: Any, setting: str | None) -> tuple[Spectrum, str]:
        """Request one variant, never two at once."""
        async with self._requesting:
            (result,) = await fetch_calibrations(self._session.configuration, did, [setting])
        if result.spectrum is None:
            assert result.failure is not None
            raise web.HTTPBadGateway(text=f"{result.problem}: {plain_line(result.failure.detail)}")
        return result.spectrum, facts.flux_label(result.spectrum, setting)

    async def _agreement(self, _: web.Request) -> web.Response:
        return web.json_response(await asyncio.to_thread(self._session.agreement))

    async def _label(self, request: web.Request) -> web.Response:
        """Set a label; the response says that it is durable."""
        number, label = _given_label(await request.text())
        async with self._labelling:
            self._require_labels()
            try:
                await asyncio.to_thread(self._session.set_label, number, label)
            except KeyError:
                raise web.HTTPNotFound(text="there is no spectrum of that number") from None
        return self._given(number)

    async def _undo(self, _: web.Request) -> web.Response:
        async with self._labelling:
            self._require_labels()
            return self._given(await asyncio.to_thread(self._session.undo_label))

    async def _programs(self, _: web.Request) -> web.Response:
        """Say which programs take tables and spectra by SAMP, or why none does."""
        found: dict[str, Any] = {"table": [], "spectrum": [], "problem": "", "most": MOST_SENT}
        try:
            found |= await self._session.programs.receivers()
        except UsageError as error:
            found["problem"] = str(error)
        return web.json_response(found)

    async def _send(self, request: web.Request) -> web.Response:
        """Send the table of a view, or one spectrum, to other programs; say who took it."""
        wanted = _wanted_sending(await request.text())
        programs = self._session.programs
        try:
            if wanted.view:
                numbers = self._view_of(wanted.view).numbers
                if len(numbers) > MOST_SENT:
                    raise web.HTTPConflict(text=f"{count(len(numbers))} rows are too many; filter {count(MOST_SENT)}")
                dids = await asyncio.to_thread(self._index.stored_dids, numbers.tolist())
                results = await programs.send_table(dids, wanted.to)
            else:
                row = await asyncio.to_thread(self._row, wanted.number)
                results = await programs.send_spectrum(row["did"], wanted.to)
        except DamagedError as error:
            raise web.HTTPConflict(text=plain_line(str(error))) from None
        return web.json_response({
            "took": [one.receiver for one in results if not one.problem],
            "refused": [f"{one.receiver}: {one.problem}" for one in results if one.problem],
        })  # fmt: skip

    def _given(self, number: int | None) -> web.Response:
        assert self._session.labels is not None
        given = len(self._session.labels.labels)
        return web.json_response({"number": number, "given": given, "version": self._index.version})

    def _require_labels(self) -> None:
        if self._session.labels is None:
            raise web.HTTPConflict(text="start `harvester browse --label` to give labels")


def _variants(configuration: Configuration) -> list[str]:
    """Return the FLUXCALIBs that the archive offers.

    There are none where its files are served as they are.
    """
    if configuration.profile.mode != "soda":
        return []
    return [setting or AS_SERVED for setting in offered_fluxcalibs(configuration.profile)]


def _given_label(text: str) -> tuple[int, str]:
    """Return number and label of a spectrum, as the page sends them in JSON."""
    try:
        given = json.loads(text)
        number, label = given["number"], given["label"]
    except (ValueError, KeyError, TypeError, RecursionError):
        number, label = None, None
    if type(number) is not int or number.bit_length() > 63 or label not in LABELS:
        raise web.HTTPBadRequest(text="a number and a label from 0 to 9 are expected")
    return number, label


@dataclass(frozen=True, slots=True)
class _Sending:
    """What is to be sent: the table of a view, else the spectrum of a number.

    to: the name of a program, '' for all.
    """

    view: str
    number: int
    to: str


def _wanted_sending(text: str) -> _Sending:
    """Return what the page wants to be sent, as it says it in JSON."""
    try:
        given = json.loads(text)
        wanted = _Sending(given.get("view", ""), given.get("number", 0), given.get("to", ""))
    except (ValueError, AttributeError, RecursionError):
        wanted = _Sending("", 0, "")
    texts = isinstance(wanted.view, str) and isinstance(wanted.to, str)
    if not (texts and isinstance(wanted.number, int) and (wanted.view or 0 < wanted.number < 2**63)):
        raise web.HTTPBadRequest(text="a view or the number of a spectrum is expected")
    return wanted


def _number(request: web.Request) -> int:
    return int(request.match_info["number"][:18])


def _integer(request: web.Request, name: str) -> int:
    try:
        return max(0, int(request.query.get(name, "0")[:18]))
    except ValueError:
        raise web.HTTPBadRequest(text=f"{name}: an integer is expected") from None


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: plain_line(value) if isinstance(value, str) else value for name, value in row.items()}

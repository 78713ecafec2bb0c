"""TAP services without time for a query in their synchronous resource: it is run as a job."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from harvester.discovery import uws
from harvester.discovery.client import VoClient
from harvester.discovery.discover import discover, list_spectra
from harvester.errors import ArchiveError
from harvester.model.limits import Limits
from harvester.vo.constraints import Constraints
from tests.integration.test_discover_command import Rows
from tests.support.tap_stand_in import TapStandIn, obscore_row

QUICK = Limits(rate=0, first_wait=0.001, max_wait=0.002)
ROWS = [obscore_row(number, f"ivo://a/{number:03}") for number in range(30)]


@asynccontextmanager
async def service_with_jobs(stand_in: TapStandIn, phases: list[str]) -> AsyncIterator[str]:
    """A TAP service that refuses pages in its synchronous resource; a job goes through ``phases``."""
    jobs: list[dict[str, str]] = []
    looks: list[int] = []
    patient = TapStandIn(stand_in.rows)

    async def handle(request: web.Request) -> web.Response:
        path = request.path
        if path == "/tap/async":
            jobs.append({name.upper(): str(value) for name, value in (await request.post()).items()})
            looks.append(0)
            return web.Response(status=303, headers={"Location": f"/tap/async/{len(jobs) - 1}"})
        if not path.startswith("/tap/async/"):
            return stand_in.handler()(request)
        number = int(path.split("/")[3])
        if path.endswith("/phase"):
            looks[number] += 1
            return web.Response(text=phases[min(looks[number] - 1, len(phases) - 1)])
        if path.endswith("/results/result"):
            return patient.answer(jobs[number], request)
        return web.Response(text="the database has no room")

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"{site.name}/tap"
    finally:
        await runner.cleanup()


async def listed(phases: list[str], monkeypatch: pytest.MonkeyPatch) -> Rows:
    monkeypatch.setattr(uws, "FIRST_WAIT", 0.001)
    sink = Rows()
    async with service_with_jobs(TapStandIn(ROWS, slowest=0), phases) as url, VoClient(QUICK, None) as client:
        findings = await discover(client, url, Constraints())
        await list_spectra(client, findings, Constraints(), sink)
    return sink


async def test_pages_that_take_too_long_are_run_as_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    sink = await listed(["PENDING", "QUEUED", "EXECUTING", "COMPLETED"], monkeypatch)
    assert [row["id"] for row in sink.rows] == [f"ivo://a/{number:03}" for number in range(30)]


async def test_a_job_that_fails_is_reported_in_the_services_words(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ArchiveError, match="its job ended as ERROR: the database has no room"):
        await listed(["EXECUTING", "ERROR"], monkeypatch)

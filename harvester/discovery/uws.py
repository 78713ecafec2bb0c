"""Run a query as a job (UWS 1.1).

For a TAP service that has no time for it in its synchronous resource.
"""

from __future__ import annotations

import asyncio
import html
import re
from urllib.parse import urljoin

from ..errors import ArchiveError
from ..formatting import first_words, plain_line
from ..model.failures import FetchError
from ..vo.urls import host_of, is_inside
from .client import VoClient

FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0  # seconds between two looks at a job
LONGEST_JOB = 3600.0  # seconds
_WAITING = ("PENDING", "QUEUED", "EXECUTING", "HELD", "SUSPENDED", "UNKNOWN")
_LONGEST_PHASE = 4096  # bytes
_LONGEST_JOB_DOCUMENT = 1 << 20  # bytes
_RESULT = re.compile(r"<(?:\w+:)?result\b[^>]*>")
_HREF = re.compile(r"""\bhref\s*=\s*["']([^"']+)["']""")


async def result_of_job(client: VoClient, base: str, parameters: dict[str, str]) -> str:
    """Start a job at ``base``/async, wait for it, and return the URL of its result.

    ArchiveError, with the service's words, if it fails or takes longer than an hour.
    """
    try:
        job = await client.post(f"{base}/async", {**parameters, "PHASE": "RUN"})
        phase = await _phase(client, job)
        if phase == "PENDING":  # some do not start a job with its creation
            await client.post(f"{job}/phase", {"PHASE": "RUN"})
        waited, wait = 0.0, FIRST_WAIT
        while phase in _WAITING:
            if waited > LONGEST_JOB:
                raise ArchiveError(f"{base}: its job is not done after {LONGEST_JOB / 60:.0f} minutes: try again later")
            await asyncio.sleep(wait)
            waited, wait = waited + wait, min(2 * wait, LONGEST_WAIT)
            phase = await _phase(client, job)
        if phase != "COMPLETED":
            raise ArchiveError(f"{base}: its job ended as {plain_line(phase, 40)}: {await _error(client, job)}")
    except FetchError as error:
        raise ArchiveError(f"{base}: its jobs cannot be used: {error.failure.detail}") from None
    return await _result(client, job)


async def _result(client: VoClient, job: str) -> str:
    """Return where the job says that its result is, else the usual place.

    UWS 1.1, section 2.2.2.6.
    """
    try:
        said = (await client.body(job, _LONGEST_JOB_DOCUMENT)).body.decode("utf-8", "replace")
    except FetchError:
        said = ""
    found = [html.unescape(link[1]) for tag in _RESULT.findall(said) if (link := _HREF.search(tag))]
    usual = f"{job}/results/result"
    place = urljoin(usual, found[0]) if len(found) == 1 else usual
    return usual if is_inside(host_of(place)) and not is_inside(host_of(job)) else place


async def _phase(client: VoClient, job: str) -> str:
    body = (await client.body(f"{job}/phase", _LONGEST_PHASE)).body
    return body.decode("utf-8", "replace").strip().upper()


async def _error(client: VoClient, job: str) -> str:
    """Return what the service says about a job that failed."""
    try:
        return first_words((await client.body(f"{job}/error", 1 << 16)).body)
    except FetchError as error:
        return error.failure.detail

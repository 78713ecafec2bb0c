"""One spectrum under each FLUXCALIB setting: asked for with the pace, the client and the proofs of a harvest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from . import events as ev
from .admission import Admission
from .archive.client import DlgetArchive
from .archive.profile import ArchiveProfile
from .failures import Failure, FailureKind, FetchError
from .outcomes import Rejected
from .settings import Configuration
from .spectra import SpectrumId, Target
from .verify import Spectrum, inspect, read_spectrum

USUAL = ("normalized", "relative", "UNCALIBRATED")  # what the Ondrejov archive offers, in its spelling
ROUNDING = 1e-6  # a maximum of 1 in single precision


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What came of one setting (None: FLUXCALIB left out): a proved spectrum, or why there is none."""

    fluxcalib: str | None
    spectrum: Spectrum | None = None
    failure: Failure | None = None


def settings_offered(profile: ArchiveProfile) -> tuple[str | None, ...]:
    """As served, and every FLUXCALIB that the archive's profile knows of; the usual ones where it tells none."""
    return (None, *(getattr(profile, "fluxcalibs", ()) or USUAL))


async def fetch_calibrations(
    configuration: Configuration, did: SpectrumId, settings: Sequence[str | None]
) -> tuple[Calibrated, ...]:
    """The spectrum ``did`` under each of ``settings``, asked for once each; a failure of one is that one's alone."""
    admission = Admission(configuration.settings.limits, lambda _: None)
    async with _at_hand(configuration) as ready, asyncio.TaskGroup() as group:
        tasks = [group.create_task(_calibrated(ready, did, setting, admission)) for setting in settings]
    return tuple(task.result() for task in tasks)


@asynccontextmanager
async def _at_hand(configuration: Configuration) -> AsyncIterator[Configuration]:
    """The configuration with an archive that answers: the demo is started, without faults."""
    async with AsyncExitStack() as stack:
        if configuration.is_demo:
            from .demo import DemoArchive, serve

            running = await stack.enter_async_context(serve(DemoArchive(count=300, knows_any=False)))
            configuration = replace(configuration, profile=replace(configuration.profile, endpoint=running.dlget))
        yield configuration


async def _calibrated(
    configuration: Configuration, did: SpectrumId, setting: str | None, admission: Admission
) -> Calibrated:
    never, loop = asyncio.Event(), asyncio.get_running_loop()

    async def turn() -> bool:
        return await admission.pacer.turn(never)

    chosen = configuration.settings
    request = replace(configuration.request, fluxcalib=setting)
    await admission.enter(never)
    sent, latency = loop.time(), None
    try:
        async with DlgetArchive(request, chosen.limits, chosen.contact, _unheard, turn) as archive:
            answer = await archive.fetch(Target(did, did.rpartition("/")[2]), _unheard)
        latency = loop.time() - sent
    except FetchError as error:
        return Calibrated(setting, failure=error.failure)
    finally:
        admission.leave(latency)
    return proved(answer.body, configuration, did, setting)


def _unheard(_: ev.Event | ev.Phase) -> None:
    """Nobody watches a handful of requests."""


def proved(body: bytes, configuration: Configuration, did: SpectrumId, setting: str | None) -> Calibrated:
    """What ``body`` proves to be, where the spectrum ``did`` under ``setting`` was asked for."""
    wanted = (setting or "").lower()
    verdict = inspect(body, did, replace(configuration.expectation, normalized=wanted == "normalized"))
    if isinstance(verdict, Rejected):
        return Calibrated(setting, failure=Failure(verdict.kind, verdict.detail, 200))
    spectrum = read_spectrum(body)
    highest = float(spectrum.flux.max())
    # The maximum is of the whole spectrum: a cutout without the brightest pixel stays below it.
    whole = configuration.settings.band is None
    if wanted == "relative" and not (highest <= 1 + ROUNDING and (highest >= 1 - ROUNDING or not whole)):
        detail = f"the highest flux is {highest:.6g}; relative was asked for, whose maximum is 1"
        return Calibrated(setting, failure=Failure(FailureKind.NOT_NORMALIZED, detail, 200))
    return Calibrated(setting, spectrum)

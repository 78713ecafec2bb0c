"""Request one spectrum under each FLUXCALIB setting, with limits and checks of a run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from .. import events as ev
from ..archive.access import access_method
from ..archive.client import ArchiveClient
from ..archive.profile import ArchiveProfile
from ..config.configuration import Configuration
from ..engine.throttle import LocalThrottle
from ..fits.spectrum import Spectrum
from ..model.failures import Failure, FailureKind, FetchError
from ..model.outcomes import FailedCheck
from ..model.target import SpectrumId, Target
from ..readers.spectrum_file import read_spectrum
from ..verify import verify_spectrum
from .demo_archive import running_archive

COMMON_FLUXCALIBS = ("normalized", "relative", "UNCALIBRATED")  # what the Ondrejov archive offers, in its spelling
SAME_FOR_ALL = (FailureKind.NOT_FOUND, FailureKind.GONE, FailureKind.UNREACHABLE, FailureKind.TLS)
ROUNDING = 1e-6  # of a maximum of 1 in single precision


@dataclass(frozen=True, slots=True)
class CalibrationResult:
    """The result of one setting (None: FLUXCALIB omitted).

    A verified spectrum, or why there is none.
    """

    fluxcalib: str | None
    spectrum: Spectrum | None = None
    failure: Failure | None = None

    @property
    def problem(self) -> str:
        """Return the meaning of the failure; '' if there is none."""
        if self.failure is None:
            return ""
        if self.failure.kind is FailureKind.NOT_NORMALIZED:
            return f"flux that is not {self.fluxcalib}, although that was requested"
        return self.failure.kind.meaning


def offered_fluxcalibs(profile: ArchiveProfile) -> tuple[str | None, ...]:
    """Return None (as served) and every FLUXCALIB of the profile, or else the common ones.

    The common ones come first and in their order, so that figures of different archives compare.
    """
    parameters: Sequence[str] = getattr(profile, "parameters", ())
    if parameters and "FLUXCALIB" not in (name.upper() for name in parameters):
        return (None,)  # services respond 422 to unknown parameters
    offered: Sequence[str] = getattr(profile, "fluxcalibs", ()) or COMMON_FLUXCALIBS
    common = [name.lower() for name in COMMON_FLUXCALIBS]
    return (None, *sorted(offered, key=lambda name: [*common, name.lower()].index(name.lower())))


async def fetch_calibrations(
    configuration: Configuration, did: SpectrumId, settings: Sequence[str | None]
) -> tuple[CalibrationResult, ...]:
    """Request the spectrum ``did`` once under each of ``settings``.

    A failure of one leaves the others alone. After a failure that is the same for all (unknown, withdrawn, unreachable)
    no more requests are sent.
    """
    async with running_archive(configuration) as ready, asyncio.TaskGroup() as group:
        requests = _Requests(ready, did, LocalThrottle(configuration.settings.limits, _ignore))
        tasks = [group.create_task(requests.send(setting)) for setting in settings]
    return tuple(task.result() for task in tasks)


@dataclass(slots=True)
class _Requests:
    """The requests for one spectrum.

    ``shared_failure`` is one that the others would only repeat.
    """

    configuration: Configuration
    did: SpectrumId
    throttle: LocalThrottle
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    shared_failure: Failure | None = None

    async def send(self, setting: str | None) -> CalibrationResult:
        if not await self.throttle.acquire(self.stopped):
            return CalibrationResult(setting, failure=self.shared_failure)
        loop = asyncio.get_running_loop()
        sent, latency = loop.time(), None
        try:
            body = await self._fetch(setting)
            latency = loop.time() - sent
        except FetchError as error:
            if error.failure.kind in SAME_FOR_ALL:
                self.shared_failure = error.failure
                self.stopped.set()
            return CalibrationResult(setting, failure=error.failure)
        finally:
            self.throttle.release(latency)
        return verified_spectrum(body, self.configuration, self.did, setting)

    async def _fetch(self, setting: str | None) -> bytes:
        settings = self.configuration.settings
        request = replace(self.configuration.request, fluxcalib=setting)
        route = access_method(self.configuration.profile, request)
        connection = self.configuration.connection
        async with ArchiveClient(
            route, settings.limits, settings.contact, _ignore, self._acquire_followup, connection=connection
        ) as archive:
            return (await archive.fetch(Target(self.did, self.did.rpartition("/")[2]), _ignore)).body

    async def _acquire_followup(self) -> bool:
        """Wait for the request slot of a redirect."""
        return await self.throttle.rate_limiter.acquire(self.stopped)


def _ignore(_: ev.Event | ev.Phase) -> None:
    """Ignore an event: a few requests need no observers."""


def verified_spectrum(
    body: bytes, configuration: Configuration, did: SpectrumId, setting: str | None
) -> CalibrationResult:
    """Verify that ``body`` is the spectrum ``did`` under ``setting``."""
    requested = (setting or "").lower()
    verdict = verify_spectrum(body, did, replace(configuration.expectation, normalized=requested == "normalized"))
    if isinstance(verdict, FailedCheck):
        return CalibrationResult(setting, failure=Failure(verdict.kind, verdict.detail, 200))
    spectrum = read_spectrum(body, configuration.profile.conventions)
    highest = float(np.nanmax(spectrum.flux))
    # A relative flux is scaled by the maximum of the whole spectrum; a cutout without that pixel stays below 1.
    uncut = configuration.settings.band is None
    if requested == "relative" and not (highest <= 1 + ROUNDING and (highest >= 1 - ROUNDING or not uncut)):
        detail = f"the highest flux is {highest:.6g}; FLUXCALIB=relative was requested, whose maximum is 1"
        return CalibrationResult(setting, failure=Failure(FailureKind.NOT_NORMALIZED, detail, 200))
    return CalibrationResult(setting, spectrum)

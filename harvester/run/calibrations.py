"""One spectrum under each FLUXCALIB setting: asked for with the pace, the client and the proofs of a harvest."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from .. import events as ev
from ..archive.access import access_method
from ..archive.client import ArchiveClient
from ..archive.profile import ArchiveProfile
from ..config.configuration import Configuration
from ..engine.throttle import LocalThrottle
from ..fits.reader import read_spectrum
from ..fits.spectrum import Spectrum
from ..model.failures import Failure, FailureKind, FetchError
from ..model.outcomes import FailedCheck
from ..model.target import SpectrumId, Target
from ..verify import verify_spectrum
from .demo_archive import running_archive

USUAL = ("normalized", "relative", "UNCALIBRATED")  # what the Ondrejov archive offers, in its spelling
ALIKE = (FailureKind.NOT_FOUND, FailureKind.GONE, FailureKind.UNREACHABLE, FailureKind.TLS)
ROUNDING = 1e-6  # a maximum of 1 in single precision


@dataclass(frozen=True, slots=True)
class CalibrationResult:
    """What came of one setting (None: FLUXCALIB left out): a proved spectrum, or why there is none."""

    fluxcalib: str | None
    spectrum: Spectrum | None = None
    failure: Failure | None = None

    @property
    def trouble(self) -> str:
        """What the failure means, in words; '' where there is none."""
        if self.failure is None:
            return ""
        if self.failure.kind is FailureKind.NOT_NORMALIZED:
            return f"flux that is not {self.fluxcalib}, though that was asked for"
        return self.failure.kind.meaning


def offered_fluxcalibs(profile: ArchiveProfile) -> tuple[str | None, ...]:
    """As served, and every FLUXCALIB that the archive's profile knows of (the usual ones where it tells none).

    The usual ones come first and in their order, so that figures of different archives compare.
    """
    parameters: Sequence[str] = getattr(profile, "parameters", ())
    if parameters and "FLUXCALIB" not in (name.upper() for name in parameters):
        return (None,)  # services answer 422 to what they do not know
    offered: Sequence[str] = getattr(profile, "fluxcalibs", ()) or USUAL
    usual = [name.lower() for name in USUAL]
    return (None, *sorted(offered, key=lambda name: [*usual, name.lower()].index(name.lower())))


async def fetch_calibrations(
    configuration: Configuration, did: SpectrumId, settings: Sequence[str | None]
) -> tuple[CalibrationResult, ...]:
    """The spectrum ``did`` under each of ``settings``, asked for once each; a failure of one is that one's alone.

    Only where an answer tells that the others would fail alike (unknown, withdrawn, nobody there), they are not asked.
    """
    async with running_archive(configuration) as ready, asyncio.TaskGroup() as group:
        asking = _Asking(ready, did, LocalThrottle(configuration.settings.limits, _unheard))
        tasks = [group.create_task(asking.ask(setting)) for setting in settings]
    return tuple(task.result() for task in tasks)


@dataclass(slots=True)
class _Asking:
    """The requests for one spectrum. ``hopeless`` is the failure that the others need not repeat."""

    configuration: Configuration
    did: SpectrumId
    admission: LocalThrottle
    enough: asyncio.Event = field(default_factory=asyncio.Event)
    hopeless: Failure | None = None

    async def ask(self, setting: str | None) -> CalibrationResult:
        if not await self.admission.acquire(self.enough):
            return CalibrationResult(setting, failure=self.hopeless)
        loop = asyncio.get_running_loop()
        sent, latency = loop.time(), None
        try:
            body = await self._fetch(setting)
            latency = loop.time() - sent
        except FetchError as error:
            if error.failure.kind in ALIKE:
                self.hopeless = error.failure
                self.enough.set()
            return CalibrationResult(setting, failure=error.failure)
        finally:
            self.admission.release(latency)
        return verified_spectrum(body, self.configuration, self.did, setting)

    async def _fetch(self, setting: str | None) -> bytes:
        chosen = self.configuration.settings
        request = replace(self.configuration.request, fluxcalib=setting)
        route = access_method(self.configuration.profile, request)
        async with ArchiveClient(route, chosen.limits, chosen.contact, _unheard, self._turn) as archive:
            return (await archive.fetch(Target(self.did, self.did.rpartition("/")[2]), _unheard)).body

    async def _turn(self) -> bool:
        """A turn for a redirect."""
        return await self.admission.rate_limiter.acquire(self.enough)


def _unheard(_: ev.Event | ev.Phase) -> None:
    """Nobody watches a handful of requests."""


def verified_spectrum(
    body: bytes, configuration: Configuration, did: SpectrumId, setting: str | None
) -> CalibrationResult:
    """What ``body`` proves to be, where the spectrum ``did`` under ``setting`` was asked for."""
    wanted = (setting or "").lower()
    verdict = verify_spectrum(body, did, replace(configuration.expectation, normalized=wanted == "normalized"))
    if isinstance(verdict, FailedCheck):
        return CalibrationResult(setting, failure=Failure(verdict.kind, verdict.detail, 200))
    spectrum = read_spectrum(body, configuration.profile.spectral_unit)
    highest = float(spectrum.flux.max())
    # The maximum is of the whole spectrum: a cutout without the brightest pixel stays below it.
    whole = configuration.settings.band is None
    if wanted == "relative" and not (highest <= 1 + ROUNDING and (highest >= 1 - ROUNDING or not whole)):
        detail = f"the highest flux is {highest:.6g}; relative was asked for, whose maximum is 1"
        return CalibrationResult(setting, failure=Failure(FailureKind.NOT_NORMALIZED, detail, 200))
    return CalibrationResult(setting, spectrum)

"""Fetch a few listed spectra, verify them, and say what the profile must have.

With that a run succeeds.

What documents promise and what files are may differ: files are on other hosts, are called otherwise, or cannot be read.
Three of them, spread over the list, show it before thousands are requested.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..archive.access import access_method
from ..archive.profile import ArchiveProfile
from ..errors import ArchiveError, StoreFullError
from ..fits.errors import InvalidSpectrumError
from ..fits.hdu import Hdu, read_hdus
from ..formatting import plain_line
from ..model.failures import Failure, FailureKind, FetchError
from ..model.outcomes import FailedCheck, VerifiedSpectrum
from ..model.target import SpectrumId, Target
from ..verify import verify_spectrum
from ..verify.expectation import Expectation
from ..vo.datalink import file_of, is_link_document
from ..vo.descriptors import Findings
from ..vo.listing import ListedSpectrum, ListingSummary
from ..vo.media_types import media_kind
from ..vo.soda import SodaRequest
from ..vo.urls import host_of, is_inside
from .client import VoClient

_USUAL_CARD = "DS_IDPUB"
_ASSUMED: dict[str, Any] = {"reference_pixel": 1.0, "spectral_unit": "Angstrom", "spectral_scale": "linear"}
"""Fields of a profile that say what files do not, with a value to see what else they lack."""


@dataclass(frozen=True, slots=True)
class FetchedSample:
    """One spectrum that was fetched.

    Its bytes and the hosts that it took, or else why it could not be.
    """

    did: SpectrumId
    body: bytes = b""
    hosts: frozenset[str] = frozenset()
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class SampleReport:
    """What a few spectra showed.

    How many were tried and verified, and one sentence for each thing to know.
    """

    tried: int
    verified: int
    sentences: tuple[str, ...]


def samples_of(findings: Findings, listed: ListingSummary | None) -> Sequence[ListedSpectrum]:
    """Return which spectra to try: some of the list, else the one that was looked at."""
    if listed is not None:
        return listed.samples
    if not (findings.sample or findings.sample_address):
        return ()
    kind = media_kind("", findings.sample_address)
    return (ListedSpectrum(findings.sample or findings.sample_address, findings.sample_address, kind),)


async def try_profile(
    client: VoClient, profile: ArchiveProfile, spectra: Sequence[ListedSpectrum], most_bytes: int
) -> tuple[ArchiveProfile, SampleReport]:
    """Fetch ``spectra``, following them to other hosts.

    Return the profile with what they need, and what they showed.
    """
    samples = [await _fetched(client, profile, one, most_bytes) for one in spectra]
    return learned(profile, samples)


async def _fetched(client: VoClient, profile: ArchiveProfile, one: ListedSpectrum, most_bytes: int) -> FetchedSample:
    did = SpectrumId(one.identifier)
    hosts: set[str] = set()
    try:
        url = _first_url(profile, Target(did, "sample", one.address))
        answer = await client.body(url, most_bytes, may_move=True)
        hosts |= client.hosts_behind(url)
        if profile.mode == "datalink" and is_link_document(answer.body):
            url = file_of(answer.body, answer.url, did if profile.endpoint else "")
            _refuse_private(url, answer.url)
            answer = await client.body(url, most_bytes, may_move=True)
            hosts |= client.hosts_behind(url)
    except FetchError as error:
        return FetchedSample(did, failure=error.failure, hosts=frozenset(hosts))
    except StoreFullError:
        raise
    except ArchiveError as error:
        return FetchedSample(did, failure=Failure(FailureKind.NO_URL, str(error)), hosts=frozenset(hosts))
    return FetchedSample(did, answer.body, frozenset(hosts))


def _first_url(profile: ArchiveProfile, target: Target) -> str:
    wanted = profile.settings
    request = SodaRequest(
        profile.endpoint,
        _unless_none(wanted.get("fluxcalib", "normalized")),
        None,
        _unless_none(wanted.get("format", "application/fits")),
        profile.band_parameters,
    )
    known = replace(profile, hosts=(*profile.hosts, host_of(target.address))) if target.address else profile
    return access_method(known, request).url(target)


def _unless_none(value: object) -> str | None:
    return None if value in (None, "none") else str(value)


def _refuse_private(url: str, origin: str) -> None:
    if is_inside(host_of(url)) and not is_inside(host_of(origin)):
        words = f"its datalink document leads to {host_of(url)}, inside a private network"
        raise FetchError(Failure(FailureKind.NO_URL, words), origin)


def learned(profile: ArchiveProfile, samples: Sequence[FetchedSample]) -> tuple[ArchiveProfile, SampleReport]:
    """Return the profile with what the ``samples`` need, and what they showed."""
    hosts = {host for one in samples for host in one.hosts if host} - profile.all_hosts
    profile = replace(profile, hosts=(*profile.hosts, *sorted(hosts)))
    bodies = [one for one in samples if one.failure is None]
    card = _identity_card(bodies)
    sentences: list[str] = []
    if bodies and card != profile.identity_card:
        if profile.identity_card:
            sentences.append(f"its files have no card {profile.identity_card}" + (f", but {card}" if card else ""))
        profile = replace(profile, identity_card=card)
    results = {one.did: verify_spectrum(one.body, one.did, expectation(profile)) for one in bodies}
    verified = [each for each in results.values() if isinstance(each, VerifiedSpectrum)]
    for one in bodies:
        result = results[one.did]
        if isinstance(result, FailedCheck):
            sentences.append(f"{plain_line(one.did, 80)}: {result.kind}: {result.detail}")
            further = _further_needs(one, profile, result)
            if further:
                sentences.append(f"set {' and '.join(further)} in the profile: its files do not say")
    sentences += [f"{plain_line(one.did, 80)}: {one.failure.detail}" for one in samples if one.failure]
    if hosts:
        sentences.append(f"the files lead to {', '.join(sorted(hosts))}, which later runs may request from")
    return profile, SampleReport(len(samples), len(verified), tuple(dict.fromkeys(sentences)))


def _further_needs(sample: FetchedSample, profile: ArchiveProfile, failed: FailedCheck) -> list[str]:
    """Return every field of the profile without which a file cannot be read.

    The first one hides the others.
    """
    needs: list[str] = []
    result: FailedCheck | VerifiedSpectrum = failed
    while isinstance(result, FailedCheck):
        named = next((name for name in _ASSUMED if name in result.detail and name not in needs), None)
        if named is None:
            break
        needs.append(named)
        profile = replace(profile, **{named: _ASSUMED[named]})
        result = verify_spectrum(sample.body, sample.did, expectation(profile))
    return needs


def expectation(profile: ArchiveProfile) -> Expectation:
    """Return the expectation of a spectrum under the profile's own settings."""
    return Expectation(
        normalized=str(profile.settings.get("fluxcalib", "normalized")).lower() == "normalized"
        and profile.mode == "soda",
        identity_card=profile.identity_card or None,
        median_flux=profile.normalized_flux,
        band_tolerance=profile.band_tolerance,
        axis_tolerance=profile.axis_tolerance,
        step_tolerance=profile.step_tolerance or None,
        strict=profile.is_strict,
        conventions=profile.conventions,
    )


def _identity_card(samples: Sequence[FetchedSample]) -> str:
    """Return the header card in which all files name their identifier; '' if there is none."""
    common: set[str] | None = None
    for one in samples:
        cards = _cards_with(one.body, one.did)
        common = cards if common is None else common & cards
    if not common:
        return ""
    return _USUAL_CARD if _USUAL_CARD in common else min(common)


def _cards_with(body: bytes, did: str) -> set[str]:
    """Return the names of the cards whose value is ``did``."""
    try:
        hdus: list[Hdu] = list(read_hdus(body))
    except InvalidSpectrumError:
        return set()
    return {name for hdu in hdus for name in hdu.header if hdu.header.value(name) == did}

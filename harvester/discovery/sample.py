"""Fetch a few listed spectra, to see what files are like before thousands are requested.

What documents promise and what files are may differ: files are on other hosts, are called otherwise, or cannot be read.
Three of them, spread over the list, show it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..archive.access import access_method
from ..archive.profile import ArchiveProfile
from ..errors import ArchiveError, StoreFullError
from ..model.failures import Failure, FailureKind, FetchError
from ..model.target import SpectrumId, Target
from ..vo.datalink import file_of, is_link_document
from ..vo.descriptors import Findings
from ..vo.listing import ListedSpectrum, ListingSummary
from ..vo.media_types import media_kind
from ..vo.soda import SodaRequest
from ..vo.urls import host_of, is_inside
from .client import VoClient
from .learn import FetchedSample, SampleReport, learned


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
    if profile.mode != "direct" or not any(one.is_linked for one in samples):
        return learned(profile, samples)
    profile, report = learned(replace(profile, mode="datalink"), samples)
    words = "the addresses lead to datalink documents, though the list does not say so: mode = 'datalink'"
    return profile, replace(report, sentences=(words, *report.sentences))


async def _fetched(client: VoClient, profile: ArchiveProfile, one: ListedSpectrum, most_bytes: int) -> FetchedSample:
    did = SpectrumId(one.identifier)
    hosts: set[str] = set()
    try:
        url = _first_url(profile, Target(did, "sample", one.address))
        answer = await client.body(url, most_bytes, may_move=True)
        hosts |= client.hosts_behind(url)
        is_linked = profile.mode != "soda" and is_link_document(answer.body)
        if is_linked:
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
    return FetchedSample(did, answer.body, frozenset(hosts), waves=one.waves, is_linked=is_linked)


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

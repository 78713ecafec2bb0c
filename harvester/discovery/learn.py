"""Conclude from a few fetched spectra what a profile must have for a run to succeed.

A pure decision: bytes and profile in, profile and sentences out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations
from typing import Any

from ..archive.profile import ArchiveProfile
from ..fits.errors import InvalidSpectrumError
from ..fits.hdu import Hdu, read_hdus
from ..fits.medium import medium_of
from ..formatting import plain_line
from ..model.failures import Failure
from ..model.outcomes import FailedCheck, Level, VerifiedSpectrum
from ..model.target import SpectrumId
from ..readers.spectrum_file import read_spectrum
from ..verify import verify_spectrum
from ..verify.expectation import Expectation

_USUAL_CARD = "DS_IDPUB"
_ASSUMED: dict[str, Any] = {"reference_pixel": 1.0, "spectral_unit": "Angstrom", "spectral_scale": "linear"}
"""Fields of a profile that say what files do not, with a value to see what else they lack."""

_ALLOWANCES: dict[str, str] = {
    "step_tolerance": "their wavelengths are not evenly spaced",
    "strict": "they deviate from FITS, or have invalid flux or overlapping orders",
    "require": "no reader finds a spectrum in them; they are stored as whole files, which exports leave out",
}
"""Fields by which a profile promises less, weakest first, and what such files are like."""

_METRES_TO_ANGSTROM = 1e10


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


def learned(profile: ArchiveProfile, samples: Sequence[FetchedSample]) -> tuple[ArchiveProfile, SampleReport]:
    """Return the profile with what the ``samples`` need, and what they showed."""
    hosts = {host for one in samples for host in one.hosts if host} - profile.all_hosts
    profile = replace(profile, hosts=(*profile.hosts, *sorted(hosts)))
    bodies = [one for one in samples if one.failure is None]
    profile, about_card = _with_identity_card(profile, bodies)
    profile, about_files = _with_allowances(profile, bodies)
    results = {one.did: _verify(one, profile) for one in bodies}
    verified = [one for one in bodies if isinstance(results[one.did], VerifiedSpectrum)]
    sentences = [
        *about_card,
        *about_files,
        *chain.from_iterable(_faults(one, profile, results[one.did]) for one in bodies),
        *(f"{plain_line(one.did, 80)}: {one.failure.detail}" for one in samples if one.failure),
        *_seen([result for result in results.values() if isinstance(result, VerifiedSpectrum)]),
        *_about_medium(profile, verified),
    ]
    if hosts:
        sentences.append(f"the files lead to {', '.join(sorted(hosts))}, which later runs may request from")
    return profile, SampleReport(len(samples), len(verified), tuple(dict.fromkeys(sentences)))


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
        require=Level(profile.settings.get("require", Level.SCIENCE)),
    )


def _verify(sample: FetchedSample, profile: ArchiveProfile) -> VerifiedSpectrum | FailedCheck:
    return verify_spectrum(sample.body, sample.did, expectation(profile))


def _with_identity_card(
    profile: ArchiveProfile, samples: Sequence[FetchedSample]
) -> tuple[ArchiveProfile, tuple[str, ...]]:
    """Return the profile with the card that has the identifier, and a sentence if it is new."""
    card = _identity_card(samples)
    if not samples or card == profile.identity_card:
        return profile, ()
    words = f"its files have no card {profile.identity_card}" + (f", but {card}" if card else "")
    return replace(profile, identity_card=card), (words,) if profile.identity_card else ()


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


def _with_allowances(
    profile: ArchiveProfile, samples: Sequence[FetchedSample]
) -> tuple[ArchiveProfile, tuple[str, ...]]:
    """Return the profile with what most of the files need, and a sentence for each field.

    One file among several may be a bad one, and an archive is not to promise less for its sake.
    """
    wanted = Counter(chain.from_iterable(_allowances(one, profile) for one in samples))
    sentences: list[str] = []
    for name, number in wanted.items():
        shown = f"{number} of {len(samples)} files need {_assignment(name)}, as {_ALLOWANCES[name]}"
        if 2 * number > len(samples):
            profile = _allowing(profile, (name,))
            sentences.append(f"{shown}: set in the profile")
        else:
            sentences.append(f"{shown}: set it in the profile if that is usual there")
    return profile, tuple(sentences)


def _allowances(sample: FetchedSample, profile: ArchiveProfile) -> tuple[str, ...]:
    """Return the fewest fields by which the file is verified.

    Empty if it is verified as it is, or by none.
    """
    for number in range(len(_ALLOWANCES) + 1):
        for names in combinations(_ALLOWANCES, number):
            if isinstance(_verify(sample, _allowing(profile, names)), VerifiedSpectrum):
                return names
    return ()


def _allowing(profile: ArchiveProfile, names: Sequence[str]) -> ArchiveProfile:
    """Return the profile with the fields ``names`` set so that it promises less."""
    fields: dict[str, Any] = {}
    if "step_tolerance" in names:
        fields["step_tolerance"] = 0.0
    if "strict" in names:
        fields["strict"] = False
    if "require" in names:
        fields["settings"] = profile.settings | {"require": str(Level.STRUCTURE)}
    return replace(profile, **fields)


def _assignment(name: str) -> str:
    values: Mapping[str, str] = {"step_tolerance": "0", "strict": "false", "require": '"structure"'}
    return f"{name} = {values[name]}"


def _faults(sample: FetchedSample, profile: ArchiveProfile, result: VerifiedSpectrum | FailedCheck) -> Iterator[str]:
    """Yield what is wrong with a file, and what the profile must say for it to be read."""
    if isinstance(result, FailedCheck):
        yield f"{plain_line(sample.did, 80)}: {result.kind}: {result.detail}"
        further = _further_needs(sample, profile, result)
        if further:
            yield f"set {' and '.join(further)} in the profile: its files do not say"


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
        result = _verify(sample, profile)
    return needs


def _seen(results: Sequence[VerifiedSpectrum]) -> Iterator[str]:
    """Yield what the spectra are like, for a person to compare with what the archive promises."""
    spectra = [result for result in results if result.level is Level.SCIENCE]
    if not spectra:
        return
    low = min(result.wave_min for result in spectra) * _METRES_TO_ANGSTROM
    high = max(result.wave_max for result in spectra) * _METRES_TO_ANGSTROM
    points = sorted({result.points for result in spectra})
    number = f"{points[0]:,}" if len(points) == 1 else f"{points[0]:,} to {points[-1]:,}"
    segments = max(result.segments for result in spectra)
    parts = f" in up to {segments} segments" if segments > 1 else ""
    yield f"seen: {number} points{parts} from {low:,.6g} to {high:,.6g} Angstrom"
    invalid = sum(result.invalid for result in spectra)
    if invalid:
        yield f"{invalid:,} of {sum(result.points for result in spectra):,} points are invalid, and are counted as such"


def _about_medium(profile: ArchiveProfile, samples: Sequence[FetchedSample]) -> Iterator[str]:
    """Yield what the files say of air and vacuum where the profile says otherwise or nothing."""
    media = {medium for one in samples if (medium := _medium(one, replace(profile, medium=""))) is not None}
    if len(media) > 1:
        return  # each file says for itself
    for medium in media:
        if not medium and not profile.medium:
            yield "its files do not say whether wavelengths are of air or of vacuum: set medium in the profile"
        elif medium and profile.medium not in ("", medium.lower()):
            yield f"its files say {medium.lower()}, the profile says medium = {profile.medium!r}; the files count"


def _medium(sample: FetchedSample, profile: ArchiveProfile) -> str | None:
    """Return the medium that the file states, '' if none; None for a file without a spectrum."""
    try:
        return medium_of(read_spectrum(sample.body, profile.conventions))[0]
    except InvalidSpectrumError:
        return None

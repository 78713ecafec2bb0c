"""Conclude from a few fetched spectra what a profile must have for a run to succeed.

It is a pure decision: bytes and a profile go in, a profile and sentences come out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations, product
from typing import Any, Literal

from ..archive.profile import ArchiveProfile
from ..fits.errors import InvalidSpectrumError
from ..fits.medium import medium_of
from ..formatting import are, count, plain_line, plural
from ..model.failures import Failure
from ..model.outcomes import FailedCheck, Level, VerifiedSpectrum
from ..model.target import SpectrumId, names_of_file
from ..readers.spectrum_file import identifier_in, open_file, read_spectrum
from ..verify import verify_spectrum

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
_UNITS = ("Angstrom", "nm", "um", "m")
_SCALES: tuple[Literal["linear", "log10", "ln"], ...] = ("linear", "log10", "ln")
_SAME_RANGE = 0.02  # relative difference between listed wavelengths and those of a file: lists are rounded


@dataclass(frozen=True, slots=True)
class FetchedSample:
    """One spectrum that was fetched.

    Its bytes and the hosts that it took, or else why it could not be. ``waves`` are the limits in metres that the list
    gives, None where it does not.
    """

    did: SpectrumId
    body: bytes = b""
    hosts: frozenset[str] = frozenset()
    failure: Failure | None = None
    waves: tuple[float, float] | None = None
    is_linked: bool = False
    """Whether a datalink document led to it."""


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
    profile, about_unit = _with_listed_unit(profile, bodies)
    profile, about_files = _with_allowances(profile, bodies)
    profile, about_medium = _with_medium(profile, bodies)
    results = {one.did: _verify(one, profile) for one in bodies}
    verified = [result for result in results.values() if isinstance(result, VerifiedSpectrum)]
    sentences = [
        *about_card,
        *about_unit,
        *about_files,
        *chain.from_iterable(_faults(one, profile, results[one.did]) for one in bodies),
        *(f"{plain_line(one.did, 80)}: {one.failure.detail}" for one in samples if one.failure),
        *_seen(verified),
        *about_medium,
    ]
    if hosts:
        sentences.append(f"the files lead to {', '.join(sorted(hosts))}, which later runs may request from")
    return profile, SampleReport(len(samples), len(verified), tuple(dict.fromkeys(sentences)))


def _verify(sample: FetchedSample, profile: ArchiveProfile) -> VerifiedSpectrum | FailedCheck:
    return verify_spectrum(sample.body, sample.did, profile.expectation)


def _with_identity_card(
    profile: ArchiveProfile, samples: Sequence[FetchedSample]
) -> tuple[ArchiveProfile, tuple[str, ...]]:
    """Return the profile with the card in which all whole files name their identifier.

    And a sentence if it is new. A card that names it in some of them alone stays: the others are other spectra
    than were requested.
    """
    named = [cards for one in samples if (cards := _cards_with(one.body, one.did)) is not None]
    common = set.intersection(*named) if named else set()
    card = _USUAL_CARD if _USUAL_CARD in common else min(common, default="")
    current = profile.identity_card
    if not named or card == current or (not card and any(current in cards for cards in named)):
        return profile, ()
    if not current:
        words = f"its files name their identifier in the card {card}, which is verified from now on"
        return replace(profile, identity_card=card, strict=profile.is_strict), (words,)
    other = next((found for one in samples if (found := identifier_in(one.body, current))), "")
    words = f"its files have {current} = {plain_line(other, 80)!r}" if other else f"its files have no card {current}"
    return replace(profile, identity_card=card), (words + (f", but {card}" if card else ""),)


def _cards_with(body: bytes, did: str) -> set[str] | None:
    """Return the names of the cards whose value is ``did``, or its dataset's.

    None where the file is not whole.
    """
    try:
        headers = open_file(body).headers
    except InvalidSpectrumError:
        return None
    return {name for header in headers for name in header if header.get(name) in names_of_file(did)}


def _with_listed_unit(
    profile: ArchiveProfile, samples: Sequence[FetchedSample]
) -> tuple[ArchiveProfile, tuple[str, ...]]:
    """Return the profile with the unit and scale that give the wavelengths of the list.

    Only for files that name no unit; as they are where several would do.
    """
    unclear = [one for one in samples if one.waves and _names_no_axis(_verify(one, profile))]
    if not unclear:
        return profile, ()
    tried = [replace(profile, spectral_unit=unit, spectral_scale=scale) for unit, scale in product(_UNITS, _SCALES)]
    fitting = [one for one in tried if all(_is_as_listed(sample, one) for sample in unclear)]
    if len(fitting) != 1:
        return profile, ()
    [found] = fitting
    if found.spectral_scale == "linear" and not profile.spectral_scale:
        plain = replace(found, spectral_scale="")
        found = plain if all(_is_as_listed(sample, plain) for sample in unclear) else found
    scale = f", spectral_scale = {found.spectral_scale!r}" if found.spectral_scale != profile.spectral_scale else ""
    words = f"the files have the wavelengths of the list with spectral_unit = {found.spectral_unit!r}{scale}"
    return found, (f"{words}: set in the profile",)


def _names_no_axis(result: VerifiedSpectrum | FailedCheck) -> bool:
    return isinstance(result, FailedCheck) and any(
        name in result.detail for name in ("spectral_unit", "spectral_scale")
    )


def _is_as_listed(sample: FetchedSample, profile: ArchiveProfile) -> bool:
    """Return whether the file has about the wavelengths that the list gives."""
    result = _verify(sample, _allowing(profile, ("step_tolerance", "strict")))
    if not isinstance(result, VerifiedSpectrum) or sample.waves is None:
        return False
    pairs = zip((result.wave_min, result.wave_max), sample.waves, strict=True)
    return all(abs(found - listed) <= _SAME_RANGE * listed for found, listed in pairs)


def _with_allowances(
    profile: ArchiveProfile, samples: Sequence[FetchedSample]
) -> tuple[ArchiveProfile, tuple[str, ...]]:
    """Return the profile with what most of the files need, and a sentence for each field.

    One file among several may be a bad one, and an archive is not to promise less for its sake.
    """
    wanted = Counter(chain.from_iterable(_allowances(one, profile) for one in samples))
    sentences: list[str] = []
    for name, number in wanted.items():
        files = plural(len(samples), "file needs", "files need")
        shown = f"{number} of {files} {_assignment(name)}, as {_ALLOWANCES[name]}"
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
                return () if "require" in names and _is_explained_by_profile(sample, profile) else names
    return ()


def _is_explained_by_profile(sample: FetchedSample, profile: ArchiveProfile) -> bool:
    """Return whether a field of the profile would let the file be read as a spectrum."""
    result = _verify(sample, profile)
    return isinstance(result, FailedCheck) and bool(_further_needs(sample, profile, result))


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
    number = count(points[0]) if len(points) == 1 else f"{count(points[0])} to {count(points[-1])}"
    segments = max(result.segments for result in spectra)
    parts = f" in up to {segments} segments" if segments > 1 else ""
    yield f"seen: {number} points{parts} from {low:.6g} to {high:.6g} Angstrom"
    invalid = sum(result.invalid for result in spectra)
    if invalid:
        whole = sum(result.points for result in spectra)
        yield f"{count(invalid)} of {plural(whole, 'point')} {are(invalid)} invalid, and {are(invalid)} counted as such"


def _with_medium(profile: ArchiveProfile, samples: Sequence[FetchedSample]) -> tuple[ArchiveProfile, tuple[str, ...]]:
    """Return the profile with the medium that some files state, and what to know about it."""
    plain = replace(profile, medium="")
    media = {medium.lower() for one in samples if (medium := _medium(one, plain)) is not None}
    if media == {""} and not profile.medium:
        return profile, ("its files do not say whether wavelengths are of air or of vacuum: set medium in the profile",)
    for medium in media - {""} if len(media - {""}) == 1 else ():
        if profile.medium not in ("", medium):
            return profile, (f"its files say {medium}, the profile says medium = {profile.medium!r}; the files count",)
        if "" in media and not profile.medium:
            words = f"some files say that wavelengths are of {medium}, others nothing: medium is set in the profile"
            return replace(profile, medium="air" if medium == "air" else "vacuum"), (words,)
    return profile, ()  # each file says for itself


def _medium(sample: FetchedSample, profile: ArchiveProfile) -> str | None:
    """Return the medium that the file states, '' if none; None for a file without a spectrum."""
    try:
        return medium_of(read_spectrum(sample.body, profile.conventions))[0]
    except InvalidSpectrumError:
        return None

"""A profile learns from a few files what an archive's files need, and promises less only where most of them do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from harvester.archive.profile import ArchiveProfile
from harvester.discovery.learn import FetchedSample, learned
from harvester.model.failures import Failure, FailureKind
from harvester.model.target import SpectrumId
from tests.support.spectral_files import FLUX, WAVE, image, table, written

AXIS: dict[str, Any] = {"CRVAL1": 5000.0, "CDELT1": 0.5, "CRPIX1": 1.0, "CUNIT1": "Angstrom"}
PLAIN = ArchiveProfile("p", "P", mode="direct", hosts=("files.example",), identity_card="", step_tolerance=0.0)
SOUND = written(image(FLUX, **AXIS))
UNFLAGGED = written(image(np.where(np.arange(FLUX.size) < 5, np.nan, FLUX), **AXIS))
MAP = written(image(np.ones((9, 9))))


LISTED = (WAVE[0] * 1e-10, WAVE[-1] * 1e-10)


def did_of(number: int) -> SpectrumId:
    return SpectrumId(f"ivo://a/{number}")


def samples(*bodies: bytes, waves: tuple[float, float] | None = None) -> list[FetchedSample]:
    return [FetchedSample(did_of(number), body, waves=waves) for number, body in enumerate(bodies)]


def test_sound_files_change_nothing_and_are_described() -> None:
    profile, report = learned(PLAIN, samples(SOUND, SOUND, SOUND))
    assert profile == PLAIN
    assert report.verified == 3
    assert "seen: 300 points from 5000 to 5149.5 Angstrom" in report.sentences


@pytest.mark.slow
def test_files_that_no_reader_understands_are_to_be_stored_as_whole_files() -> None:
    profile, report = learned(PLAIN, samples(MAP, MAP, MAP))
    assert profile.settings == {"require": "structure"}
    assert report.verified == 3
    assert any("no reader finds a spectrum" in words for words in report.sentences)


def test_one_odd_file_of_three_is_named_and_does_not_lower_what_is_required() -> None:
    profile, report = learned(PLAIN, samples(SOUND, SOUND, MAP))
    assert profile == PLAIN
    assert report.verified == 2
    assert any('1 of 3 files need require = "structure"' in words for words in report.sentences)
    assert any(words.startswith("ivo://a/2: unreadable") for words in report.sentences)


def test_invalid_flux_in_most_files_of_a_strict_archive_ends_its_strictness() -> None:
    strict = ArchiveProfile("p", "P", mode="direct", hosts=("files.example",), identity_card="", strict=True)
    profile, report = learned(strict, samples(UNFLAGGED, UNFLAGGED, SOUND))
    assert profile.strict is False
    assert report.verified == 3
    assert "10 of 900 points are invalid, and are counted as such" in report.sentences


def test_uneven_steps_are_allowed_where_the_profile_expects_even_ones() -> None:
    wave = 5000.0 * np.exp(np.arange(FLUX.size) / 900)
    columns = [fits.Column("WAVE", "D", "Angstrom", array=wave), fits.Column("FLUX", "D", array=FLUX)]
    uneven = written(fits.PrimaryHDU(), table(*columns, TDMIN1=wave[0], TDMAX1=wave[-1]))
    even = ArchiveProfile("p", "P", mode="direct", hosts=("files.example",), identity_card="")
    profile, report = learned(even, samples(uneven, uneven))
    assert (profile.step_tolerance, profile.strict, report.verified) == (0.0, None, 2)


@pytest.mark.parametrize(
    ("ctype", "medium", "expected"),
    [
        ("", "", "its files do not say whether wavelengths are of air or of vacuum: set medium in the profile"),
        ("AWAV", "vacuum", "its files say air, the profile says medium = 'vacuum'; the files count"),
        ("AWAV", "air", None),
        ("", "air", None),
    ],
)
def test_what_files_say_of_air_and_vacuum_is_compared_with_the_profile(
    ctype: str, medium: Any, expected: str | None
) -> None:
    body = written(image(FLUX, **AXIS, **({"CTYPE1": ctype} if ctype else {})))
    _, report = learned(ArchiveProfile("p", "P", hosts=("h.example",), mode="direct", identity_card="", medium=medium),
                        samples(body))  # fmt: skip
    assert [words for words in report.sentences if "medium" in words] == ([expected] if expected else [])


def test_damage_is_never_learned() -> None:
    cut = SOUND[: len(SOUND) // 2 + 100]
    profile, report = learned(PLAIN, samples(cut, cut, cut))
    assert profile == PLAIN
    assert report.verified == 0


def test_files_that_could_not_be_fetched_are_counted_and_said() -> None:
    lost = FetchedSample(SpectrumId("ivo://a/9"), failure=Failure(FailureKind.NOT_FOUND, "HTTP 404: gone"))
    profile, report = learned(PLAIN, [*samples(SOUND), lost])
    assert (report.tried, report.verified) == (2, 1)
    assert "ivo://a/9: HTTP 404: gone" in report.sentences
    assert profile == PLAIN


def sdm(did: str, flux: NDArray[Any] = FLUX, **cards: Any) -> bytes:
    columns = [fits.Column("spectral", "D", "Angstrom", array=WAVE), fits.Column("flux", "D", array=flux)]
    roles: dict[str, Any] = {
        "TUTYP1": "spec:Spectrum.Data.SpectralAxis.Value",
        "TUTYP2": "spec:Spectrum.Data.FluxAxis.Value",
    }
    return written(fits.PrimaryHDU(), table(*columns, DS_IDPUB=did, **roles, **cards))


def without_unit(axis: NDArray[Any]) -> bytes:
    columns = [fits.Column("WAVE", "D", array=axis), fits.Column("FLUX", "D", array=FLUX)]
    return written(fits.PrimaryHDU(), table(*columns))


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        (WAVE, {"spectral_unit": "Angstrom"}),
        (WAVE / 10, {"spectral_unit": "nm"}),
        (WAVE * 1e-10, {"spectral_unit": "m"}),
        (np.log(WAVE), {"spectral_unit": "Angstrom", "spectral_scale": "ln"}),
    ],
    ids=["Angstrom", "nm", "m", "ln"],
)
def test_a_unit_that_files_lack_is_taken_from_the_list(axis: NDArray[Any], expected: dict[str, Any]) -> None:
    profile, report = learned(PLAIN, samples(*[without_unit(axis)] * 3, waves=LISTED))
    assert profile == replace(PLAIN, **expected)
    assert report.verified == 3
    assert report.sentences[0].startswith("the files have the wavelengths of the list with spectral_unit = ")


def test_a_unit_that_nothing_tells_is_not_guessed() -> None:
    profile, report = learned(PLAIN, samples(*[without_unit(WAVE)] * 3))
    assert profile == PLAIN
    assert report.verified == 0
    assert "set spectral_unit in the profile: its files do not say" in report.sentences


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"<html>Sorry</html>", id="a page"),
        pytest.param(sdm(did_of(0))[:-2880], id="cut short"),
        pytest.param(sdm(did_of(0)) + b"XXXXXX Internal error", id="an error behind it"),
    ],
)
def test_damage_is_said_and_lowers_no_demand(body: bytes) -> None:
    promised = replace(PLAIN, identity_card="DS_IDPUB", step_tolerance=0.01)
    profile, report = learned(promised, samples(body))
    assert (profile, report.verified) == (promised, 0)
    assert report.sentences[0].startswith("ivo://a/0: ")


def test_a_swapped_file_does_not_cost_the_proof_of_identity() -> None:
    promised = replace(PLAIN, identity_card="DS_IDPUB")
    profile, report = learned(promised, samples(sdm(did_of(0)), sdm(did_of(1)), sdm(did_of(7))))
    assert (profile, report.verified) == (promised, 2)
    assert any("another spectrum came" in words for words in report.sentences)


def test_a_card_that_names_other_identifiers_proves_nothing() -> None:
    promised = replace(PLAIN, identity_card="DS_IDPUB")
    profile, report = learned(promised, samples(*[sdm(f"obs-{number}", OBS_ID=did_of(number)) for number in range(3)]))
    assert (profile.identity_card, report.verified) == ("OBS_ID", 3)
    assert "its files have DS_IDPUB = 'obs-0', but OBS_ID" in report.sentences[0]


def test_files_of_one_dataset_name_their_identifier_in_its_card() -> None:
    bodies = [sdm(did_of(0)), sdm(did_of(0))]
    files = [FetchedSample(SpectrumId(f"{did_of(0)}#{number}.fits"), body) for number, body in enumerate(bodies)]
    profile, report = learned(PLAIN, files)
    assert (profile.identity_card, report.verified) == ("DS_IDPUB", 2)


def test_the_medium_that_some_files_state_is_set_for_the_others() -> None:
    says = written(image(FLUX, **AXIS, AIRORVAC="vac"))
    profile, report = learned(PLAIN, samples(says, SOUND))
    assert profile.medium == "vacuum"
    assert (
        "some files say that wavelengths are of vacuum, others nothing: medium is set in the profile"
        in report.sentences
    )

"""A profile learns from a few files what an archive's files need, and promises less only where most of them do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from harvester.archive.profile import ArchiveProfile
from harvester.discovery.learn import FetchedSample, learned
from harvester.model.failures import Failure, FailureKind
from harvester.model.target import SpectrumId
from tests.support.spectral_files import FLUX, image, table, written

AXIS: dict[str, Any] = {"CRVAL1": 5000.0, "CDELT1": 0.5, "CRPIX1": 1.0, "CUNIT1": "Angstrom"}
PLAIN = ArchiveProfile("p", "P", mode="direct", hosts=("files.example",), identity_card="", step_tolerance=0.0)
SOUND = written(image(FLUX, **AXIS))
UNFLAGGED = written(image(np.where(np.arange(FLUX.size) < 5, np.nan, FLUX), **AXIS))
MAP = written(image(np.ones((9, 9))))


def samples(*bodies: bytes) -> list[FetchedSample]:
    return [FetchedSample(SpectrumId(f"ivo://a/{number}"), body) for number, body in enumerate(bodies)]


def test_sound_files_change_nothing_and_are_described() -> None:
    profile, report = learned(PLAIN, samples(SOUND, SOUND, SOUND))
    assert profile == PLAIN
    assert report.verified == 3
    assert "seen: 300 points from 5,000 to 5,149.5 Angstrom" in report.sentences


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

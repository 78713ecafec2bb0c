"""What headers of other archives say about an observation: the star's own cards, exposure, middle, medium."""

from __future__ import annotations

import math
from typing import Any

import pytest
from astropy.coordinates import FK4, FK5, SkyCoord
from astropy.io import fits

from harvester.fits.observation import Observation, observation_of
from harvester.fits.reader import read_spectrum
from harvester.model.conventions import FileConventions
from tests.support.spectral_files import FLUX, WAVE, image, table, written

SCALE: dict[str, Any] = {"CRVAL1": 5000.0, "CDELT1": 0.5, "CRPIX1": 1.0, "CUNIT1": "Angstrom"}
MIDDLE = 56783.0 + 7 / 24  # 2014-05-06T07:00


def seen(medium: str = "", **cards: Any) -> Observation:
    """Return the observation of an image with these cards; ``__`` stands for a hyphen in a keyword."""
    return observation_of(read_spectrum(written(image(**SCALE, **cards)), FileConventions(medium=medium)))


def seen_in_table(primary: dict[str, Any], medium: str = "", **cards: Any) -> Observation:
    columns = fits.Column("WAVE", "D", "Angstrom", array=WAVE), fits.Column("FLUX", "D", array=FLUX)
    first = fits.PrimaryHDU()
    first.header.update(primary)
    return observation_of(read_spectrum(written(first, table(*columns, **cards)), FileConventions(medium=medium)))


@pytest.mark.parametrize("card", ["OBJECT", "OBJNAME", "TARGNAME", "TARGET"])
def test_the_object_has_one_of_several_cards(card: str) -> None:
    assert seen(**{card: " HD 1 "}).object_name == "HD 1"


def test_object_goes_before_others_and_may_be_a_number() -> None:
    assert seen(OBJECT="HD 1", TARGNAME="FIELD").object_name == "HD 1"
    assert seen(OBJECT=140283).object_name == "140283"
    assert seen(OBJECT="", OBJNAME="HD 2").object_name == "HD 2"


def test_the_exposure_is_not_the_time_that_elapsed() -> None:
    assert seen_in_table({"EXPTIME": 61800.0}, TELAPSE=2002706.1).exposure == 61800
    assert seen(TELAPSE=1200.0).exposure == 1200
    assert seen(EXPOSURE=300).exposure == 300
    assert seen(EXPTIME="60.5").exposure == 60.5
    assert seen(EXPTIME=-1.0).exposure is None


@pytest.mark.parametrize(
    "cards",
    [
        {"EXPTIME": (10.0, "[min] exposure")},
        {"EXPTIME": (10.0, "total time in minutes")},
        {"EXPTIME": (600.0, "Total time of exposure (s)")},
        {"EXPTIME": "600 s"},
        {"EXPTIME": "10.0 min"},
        {"EXPTIME": 0.0, "EXPOSURE": 600.0},
        {"EFFEXPTM": 600.0, "TELAPSE": 9000.0},
    ],
)
def test_the_exposure_has_the_unit_that_card_or_comment_names(cards: dict[str, Any]) -> None:
    assert seen(**cards).exposure == 600


def test_the_middle_is_reported_or_half_the_time_after_the_start() -> None:
    start = MIDDLE - 900 / 86400
    for cards in (
        {"TMID": MIDDLE},
        {"MJD__OBS": start, "EXPTIME": 1800.0},
        {"MJD__OBS": start, "MJD__END": MIDDLE + 900 / 86400},
        {"MJD__OBS": start, "EXPTIME": 100.0, "TELAPSE": 1800.0},
        {"DATE__OBS": "2014-05-06T06:45:00", "EXPTIME": 1800.0},
        {"DATE__OBS": "2014-05-06", "UT": "6:45:00", "EXPTIME": 1800.0},
        {"JD__OBS": start + 2_400_000.5, "EXPTIME": 1800.0},
        {"EXPSTART": start, "EXPEND": MIDDLE + 900 / 86400},
    ):
        assert seen(**cards).mjd == pytest.approx(MIDDLE, abs=1e-6), cards
    assert seen(DATE__OBS="10/10/95", UT="12:00:00").mjd == 50000.5, "as FITS wrote dates before 1999"
    assert seen(MJD__OBS=0.0).mjd is None, "a card without a value"
    assert seen(EXPSTART=1234.5).mjd is None, "seconds since an epoch"
    assert seen(DATE__OBS="2014-05-06").mjd is None, "a day is no time"
    assert seen(DATE__OBS="2014-13-45T99:00").mjd is None


@pytest.mark.parametrize(
    "cards",
    [
        {"PLUG_RA": 147.32, "PLUG_DEC": -0.0066, "RA": 145.89, "DEC": 0.06},
        {"RA_OBJ": 147.32, "DEC_OBJ": -0.0066, "RA": 1.0, "DEC": 2.0},
        {"RA_TARG": 147.32, "DEC_TARG": -0.0066},
        {"RA": "09:49:16.8", "DEC": "-00:00:23.76"},
        {"RA": "147.32", "DEC": "-0.0066"},
        {"RA": (147.32 / 15, "[hours] right ascension"), "DEC": -0.0066},
        {"RA": (147.32 / 15, "[hr] right ascension"), "DEC": -0.0066},
        {"RA": (math.radians(147.32), "[rad]"), "DEC": (math.radians(-0.0066), "[rad]")},
        {"RA": "147d19m12s", "DEC": "-00d00m23.76s"},
        {"RA": 1.0, "DEC": 2.0, "OBJCTRA": "09 49 16.8", "OBJCTDEC": "-00 00 23.76"},
        {"RAJ2000": 147.32, "DEJ2000": -0.0066, "EQUINOX": 1950.0},
    ],
)
def test_the_position_is_the_stars_own(cards: dict[str, Any]) -> None:
    observation = seen(**cards)
    assert observation.ra == pytest.approx(147.32)
    assert observation.dec == pytest.approx(-0.0066)


def test_other_equinoxes_are_precessed_as_astropy_precesses_them() -> None:
    for cards, frame in (
        ({"EQUINOX": 1950.0}, FK4(equinox="B1950")),
        ({"RADECSYS": "FK4"}, FK4(equinox="B1950")),
        ({"EQUINOX": 2015.5, "RADESYS": "FK5"}, FK5(equinox="J2015.5")),
    ):
        theirs = SkyCoord(150.0, 30.0, unit="deg", frame=frame).icrs
        observation = seen(RA=150.0, DEC=30.0, **cards)
        assert observation.ra == pytest.approx(theirs.ra.deg, rel=1e-12)
        assert observation.dec == pytest.approx(theirs.dec.deg, rel=1e-12)
    assert seen(RA=150.0, DEC=30.0, EQUINOX=2000.0).ra == 150.0
    assert seen(RA=150.0, DEC=30.0, EPOCH=2012.7).ra == 150.0, "that of the observation, not of the coordinates"


@pytest.mark.parametrize(
    ("cards", "medium"),
    [
        ({"TUCD1": "em.wl;obs.atmos"}, "Air"),
        ({"TUCD1": "em.wl"}, "Vacuum"),
        ({"TCOMM1": "Air wavelength", "TUCD1": "em.wl"}, "Air"),
        ({"VACUUM": True}, "Vacuum"),
        ({"VACUUM": False}, "Air"),
        ({"AIRORVAC": "vac"}, "Vacuum"),
        ({}, "Air"),
    ],
)
def test_what_the_file_says_of_air_and_vacuum_goes_before_the_profile(cards: dict[str, Any], medium: str) -> None:
    assert seen_in_table({}, medium="air", **cards).medium == medium


def test_a_contradiction_about_the_medium_is_named_and_left_to_the_profile() -> None:
    observation = seen_in_table({"VACUUM": True}, TUCD1="em.wl;obs.atmos")
    assert observation.medium == ""
    assert observation.remarks == (
        "the file contradicts itself about air and vacuum: TUCD1 says Air, VACUUM says Vacuum",
    )
    assert seen_in_table({"VACUUM": True}, medium="vacuum", TUCD1="em.wl;obs.atmos").medium == "Vacuum"

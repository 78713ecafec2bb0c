"""Values of a Python program as settings and constraints: astropy's types mean what their text would."""

from __future__ import annotations

from typing import Any

import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.time import Time

from harvester.config.from_python import constraints_from_python, setting_text
from harvester.errors import UsageError
from harvester.model.band import parse_band

STAR = SkyCoord(345.48, 42.33, unit="deg")


def given(**values: Any) -> Any:
    return constraints_from_python(**({"pos": None, "size": None, "band": None, "time": None, "target": ""} | values))


@pytest.mark.parametrize("pos", [STAR, STAR.galactic, STAR.fk5, "345.48 42.33", (345.48, 42.33)], ids=range(5))
def test_a_position_is_the_same_in_any_frame(pos: object) -> None:
    assert given(pos=pos).position == pytest.approx((345.48, 42.33), abs=1e-4)


def test_a_diameter_has_any_unit_of_an_angle() -> None:
    assert given(pos=STAR, size=30 * u.arcmin).size == given(pos=STAR, size=0.5).size == 0.5
    assert given(pos=STAR).size == 0.1


def test_wavelengths_and_times_may_be_open_at_one_end() -> None:
    found = given(band=(6500 * u.AA, None), time=(Time("2011-01-17"), None), target="59 Cyg")
    assert found.band == parse_band("6500e-10 +Inf")
    assert found.time == ("2011-01-17T00:00:00.000", "")
    assert found.target == "59 Cyg"


def test_nothing_given_admits_everything() -> None:
    assert given().parameters() == {}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"size": 1 * u.deg}, "^size = <Quantity 1. deg>: .*pos="),
        ({"pos": SkyCoord([1, 2], [3, 4], unit="deg")}, "^pos: 2 positions"),
        ({"pos": 5}, "^pos = 5: right ascension and declination"),
        ({"pos": (400, 0)}, "^pos = .*right ascension goes from 0 to 360"),
        ({"pos": SkyCoord(float("nan"), 0, unit="deg")}, "(?s)^pos = .*right ascension goes from 0 to 360"),
        ({"pos": STAR, "size": 1 * u.m}, "^size = <Quantity 1. m>: no angle"),
        ({"pos": STAR, "size": 0}, "^size = 0: a diameter above 0"),
        ({"band": (1 * u.s, 2 * u.s)}, "^band: .* are not two wavelengths"),
        ({"band": (2, 1)}, "^band = "),
        ({"time": 2011}, "^time = 2011: two times"),
        ({"time": ("2012-01-01", "2011-01-01")}, "^time = .*before the first"),
    ],
    ids=range(11),
)
def test_what_is_wrong_is_one_sentence_that_names_the_argument(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        given(**values)


def test_none_unsets_a_setting() -> None:
    assert (setting_text("fluxcalib", None), setting_text("band", None), setting_text("rate", 2)) == ("none", "none", 2)

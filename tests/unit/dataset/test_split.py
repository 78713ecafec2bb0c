"""Training, validation, test: no star on two sides, shares as asked, and the same again when spectra are added."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from astropy.coordinates import SkyCoord
from astropy.units import arcsec, deg
from hypothesis import assume, given
from hypothesis import strategies as st

from harvester.dataset.split import Split, parse_shares
from harvester.dataset.stars import Objects
from harvester.demo import listed_dids
from harvester.demo.fits import spectrum_fits
from harvester.demo.observations import observe
from harvester.demo.synthesis import Calibration
from harvester.fits.observation import Observation, observation_of
from harvester.fits.reader import read_spectrum
from harvester.model.target import SpectrumId
from tests.support.fits_files import recard

SHARES = (0.8, 0.1, 0.1)
STARS = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=6),
    st.dictionaries(st.sampled_from("0123"), st.integers(1, 40), min_size=1, max_size=2),
    min_size=1,
    max_size=150,
)


def survey(seed: int, stars: int) -> dict[str, dict[str, int]]:
    """Many stars with a spectrum or two, few with hundreds, in four classes of very different sizes."""
    dice = random.Random(seed)
    return {
        f"star {number}": {dice.choices("0123", (46, 40, 12, 2))[0]: min(400, int(dice.paretovariate(0.9)))}
        for number in range(stars)
    }


def spectra_in(stars: dict[str, dict[str, int]], parts: dict[str, str]) -> Counter[tuple[str, str]]:
    counted: Counter[tuple[str, str]] = Counter()
    for star, labels in stars.items():
        for label, number in labels.items():
            counted[label, parts[star]] += number
    return counted


@given(STARS, st.integers(0, 5), st.sampled_from([SHARES, (0.5, 0.5), (0.7, 0.3), (0.34, 0.33, 0.33)]))
def test_every_star_has_one_part_and_no_part_is_further_off_than_the_largest_stars(
    stars: dict[str, dict[str, int]], seed: int, shares: tuple[float, ...]
) -> None:
    split = Split(shares, seed)
    parts = split.parts(stars)
    assert set(parts) == set(stars)
    assert set(parts.values()) <= set(split.names)
    sizes = {star: sum(labels.values()) for star, labels in stars.items()}
    whole = sum(sizes.values())
    for name, share in zip(split.names, shares, strict=True):
        got = sum(sizes[star] for star in stars if parts[star] == name)
        assert abs(got - share * whole) <= 2 * max(sizes.values()) + 1


@pytest.mark.parametrize("seed", range(4))
def test_each_label_is_divided_as_asked(seed: int) -> None:
    stars = survey(seed, 1300)
    counted = spectra_in(stars, Split(SHARES, seed).parts(stars))
    for label in "0123":
        whole = sum(number for (one, _), number in counted.items() if one == label)
        largest = max(sum(labels.values()) for labels in stars.values() if label in labels)
        for name, share in zip(("train", "validation", "test"), SHARES, strict=True):
            assert abs(counted[label, name] - share * whole) <= max(0.02 * whole, largest / 2, 2)


def test_another_seed_is_another_split_and_the_order_does_not_matter() -> None:
    stars = survey(1, 300)
    backwards = dict(reversed(stars.items()))
    assert Split(SHARES, 1).parts(stars) == Split(SHARES, 1).parts(backwards)
    assert Split(SHARES, 1).parts(stars) != Split(SHARES, 2).parts(stars)


def test_new_spectra_move_few_stars() -> None:
    """A tenth more stars: those that were there before and change sides are under three in a hundred."""
    after = survey(5, 1430)
    before = dict(list(after.items())[:1300])
    old, new = Split(SHARES).parts(before), Split(SHARES).parts(after)
    moved = sum(old[star] != new[star] for star in before)
    assert moved < 0.03 * len(before)


def test_labels_too_rare_to_be_divided_come_near_the_shares_together() -> None:
    stars = {f"star {number}": {f"label {number}": 1} for number in range(1000)}
    parts = Counter(Split(SHARES).parts(stars).values())
    assert parts == {"train": 800, "validation": 100, "test": 100}


def objects_of(*observations: Observation) -> list[str]:
    """The star of each, once all are known."""
    objects = Objects()
    for number, observation in enumerate(observations):
        objects.add(SpectrumId(f"ivo://a/{number}"), observation, "0")
    assert sum(sum(labels.values()) for labels in objects.labels().values()) == len(observations)
    return [objects.star(SpectrumId(f"ivo://a/{number}"), one) for number, one in enumerate(observations)]


def test_one_star_is_known_by_its_name_however_it_is_spelled_and_wherever_it_was_pointed() -> None:
    one, other, third = objects_of(
        Observation("BT CMi", 110.0, 5.0), Observation("bt_cmi", 111.0, 5.0), Observation("BT CMa", 200.0, 5.0)
    )
    assert one == other != third


@given(
    st.sampled_from(["", "* ", "** ", "V* ", "NAME ", "name_"]),
    st.sampled_from(["HD", "hd", "Hd"]),
    st.sampled_from(["", " ", "  ", "_", "-", " - ", "\u00a0"]),
    st.integers(0, 4),
    st.integers(1, 359_083),
    st.tuples(st.none() | st.just(0.0), st.just(0.0)),
)
def test_no_spelling_of_a_name_brings_a_star_to_both_sides(
    simbad: str, catalog: str, between: str, zeros: int, number: int, place: tuple[float | None, float]
) -> None:
    spelled = f"{simbad}{catalog}{between}{'0' * zeros}{number}"
    one, other, third = objects_of(
        Observation(f"HD {number}"), Observation(spelled, *place), Observation(f"{spelled}0", *place)
    )
    assert one == other != third


def test_names_that_differ_in_more_than_their_spelling_are_two() -> None:
    names = ("BD-20 123", "BD+20 123", "P Cyg", "V P Cyg", "J0530.05", "J0530.5", "Nameless", "less", "HD 10", "HD 1")
    assert len(set(objects_of(*map(Observation, names)))) == len(names)
    assert len(set(objects_of(*map(Observation, ("P Cyg", "V* P Cyg", "NAME P Cyg", "p-cyg", "\uff30 Cyg"))))) == 1


def test_a_position_that_was_not_measured_joins_no_stars() -> None:
    one, other, nameless = objects_of(
        Observation("P Cyg", 0.0, 0.0), Observation("gamma Cas", 0.0, -0.0), Observation(ra=0.0, dec=0.0)
    )
    assert len({one, other, nameless}) == 3


def test_one_star_under_two_names_is_known_by_its_place() -> None:
    near = 1.9 / 3600
    one, alias, again, other = objects_of(
        Observation("gamma Cas", 14.17719, 60.71672),
        Observation("HD 5394", 14.17719, 60.71672 + near),
        Observation("hd5394", 99.0, 0.0),
        Observation("gamma Cas B", 14.17719, 60.71672 - 3 * near),
    )
    assert one == alias == again != other


@given(st.floats(0, 360), st.floats(-90, 90), st.floats(0, 360), st.floats(0, 1.99))
def test_places_within_two_arcseconds_are_one_anywhere_on_the_sky(
    ra: float, dec: float, angle: float, distance: float
) -> None:
    assume(max(min(ra, 360 - ra), abs(dec)) > 1e-3)  # at the very origin there is no place
    there = SkyCoord(ra * deg, dec * deg).directional_offset_by(angle * deg, distance * arcsec)
    one, other = objects_of(Observation(ra=ra, dec=dec), Observation(ra=float(there.ra.deg), dec=float(there.dec.deg)))
    assert one == other
    far = SkyCoord(ra * deg, dec * deg).directional_offset_by(angle * deg, (distance + 2.01) * arcsec)
    one, other = objects_of(Observation(ra=ra, dec=dec), Observation(ra=float(far.ra.deg), dec=float(far.dec.deg)))
    assert one != other


def test_two_stars_whose_long_names_begin_alike_are_two() -> None:
    sound = spectrum_fits(observe(next(iter(listed_dids(1)))), Calibration.NORMALIZED)
    begun = "Object of a very very long survey's name, no. 0000000000"
    cards = [f"OBJECT  = '{begun.replace(chr(39), 2 * chr(39))}{number}'" for number in (1, 2)]
    shown = [observation_of(read_spectrum(recard(sound, "OBJECT", card))) for card in cards]
    assert [one.object_name for one in shown] == [f"{begun}1", f"{begun}2"]
    assert len(set(objects_of(*(Observation(one.object_name) for one in shown)))) == 2


def test_a_spectrum_without_name_and_place_is_a_star_of_its_own() -> None:
    assert len(set(objects_of(Observation(), Observation(), Observation("", None, None)))) == 3


@given(st.permutations([("A", 1.0), ("B", 1.0), ("", 1.0), ("B", 7.0), ("C", 7.0), ("D", 9.0)]))
def test_stars_are_the_same_in_whatever_order_their_spectra_come(shown: list[tuple[str, float]]) -> None:
    found = dict(zip(shown, objects_of(*(Observation(name, ra, 0.0) for name, ra in shown)), strict=True))
    assert len({found[one] for one in shown if one[0] != "D"}) == 1
    assert found["A", 1.0] == "name a"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("0.8,0.1", "add up to 0.9"),
        ("1", "not a list"),
        ("0.8,0.2,0", "not a list"),
        ("80%,20%", "not a list"),
        ("nan,0.5", "not a list"),
        (".4,.2,.2,.2", "not a list"),
    ],
)
def test_what_are_no_shares_is_said(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_shares(text)

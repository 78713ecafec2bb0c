"""The band: what people type, what SODA gets, and what is refused before the archive answers it with silence."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.model.band import LONGEST, SHORTEST, Band, parse_band

WILD = settings(max_examples=60)

METRES = (
    st.floats(SHORTEST, LONGEST).map(lambda limit: float(f"{limit:.15g}")).filter(lambda m: SHORTEST <= m <= LONGEST)
)


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("6.5e-07 6.6e-07", "6.5e-07 6.6e-07"),
        ("  6.5e-7\t0.66E-6 ", "6.5e-07 6.6e-07"),
        ("6.5e-07 6.6e-07 m", "6.5e-07 6.6e-07"),
        ("6500 6600 AA", "6.5e-07 6.6e-07"),
        ("6500 6600 Angstrom", "6.5e-07 6.6e-07"),
        ("6562.8 6563.1 AA ", "6.5628e-07 6.5631e-07"),
        ("650 660 nm", "6.5e-07 6.6e-07"),
        ("0.65 0.66 um", "6.5e-07 6.6e-07"),
        ("-Inf 6.6e-07", "-Inf 6.6e-07"),
        ("6500 +Inf AA", "6.5e-07 +Inf"),
        ("-inf inf", "-Inf +Inf"),
    ],
)
def test_what_people_type_becomes_metres_as_soda_has_them(text: str, sent: str) -> None:
    assert str(parse_band(text)) == sent


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "two limits are needed"),
        ("6.5e-07", "two limits are needed"),
        ("6500 red", "'red' is not a number"),
        ("6500, 6600 AA", "'6500,' is not a number"),
        ("nan 6.6e-07", "a limit is NaN"),
        ("6.6e-07 6.5e-07", "reversed or equal (lower 6.6e-07, upper 6.5e-07)"),
        ("6500 6500 AA", "reversed or equal"),
        ("6500 6600", "without a unit they are metres: add one"),
        ("6500 6600 m", "6500 m is not a wavelength of a spectrum"),
        ("0 6.6e-07", "wavelengths are positive"),
        ("-1 1 AA", "wavelengths are positive"),
        ("inf 6.6e-07", "open ends are -Inf for the lower"),
        ("6.5e-07 -inf", "open ends are -Inf for the lower"),
        ("6500 6600 furlongs", "'furlongs' is not a unit of length"),
        ("6500 6600 s", "'s' is not a unit of length"),
        ("6500 6600 AA AA", "'AA AA' is not a unit of length"),
        ("6500 6600 7000", "'7000' is not a unit of length"),
    ],
)
def test_what_would_be_answered_with_silence_is_refused_with_what_to_do(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        parse_band(text)


def test_the_hint_at_a_forgotten_unit_is_not_given_to_those_who_gave_one() -> None:
    with pytest.raises(ValueError, match="not a wavelength") as caught:
        parse_band("6500 6600 m")
    assert "without a unit" not in str(caught.value)


@WILD
@given(METRES, METRES)
def test_what_is_sent_reads_back_as_the_same_numbers(one: float, other: float) -> None:
    low, high = sorted((one, other))
    if low == high:
        return
    for band in (Band(low, high), Band(-math.inf, high), Band(low, math.inf), Band(-math.inf, math.inf)):
        assert parse_band(str(band)) == band


@WILD
@given(st.integers(10, 99_999), st.integers(1, 9999))
def test_angstroms_turn_into_metres_without_binary_noise(tenths: int, width: int) -> None:
    band = parse_band(f"{tenths / 10} {(tenths + width) / 10} AA")
    assert band == Band(float(f"{tenths}e-11"), float(f"{tenths + width}e-11"))


@WILD
@given(
    st.text(max_size=30)
    | st.builds("{} {} {}".format, st.floats(), st.floats(), st.sampled_from(["", "AA", "nm", "m", "kpc", "eV", "mag"]))
    | st.text("0123456789.eE+-naif (*/)mAs\t", max_size=20)
)
def test_no_text_gives_anything_but_a_sound_band_or_a_reason(text: str) -> None:
    try:
        band = parse_band(text)
    except ValueError as reason:
        message = str(reason)
    else:
        message = "sound"
        assert band.low < band.high
        assert all(math.isinf(limit) or SHORTEST <= limit <= LONGEST for limit in (band.low, band.high))
    assert message


def test_in_words_it_is_angstroms() -> None:
    assert parse_band("6.5e-07 6.6e-07").format_angstroms() == "6500 to 6600 Angstrom"
    assert parse_band("-Inf 656.28 nm").format_angstroms() == "open to 6562.8 Angstrom"

"""Text, numbers and times as people read them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.formatting import (  # fmt: skip
    clock,
    count,
    duration,
    encodable,
    first_words,
    iso_utc,
    local_time,
    percent,
    plain_line,
    plural,
    size,
    time_of_day,
    wall,
)

NOON = 1_795_383_000.0


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (b"<title>Maintenance</title><h1>Maintenance</h1><p>If you", "Maintenance If you"),
        (b"<title>Down for repair.</title><h1>Down for repair</h1>until Monday", "Down for repair until Monday"),
        (b"<h1>Busy</h1>", "Busy"),
        (b"again again", "again again"),
        (b"<p>one two one", "one two one"),
    ],
)
def test_a_page_whose_title_is_its_heading_says_it_once(page: bytes, words: str) -> None:
    assert first_words(page) == words


@given(st.text())
def test_tamed_text_is_one_printable_line(words: str) -> None:
    tamed = plain_line(words)
    assert tamed.isprintable()
    assert len(tamed) <= 300
    assert plain_line(tamed) == tamed
    assert encodable(tamed, "ascii").isascii()


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (count(13_334), "13 334"),
        (plural(1, "retry", "retries"), "1 retry"),
        (plural(0, "time"), "0 times"),
        (size(0), "0 B"),
        (size(999), "999 B"),
        (size(999.9), "1.0 kB"),
        (size(163_400_000), "163 MB"),
        (size(9.96e9), "10 GB"),
        (clock(6821), "01:53:41"),
        (clock(3 * 86_400 + 14_706), "3 d 04:05:06"),
        (clock(float("nan")), "--:--:--"),
        (duration(0.014), "0.014 s"),
        (duration(0.71), "0.71 s"),
        (duration(9.999), "10 s"),
        (duration(119.6), "2 min"),
        (duration(125), "2 min 5 s"),
        (duration(6821), "1 h 53 min"),
        (duration(3 * 86_400 + 3600), "3 d 1 h"),
        (duration(float("inf")), "unknown"),
        (time_of_day(float("inf")), "--:--:--"),
        (wall(float("nan"), NOON), "--:--"),
        (percent(13_333, 13_334), "99 %"),
        (percent(0, 0), "100 %"),
    ],
)
def test_figures_read_like_a_person_writes_them(said: str, expected: str) -> None:
    assert said == expected


def test_a_time_stamp_is_utc_and_says_so() -> None:
    assert iso_utc(NOON) == "2026-11-22T21:30:00Z"
    assert iso_utc(NOON + 0.25, "milliseconds") == "2026-11-22T21:30:00.250Z"


def test_a_time_of_another_day_has_its_date() -> None:
    at, later = local_time(NOON, NOON), local_time(NOON + 86_400, NOON)
    assert len(at) == len("22:30:00")
    assert re.fullmatch(r"2026-11-2\d " + at, later)
    assert local_time(float("inf"), NOON) == local_time(NOON, float("nan")) == "--:--:--"

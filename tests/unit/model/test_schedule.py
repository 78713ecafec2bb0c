"""Hours by the wall clock of a place: over midnight, over the days when clocks change, and how many nights are left."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.model.schedule import Deadline, Window, allowed_hours, finish, nights_left, parse_deadline, parse_window

PRAGUE = "Europe/Prague"
NIGHT = Window(time(20), time(6), PRAGUE)
ZONES = st.sampled_from(["", "UTC", PRAGUE, "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia"])
CLOCKS = st.times().map(lambda at: at.replace(second=0, microsecond=0))
MOMENTS = st.datetimes(datetime(2011, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - naive bounds
CHANGES = st.sampled_from([datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)])
NEAR_CHANGES = st.tuples(CHANGES, st.integers(-90_000, 90_000)).map(lambda near: near[0] + timedelta(seconds=near[1]))


def at(text: str, zone: str = PRAGUE) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


@st.composite
def windows(draw: st.DrawFn) -> Window:
    opens = draw(CLOCKS)
    return Window(opens, draw(CLOCKS.filter(lambda closes: closes != opens)), draw(ZONES))


@given(windows(), MOMENTS | NEAR_CHANGES)
def test_it_opens_and_closes_where_it_says(window: Window, now: datetime) -> None:
    opens, closes = window.next_open(now), window.next_close(now)
    assert opens > now
    assert closes > now
    assert window.is_open(opens)
    assert not window.is_open(opens - timedelta(seconds=1)) or window.next_close(opens - timedelta(seconds=1)) == opens
    assert window.is_open(now) == (closes < window.next_close(opens)) or closes == window.next_close(opens)


@given(windows(), MOMENTS | NEAR_CHANGES, st.floats(0, 1))
def test_while_it_is_open_it_is_open_until_it_closes(window: Window, now: datetime, share: float) -> None:
    begin = now if window.is_open(now) else window.next_open(now)
    between = begin + (window.next_close(begin) - begin) * share * 0.999
    assert window.is_open(between)
    assert window.next_close(between) == window.next_close(begin)


@given(windows(), MOMENTS | NEAR_CHANGES)
def test_no_change_of_clocks_makes_hours_much_longer_or_shorter(window: Window, now: datetime) -> None:
    opens = window.next_open(now)
    seconds = (window.next_close(opens) - opens).total_seconds()
    if window.zone != "Pacific/Apia":  # it once left out a whole day
        assert abs(seconds - window.length) <= 3600


@given(windows())
def test_what_a_window_says_of_itself_is_that_window(window: Window) -> None:
    assert parse_window(str(window)) == window


@pytest.mark.parametrize(
    ("now", "opens", "closes", "hours"),
    [
        ("2026-11-22T12:00", "2026-11-22T20:00", "2026-11-23T06:00", 10),
        ("2026-11-22T19:59:59", "2026-11-22T20:00", "2026-11-23T06:00", 10),
        ("2026-03-28T12:00", "2026-03-28T20:00", "2026-03-29T06:00", 9),
        ("2026-10-24T12:00", "2026-10-24T20:00", "2026-10-25T06:00", 11),
    ],
)
def test_a_night_is_as_long_as_the_clock_on_the_wall_makes_it(now: str, opens: str, closes: str, hours: int) -> None:
    assert not NIGHT.is_open(at(now))
    assert NIGHT.next_open(at(now)) == at(opens)
    assert NIGHT.next_close(at(now)) == at(closes)
    assert NIGHT.next_close(at(now)).astimezone(UTC) - at(opens).astimezone(UTC) == timedelta(hours=hours)


def test_at_its_first_second_it_is_open_and_at_its_last_it_is_not() -> None:
    assert NIGHT.is_open(at("2026-11-22T20:00"))
    assert NIGHT.is_open(at("2026-11-23T05:59:59"))
    assert not NIGHT.is_open(at("2026-11-23T06:00"))


def test_an_hour_that_the_clock_jumps_over_is_the_moment_of_the_jump() -> None:
    evening = at("2026-03-28T22:00")
    assert Window(time(2, 30), time(6), PRAGUE).next_open(evening) == at("2026-03-29T03:00")
    assert Deadline(time(2, 30), zone=PRAGUE).due(evening) == at("2026-03-29T03:00")
    never = Window(time(2, 10), time(2, 50), PRAGUE)
    assert never.next_open(evening) == at("2026-03-30T02:10"), "that night has no such hours"


def test_an_hour_that_the_clock_shows_twice_is_the_first_of_them() -> None:
    assert Deadline(time(2, 30), zone=PRAGUE).due(at("2026-10-24T22:00")) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@given(CLOCKS, ZONES, MOMENTS | NEAR_CHANGES)
def test_a_deadline_is_the_next_such_time(hour: time, zone: str, now: datetime) -> None:
    due = Deadline(hour, zone=zone).due(now)
    assert timedelta() < due - now <= timedelta(hours=49 if zone == "Pacific/Apia" else 26)


@pytest.mark.parametrize(
    ("text", "deadline", "said"),
    [
        ("06:00", Deadline(time(6)), "06:00"),
        ("6:30 Europe/Prague", Deadline(time(6, 30), zone=PRAGUE), "06:30 Europe/Prague"),
        ("90s", Deadline(seconds=90), "90s"),
        ("30m", Deadline(seconds=1800), "30m"),
        ("1.5 h", Deadline(seconds=5400), "90m"),
        ("2d", Deadline(seconds=172_800), "48h"),
    ],
)
def test_a_deadline_is_reported_as_people_do(text: str, deadline: Deadline, said: str) -> None:
    assert parse_deadline(text) == deadline
    assert str(deadline) == said
    assert parse_deadline(said) == deadline


@pytest.mark.parametrize("text", ["", "6", "25:00", "06:60", "soon", "-5m", "0s", "99999d", "06:00 Nowhere/At_All"])
def test_what_is_no_deadline_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|time zone|more than 1000 days"):
        parse_deadline(text)


@pytest.mark.parametrize(
    "text", ["", "20:00", "20:00-20:00", "20-06", "24:00-06:00", "20:00-06:00 ../x", "20:00-06:00 Prag", "٢٠:00-06:00"]
)
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|same time|time zone"):
        parse_window(text)


def test_a_window_may_end_at_midnight() -> None:
    assert parse_window("20:00-24:00") == Window(time(20), time(0))
    assert parse_window("20:00-24:00").length == 4 * 3600


def test_a_run_has_the_hours_of_its_window_or_less_if_its_deadline_says_so() -> None:
    noon = at("2026-11-22T12:00")
    assert allowed_hours(noon).ends is None
    assert allowed_hours(noon).night is None
    whole = allowed_hours(noon, NIGHT)
    assert (whole.opens, whole.ends) == (at("2026-11-22T20:00"), at("2026-11-23T06:00"))
    assert whole.reason == "the window 20:00-06:00 Europe/Prague has closed"
    short = allowed_hours(noon, NIGHT, Deadline(time(4), zone=PRAGUE))
    assert (short.ends, short.reason) == (at("2026-11-23T04:00"), "the deadline 04:00 Europe/Prague has come")
    assert allowed_hours(noon, None, Deadline(seconds=600)).night == 600
    late = allowed_hours(at("2026-11-23T05:00"), NIGHT)
    assert (late.opens, late.night) == (at("2026-11-23T05:00"), 36_000.0), "the next one is a whole night"


def test_the_nights_that_are_left_are_counted_whole() -> None:
    assert nights_left(13_334, 1.0, 36_000) == 1
    assert nights_left(36_001, 1.0, 36_000) == 2
    assert nights_left(0, 0.0, 36_000) == 0
    assert nights_left(1, 0.0, 36_000) is None


@given(st.integers(1, 10**6), st.floats(0.01, 100), st.floats(60, 86_400))
def test_the_nights_that_are_left_suffice_and_none_is_too_many(remaining: int, rate: float, night: float) -> None:
    nights = nights_left(remaining, rate, night)
    assert nights is not None
    assert nights * rate * night >= remaining * 0.999999
    assert (nights - 1) * rate * night < remaining


def test_work_goes_on_from_night_to_night_until_it_is_done() -> None:
    noon = at("2026-03-28T12:00")  # the first of these nights has nine hours
    assert finish(noon, 3600, NIGHT) == (1, at("2026-03-28T21:00"))
    assert finish(noon, 9 * 3600, NIGHT) == (1, at("2026-03-29T06:00"))
    assert finish(noon, 10 * 3600, NIGHT) == (2, at("2026-03-29T21:00"))
    assert finish(noon, 1e12, NIGHT) is None

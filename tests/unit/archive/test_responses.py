"""What an answer means: statuses, the server's own words, and how long it asks us to wait."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harvester.archive.responses import LONGEST_RETRY_AFTER, failure_from_response, retry_after
from harvester.formatting import first_words, plain_line
from harvester.model.failures import FailureKind

WILD = settings(max_examples=150)

NOW = datetime(2026, 11, 23, 3, 0, 0, tzinfo=UTC).timestamp()
MAINTENANCE = (
    b'<?xml version="1.0"?><VOTABLE><!-- made by DaCHS --><RESOURCE type="results">'
    b'<INFO name="QUERY_STATUS" value="ERROR">Down for maintenance &amp; backup</INFO></RESOURCE></VOTABLE>'
)


def http_date(moment: float) -> str:
    return format_datetime(datetime.fromtimestamp(moment, UTC), usegmt=True)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (204, "no_data"), (206, "unexpected_status"), (203, "unexpected_status"), (201, "unexpected_status"),
        (300, "unexpected_status"), (302, "unexpected_status"), (304, "unexpected_status"), (999, "unexpected_status"),
        (400, "refused_request"), (401, "forbidden"), (403, "forbidden"), (404, "not_found"), (408, "timeout"),
        (410, "gone"), (414, "refused_request"), (418, "unexpected_status"), (422, "refused_request"), (429, "busy"),
        (500, "server_error"), (502, "server_error"), (503, "busy"), (504, "server_error"), (599, "server_error"),
    ],
)  # fmt: skip
def test_every_status_but_200_is_a_failure_of_its_kind(status: int, kind: str) -> None:
    failure = failure_from_response(status, {}, b"", NOW)
    assert failure is not None
    assert (failure.kind.value, failure.status) == (kind, status)


@pytest.mark.parametrize(
    ("status", "body", "detail"),
    [
        (422, b"UsageError: Field ID: 'x' is no DID\n", "HTTP 422: UsageError: Field ID: 'x' is no DID"),
        (503, MAINTENANCE, "HTTP 503: Down for maintenance & backup"),
        (404, b"<html><head><title>t</title></head><body><h1>Not\n found</h1></body>", "HTTP 404: Not found"),
        (500, b"", "HTTP 500 without a message"),
        (500, b"<html></html>", "HTTP 500 without a message"),
        (204, b"", "HTTP 204 no data for this request"),
        (500, b"\x1b[2J\x1b]0;pwned\x07bad", "HTTP 500: bad"),
    ],
)
def test_it_is_reported_in_the_servers_own_words(status: int, body: bytes, detail: str) -> None:
    failure = failure_from_response(status, {}, body, NOW)
    assert failure is not None
    assert failure.detail == detail


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("120", 120.0),
        (" 120\t", 120.0),
        ("0", 0.0),
        ("0000000000120", 120.0),
        ("3600", 3600.0),
        ("21600", LONGEST_RETRY_AFTER),
        ("21601", None),
        ("999999999", None),
        ("9" * 400, None),
        ("9" * 6000, None),
        (http_date(NOW + 90), 90.0),
        ("Monday, 23-Nov-26 03:01:30 GMT", 90.0),
        ("Mon Nov 23 03:01:30 2026", 90.0),
        (http_date(NOW - 90), 0.0),
        (http_date(NOW + 10 * 86_400), None),
    ],
)
def test_the_wait_it_asks_for_is_heeded_and_beyond_six_hours_taken_for_a_mistake(
    value: str, wait: float | None
) -> None:
    assert retry_after({"Retry-After": value}, NOW) == wait


@pytest.mark.parametrize(
    "value",
    ["", " ", "-5", "+5", "1.5", "1e3", "soon", "inf", "nan", "١٢٠", "²", "12 0", "0x10", "Mon, 99 Foo 2026 03:00:00",
     "Mon, 23 Nov 2026 99:99:99 GMT", "Mon, 23 Nov 99999 03:00:00 GMT", "\0"],
)  # fmt: skip
def test_a_wait_that_makes_no_sense_is_none(value: str) -> None:
    assert retry_after({"Retry-After": value}, NOW) is None


def test_without_the_header_there_is_no_wait() -> None:
    assert retry_after({"Date": http_date(NOW)}, NOW) is None


@pytest.mark.parametrize("skew", [-30 * 86_400, -3600, 0, 7200, 400 * 86_400, -NOW])
def test_a_date_is_judged_by_the_servers_own_clock_where_it_shows_it(skew: float) -> None:
    theirs = NOW + skew
    headers = {"Retry-After": http_date(theirs + 300), "Date": http_date(theirs)}
    assert retry_after(headers, NOW) == 300.0


@pytest.mark.parametrize("date", ["", " ", "yesterday", "Mon, 99 Foo 2026"])
def test_a_clock_that_cannot_be_read_leaves_ours(date: str) -> None:
    assert retry_after({"Retry-After": http_date(NOW + 60), "Date": date}, NOW) == 60.0


def test_seconds_need_no_clock() -> None:
    assert retry_after({"Retry-After": "60", "Date": http_date(NOW - 86_400)}, NOW) == 60.0


@pytest.mark.parametrize(("status", "wait"), [(429, 60.0), (503, 60.0), (500, None), (404, None), (301, None)])
def test_only_an_archive_that_is_busy_can_make_us_wait(status: int, wait: float | None) -> None:
    failure = failure_from_response(status, {"Retry-After": "60"}, b"", NOW)
    assert failure is not None
    assert failure.retry_after == wait


DATES = st.builds(
    "{}, {} {} {} {}:{}:{} {}".format,
    st.sampled_from(["Mon", "Sun", "", "x"]),
    st.integers(-1, 40),
    st.sampled_from(["Jan", "Feb", "Nov", "dec", "13", ""]),
    st.integers(-1, 12_000),
    st.integers(-1, 30),
    st.integers(-1, 70),
    st.integers(-1, 70),
    st.sampled_from(["GMT", "UTC", "+0000", "-0000", "+9999", "-9999", "+99999999", "EST", "", "Z", "x"]),
)
VALUES = st.text(max_size=30) | st.integers().map(str) | DATES | st.text("0123456789:, +-GMTNov", max_size=40)
HEADERS = st.fixed_dictionaries({}, optional={"Retry-After": VALUES, "Date": VALUES})


@WILD
@given(HEADERS, st.sampled_from([0.0, NOW, 4e9]))
@example({"Retry-After": "Mon, 23 Nov 2026 03:00:00 GMT", "Date": " "}, NOW)
@example({"Retry-After": "Sat, 01 Jan 0001 00:00:00 +2359"}, NOW)
@example({"Retry-After": "Fri, 31 Dec 9999 23:59:59 -2359"}, NOW)
@example({"Retry-After": "(", "Date": ":"}, NOW)
def test_no_header_makes_it_raise_go_back_in_time_or_wait_for_ever(headers: Mapping[str, str], now: float) -> None:
    wait = retry_after(headers, now)
    assert wait is None or 0.0 <= wait <= LONGEST_RETRY_AFTER


@WILD
@given(
    st.integers(100, 999).filter(lambda status: status != 200),
    HEADERS,
    st.binary(max_size=300)
    | st.lists(st.sampled_from([b"<head", b">", b"<!--", b"x", b"&#27;", b"\x9b", b"</"])).map(b"".join),
)
def test_no_answer_is_too_odd_for_a_judgement(status: int, headers: Mapping[str, str], body: bytes) -> None:
    failure = failure_from_response(status, headers, body, NOW)
    assert failure is not None
    assert failure.kind in FailureKind
    assert failure.detail.startswith(f"HTTP {status}")
    assert failure.detail.isprintable()
    assert len(failure.detail) <= 220


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<p>one<br>two</p>", "one two"),
        (b"<style>p {}</style><script>x()</script >seen", "seen"),
        (b"<title>only this</title>", "only this"),
        (b"<head><title>said in the title</title></head><body></body>", "said in the title"),
        (b"<head><title>t</title><body>a head that is never closed", "a head that is never closed"),
        (b"said<!-- a comment that is never closed", "said"),
        (b"said<script>a script that is never closed", "said"),
        (b"<head><title>t</title> a head and nothing else", "t"),
        (b"flux < 5 is too low", "flux < 5 is too low"),
        (b"a\0b\r\n\tc\x07", "a b c"),
        ("hvězda\u202e\u2066".encode(), "hvězda"),
        (b"caf\xe9", "caf\N{REPLACEMENT CHARACTER}"),
        (b"&lt;b&gt; &amp; &#27;[31m", "<b> & [31m"),
        (b"", ""),
    ],
)
def test_words_are_what_a_person_would_read(body: bytes, words: str) -> None:
    assert first_words(body) == words


def test_words_are_cut_to_what_a_line_holds() -> None:
    assert plain_line("x" * 201) == "x" * 199 + "…"
    assert plain_line("x" * 200) == "x" * 200
    assert len(plain_line("x" * 300_000, 300_000)) < 300_000
    assert len(first_words(b"word " * 100_000)) == 200

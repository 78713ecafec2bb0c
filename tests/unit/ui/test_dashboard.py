"""What the dashboard shows, at every size and in every encoding."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from harvester import events as ev
from harvester.formatting import plain_line
from harvester.model.failures import Failure, FailureKind
from harvester.ui.panels import ends
from tests.unit.ui.drawing import drawn
from tests.unit.ui.test_state import NOON, Seen, failed, seen, started, steady, target

HOSTILE = "\x1b]0;owned\x07\x1b[31mred\x1b[2J \x9b5A\u202eback [bold]no markup[/bold] \r\n:smile: ž"


def midway() -> Seen:
    return seen(
        started(listed=13_334, present=4113),
        *steady(700),
        ev.LimitsChanged(NOON + 690, 2.5, 4, "latency doubled"),
        ev.PhaseEntered(NOON + 699.6, target(9001), 1, ev.Phase.BODY),
        ev.PhaseEntered(NOON + 680, target(9002), 2, ev.Phase.RESPONSE),
        ev.SpectrumFailed(NOON + 690, failed(9003, FailureKind.NOT_FITS, HOSTILE)),
        ev.RetryScheduled(NOON + 691, target(9004), 1, Failure(FailureKind.BUSY, "busy", 503, 120.0), NOON + 811),
    )


def text(view: Seen, width: int, rows: int, encoding: str = "utf-8") -> str:
    return "\n".join(drawn(view.snapshot(NOON + 700), width, rows, encoding))


PANELS = ("in flight", "last failures", "politeness", "spectra", "harvester")


def panels(width: int, rows: int) -> set[str]:
    picture = text(midway(), width, rows)
    return {name for name in PANELS if name in picture}


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_the_essentials_are_there_at_every_usual_width(width: int) -> None:
    picture = text(midway(), width, 29)
    for words in ("5 514 / 13 334", "41 %", "ETA 01:", "RUNNING 00:11:40", "saved and verified", "2.00 / 2.5 / 5"):
        assert words in picture
    assert max(len(line) for line in picture.splitlines()) <= width


def test_the_whole_picture_names_what_is_in_flight_and_what_failed() -> None:
    lines = text(midway(), 120, 29).splitlines()
    assert any("spectrum9001" in line and "receiving" in line and "0.4 s" in line for line in lines)
    assert any("spectrum9002" in line and "requesting" in line and "20.0 s" in line for line in lines)
    assert any("x spectrum9003" in line and "not fits" in line for line in lines)
    assert any("~ spectrum9004" in line and "busy" in line and "again" in line for line in lines)
    assert "41 GB free" in lines[-1]


def test_panels_drop_in_a_fixed_order() -> None:
    by_width = [panels(width, 29) for width in (120, 89, 69, 45, 30, 20)]
    by_height = [panels(80, rows) for rows in (29, 18, 11, 5, 2)]
    for shown in (by_width, by_height):
        for more, fewer in pairwise(shown):
            assert fewer <= more
        for one in shown:
            assert one == set(PANELS[len(PANELS) - len(one) :])
    assert [len(one) for one in by_width] == [5, 4, 3, 2, 1, 0]
    assert [len(panels(80, rows)) for rows in (32, 33)] == [4, 5], "what is in flight has room in a high terminal"
    assert len(text(midway(), 80, 33).splitlines()) == 33


def test_the_last_line_to_go_is_the_progress() -> None:
    assert text(midway(), 20, 1).startswith(" 5 514 / 13 334")


def test_ascii_terminals_get_ascii() -> None:
    for width in (60, 80, 100, 200):
        assert text(midway(), width, 29, "ascii").isascii()
    picture = text(midway(), 100, 29, "ascii")
    assert "+- in flight" in picture
    assert "#########>----" in picture
    assert "?" not in picture.replace("smile: ?", ""), "a question mark stands only for what the server wrote"


@pytest.mark.parametrize(("encoding", "corner"), [("utf-8", "╭"), ("UTF8", "╭"), ("latin-1", "+"), ("ascii", "+")])
def test_glyphs_follow_the_encoding(encoding: str, corner: str) -> None:
    assert f"{corner}{'-' if corner == '+' else '─'} politeness" in text(midway(), 60, 29, encoding)


def test_what_a_server_says_cannot_command_the_terminal() -> None:
    picture = text(midway(), 120, 29)
    assert "red back [bold]no markup[/bold] :smile: ž" in picture
    assert "owned" not in picture
    assert all(character.isprintable() or character == "\n" for character in picture)


@given(st.text(), st.text(max_size=12), st.integers(1, 60))
def test_a_line_with_two_ends_never_outgrows_its_room(left: str, right: str, width: int) -> None:
    line = ends(Text(plain_line(left)), Text(plain_line(right)), width)
    assert line.cell_len <= width
    if width - Text(plain_line(right)).cell_len > 4:
        assert line.cell_len == width
        assert line.plain.endswith(plain_line(right))


def test_a_pause_says_why_and_how_long() -> None:
    view = midway()
    view(ev.HarvestPaused(NOON + 699, "HTTP 503: maintenance", NOON + 760))
    picture = text(view, 100, 29)
    assert "PAUSED" in picture
    assert "paused: HTTP 503: maintenance" in picture
    assert "60 s to go" in picture


def test_a_drain_says_what_is_finished_and_what_another_ctrl_c_does() -> None:
    view = seen(started(), ev.PhaseEntered(NOON, target(1), 1, ev.Phase.RESPONSE), grace=30.0)
    view(ev.HarvestDraining(NOON + 698, "stopped by Ctrl-C"))
    for width in (60, 80, 100):
        lines = text(view, width, 29).splitlines()
        assert "finishing 1 in flight, up to 28 s  DRAINING" in lines[0]
        assert lines[-1].startswith("Ctrl-C again to stop now · stopped by Ctrl-C")


def test_the_last_line_stays_clear_of_the_edge() -> None:
    for width, rows in ((120, 29), (60, 19), (20, 1)):
        assert len(text(midway(), width, rows).splitlines()[-1]) <= width - 2


def test_what_this_run_leaves_out_has_a_row_of_its_own() -> None:
    picture = text(seen(started(limit=400), *steady(100)), 120, 29)
    assert "300 / 500" in picture
    assert "60 %" in picture
    rows = [line.split("│")[1].split() for line in picture.splitlines() if "another run" in line or "to go" in line]
    assert rows == [["to", "go", "200"], ["left", "for", "another", "run", "500"]]


def test_what_is_allowed_stands_beside_the_ceiling_and_says_why() -> None:
    picture = text(midway(), 120, 29)
    assert "2 / 4 / 8" in picture
    assert "slowed down" in picture
    assert "latency doubled" in picture
    assert "0.50 / 0.50 s" in picture


@pytest.mark.parametrize("width", [80, 90, 100, 120])
def test_the_servers_words_get_the_room(width: int) -> None:
    view = seen(started())
    words = "HTTP 503: the archive is down for maintenance until Monday, we are sorry"
    view(ev.RetryScheduled(NOON + 1, target(1), 1, Failure(FailureKind.BUSY, words, 503), NOON + 20))
    row = next(line for line in text(view, width, 29).splitlines() if "~ spectrum" in line)
    assert words[:33] in row
    assert "again" not in row


def test_more_in_flight_than_rows_shows_the_longest_waiting() -> None:
    view = seen(started())
    for number in range(30):
        view(ev.PhaseEntered(NOON + number, target(number), 1, ev.Phase.RESPONSE if number > 2 else ev.Phase.WAITING))
    picture = text(view, 100, 29)
    assert "in flight 27 / 8" in picture
    assert "spectrum0003" in picture
    assert "spectrum0000" not in picture
    assert "and 20 more" in picture


def test_the_final_picture_is_short_and_says_how_it_ended() -> None:
    view = midway()
    view(ev.HarvestEnded(NOON + 700, "interrupted", 130))
    lines = text(view, 100, 29).splitlines()
    assert len(lines) == 3
    assert lines[2].startswith("interrupted")


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_while_only_retries_wait_there_is_no_guess_of_the_time_left(width: int) -> None:
    view = seen(started(listed=101, present=100), ev.PhaseEntered(NOON, target(1), 1, ev.Phase.RESPONSE))
    view(ev.RetryScheduled(NOON, target(1), 1, Failure(FailureKind.BUSY, "busy", 503), NOON + 3600))
    lines = text(view, width, 29).splitlines()
    assert re.search(r"retries until \d\d:30$", lines[1])
    said = re.search(r"1 retry left, the last at \d\d:30:00", "\n".join(lines))
    assert (said is not None) == (width >= 90)


def test_who_waits_is_counted_beside_who_is_in_flight() -> None:
    view = seen(started())
    phases = (ev.Phase.RESPONSE, ev.Phase.WAITING, ev.Phase.HELD)
    for number, phase in enumerate(phases):
        view(ev.PhaseEntered(NOON, target(number), 1, phase))
    picture = text(view, 100, 29)
    assert "in flight 1 / 8 · 2 waiting" in picture
    assert [word for word in ("requesting", "waiting", "held") if f" {word} " in picture] == [
        "requesting",
        "waiting",
        "held",
    ]


def test_what_keys_do_is_shown_as_far_as_there_is_room() -> None:
    keys = ("p pause", "+ - rate", "q drain", "Ctrl-C twice to stop now")
    foot = {width: drawn(midway().snapshot(NOON + 700), width, 29, keys=keys)[-1] for width in (40, 60, 100)}
    assert foot[100].startswith("p pause · + - rate · q drain · Ctrl-C twice to stop now")
    assert foot[60].startswith("p pause · + - rate · q drain  ")
    assert foot[40].startswith("p pause · + - rate  ")


def test_a_high_terminal_has_more_rows() -> None:
    view = seen(started())
    for number in range(24):
        view(ev.PhaseEntered(NOON, target(number), 1, ev.Phase.RESPONSE))
    big = seen(ev.HarvestStarted(NOON, "run-1", "demo", "127.0.0.1", "data/demo", 1000, 100, 900, 5.0, 32))
    for number in range(24):
        big(ev.PhaseEntered(NOON, target(number), 1, ev.Phase.RESPONSE))
    assert text(big, 100, 60).count("requesting") == 24
    assert text(view, 100, 29).count("requesting") == 7
    assert {name for name in PANELS if name in text(midway(), 60, 45)} == set(PANELS), "narrow, and all panels"

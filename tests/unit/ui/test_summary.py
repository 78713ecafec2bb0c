"""The run summary, and the numbers in it: what is read in the morning, and typed next."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.console import Group

from harvester import events as ev
from harvester.events.politeness import Pauses, Politeness
from harvester.events.stats import HarvestStats
from harvester.model.failures import FailureKind
from harvester.ui.output_thread import OutputThread
from harvester.ui.summary import Commands, RunSummary, content, print_summary
from harvester.ui.terminal import Terminal
from tests.unit.ui.drawing import printed
from tests.unit.ui.test_state import NOON


def stats(code: int | None, **changes: object) -> HarvestStats:
    numbers: dict[str, object] = {
        "run": "run-1", "listed": 13_334, "present": 4113, "saved": 9221, "requests": 9231, "bytes": 348_000_000,
        "started": NOON, "ended": NOON + 6821, "reason": "why", "exit_code": code,
    }  # fmt: skip
    return HarvestStats(**{**numbers, **changes})  # type: ignore[arg-type]  # a table of differences


TYPED = Commands(again="GO ON", only_failed="ONLY FAILED", failures="FAILURES", status="STATUS")


def lines(what: RunSummary, *, width: int = 100, encoding: str = "utf-8") -> list[str]:
    return [line.rstrip() for line in printed(Group(*content(what, width)), width, encoding=encoding)]


def summary(numbers: HarvestStats, width: int = 120) -> str:
    what = RunSummary(numbers, "data/my stars", NOON + 7000, TYPED, events="data/my stars/run-1/events.jsonl")
    return "\n".join(lines(what, width=width))


SOME_FAILED = {"saved": 9208, "failed": 13, "failures": {FailureKind.NOT_FOUND: 12, FailureKind.TIMEOUT: 1}}


@pytest.mark.parametrize(
    ("numbers", "present", "absent"),
    [
        (
            stats(0),
            ["complete · 01:53:41 · 13 334 in the catalog", "9 221 new (348 MB received)", "run-1/events"],
            ["next", "failed", "GO ON"],
        ),
        (
            stats(0, present=13_334, saved=0),
            ["nothing to do: all 13 334 spectra are on disk"],
            ["next", "run-1/events"],
        ),
        (stats(0, listed=0, present=0, saved=0), ["nothing to do: the catalog is empty"], ["next"]),
        (stats(130, saved=1000), ["interrupted ·", "8 221 to go", "GO ON"], ["FAILURES", "ONLY FAILED"]),
        (stats(143, saved=1000), ["terminated ·", "GO ON"], []),
        (stats(4, **{**SOME_FAILED, "saved": 50}), ["FAILURES", "GO ON"], ["ONLY FAILED"]),
        (stats(130, **SOME_FAILED), ["ONLY FAILED"], ["GO ON"]),
        (
            stats(4, **SOME_FAILED),
            ["12  not_found", "404, unknown to the archive", "run again", "FAILURES", "ONLY FAILED"],
            ["to go", "GO ON", "STATUS"],
        ),
        (
            stats(3, saved=9209, failed=12, failures={FailureKind.NOT_FOUND: 12}),
            ["finished; some spectra are unavailable", "FAILURES"],
            ["ONLY FAILED", "GO ON"],
        ),
        (
            stats(5, saved=0),
            ["the archive was unavailable", "why", "GO ON", "when the archive is available again"],
            ["ONLY FAILED"],
        ),
        (stats(6, saved=10, reason="No space left"), ["local storage failed", "No space left", "has free space"], []),
        (stats(7, saved=0), ["the archive rejects every request", "--fluxcalib, --band, --format"], []),
        (stats(1, saved=0), ["stopped by an internal error"], []),
        (stats(None, saved=0, ended=None), ["stopped · 01:56:40", "GO ON", "STATUS"], []),
    ],
)
def test_the_summary_says_what_is_there_what_is_not_and_what_to_type(
    numbers: HarvestStats, present: list[str], absent: list[str]
) -> None:
    words = summary(numbers)
    assert all(part in words for part in present), words
    assert not any(part in words for part in absent), words


def test_the_politeness_receipt_is_two_or_three_lines_to_be_proud_of() -> None:
    pauses = {ev.Pause.RETRY_AFTER: Pauses(2, 240.0), ev.Pause.OUTAGE: Pauses(1, 3600.0), ev.Pause.WINDOW: Pauses(1, 9)}
    seen = Politeness(
        "harvester/1 (IVOA-copy)", "h", 5.0, 8, 9231, 6, 9210, 21, 10, 3, NOON, NOON + 3600, pauses,
    )  # fmt: skip
    what = RunSummary(stats(4, saved=100, retries=22), "data", NOON + 7000, TYPED, politeness=seen, nights_left=2)
    words = "\n".join(lines(what, width=120))
    assert "9 121 to go (2 more nights at the rate reached)" in words
    assert "  9 231 requests for 9 210 spectra, 2.6 a second, at most 6 in one second · 21 retries\n" in words
    assert (
        "\n  2 pauses of 4 min requested by the server, 1 pause of 1 h with the archive unavailable,"
        " slowed down 3 times\n"
    ) in words
    assert "\n  as harvester/1 (IVOA-copy)\n" in words
    assert "night" not in summary(stats(4, saved=100))


def test_a_narrow_summary_loses_no_word() -> None:
    wide, narrow = summary(stats(4, **SOME_FAILED), 140), summary(stats(4, **SOME_FAILED), 60)
    for kind in (FailureKind.NOT_FOUND, FailureKind.TIMEOUT):
        assert kind.meaning in narrow
        assert kind.advice in " ".join(narrow.split())
    assert len(narrow.splitlines()) > len(wide.splitlines())


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_narrow_terminal_breaks_no_word(width: int) -> None:
    seen = Politeness("harvester/1 (IVOA-copy)", "h", 5.0, 8, 9231, 6, 9210, 21, 10, 3, NOON, NOON + 3600)
    what = RunSummary(stats(4, **SOME_FAILED), "data", NOON + 7000, TYPED, politeness=seen)
    shown = lines(what, width=width)
    assert max(len(line) for line in shown[:-3]) <= width
    shown_words, words = (re.findall(r"[^\s·→]+", "\n".join(some)) for some in (shown, lines(what, width=300)))
    assert shown_words[:40] == words[:40]
    assert not any(re.search(r"(?<!\d:)\b\d+$|·$", line) for line in shown[:-3]), "and no number or dot is left alone"


def test_what_was_lost_and_what_was_set_aside_is_said() -> None:
    what = RunSummary(stats(0), "data", NOON, TYPED, warnings=("Dashboard: gone", "EventLog: full"), quarantined=13)
    folder = "data/.harvester"
    what = replace(what, quarantine=f"{folder}/quarantine", events=f"{folder}/events.jsonl", log=f"{folder}/run.log")
    words = "\n".join(lines(what))
    assert re.search("^log +data/.harvester/run.log", words, re.MULTILINE)
    words = "\n".join(lines(replace(what, stats=stats(0, present=13_334, saved=0))))
    assert "events.jsonl" not in words, "nothing to do: nothing happened"
    assert "2 warnings; the run went on without:" in words
    assert "Dashboard: gone" in words
    assert "data/.harvester/quarantine  13 bodies that failed a check" in words
    assert "quarantine" not in summary(stats(0))
    assert "warning" not in summary(stats(0))


def test_the_summary_is_printed_whole_with_colours_and_harmless() -> None:
    stream = io.StringIO()
    outlet = OutputThread(stream)
    numbers = stats(6, saved=1, reason="\x1b]0;owned\x07full")
    what = RunSummary(numbers, "x" * 90, NOON, TYPED, warnings=("Dashboard: \x1b[2Jgone",))
    what = replace(what, events="x" * 90 + "/.harvester/runs/run-1/events.jsonl")
    print_summary(Terminal(outlet, width=60, color_system=None), what)
    assert outlet.close()
    assert "x" * 90 + "/.harvester/runs/run-1/events.jsonl" in stream.getvalue()
    assert "Dashboard: gone" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()
    assert "\n".join(lines(what, encoding="ascii")).isascii()


def test_a_command_is_never_cut_short() -> None:
    command = "python -m harvester --catalog " + "x" * 300
    words = "\n".join(lines(RunSummary(stats(4, saved=1), "data", NOON, replace(TYPED, again=command)), width=40))
    assert command in words


def test_a_summary_that_no_one_hears_is_said_in_silence() -> None:
    outlet = OutputThread(io.StringIO())
    outlet.fault = BrokenPipeError("the reader is gone")
    print_summary(Terminal(outlet, width=60), RunSummary(stats(0), "data", NOON, TYPED))


def test_a_refresh_counts_what_it_left_apart_from_what_is_stored() -> None:
    reason = "the rest of the refresh was left for another run"
    numbers = stats(4, present=13_000, saved=334, reason=reason, to_refresh=330, refreshed=330, refreshed_before=7000)
    words = " ".join("\n".join(lines(RunSummary(numbers, "data/x", NOON + 7000, TYPED, refresh_left=6000))).split())
    assert "13 334 on disk, 330 refreshed, 4 new (348 MB received), 7 000 refreshed before" in words
    assert "6 000 left of the refresh" in words
    assert "GO ON" in words


def test_a_spectrum_that_could_not_be_refreshed_is_not_called_missing() -> None:
    reason = "finished; some stored spectra could not be refreshed and stay as they are"
    numbers = stats(3, listed=10, present=0, saved=9, to_refresh=10, refreshed=9, failed=1, kept=1, reason=reason)
    words = " ".join("\n".join(lines(RunSummary(numbers, "data/x", NOON + 7000, TYPED, refresh_left=0))).split())
    assert reason in words
    assert "10 on disk, 9 refreshed" in words
    assert "1 not refreshed and kept as they were" in words
    assert "unavailable" not in words

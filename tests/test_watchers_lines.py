"""Plain lines, JSON lines, the farewell and the figures in them."""

from __future__ import annotations

import io
import json
import re

import pytest
from rich.console import Console

from harvester import events as ev
from harvester.failures import Failure, FailureKind
from harvester.outcomes import Gate
from harvester.stats import HarvestStats
from harvester.watchers import figures
from harvester.watchers.canvas import ASCII
from harvester.watchers.farewell import Farewell, farewell, say
from harvester.watchers.json_lines import JsonLines, to_json
from harvester.watchers.plain import PlainLines

from .test_watchers_view import NOON, failed, saved, started, steady, target


def told(*events: ev.Event, timestamps: bool = False) -> list[str]:
    stream = io.StringIO()
    watcher = PlainLines(stream, timestamps=timestamps)
    for event in events:
        watcher(event)
    return stream.getvalue().splitlines()


def test_a_long_harvest_gets_a_line_a_minute() -> None:
    lines = told(started(listed=10**6), *steady(600))
    assert len(lines) == 1 + 9
    assert lines[0] == (
        "harvest run-1: 1 000 000 listed, 100 already here, 999 900 to fetch from 127.0.0.1 to data/demo,"
        " at most 8 at once, 5 req/s"
    )
    assert re.fullmatch(
        r"221 of 1 000 000 \(0 %\): 121 saved \(121 kB\), 0 failed, 0 retries due, 2\.\d\d req/s, ETA .*", lines[1]
    )


def test_a_short_harvest_gets_a_line_for_each_twentieth_but_never_two_within_two_seconds() -> None:
    assert len(told(started(listed=140, present=100), *steady(20))) == 1 + 9
    assert len(told(started(listed=300, present=100), *steady(4, rate=50))) == 1 + 1


def test_state_changes_and_first_failures_are_told_once() -> None:
    busy = Failure(FailureKind.BUSY, "HTTP 503: \x1b[31mbusy", 503)
    lines = told(
        started(),
        ev.RetryScheduled(NOON, target(1), 1, busy, NOON + 5),
        ev.RetryScheduled(NOON, target(2), 1, busy, NOON + 5),
        ev.HarvestPaused(NOON, "HTTP 503: busy", NOON + 120),
        ev.HarvestResumed(NOON + 120, "the wait is over"),
        ev.PaceChanged(NOON, 1.5, 4, "the archive slows down"),
        ev.HarvestDraining(NOON, "SIGINT"),
        ev.SpectrumFailed(NOON, failed(3)),
        ev.SpectrumFailed(NOON, failed(4)),
        ev.WatcherLost(NOON, "Dashboard", "OSError"),
    )
    assert [line.split(":")[0].split(" until")[0] for line in lines[1:]] == [
        "first busy", "paused", "resumed", "pace", "draining", "first not_found", "Dashboard is off",
    ]  # fmt: skip
    assert lines[1].startswith("first busy: spectrum0001: HTTP 503: busy; asked again at ")
    assert "(120 s)" not in lines[2] or lines[2].endswith(": HTTP 503: busy")


def test_the_journal_brings_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert re.match(r"\d\d:\d\d:\d\d harvest", told(started(), timestamps=True)[0])
    stream = io.StringIO()
    monkeypatch.setenv("JOURNAL_STREAM", "8:1234")
    PlainLines(stream)(started())
    assert stream.getvalue().startswith("harvest")


def test_plain_lines_fit_a_narrow_encoding() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    watcher = PlainLines(stream)
    watcher(ev.HarvestPaused(NOON, "údržba — maintenance", float("inf")))
    stream.seek(0)
    assert "?dr?ba ? maintenance" in stream.read()


FAILURE = {"kind", "blame", "detail", "http_status", "retry_after"}
WHO = {"id", "name"}
TRIED = {"attempts", "elapsed", "url"}
PROOF = {"bytes", "sha256", "content_digest", "points", "wave_min", "wave_max", "object"}
SCHEMA: list[tuple[ev.Event, set[str]]] = [
    (started(), {"run", "archive", "host", "out", "listed", "present", "wanted", "rate", "concurrency"}),
    (ev.PhaseEntered(NOON, target(1), 1, ev.Phase.BODY), WHO | {"attempt", "phase"}),
    (ev.RequestSent(NOON, "u"), {"url"}),
    (ev.AnswerReceived(NOON, target(1), 200, 0.5, 1), WHO | {"status", "latency", "size"}),
    (ev.RetryScheduled(NOON, target(1), 1, Failure(FailureKind.TLS, "x"), NOON), WHO | FAILURE | {"attempt", "due"}),
    (ev.BodyQuarantined(NOON, target(1), Gate.SCIENCE, "p"), WHO | {"gate", "path"}),
    (ev.SpectrumSaved(NOON, saved(1)), WHO | TRIED | PROOF),
    (ev.SpectrumFailed(NOON, failed(1)), WHO | TRIED | FAILURE),
    (ev.PaceChanged(NOON, 1.0, 2, "r"), {"rate", "concurrency", "reason"}),
    (ev.HarvestPaused(NOON, "r", NOON), {"reason", "until"}),
    (ev.HarvestResumed(NOON, "r"), {"reason"}),
    (ev.HarvestDraining(NOON, "r"), {"reason"}),
    (ev.WatcherLost(NOON, "w", "e"), {"watcher", "error"}),
    (ev.HarvestEnded(NOON, "r", 0), {"reason", "exit_code"}),
]


@pytest.mark.parametrize(("event", "names"), SCHEMA, ids=lambda value: type(value).__name__)
def test_the_json_of_every_event_is_flat_and_stable(event: ev.Event, names: set[str]) -> None:
    flat = to_json(event)
    assert list(flat)[:2] == ["event", "time"]
    assert flat["event"] == event.event_name()
    assert flat["time"] == "2026-11-22T21:30:00.000Z"
    assert set(flat) == {"event", "time"} | names
    assert all(value is None or isinstance(value, (str, int, float)) for value in flat.values())
    assert json.loads(json.dumps(flat, allow_nan=False)) == flat


def test_every_event_has_a_schema() -> None:
    # By name: slotted dataclasses leave the class they were made from among the subclasses.
    assert {type(event).__name__ for event, _ in SCHEMA} == {kind.__name__ for kind in ev.Event.__subclasses__()}


def test_what_json_cannot_say_is_null() -> None:
    assert to_json(ev.HarvestPaused(NOON, "r", float("inf")))["until"] is None
    failure = Failure(FailureKind.BUSY, "x", 503, float("nan"))
    assert to_json(ev.RetryScheduled(NOON, target(1), 1, failure, NOON))["retry_after"] is None


def test_json_lines_are_the_logged_events_and_the_summary_comes_last() -> None:
    stream = io.StringIO()
    watcher = JsonLines(stream)
    ended = ev.HarvestEnded(NOON, "complete", 0)
    for event in (started(), ev.RequestSent(NOON, "u"), ev.SpectrumFailed(NOON, failed(1, detail="\x1b[31mž")), ended):
        watcher(event)
    watcher.end({"listed": 3}, NOON)
    watcher(ev.WatcherLost(NOON, "late", "x"))
    assert stream.getvalue().isascii()
    assert "\x1b" not in stream.getvalue()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["harvest_started", "spectrum_failed", "harvest_ended"]
    assert lines[-1]["summary"] == {"listed": 3}


def stats(code: int | None, **changes: object) -> HarvestStats:
    numbers: dict[str, object] = {
        "run": "run-1", "listed": 13_334, "present": 4113, "saved": 9221, "requests": 9231, "bytes": 348_000_000,
        "started": NOON, "ended": NOON + 6821, "reason": "why", "exit_code": code,
    }  # fmt: skip
    return HarvestStats(**{**numbers, **changes})  # type: ignore[arg-type]  # a table of differences


def parting(numbers: HarvestStats, width: int = 120) -> str:
    what = Farewell(numbers, "data/my stars", NOON + 7000, again="python -m harvester --concurrency 8")
    return "\n".join(farewell(what, width=width))


SOME_FAILED = {"saved": 9208, "failed": 13, "failures": {FailureKind.NOT_FOUND: 12, FailureKind.TIMEOUT: 1}}


@pytest.mark.parametrize(
    ("numbers", "present", "absent"),
    [
        (
            stats(0),
            ["complete · 01:53:41 · 13 334 listed", "9 221 new (348 MB received)", "run-1/events"],
            ["next", "failed"],
        ),
        (stats(0, present=13_334, saved=0), ["nothing to do: all 13 334 spectra are on disk"], ["next", "log"]),
        (stats(0, listed=0, present=0, saved=0), ["nothing to do: the catalogue is empty"], ["next"]),
        (stats(130, saved=1000), ["interrupted ·", "8 221 to go", "harvester --concurrency 8"], ["failures"]),
        (stats(143, saved=1000), ["terminated ·"], []),
        (
            stats(4, **SOME_FAILED),
            ["12  not_found", "404, the archive does not know it", "run again", "--only-failed --out 'data/my stars'"],
            ["to go"],
        ),
        (
            stats(3, saved=9209, failed=12, failures={FailureKind.NOT_FOUND: 12}),
            ["all was tried", "harvester failures --out 'data/my stars'"],
            ["--only-failed"],
        ),
        (stats(5, saved=0), ["the archive was unavailable", "why", "when the archive is back"], []),
        (stats(6, saved=10, reason="No space left"), ["local storage failed", "No space left", "has room"], []),
        (stats(7, saved=0), ["the archive refuses our requests", "--fluxcalib, --band, --format"], []),
        (stats(1, saved=0), ["a bug of ours"], []),
        (stats(None, saved=0, ended=None), ["stopped · 01:56:40"], []),
    ],
)
def test_the_farewell_says_what_is_there_what_is_not_and_what_to_type(
    numbers: HarvestStats, present: list[str], absent: list[str]
) -> None:
    words = parting(numbers)
    assert all(part in words for part in present), words
    assert not any(part in words for part in absent), words


def test_a_narrow_farewell_loses_no_word() -> None:
    wide, narrow = parting(stats(4, **SOME_FAILED), 140), parting(stats(4, **SOME_FAILED), 60)
    for kind in (FailureKind.NOT_FOUND, FailureKind.TIMEOUT):
        assert kind.meaning in narrow
        assert kind.advice in narrow
    assert len(narrow.splitlines()) > len(wide.splitlines())


def test_the_farewell_is_printed_whole_with_colours_and_harmless() -> None:
    stream = io.StringIO()
    what = Farewell(stats(6, saved=1, reason="\x1b]0;owned\x07full"), "x" * 90, NOON, lost=("Dashboard: \x1b[2Jgone",))
    say(Console(file=stream, width=60, color_system=None), what)
    assert "x" * 90 + "/.harvester/runs/run-1/events.jsonl" in stream.getvalue()
    assert "watching broke: Dashboard: gone" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()
    assert "\n".join(farewell(what, glyphs=ASCII)).isascii()


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (figures.count(13_334), "13 334"),
        (figures.plural(1, "retry", "retries"), "1 retry"),
        (figures.plural(0, "time"), "0 times"),
        (figures.size(0), "0 B"),
        (figures.size(999), "999 B"),
        (figures.size(999.9), "1.0 kB"),
        (figures.size(163_400_000), "163 MB"),
        (figures.size(9.96e9), "10 GB"),
        (figures.clock(6821), "01:53:41"),
        (figures.clock(3 * 86_400 + 14_706), "3 d 04:05:06"),
        (figures.clock(float("nan")), "--:--:--"),
        (figures.duration(0.014), "0.014 s"),
        (figures.duration(0.71), "0.71 s"),
        (figures.duration(9.999), "10 s"),
        (figures.duration(119.6), "2 min"),
        (figures.duration(125), "2 min 5 s"),
        (figures.duration(6821), "1 h 53 min"),
        (figures.duration(3 * 86_400 + 3600), "3 d 1 h"),
        (figures.duration(float("inf")), "unknown"),
        (figures.time_of_day(float("inf")), "--:--:--"),
        (figures.wall(float("nan"), NOON), "--:--"),
        (figures.percent(13_333, 13_334), "99 %"),
        (figures.percent(0, 0), "100 %"),
    ],
)
def test_figures_read_like_a_person_writes_them(said: str, expected: str) -> None:
    assert said == expected

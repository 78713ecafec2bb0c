"""Plain lines, JSON lines and the event log: what a log, a script and the next morning get to read."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import io
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiofiles
import pytest

from harvester import events as ev
from harvester.events.bus import EventBus
from harvester.events.serialize import to_json
from harvester.events.stats import StatsCollector
from harvester.formatting import first_words
from harvester.model.failures import Failure, FailureKind
from harvester.model.outcomes import Check
from harvester.monitoring import event_log
from harvester.monitoring.event_log import EventLog
from harvester.ui.json_lines import JsonLines
from harvester.ui.output_thread import OutputThread
from harvester.ui.plain_lines import PlainLines
from tests.unit.ui.test_state import NOON, failed, saved, started, steady, target


class Script:
    """Plain lines behind their tally, as on the bus, and what they said."""

    def __init__(self, *, timestamps: bool | None = False) -> None:
        self.stream, self.now = io.StringIO(), NOON
        self.outlet, self.tally = OutputThread(self.stream), StatsCollector()
        self.naps = asyncio.Semaphore(0)
        self.lines = PlainLines(
            self.outlet,
            lambda: self.tally.stats,
            timestamps=timestamps,
            now=lambda: self.now,
            sleep=self.sleep,
        )

    def __call__(self, event: ev.Event) -> None:
        self.now = event.time
        self.tally(event)
        self.lines(event)

    async def sleep(self, seconds: float) -> None:
        await self.naps.acquire()
        self.now += seconds

    async def pass_silently(self, seconds: int) -> None:
        for _ in range(seconds // 5):
            self.naps.release()
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    @property
    def told(self) -> list[str]:
        assert self.outlet.drain()
        return self.stream.getvalue().splitlines()


def told(*events: ev.Event, timestamps: bool | None = False) -> list[str]:
    script = Script(timestamps=timestamps)
    for event in events:
        script(event)
    return script.told


def test_a_long_harvest_gets_a_line_a_minute() -> None:
    lines = told(started(listed=10**6), *steady(600))
    assert len(lines) == 1 + 9
    assert lines[0] == (
        "run run-1: 1 000 000 in the catalog, 100 already stored, 999 900 to fetch from 127.0.0.1 to data/demo,"
        " at most 8 in flight, 5 requests/s"
    )
    assert re.fullmatch(
        r"221 of 1 000 000 \(0 %\): 121 saved \(121 kB\), 0 failed, 0 retries due, 2\.\d\d requests/s, ETA .*", lines[1]
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
        ev.LimitsChanged(NOON, 1.5, 4, "the archive slows down"),
        ev.HarvestDraining(NOON, "SIGINT"),
        ev.SpectrumFailed(NOON, failed(3)),
        ev.SpectrumFailed(NOON, failed(4)),
        ev.ClockJumped(NOON, 10_800.0),
        ev.ObserverFailed(NOON, "Dashboard", "OSError"),
    )
    assert [line.split(":")[0].split(" until")[0] for line in lines[1:]] == [
        "first busy", "paused", "resumed", "limits", "draining", "first not_found",
        "the clock jumped by 3 h", "Dashboard is off",
    ]  # fmt: skip
    assert lines[1].startswith("first busy: spectrum0001: HTTP 503: busy; retry at ")
    assert "(120 s)" not in lines[2] or lines[2].endswith(": HTTP 503: busy")


async def test_a_silent_hour_gets_its_line_a_minute() -> None:
    script = Script()
    async with script.lines:
        await script.pass_silently(600)
        assert script.told == [], "nothing has begun"
        script(started())
        script(ev.HarvestPaused(NOON, "HTTP 503: busy", NOON + 1800))
        await script.pass_silently(3600)
        assert len(script.told) == 2 + 60
        assert re.search(r"100 of 1 000 \(10 %\): .*, 0.00 requests/s, paused until \S+, 29 min to go$", script.told[2])
        script(ev.HarvestEnded(script.now, "complete", 0))
        await script.pass_silently(600)
    assert len(script.told) == 2 + 60


async def test_a_heartbeat_that_reaches_nobody_is_told_by_the_next_event() -> None:
    script = Script()
    async with script.lines:
        script(started())
        script.outlet.fault = BrokenPipeError("the reader is gone")
        await script.pass_silently(120)
        with pytest.raises(BrokenPipeError):
            script(ev.RequestSent(NOON + 120, "u"))


def test_a_clock_that_was_set_back_silences_nobody() -> None:
    assert len(told(started(listed=10**6), *steady(130, since=NOON - 3600))) == 1 + 2


def test_a_run_that_leaves_some_out_says_so_and_counts_its_own() -> None:
    lines = told(started(limit=200), *steady(90))
    assert "200 to fetch from 127.0.0.1 to data/demo, 700 left for another run," in lines[0]
    assert lines[-1].startswith("280 of 300 (93 %): 180 saved")


def test_the_journal_brings_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert re.match(r"\d\d:\d\d:\d\d run", told(started(), timestamps=True)[0])
    monkeypatch.setenv("JOURNAL_STREAM", "8:1234")
    assert told(started(), timestamps=None)[0].startswith("run run-1")


FAILURE = {"kind", "blame", "detail", "http_status", "retry_after"}
WHO = {"id", "name"}
TRIED = {"attempts", "elapsed", "url"}
ASKED = {"endpoint", "request_key", "user_agent", "profile_sha256", "retries", "retries_until"}
PROOF = {"bytes", "sha256", "content_digest", "points", "wave_min", "wave_max", "object"}
SCHEMA: list[tuple[ev.Event, set[str]]] = [
    (started(), ASKED | {"run", "archive", "host", "out", "listed", "present", "wanted", "rate", "concurrency"}),
    (ev.PhaseEntered(NOON, target(1), 1, ev.Phase.BODY), WHO | {"attempt", "phase"}),
    (ev.RequestSent(NOON, "u"), {"url"}),
    (ev.ResponseReceived(NOON, target(1), 200, 0.5, 1), WHO | {"status", "latency", "size"}),
    (ev.RetryScheduled(NOON, target(1), 1, Failure(FailureKind.TLS, "x"), NOON), WHO | FAILURE | {"attempt", "due"}),
    (ev.BodyQuarantined(NOON, target(1), Check.SCIENCE, "p"), WHO | {"check", "path"}),
    (ev.SpectrumVerified(NOON, saved(1)), WHO | TRIED | PROOF),
    (ev.SpectrumSaved(NOON, saved(1)), WHO | TRIED | PROOF),
    (ev.SpectrumFailed(NOON, failed(1)), WHO | TRIED | FAILURE),
    (ev.LimitsChanged(NOON, 1.0, 2, "r"), {"rate", "concurrency", "reason", "by_server"}),
    (ev.HarvestPaused(NOON, "r", NOON), {"reason", "until", "kind"}),
    (ev.HarvestResumed(NOON, "r"), {"reason"}),
    (ev.HarvestDraining(NOON, "r"), {"reason"}),
    (ev.ClockJumped(NOON, 10_800.0), {"seconds"}),
    (ev.ObserverFailed(NOON, "w", "e"), {"observer", "error"}),
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
    assert {type(event) for event, _ in SCHEMA} == set(ev.EVENTS)


def test_what_json_cannot_say_is_null() -> None:
    assert to_json(ev.HarvestPaused(NOON, "r", float("inf")))["until"] is None
    failure = Failure(FailureKind.BUSY, "x", 503, float("nan"))
    assert to_json(ev.RetryScheduled(NOON, target(1), 1, failure, NOON))["retry_after"] is None


def test_json_lines_are_the_logged_events_and_the_summary_comes_last() -> None:
    stream = io.StringIO()
    outlet = OutputThread(stream)
    watcher, bus = JsonLines(outlet), EventBus()
    bus.add(watcher, logged_only=True)
    ended = ev.HarvestEnded(NOON, "complete", 0)
    for event in (started(), ev.RequestSent(NOON, "u"), ev.SpectrumFailed(NOON, failed(1, detail="\x1b[31mž")), ended):
        bus.emit(event)
    watcher.end({"listed": 3}, NOON)
    bus.emit(ev.ObserverFailed(NOON, "late", "x"))
    assert outlet.close()
    assert stream.getvalue().isascii()
    assert "\x1b" not in stream.getvalue()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["harvest_started", "spectrum_failed", "harvest_ended"]
    assert lines[-1]["summary"] == {"listed": 3}


def logged(path: Path) -> list[str]:
    return [json.loads(line)["reason"] for line in path.read_text().splitlines()]


async def test_the_event_log_has_every_line_in_order_however_the_harvest_ends(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"

    async def harvest() -> None:
        async with EventLog(path) as log:
            for number in range(100):
                log(ev.HarvestResumed(NOON, str(number)))
                if number == 60:
                    await log._flush()
            asyncio.current_task().cancel()  # type: ignore[union-attr]  # there is one: we are in it
            await asyncio.sleep(0)

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(harvest())
    assert logged(path) == [str(number) for number in range(100)]


async def test_a_cancellation_while_the_last_lines_are_written_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "EVERY", 0.0)
    for patience in range(8):
        path = tmp_path / f"{patience}.jsonl"

        async def harvest(path: Path = path) -> None:
            async with EventLog(path) as log:
                for number in range(20):
                    log(ev.HarvestResumed(NOON, str(number)))

        task = asyncio.create_task(harvest())
        for _ in range(patience):
            await asyncio.sleep(0)
        cancelled = task.cancel() and patience > 0
        await asyncio.wait([task])
        assert not cancelled or logged(path) == [str(number) for number in range(20)]


async def test_a_disk_that_fails_the_last_lines_is_the_callers_to_tell(tmp_path: Path) -> None:
    async with EventLog(tmp_path / "not there" / "events.jsonl") as log:
        log(started())
    assert isinstance(log.fault, FileNotFoundError)


class NoRoom:
    """A file on a disk that takes ten bytes more and is full then."""

    def __init__(self, file: Any) -> None:
        self._file, self.truncate, self.seek = file, file.truncate, file.seek

    async def write(self, some: memoryview) -> int:
        if len(some) < len(STARTED):
            raise OSError(errno.ENOSPC, "No space left on device")
        await self._file.write(some[:10])
        return 10


STARTED = json.dumps(to_json(started())) + "\n"


async def test_a_disk_that_is_full_for_a_while_costs_no_line_and_tears_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, path = aiofiles.open, tmp_path / "events.jsonl"

    @contextlib.asynccontextmanager
    async def full(*how: Any, **more: Any) -> AsyncIterator[NoRoom]:
        async with opened(*how, **more) as file:
            yield NoRoom(file)

    async with EventLog(path) as log:
        log(started())
        await log._flush()
        with monkeypatch.context() as while_full:
            while_full.setattr(aiofiles, "open", full)
            log(started())
            await log._flush()
            assert path.read_text() == STARTED
        log(started())
    assert path.read_text() == 3 * STARTED
    assert log.fault is None


async def test_a_disk_that_fails_earlier_is_told_by_the_bus_alone(tmp_path: Path) -> None:
    async with EventLog(tmp_path / "not there" / "events.jsonl") as log:
        bus = EventBus(log)
        bus.emit(started())
        await log._flush()
        bus.emit(started())
    assert [lost.observer for lost in bus.failed_observers] == ["EventLog"]
    assert log.fault is None


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

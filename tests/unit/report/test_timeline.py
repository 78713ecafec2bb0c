"""The timeline as a chart needs it: events folded into a few hundred bins, pauses and slow-downs beside them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harvester import events as ev
from harvester.events.serialize import to_json
from harvester.model.failures import Failure, FailureKind
from harvester.model.outcomes import Failed, Saved, VerifiedSpectrum
from harvester.model.target import SpectrumId, Target
from harvester.report.data.timeline import MOST_BINS, MOST_LISTED, Timeline, TimelineReader, read_timeline

START = datetime(2026, 11, 22, 21, tzinfo=UTC).timestamp()
TARGET = Target(SpectrumId("ivo://a/b"), "b")
PROOF = VerifiedSpectrum(2880, "0" * 64, "1" * 64, 2, 6e-7, 7e-7, '"elapsed": 9, star')


def saved(after: float, elapsed: float = 0.5) -> ev.Event:
    return ev.SpectrumSaved(START + after, Saved(TARGET, PROOF, 1, elapsed, "http://a"))


def failed(after: float) -> ev.Event:
    failure = Failure(FailureKind.TIMEOUT, "no answer")
    return ev.SpectrumFailed(START + after, Failed(TARGET, failure, 6, 1.0, "http://a"))


def shown(*events: ev.Event, path: Path, rest: str = "") -> Timeline:
    path.write_text("".join(json.dumps(to_json(event)) + "\n" for event in events) + rest)
    return read_timeline(path)


def test_what_is_saved_and_what_failed_is_counted_where_it_happened(tmp_path: Path) -> None:
    timeline = shown(saved(0), saved(0.5), failed(2), path=tmp_path / "events.jsonl")
    assert [(one.saved, one.failed) for one in timeline.bins] == [(2, 0), (0, 0), (0, 1)]
    assert (timeline.width, timeline.attempts) == (1.0, 3)


@given(st.lists(st.floats(0, 1e7), min_size=1, max_size=60))
@example([0.99999])
def test_however_long_the_night_there_are_few_bins_and_nothing_is_lost(moments: list[float]) -> None:
    timeline = Timeline()
    for moment in [0.0, *moments]:
        timeline.add(to_json(saved(moment)))
    assert len(timeline.bins) <= MOST_BINS
    assert timeline.attempts == 1 + len(moments) == sum(sum(one.elapsed.values()) for one in timeline.bins)
    for moment in moments:
        shown = datetime.fromisoformat(str(to_json(saved(moment))["time"])).timestamp()  # whole milliseconds, cut off
        here = timeline.bins[int((shown - timeline.start) / timeline.width)]
        assert here.saved > 0


def test_percentiles_are_right_to_a_tenth(tmp_path: Path) -> None:
    timeline = shown(*(saved(0.1, number / 100) for number in range(1, 101)), path=tmp_path / "events.jsonl")
    assert timeline.bins[0].percentile(0.5) == pytest.approx(0.5, rel=0.1)
    assert timeline.bins[0].percentile(0.95) == pytest.approx(0.95, rel=0.1)


def test_pauses_end_where_the_next_begins_or_with_what_is_known(tmp_path: Path) -> None:
    timeline = shown(
        ev.HarvestPaused(START, "away", START + 60, ev.Pause.OUTAGE),
        ev.HarvestPaused(START + 5, "still away", START + 60, ev.Pause.OUTAGE),
        ev.HarvestPaused(START + 10, "asked to wait", START + 60, ev.Pause.RETRY_AFTER),
        ev.HarvestResumed(START + 20, "back"),
        ev.HarvestPaused(START + 30, "no room", START + 60, ev.Pause.DISK),
        saved(40),
        path=tmp_path / "events.jsonl",
        rest='{"event": "spectrum_sa',
    )
    spans = [(span.kind, span.start - START, span.end - START) for span in timeline.pauses]
    assert spans == [("outage", 0, 10), ("retry_after", 10, 20), ("disk", 30, 40)]
    assert (timeline.unreadable, timeline.ended) == (1, False)


def test_very_many_pauses_are_counted_and_the_first_are_reported(tmp_path: Path) -> None:
    events: list[ev.Event] = []
    for number in range(100):
        events += [
            ev.HarvestPaused(START + 2 * number, "away", START, ev.Pause.OUTAGE),
            ev.HarvestResumed(START + 2 * number + 1, "back"),
        ]
    timeline = shown(*events, path=tmp_path / "events.jsonl")
    assert (timeline.pauses_counted, len(timeline.pauses)) == (100, MOST_LISTED)


def test_only_less_is_a_slow_down(tmp_path: Path) -> None:
    timeline = shown(
        ev.HarvestStarted(START, "run", "a", "a", "out", 1, 0, 1, 5.0, 8),
        ev.LimitsChanged(START, 5, 2, "more"), ev.LimitsChanged(START + 1, 2.5, 2, "it said 503"),
        ev.LimitsChanged(START + 2, 2.5, 1, "it said 503"), ev.LimitsChanged(START + 3, 0, 4, "no limit is more"),
        path=tmp_path / "events.jsonl",
    )  # fmt: skip
    assert timeline.slow_downs == {"it said 503": 2}


@given(st.lists(st.integers(0, 1200), max_size=6))
def test_a_log_that_is_read_while_it_grows_gives_the_same_timeline(cuts: list[int]) -> None:
    events = [saved(0), failed(1), ev.HarvestPaused(START + 2, "away", START + 60, ev.Pause.OUTAGE), saved(3)]
    content = "".join(json.dumps(to_json(event)) + "\n" for event in events).encode() + b'{"event": "spectrum_sa'
    with TemporaryDirectory() as folder:
        path = Path(folder) / "events.jsonl"
        reader = TimelineReader(path)
        for end in sorted(cuts):
            path.write_bytes(content[:end])
            reader.advance()
        path.write_bytes(content)
        assert reader.finish() == read_timeline(path)


def test_without_a_log_the_night_is_empty(tmp_path: Path) -> None:
    assert read_timeline(tmp_path / "none").bins == []


@pytest.mark.parametrize(
    "line",
    [
        '{"event": "limits_changed", "time": "2026-11-30T02:56:26Z", "rate": 0.0, "concurrencx": 1}',
        '{"event": "limits_changed", "time": "2026-11-30T02:56:26Z", "rate": "0", "concurrency": 1}',
        '{"event": "spectrum_saved", "time": "2026-11-30T02:56:2:Z", "elapsed": 1}',
        '{"event": "spectrum_saved", "time": "2026-11-30T02:56:26Z", "elapsed": null}',
        '{"evenu": "spectrum_saved", "time": "2026-11-30T02:56:26Z"}',
    ],
)
def test_an_event_in_which_a_byte_changed_is_counted_as_unreadable(tmp_path: Path, line: str) -> None:
    (tmp_path / "events.jsonl").write_text(f"{line}\n{line}\n")
    timeline = read_timeline(tmp_path / "events.jsonl")
    assert timeline.unreadable >= 1

"""JSON lines: what a script reads of a run."""

from __future__ import annotations

import io
import json

from harvester import events as ev
from harvester.events.bus import EventBus
from harvester.ui.json_lines import JsonLines
from harvester.ui.output_thread import OutputThread
from tests.unit.ui.test_state import NOON, failed, started


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

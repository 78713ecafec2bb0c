"""Events as JSON: every field of every event, for scripts and for the log."""

from __future__ import annotations

import json

import pytest

from harvester import events as ev
from harvester.events.serialize import IN_LEDGER, to_json, to_log
from harvester.model.failures import Failure, FailureKind
from harvester.model.outcomes import Check
from tests.unit.ui.test_state import NOON, failed, saved, started, target

FAILURE = {"kind", "blame", "detail", "http_status", "retry_after"}
WHO = {"id", "name"}
TRIED = {"attempts", "elapsed", "url"}
ASKED = {"endpoint", "request_key", "user_agent", "profile_sha256", "retries", "retries_until"} | {
    "to_refresh", "refreshed_before",
}  # fmt: skip
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


@pytest.mark.parametrize(("event", "names"), SCHEMA, ids=lambda value: type(value).__name__)
def test_the_event_log_leaves_to_the_ledger_what_its_entry_has_of_a_saved_spectrum(
    event: ev.Event, names: set[str]
) -> None:
    left = names - set(IN_LEDGER) if isinstance(event, ev.SpectrumSaved) else names
    assert to_log(event) == {name: value for name, value in to_json(event).items() if name in left | {"event", "time"}}


def test_every_event_has_a_schema() -> None:
    assert {type(event) for event, _ in SCHEMA} == set(ev.EVENTS)


def test_what_json_cannot_say_is_null() -> None:
    assert to_json(ev.HarvestPaused(NOON, "r", float("inf")))["until"] is None
    failure = Failure(FailureKind.BUSY, "x", 503, float("nan"))
    assert to_json(ev.RetryScheduled(NOON, target(1), 1, failure, NOON))["retry_after"] is None

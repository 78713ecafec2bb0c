"""What a worker and the coordinator say to each other arrives as it was said."""

from __future__ import annotations

import pickle
from dataclasses import fields, is_dataclass
from random import Random
from typing import Any, get_args

import pytest

from harvester import events as ev
from harvester.engine.circuit_breaker import CircuitBreaker, Signal
from harvester.engine.work_queue import PendingRetry
from harvester.model.exit_codes import StopReason
from harvester.model.failures import Failure, FailureKind
from harvester.model.outcomes import Failed, Saved, VerifiedSpectrum
from harvester.model.target import SpectrumId, Target
from harvester.parallel import messages
from harvester.parallel.channel import packed

TARGET = Target(SpectrumId("ivo://asu.cas.cz/stel/ccd700/sh270028"), "sh270028")
FAILURE = Failure(FailureKind.BUSY, "503 - \u010dekej", 503, 1.5)
SAVED = Saved(
    TARGET, VerifiedSpectrum(37440, "a" * 64, "b" * 64, 1997, 6.2e-7, 6.7e-7, "HD 1"), 2, 0.1, "http://x", '"tag"'
)
BREAKER = CircuitBreaker().record(Signal.OUTAGE_LIKE, FAILURE, 3.0, Random(1))
EXAMPLES: dict[str, Any] = {
    "outcome": SAVED,
    "target": TARGET,
    "failure": FAILURE,
    "signal": Signal.OUTAGE_LIKE,
    "breaker": BREAKER,
    "cause": StopReason("stopped by Ctrl-C", 130),
    "settled": frozenset({TARGET.did}),
    "retries": (PendingRetry(TARGET, 2, 0.5),),
    "leftovers": (PendingRetry(TARGET, 2, 0.5),),
    "verified": (SAVED,),
    "event": ev.SpectrumSaved(1.0, SAVED),
    "phase": ev.Phase.BODY,
    "kind": ev.Pause.DISK,
}
KINDS = sorted(
    {kind for kind in vars(messages).values() if is_dataclass(kind) and kind.__module__ == messages.__name__}
    | set(ev.EVENTS),
    key=str,
)


def example(kind: Any) -> Any:
    return kind(*(EXAMPLES.get(field.name, field.name) for field in fields(kind)))


@pytest.mark.parametrize("kind", KINDS)
def test_every_message_and_event_arrives_as_it_was_said(kind: Any) -> None:
    said = [example(kind), example(kind)]
    assert pickle.loads(packed(said)) == said


def test_what_is_informed_of_a_spectrum_that_failed_and_of_a_gate_in_its_course_arrives() -> None:
    said = [
        messages.EventReport(ev.SpectrumFailed(1.0, Failed(TARGET, FAILURE, 3, 1.0, ""))),
        messages.BreakerChanged(EXAMPLES["breaker"]),
    ]
    assert pickle.loads(packed(said)) == said
    assert {type(message) for message in said} < set(get_args(messages.FromWorker) + get_args(messages.FromCoordinator))

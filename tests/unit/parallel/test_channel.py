"""What a worker and the coordinator say to each other arrives as it was said."""

from __future__ import annotations

import asyncio
import pickle
import socket
from dataclasses import fields, is_dataclass
from random import Random
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester import events as ev
from harvester.engine.circuit_breaker import CircuitBreaker, Signal
from harvester.engine.work_queue import PendingRetry
from harvester.model.exit_codes import StopReason
from harvester.model.failures import Failure, FailureKind
from harvester.model.outcomes import Failed, Saved, VerifiedSpectrum
from harvester.model.target import SpectrumId, Target
from harvester.parallel import messages
from harvester.parallel.channel import LINGER, MessageBatcher, SocketChannel, packed, receive_messages

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
        ev.SpectrumFailed(1.0, Failed(TARGET, FAILURE, 3, 1.0, "")),
        messages.BreakerChanged(EXAMPLES["breaker"]),
    ]
    assert pickle.loads(packed(said)) == said
    known = get_args(messages.FromWorker) + get_args(messages.FromCoordinator)
    assert all(isinstance(message, known) for message in said)


async def test_messages_that_may_wait_leave_in_order_with_the_next_that_may_not() -> None:
    pieces: list[Any] = []
    batcher = MessageBatcher(lambda body: pieces.append(pickle.loads(body)))
    for number in range(3):
        batcher.add(number, may_wait=True)
    await asyncio.sleep(0)
    assert not pieces
    batcher.add(3)
    batcher.add(4, may_wait=True)
    await asyncio.sleep(0)
    assert pieces == [[0, 1, 2, 3, 4]]
    batcher.add(5, may_wait=True)
    await asyncio.sleep(2 * LINGER)
    assert pieces[1:] == [[5]], "or soon by itself"
    batcher.add(6, may_wait=True)
    batcher.flush()
    await asyncio.sleep(2 * LINGER)
    assert pieces[2:] == [[6]], "and once"


@given(st.lists(st.binary(max_size=40), max_size=8), st.lists(st.integers(1, 60), max_size=30))
def test_messages_arrive_whole_however_the_bytes_are_divided(said: list[bytes], sizes: list[int]) -> None:
    async def story() -> list[Any]:
        wire = b"".join(len(body).to_bytes(8, "big") + body for body in (packed([each, 1]) for each in said))
        channel = SocketChannel()
        for size in sizes:
            channel.data_received(wire[:size])
            wire = wire[size:]
        channel.data_received(wire)
        channel.connection_lost(None)
        heard: list[Any] = []
        await receive_messages(channel, heard.append)
        return heard

    assert asyncio.run(story()) == [message for each in said for message in (each, 1)]


async def test_what_still_waits_is_sent_before_a_channel_closes() -> None:
    ours, theirs = [await SocketChannel.over(end) for end in socket.socketpair()]
    ours.send("the last", may_wait=True)
    await ours.close()
    heard: list[Any] = []
    await receive_messages(theirs, heard.append)
    assert heard == ["the last"]
    theirs.send("too late")
    await theirs.close()

"""Events are values; the bus passes them on in order, and who breaks over one is dropped and named."""

from __future__ import annotations

import dataclasses
import inspect
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from harvester import events as ev
from harvester.events import Event, HarvestDraining, HarvestResumed, ObserverFailed
from harvester.events.bus import EventBus
from harvester.events.politeness import PolitenessRecorder
from harvester.events.stats import HarvestStats, RequestedAttempts, StatsCollector
from harvester.model.target import SpectrumId, Target

KINDS = [kind for kind in vars(ev).values() if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event]

NOW = HarvestResumed(12.5, "now")


class Seen(list[Event]):
    """A watcher that remembers."""

    def __call__(self, event: Event) -> None:
        self.append(event)


def breaks(event: Event) -> None:
    raise ZeroDivisionError("a bug in a dashboard")


def breaks_too(event: Event) -> None:
    raise KeyError("another")


def test_there_are_events_to_speak_of() -> None:
    assert {"HarvestStarted", "SpectrumSaved", "SpectrumFailed", "HarvestEnded"} <= {kind.__name__ for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_every_event_is_a_frozen_slotted_dataclass_that_says_what_it_means(kind: type[Event]) -> None:
    assert dataclasses.is_dataclass(kind)
    assert "__dataclass_params__" in vars(kind), "the decorator must be its own, not its parent's"
    assert vars(kind)["__dataclass_params__"].frozen
    assert "__slots__" in vars(kind)
    assert "__dict__" not in dir(kind), "a parent without slots would bring it back"
    assert kind.__doc__ is not None
    assert not kind.__doc__.startswith(f"{kind.__name__}("), "that is the dataclass's own"
    assert dataclasses.fields(kind)[0].name == "time"


def test_an_event_is_named_in_json_by_its_class() -> None:
    assert ev.HarvestEnded.event_name() == "harvest_ended"
    assert len({kind.event_name() for kind in KINDS}) == len(KINDS)


def test_what_happens_for_every_request_is_not_logged() -> None:
    unlogged = {"PhaseEntered", "RequestSent", "ResponseReceived", "SpectrumVerified"}
    assert {kind.__name__ for kind in KINDS if not kind.logged} == unlogged


def test_every_watcher_sees_every_event_in_order() -> None:
    one, other = Seen(), Seen()
    bus = EventBus(one)
    bus.emit(NOW)
    bus.add(other)
    later = HarvestDraining(13.0, "later")
    bus.emit(later)
    assert one == [NOW, later]
    assert other == [later]


def test_watchers_are_reported_in_the_order_they_were_added() -> None:
    shown: list[str] = []
    bus = EventBus(*(partial(lambda name, _: shown.append(name), name) for name in "abc"))
    bus.emit(NOW)
    assert shown == ["a", "b", "c"]


class Picky(Seen):
    """Reads two kinds of events only."""

    reads = frozenset({HarvestDraining, ev.Phase.BODY})


def test_an_observer_gets_the_kinds_that_it_reads() -> None:
    seen, picky = Seen(), Picky()
    bus = EventBus(picky)
    phases = [ev.PhaseEntered(1.0, Target(SpectrumId("ivo://a/b"), "b"), 1, phase) for phase in ev.Phase]
    assert [phase.phase for phase in phases if bus.is_read(phase.phase)] == [ev.Phase.BODY]
    assert not bus.is_read(HarvestResumed)
    bus.add(seen)
    assert bus.is_read(HarvestResumed), "by one that came later"
    events = [NOW, *phases, HarvestDraining(13.0, "later")]
    for event in events:
        bus.emit(event)
    assert seen == events
    assert picky == [phases[2], events[-1]]


@pytest.mark.parametrize(
    ("observer", "handles"),
    [(StatsCollector, (HarvestStats, RequestedAttempts)), (PolitenessRecorder, (PolitenessRecorder,))],
    ids=["statistics", "politeness"],
)
def test_an_observer_reads_what_it_handles(observer: Any, handles: tuple[type, ...]) -> None:
    source = "".join(map(inspect.getsource, handles))
    handled = {kind for kind in ev.EVENTS if f"ev.{kind.__name__}(" in source}
    assert {ev.PhaseEntered if isinstance(kind, ev.Phase) else kind for kind in observer.reads} == handled


def test_a_watcher_that_breaks_is_dropped_and_named_and_the_others_go_on() -> None:
    before, after = Seen(), Seen()
    bus = EventBus(before, breaks, after)
    bus.emit(NOW)
    lost = ObserverFailed(12.5, "breaks", "ZeroDivisionError: a bug in a dashboard")
    assert before == after == [NOW, lost]
    assert bus.failed_observers == [lost]
    bus.emit(NOW)
    assert before == after == [NOW, lost, NOW]
    assert bus.failed_observers == [lost]


def test_several_watchers_that_break_over_one_event_are_each_dropped_once() -> None:
    seen = Seen()
    bus = EventBus(breaks, breaks_too, seen)
    bus.emit(NOW)
    assert [lost.observer for lost in bus.failed_observers] == ["breaks", "breaks_too"]
    assert seen == [NOW, *bus.failed_observers]


def test_a_watcher_that_breaks_over_the_loss_of_another_is_lost_too() -> None:
    def delicate(event: Event) -> None:
        if isinstance(event, ObserverFailed):
            raise TypeError("one at a time")

    seen = Seen()
    bus = EventBus(delicate, breaks, seen)
    bus.emit(NOW)
    errors = [lost.error for lost in bus.failed_observers]
    assert errors == ["ZeroDivisionError: a bug in a dashboard", "TypeError: one at a time"]
    assert seen == [NOW, *bus.failed_observers]


def test_a_watcher_that_emits_and_breaks_over_its_own_event_is_dropped_once() -> None:
    bus, seen = EventBus(), Seen()

    def echo(event: Event) -> None:
        if isinstance(event, HarvestDraining):
            raise RecursionError("my own echo")
        bus.emit(HarvestDraining(event.time, "echo"))
        raise ValueError("and then this")

    bus.add(echo)
    bus.add(seen)
    bus.emit(NOW)
    assert [lost.error for lost in bus.failed_observers] == ["RecursionError: my own echo"]
    assert NOW in seen
    bus.emit(NOW)
    assert len(bus.failed_observers) == 1


def test_a_watcher_that_broke_over_what_another_emitted_is_not_called_again() -> None:
    bus, called = EventBus(), list[Event]()

    def echo(event: Event) -> None:
        if event is NOW:
            bus.emit(HarvestDraining(event.time, "echo"))

    def broken(event: Event) -> None:
        called.append(event)
        raise ValueError("whatever comes")

    bus.add(echo)
    bus.add(broken)
    bus.emit(NOW)
    assert called == [HarvestDraining(NOW.time, "echo")]
    assert len(bus.failed_observers) == 1


def test_a_watcher_is_named_by_its_class_where_it_is_an_object() -> None:
    class Dashboard:
        def __call__(self, event: Event) -> None:
            raise OSError("no terminal")

        def method(self, event: Event) -> None:
            raise OSError("no terminal")

    bus = EventBus(Dashboard(), Dashboard().method)
    bus.emit(NOW)
    names = [lost.observer.rpartition("<locals>.")[2] for lost in bus.failed_observers]
    assert names == ["Dashboard", "Dashboard.method"]


def test_cancellation_and_exit_are_no_faults_of_a_watcher() -> None:
    def stop(event: Event) -> None:
        raise KeyboardInterrupt

    bus = EventBus(stop)
    with pytest.raises(KeyboardInterrupt):
        bus.emit(NOW)
    assert bus.failed_observers == []


def test_the_phases_of_an_attempt_are_listed_in_their_order() -> None:
    order = ["waiting", "response", "body", "verify", "write", "held"]
    assert [phase.value for phase in ev.Phase] == order
    assert all(one != other for one, other in pairwise(order))

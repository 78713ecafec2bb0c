"""The dashboard's fold: the books balance, nothing grows, and whatever happens it has a scene to show."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from harvester import events as ev
from harvester.events.stats import StatsCollector
from harvester.model.failures import Failure, FailureKind
from harvester.model.outcomes import Check, Failed, Saved, VerifiedSpectrum
from harvester.model.target import SpectrumId, Target
from harvester.ui.rates import MAX_DUE_TIMES, ProgressEstimate, RateHistory, WaitingRetries
from harvester.ui.state import DashboardState, RequestLimits, RunState
from harvester.ui.view import MAX_FAILURES, MAX_SLOTS, DashboardView
from tests.unit.ui.drawing import drawn

NOON = 1_795_383_000.0


def target(number: int) -> Target:
    return Target(SpectrumId(f"ivo://demo/spectra/{number}"), f"spectrum{number:04}")


def saved(number: int) -> Saved:
    proof = VerifiedSpectrum(37_440, "ab" * 32, "cd" * 32, 2000, 6.5e-7, 6.7e-7, "4 Her")
    return Saved(target(number), proof, 1, 0.7, "http://127.0.0.1/dlget")


def failed(number: int, kind: FailureKind = FailureKind.NOT_FOUND, detail: str = "HTTP 404: unknown") -> Failed:
    return Failed(target(number), Failure(kind, detail, 404), 1, 0.3, "http://127.0.0.1/dlget")


def started(
    time: float = NOON, listed: int = 1000, present: int = 100, rate: float = 5.0, limit: int = 10**9
) -> ev.HarvestStarted:
    wanted = min(limit, listed - present)
    return ev.HarvestStarted(time, "run-1", "demo", "127.0.0.1", "data/demo", listed, present, wanted, rate, 8)


class Seen(DashboardView):
    """A view behind its tally, as on the bus."""

    def __init__(self, grace: float | None = None) -> None:
        self.tally = StatsCollector()
        super().__init__(lambda: self.tally.stats, grace)

    def __call__(self, event: ev.Event) -> None:
        self.tally(event)
        super().__call__(event)


def seen(*events: ev.Event, grace: float | None = None) -> Seen:
    view = Seen(grace)
    for event in events:
        view(event)
    return view


def steady(seconds: float, rate: float = 2.0, since: float = NOON) -> list[ev.Event]:
    """A request and a saved spectrum every 1/rate seconds."""
    events: list[ev.Event] = []
    for number in range(int(seconds * rate)):
        time = since + number / rate
        events += [ev.RequestSent(time, "u"), ev.ResponseReceived(time, target(number), 200, 0.5, 1000)]
        events.append(ev.SpectrumSaved(time, saved(number)))
    return events


times = st.floats(NOON - 100, NOON + 5000)
targets = st.integers(0, 2000).map(target)
kinds = st.sampled_from(FailureKind)
failures = st.builds(
    Failure, kinds, st.text(max_size=40), st.none() | st.integers(100, 599), st.none() | st.floats(0, 1e9)
)
anything = st.one_of(
    st.builds(started, times, st.integers(0, 10**7), st.integers(0, 10**4), st.floats(0, 500)),
    st.builds(ev.PhaseEntered, times, targets, st.integers(1, 6), st.sampled_from(ev.Phase)),
    st.builds(ev.RequestSent, times, st.text(max_size=5)),
    st.builds(ev.ResponseReceived, times, targets, st.integers(100, 599), st.floats(0, 600), st.integers(0, 10**7)),
    st.builds(ev.RetryScheduled, times, targets, st.integers(1, 6), failures, st.floats()),
    st.builds(ev.BodyQuarantined, times, targets, st.sampled_from(Check), st.text(max_size=5)),
    st.builds(ev.SpectrumSaved, times, st.integers(0, 2000).map(saved)),
    st.builds(ev.SpectrumFailed, times, st.builds(failed, st.integers(0, 2000), kinds, st.text(max_size=40))),
    st.builds(ev.LimitsChanged, times, st.floats(0, 500), st.integers(1, 512), st.text(max_size=5)),
    st.builds(ev.HarvestPaused, times, st.text(max_size=40), st.floats()),
    st.builds(ev.HarvestResumed, times, st.text(max_size=5)),
    st.builds(ev.HarvestDraining, times, st.text(max_size=5)),
    st.builds(ev.ObserverFailed, times, st.text(max_size=5), st.text(max_size=5)),
    st.builds(ev.HarvestEnded, times, st.text(max_size=40), st.integers(0, 143)),
)


@given(st.lists(anything, max_size=40), times, st.integers(1, 140), st.integers(1, 50))
def test_any_sequence_of_events_has_a_picture_that_fits(
    events: list[ev.Event], now: float, width: int, rows: int
) -> None:
    scene = seen(*events).snapshot(now)
    for encoding in ("utf-8", "ascii"):
        lines = drawn(scene, width, rows, encoding)
        assert len(lines) <= rows
        assert all(cell_len(line) <= width for line in lines)


@given(st.lists(anything, max_size=60))
def test_a_spectrum_is_in_flight_from_its_phase_to_its_outcome(events: list[ev.Event]) -> None:
    view, held = Seen(), dict[SpectrumId, ev.Phase]()
    drained = False
    for event in events:
        view(event)
        drained |= isinstance(event, ev.HarvestDraining | ev.HarvestEnded)
        drained &= not isinstance(event, ev.HarvestStarted)  # which begins again
        match event:
            case ev.PhaseEntered(target=one, phase=phase):
                if not drained or phase is not ev.Phase.WAITING:
                    held[one.did] = phase
            case ev.RetryScheduled(target=one):
                held.pop(one.did, None)
            case ev.SpectrumSaved(outcome=outcome):
                held.pop(outcome.target.did, None)
            case ev.SpectrumFailed(outcome=failure):
                held.pop(failure.target.did, None)
            case ev.HarvestDraining():
                held = {did: phase for did, phase in held.items() if phase is not ev.Phase.WAITING}
            case ev.HarvestEnded():
                held.clear()
        assert {slot.did: slot.phase for slot in view.snapshot(NOON).held} == held


def test_nothing_grows_with_the_catalog() -> None:
    view = seen(started(listed=10**6))
    for number in range(1000):
        failure = Failure(FailureKind.BUSY, "x" * 10_000, 503)
        view(ev.PhaseEntered(NOON, target(number), 1, ev.Phase.WAITING))
        view(ev.RetryScheduled(NOON, target(number + 1000), 1, failure, NOON + number))
        view(ev.RequestSent(NOON + number, "u"))
    scene = view.snapshot(NOON + 1)
    assert len(scene.slots) == MAX_SLOTS
    assert len(view._retries._soonest) <= MAX_DUE_TIMES
    assert len(scene.failures) == MAX_FAILURES
    assert max(len(failure.detail) for failure in scene.failures) <= 300
    assert scene.due == 1000


def test_a_row_keeps_its_place_until_its_spectrum_is_settled() -> None:
    phases = [ev.PhaseEntered(NOON, target(number), 1, ev.Phase.RESPONSE) for number in range(3)]
    view = seen(started(), *phases, ev.SpectrumSaved(NOON, saved(1)))
    assert [slot and slot.name for slot in view.snapshot(NOON).slots] == ["spectrum0000", None, "spectrum0002"]
    view(ev.PhaseEntered(NOON, target(9), 1, ev.Phase.WAITING))
    assert [slot and slot.name for slot in view.snapshot(NOON).slots] == [
        "spectrum0000",
        "spectrum0009",
        "spectrum0002",
    ]


def test_a_retry_is_due_until_the_spectrum_is_taken_up_again() -> None:
    retry = ev.RetryScheduled(NOON, target(1), 1, Failure(FailureKind.BUSY, "busy", 503, 30.0), NOON + 30)
    view = seen(started(), ev.PhaseEntered(NOON, target(1), 1, ev.Phase.RESPONSE), retry)
    scene = view.snapshot(NOON)
    assert (scene.due, scene.next_due, scene.retry_after, scene.held) == (1, NOON + 30, (NOON, 30.0), ())
    view(ev.PhaseEntered(NOON + 30, target(1), 2, ev.Phase.WAITING))
    assert (view.snapshot(NOON + 31).due, view.snapshot(NOON + 31).next_due) == (0, None)


def test_the_rate_is_that_of_the_last_seconds() -> None:
    view = seen(started(), *steady(60, rate=2.0))
    assert view.snapshot(NOON + 60).rate == pytest.approx(2.0)
    assert view.snapshot(NOON + 70).rate == 0.0


def test_the_history_spans_ten_minutes_at_most() -> None:
    scene = seen(started(listed=10**5), *steady(2000, rate=2.0)).snapshot(NOON + 2000)
    assert 15 <= len(scene.history) <= 20
    assert all(level == pytest.approx(2.0) for level in scene.history)


def test_time_to_go_is_not_guessed_from_a_handful() -> None:
    assert seen(started(), *steady(5)).snapshot(NOON + 5).eta is None
    assert seen(started(), *steady(11)).snapshot(NOON + 11).eta is not None


@pytest.mark.parametrize(("rate", "pace"), [(5.0, 2.0), (1.0, 1.0), (0.0, 2.0)])
def test_time_to_go_follows_completions_but_never_outruns_what_is_allowed(rate: float, pace: float) -> None:
    scene = seen(started(rate=rate), *steady(120)).snapshot(NOON + 120)
    assert scene.eta == pytest.approx((1000 - 100 - 240) / pace, rel=0.05)


def test_a_pause_is_added_to_the_time_to_go_and_does_not_spoil_the_pace() -> None:
    view = seen(started(), *steady(120))
    before = view.snapshot(NOON + 120).eta
    assert before is not None
    view(ev.HarvestPaused(NOON + 120, "503", NOON + 420))
    assert view.snapshot(NOON + 120).eta == pytest.approx(before + 300, rel=0.01)
    view(ev.HarvestResumed(NOON + 420, "over"))
    assert view.snapshot(NOON + 420).eta == pytest.approx(before, rel=0.01)


@pytest.mark.parametrize("limit", [400, 10**9])
def test_time_to_go_counts_what_this_run_will_fetch(limit: int) -> None:
    scene = seen(started(limit=limit), *steady(120)).snapshot(NOON + 120)
    wanted = min(900, limit)
    assert (scene.left, scene.left_out, scene.done) == (wanted - 240, 900 - wanted, 340)
    assert scene.eta == pytest.approx((wanted - 240) / 2.0, rel=0.05)


def test_a_pause_is_over_when_it_is_said_to_be() -> None:
    view = seen(started(), ev.HarvestPaused(NOON, "503", NOON + 120), ev.HarvestResumed(NOON + 5, "it is back"))
    assert view.snapshot(NOON + 6).run_state is RunState.RUNNING


def test_a_pause_is_over_when_its_time_has_passed_and_someone_asks() -> None:
    view = seen(started(), ev.HarvestPaused(NOON, "503", NOON + 120))
    view(ev.RequestSent(NOON + 60, "a redirect of what was in flight"))
    assert view.snapshot(NOON + 121).run_state is RunState.PAUSED
    assert view.snapshot(NOON + 121).pause_text == "about to resume"
    view(ev.RequestSent(NOON + 121, "u"))
    assert view.snapshot(NOON + 122).run_state is RunState.RUNNING


def test_only_what_was_requested_is_in_flight() -> None:
    phases = [ev.PhaseEntered(NOON, target(number), 1, phase) for number, phase in enumerate(ev.Phase)]
    scene = seen(started(), *phases).snapshot(NOON)
    assert (len(scene.held), scene.in_flight) == (6, 4)


def test_the_controller_moves_what_is_allowed_and_never_the_ceiling() -> None:
    view = seen(started(), ev.LimitsChanged(NOON, 1.5, 4, "latency doubled"))
    scene = view.snapshot(NOON)
    assert (scene.limits, scene.configured, scene.slowed) == (
        RequestLimits(1.5, 4),
        RequestLimits(5.0, 8),
        "latency doubled",
    )
    view(ev.LimitsChanged(NOON, 5.0, 8, "the archive breathes"))
    assert view.snapshot(NOON).slowed == ""


def test_a_drain_lets_go_of_those_that_wait_and_counts_down_its_grace() -> None:
    waiting = ev.PhaseEntered(NOON, target(1), 1, ev.Phase.WAITING)
    asking = ev.PhaseEntered(NOON, target(2), 1, ev.Phase.RESPONSE)
    view = seen(started(), waiting, asking, ev.HarvestDraining(NOON, "Ctrl-C"), waiting, grace=30.0)
    scene = view.snapshot(NOON + 10)
    assert [slot.name for slot in scene.held] == ["spectrum0002"]
    assert scene.grace_left == 20.0
    assert view.snapshot(NOON + 100).grace_left == 0.0


def test_draining_outlasts_a_resumption() -> None:
    view = seen(started(), ev.HarvestDraining(NOON, "SIGINT"), ev.HarvestResumed(NOON, "over"))
    assert view.snapshot(NOON).run_state is RunState.DRAINING
    view(ev.HarvestEnded(NOON, "interrupted", 130))
    assert view.snapshot(NOON).run_state is RunState.ENDED


def test_only_good_answers_tell_the_latency() -> None:
    answers = [ev.ResponseReceived(NOON, target(0), 200, number / 100, 1) for number in range(1, 101)]
    latency = seen(*answers, ev.ResponseReceived(NOON, target(0), 503, 0.001, 1)).snapshot(NOON).latency
    assert latency is not None
    assert (latency.unloaded, latency.median) == (0.01, 0.69)


def test_a_pulse_forgets_after_its_ten_minutes_and_forgives_a_clock_set_back() -> None:
    pulse = RateHistory()
    pulse.add(NOON)
    pulse.add(NOON - 3600)
    assert sum(pulse.levels(NOON + 3, 20)) > 0
    assert sum(pulse.levels(NOON + 10_000, 20)) == 0


def test_progress_adapts_to_a_slower_archive_within_minutes() -> None:
    progress = ProgressEstimate()
    progress.start(0.0)
    for second in range(300):
        progress.complete(float(second))
    for second in range(300, 540, 4):
        progress.complete(float(second))
    assert progress.rate(540.0) == pytest.approx(0.25, rel=0.2)


def test_an_empty_view_has_a_scene() -> None:
    scene: DashboardState = Seen().snapshot(NOON)
    assert (scene.run_state, scene.elapsed, scene.eta) == (RunState.STARTING, 0.0, None)


def test_only_retries_are_left_when_nothing_else_is() -> None:
    view = seen(started(listed=102, present=100))
    failure = Failure(FailureKind.BUSY, "busy", 503)
    for number, due in ((1, NOON + 900.0), (2, NOON + 300.0)):
        view(ev.PhaseEntered(NOON, target(number), 1, ev.Phase.RESPONSE))
        assert not view.snapshot(NOON).only_retries
        view(ev.RetryScheduled(NOON, target(number), 1, failure, due))
    state = view.snapshot(NOON)
    assert (state.only_retries, state.next_due, state.last_due) == (True, NOON + 300, NOON + 900)
    view(ev.PhaseEntered(NOON + 300, target(2), 2, ev.Phase.WAITING))
    assert not view.snapshot(NOON + 300).only_retries


def test_the_retries_of_an_earlier_run_are_counted_until_they_are_taken_up() -> None:
    view = seen(replace(started(listed=102, present=100), retries=2, retries_until=NOON + 600))
    state = view.snapshot(NOON)
    assert (state.due, state.only_retries, state.last_due) == (2, True, NOON + 600)
    view(ev.PhaseEntered(NOON, target(1), 3, ev.Phase.WAITING))
    assert view.snapshot(NOON).due == 1


def test_a_retry_whose_attempt_an_outage_gave_back_is_not_counted_for_ever() -> None:
    view = seen(started(), ev.PhaseEntered(NOON, target(1), 1, ev.Phase.RESPONSE))
    view(ev.RetryScheduled(NOON, target(1), 1, Failure(FailureKind.TIMEOUT, "slow"), NOON + 30))
    view(ev.PhaseEntered(NOON + 30, target(1), 1, ev.Phase.WAITING))
    assert view.snapshot(NOON + 31).due == 0


@given(st.lists(st.tuples(st.integers(0, 200), st.floats(0, 1e6)), max_size=200), st.floats(0, 1e6))
def test_the_next_and_the_last_retry_are_right_however_many_wait(retries: list[tuple[int, float]], now: float) -> None:
    waiting, due = WaitingRetries(), dict[SpectrumId, float]()
    for number, moment in retries:
        did = target(number).did
        if did in due:
            waiting.take(did, 2)
            del due[did]
        else:
            waiting.add(did, moment)
            due[did] = moment
    assert len(waiting) == len(due)
    if due:
        assert (waiting.last_due or 0.0) >= max(due.values())
    later = [moment for moment in due.values() if moment > now]
    upcoming = waiting.next_due(now)
    assert (upcoming is None) <= (not later)
    assert upcoming is None or upcoming > now


def test_a_slowdown_keeps_its_reason_until_it_is_over() -> None:
    view = seen(started(), ev.LimitsChanged(NOON, 5.0, 4, "a trial", False))
    assert view.snapshot(NOON).slowed == ""
    for rate, most in ((0.5, 1), (2.5, 2), (4.5, 3)):
        view(ev.LimitsChanged(NOON, rate, most, "HTTP 503: busy" if rate < 1 else "the archive responds again"))
        assert view.snapshot(NOON).slowed == "HTTP 503: busy"
    view(ev.LimitsChanged(NOON, 5.0, 4, "the archive responds again"))
    assert view.snapshot(NOON).slowed == ""

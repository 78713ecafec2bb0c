"""The knee is found: where one more request at a time brings nothing, none more is sent."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.engine.concurrency import AdaptiveConcurrency, ConcurrencyChange


def settle(latency_at: Callable[[int], float], ceiling: int, answers: int = 3000) -> list[int]:
    """The level after each of ``answers``, of a harvest that always has more to ask."""
    control, levels = AdaptiveConcurrency(ceiling), []
    for _ in range(answers):
        control = control.request_more().on_response(latency_at(control.level))
        levels.append(control.level)
    return levels


def cores(count: int, work: float = 0.07, chance: Random | None = None) -> Callable[[int], float]:
    """An archive that computes ``count`` answers at a time and lets the others queue; DaCHS is one of 1."""

    def latency(level: int) -> float:
        spread = chance.uniform(0.5, 1.5) if chance else 1.0
        return work * max(1.0, level / count) * spread

    return latency


def usual(levels: list[int]) -> float:
    return sum(levels[len(levels) // 2 :]) / (len(levels) - len(levels) // 2)


@pytest.mark.parametrize("ceiling", [1, 8, 32, 128])
def test_a_single_core_gets_one_request_at_a_time_whatever_the_ceiling(ceiling: int) -> None:
    assert usual(settle(cores(1), ceiling)) <= 1.2


@pytest.mark.parametrize("count", [2, 3, 4, 6, 10])
@pytest.mark.parametrize("spread", [False, True])
def test_an_archive_of_several_cores_is_kept_busy_and_not_much_more(count: int, spread: bool) -> None:
    levels = settle(cores(count, chance=Random(1) if spread else None), 64)
    assert 0.7 * count <= usual(levels) <= 1.9 * count


@pytest.mark.parametrize("ceiling", [5, 8, 32, 100])
def test_a_fast_archive_is_requested_up_to_the_ceiling_soon_and_never_beyond(ceiling: int) -> None:
    levels = settle(lambda level: 0.05, ceiling, 600)
    assert max(levels) == levels[-1] == ceiling
    assert levels.index(ceiling) < 8 * ceiling


@pytest.mark.parametrize(("ceiling", "rounds"), [(8, 6), (32, 8), (128, 10)])
def test_a_fast_archive_is_requested_up_to_the_ceiling_after_a_round_for_each_doubling(
    ceiling: int, rounds: int
) -> None:
    levels = settle(lambda level: 0.05, ceiling, 600)
    assert sum(1 / level for level in levels[: levels.index(ceiling)]) <= rounds


@pytest.mark.parametrize("seed", range(5))
def test_a_lucky_first_round_does_not_keep_a_single_core_busier_for_long(seed: int) -> None:
    levels = settle(cores(1, chance=Random(seed)), 32)
    assert usual(levels) <= 1.6
    assert sum(level > 2 for level in levels[:200]) <= 60


def test_the_spread_of_latencies_is_not_mistaken_for_load() -> None:
    chance = Random(3)
    assert usual(settle(lambda level: chance.uniform(0.1, 0.3), 8)) >= 6


def test_an_archive_that_gets_twice_as_slow_gets_half_as_much_at_once() -> None:
    control = AdaptiveConcurrency(16)
    for _ in range(400):
        control = control.request_more().on_response(0.05)
    assert control.level == 16
    for _ in range(80):
        control = control.request_more().on_response(0.15)
        if control.level < 16:
            break
    assert (control.level, control.change) == (8, ConcurrencyChange.BUSIER)


@pytest.mark.parametrize(("latency", "own", "level"), [(0.15, 0.0, 8), (0.15, 0.10, 16), (0.60, 0.10, 8)])
def test_a_busy_machine_is_not_mistaken_for_a_busy_archive(latency: float, own: float, level: int) -> None:
    control = AdaptiveConcurrency(16)
    for _ in range(400):
        control = control.request_more().on_response(0.05, 0.01)
    for _ in range(60):
        control = control.request_more().on_response(latency, own)
        if control.level < 16:
            break
    assert control.level == level


def test_a_step_that_brings_nothing_is_taken_back_and_is_said_to_be_a_trial() -> None:
    control, turns = AdaptiveConcurrency(8), set()
    for _ in range(400):
        before, control = control.level, control.request_more().on_response(0.05 * control.level)
        turns |= {control.change} if control.level < before else set()
    assert turns == {ConcurrencyChange.BACK}


def test_refusals_halve_it_once_a_second_however_many_come() -> None:
    control = AdaptiveConcurrency(64, level=64)
    for moment in (0.0, 0.1, 0.5, 0.9):
        control = control.on_overload(moment)
    assert control.level == 32
    assert control.on_overload(1.1).level == 16


def test_nothing_is_tried_that_no_one_wants() -> None:
    control = AdaptiveConcurrency(64)
    for _ in range(500):
        control = control.on_response(0.05)
    assert control.level == 1


@given(st.integers(1, 200), st.lists(st.one_of(st.floats(1e-6, 100.0), st.none()), max_size=400))
@settings(max_examples=60)
def test_whatever_happens_it_stays_between_one_and_the_ceiling(ceiling: int, story: list[float | None]) -> None:
    control = AdaptiveConcurrency(ceiling)
    for at, latency in enumerate(story):
        control = control.on_overload(float(at)) if latency is None else control.request_more().on_response(latency)
        assert 1 <= control.level <= ceiling

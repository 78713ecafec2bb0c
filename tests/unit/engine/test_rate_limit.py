"""The pace, on a virtual clock: evenly spaced, never a burst, never more than rate + 1 in any second."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.engine.rate_limit import CATCH_UP, RateLimiter, RequestSpacing, wait_for_event
from tests.support.virtual_time import run_virtually, virtual_loop

TURN_OF_THE_CLOCK = 1e-6  # seconds: what adding floats may cost


def most_in_a_second(times: Sequence[float]) -> int:
    """The most of ``times`` (in order) within any second, its end not included."""
    most, window = 0, deque[float]()
    for time in times:
        window.append(time)
        while window[0] <= time - 1.0 + TURN_OF_THE_CLOCK:
            window.popleft()
        most = max(most, len(window))
    return most


async def turns(pacer: RateLimiter, until: float, stop: asyncio.Event | None = None, workers: int = 8) -> list[float]:
    """The times at which ``workers`` that want nothing but turns get them, up to ``until``."""
    loop, taken, halt = virtual_loop(), list[float](), stop or asyncio.Event()

    async def work() -> None:
        while await pacer.acquire(halt):
            taken.append(loop.time())

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(work())
        if not await wait_for_event(halt, until - loop.time()):
            halt.set()
    return taken


def paced(
    rate: float, until: float, meanwhile: Callable[[RateLimiter], Awaitable[None]] | None = None, workers: int = 8
) -> list[float]:
    """The times of all turns when ``workers`` are eager, and something else happens meanwhile."""

    async def run() -> list[float]:
        pacer = RateLimiter(rate)
        async with asyncio.TaskGroup() as group:
            if meanwhile is not None:
                group.create_task(_to_its_end(meanwhile(pacer)))
            return await turns(pacer, until, workers=workers)

    return run_virtually(run())


async def _to_its_end(work: Awaitable[None]) -> None:
    await work


@pytest.mark.parametrize("rate", [0.2, 1.0, 2.5, 5.0, 50.0])
def test_nothing_goes_out_in_a_burst_at_the_start(rate: float) -> None:
    taken = paced(rate, until=20.0)
    assert taken[0] == 0.0
    assert taken[1] == pytest.approx(1.0 / rate)


@pytest.mark.parametrize("rate", [0.2, 0.7, 1.0, 2.5, 5.0, 50.0, 500.0])
def test_turns_are_evenly_spaced(rate: float) -> None:
    taken = paced(rate, until=max(10.0, 5 / rate))
    gaps = {round(after - before, 6) for before, after in itertools.pairwise(taken)}
    assert gaps == {round(1.0 / rate, 6)}


@pytest.mark.parametrize("rate", [5, 50, 500, pytest.param(2000, marks=pytest.mark.slow)])
def test_a_minute_holds_exactly_as_many_turns_as_the_rate_says(rate: int) -> None:
    taken = paced(rate, until=60.0 - 0.5 / rate, workers=8 if rate < 500 else 1)
    assert len(taken) == 60 * rate
    assert most_in_a_second(taken) <= rate + 1


def test_a_fractional_rate_is_kept_over_an_hour() -> None:
    assert len(paced(0.2, until=3600.0 - 1)) == 720


def test_a_pause_of_the_workers_is_not_made_up_for() -> None:
    async def run() -> list[float]:
        pacer = RateLimiter(5.0)
        early = await turns(pacer, until=1.0)
        await asyncio.sleep(30.0)
        return early + await turns(pacer, until=40.0)

    taken = run_virtually(run())
    late = [time for time in taken if time > 20.0]
    assert late[1] - late[0] == pytest.approx(0.2)
    assert most_in_a_second(taken) <= 6


@pytest.mark.parametrize("rate", [5.0, 50.0, 500.0, 2000.0])
def test_after_a_stall_of_the_loop_the_lost_turns_are_not_made_up_for(rate: float) -> None:
    async def stall(_: RateLimiter) -> None:
        await asyncio.sleep(5.0)
        virtual_loop().stall(1.0)

    taken = paced(rate, 12.0, stall)
    assert most_in_a_second(taken) <= rate + 1
    after = [time for time in taken if 6.0 <= time < 6.2]
    assert len(after) <= 0.2 * rate + CATCH_UP * rate + 1
    assert len(taken) <= (12.0 - 1.0) * rate + CATCH_UP * rate + 2


@pytest.mark.parametrize("rate", [500.0, 2000.0])
def test_what_is_made_up_for_after_a_short_stall_still_fits_into_the_second(rate: float) -> None:
    async def stall(_: RateLimiter) -> None:
        await asyncio.sleep(0.5)
        virtual_loop().stall(0.9 * CATCH_UP)

    taken = paced(rate, 2.0, stall)
    late = [time for time in taken if time < 0.5 + CATCH_UP]
    assert len(late) >= 0.505 * rate, "the short stall is made up for"
    assert most_in_a_second(taken) <= rate + 1


def test_a_timer_that_is_a_little_late_costs_no_turns() -> None:
    async def run() -> list[float]:
        loop, pacer, taken = virtual_loop(), RateLimiter(50.0), list[float]()
        while loop.time() < 10.0:
            await pacer.acquire(asyncio.Event())
            taken.append(loop.time())
            loop.stall(0.004)
        return taken

    taken = run_virtually(run())
    assert len(taken) == pytest.approx(500, abs=2)


def test_turns_late_by_less_than_the_catch_up_keep_the_mean_rate() -> None:
    schedule, now = RequestSpacing(100.0), 0.0
    for _ in range(1000):
        due = schedule.next_slot(now, deque())
        now = due + 0.005
        schedule = schedule.after(due, now)
    assert now == pytest.approx(10.0, abs=0.02)


TROUBLE = st.tuples(st.floats(0.0, 1.5), st.sampled_from(["stall", "slower", "nothing"]), st.floats(0.0, 2.0))


async def in_trouble(rate: float, troubles: list[tuple[float, str, float]]) -> list[tuple[float, bool]]:
    """When requests went out, and whether by a turn, while ``troubles`` come one after another."""
    sent, pacer, stop, loop = list[tuple[float, bool]](), RateLimiter(rate), asyncio.Event(), virtual_loop()

    async def work() -> None:
        while await pacer.acquire(stop):
            sent.append((loop.time(), True))

    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(work())
        for pause, what, amount in troubles:
            await asyncio.sleep(pause)
            if what == "stall":
                loop.stall(amount)
            elif what == "slower":
                pacer.rate = rate * max(amount / 2.0, 0.1)
        await asyncio.sleep(3.0)
        stop.set()
    return sent


@given(st.sampled_from([0.2, 1.0, 2.5, 5.0, 50.0]), st.lists(TROUBLE, max_size=8))
@settings(max_examples=40)
def test_no_turn_completes_a_second_of_more_than_rate_plus_one(
    rate: float, troubles: list[tuple[float, str, float]]
) -> None:
    sent = run_virtually(in_trouble(rate, troubles))
    times = [time for time, _ in sent]
    assert times == sorted(times)
    for at, (time, by_turn) in enumerate(sent):
        assert not by_turn or most_in_a_second([t for t in times[: at + 1] if t > time - 1.0]) <= rate + 1


def test_a_rate_of_zero_is_no_limit() -> None:
    async def run() -> tuple[list[bool], float]:
        pacer, stop = RateLimiter(0.0), asyncio.Event()
        return [await pacer.acquire(stop) for _ in range(5000)], virtual_loop().time()

    assert run_virtually(run()) == ([True] * 5000, 0.0)


@pytest.mark.parametrize("rate", [0.001, 0.01])
def test_draining_wakes_everybody_who_waits_at_once(rate: float) -> None:
    async def run() -> tuple[list[bool], float]:
        pacer, stop, loop = RateLimiter(rate), asyncio.Event(), virtual_loop()
        await pacer.acquire(stop)
        waiting = [asyncio.create_task(pacer.acquire(stop)) for _ in range(8)]
        await asyncio.sleep(12.0)
        stop.set()
        return list(await asyncio.gather(*waiting)), loop.time()

    assert run_virtually(run()) == ([False] * 8, 12.0)


def test_once_drained_no_one_gets_a_turn_though_one_is_free() -> None:
    async def run() -> bool:
        stop = asyncio.Event()
        stop.set()
        return await RateLimiter(0.0).acquire(stop)

    assert run_virtually(run()) is False


def test_first_come_first_served() -> None:
    async def run() -> list[int]:
        pacer, stop, order = RateLimiter(50.0), asyncio.Event(), list[int]()

        async def one(number: int) -> None:
            await pacer.acquire(stop)
            order.append(number)

        async with asyncio.TaskGroup() as group:
            for number in range(100):
                group.create_task(one(number))
        return order

    assert run_virtually(run()) == list(range(100))


@given(st.lists(st.tuples(st.floats(0.0, 0.3), st.integers(0, 29)), max_size=20))
@settings(max_examples=40)
def test_who_gives_up_waiting_costs_the_others_nothing(cancels: list[tuple[float, int]]) -> None:
    async def run() -> tuple[list[float], int]:
        pacer, stop, loop, taken = RateLimiter(20.0), asyncio.Event(), virtual_loop(), list[float]()

        async def one() -> None:
            await pacer.acquire(stop)
            taken.append(loop.time())

        tasks = [asyncio.create_task(one()) for _ in range(30)]
        for pause, which in cancels:
            await asyncio.sleep(pause)
            tasks[which].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        return taken, sum(isinstance(result, asyncio.CancelledError) for result in results)

    taken, cancelled = run_virtually(run())
    assert len(taken) + cancelled == 30
    assert taken == pytest.approx([number / 20.0 for number in range(len(taken))], abs=0.011)


async def woken(seconds: float, after: float | None) -> tuple[bool, float]:
    stop, loop = asyncio.Event(), virtual_loop()
    if after is not None:
        loop.call_later(after, stop.set)
    return await wait_for_event(stop, seconds), loop.time()


@pytest.mark.parametrize(
    ("seconds", "after", "expected"),
    [
        (5.0, None, (False, 5.0)),
        (5.0, 2.0, (True, 2.0)),
        (5.0, 5.0, (True, 5.0)),
        (5.0, 7.0, (False, 5.0)),
        (0.0, None, (False, 0.0)),
        (-3.0, None, (False, 0.0)),
    ],
)
def test_a_wait_ends_in_time_or_when_it_is_reported_to(
    seconds: float, after: float | None, expected: tuple[bool, float]
) -> None:
    assert run_virtually(woken(seconds, after)) == expected


def test_a_wait_for_what_has_happened_is_none() -> None:
    async def run() -> tuple[bool, float]:
        stop = asyncio.Event()
        stop.set()
        return await wait_for_event(stop, 100.0), virtual_loop().time()

    assert run_virtually(run()) == (True, 0.0)

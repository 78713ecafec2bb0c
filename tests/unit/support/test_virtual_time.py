"""The virtual clock that other tests trust: it jumps only where a real loop would sleep."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from tests.support.virtual_time import run_virtually, virtual_loop


def test_a_night_passes_in_no_time_and_to_the_second() -> None:
    async def sleep() -> float:
        await asyncio.sleep(10 * 3600)
        return virtual_loop().time()

    assert run_virtually(sleep()) == 36_000.0


def test_the_clock_stands_still_while_anything_is_ready_to_run() -> None:
    async def busy() -> tuple[float, float]:
        alarm = asyncio.create_task(asyncio.sleep(1.0))
        for _ in range(10_000):
            await asyncio.sleep(0)
        before = virtual_loop().time()
        await alarm
        return before, virtual_loop().time()

    assert run_virtually(busy()) == (0.0, 1.0)


def test_timers_fire_in_their_order_at_their_own_times() -> None:
    async def three() -> list[tuple[str, float]]:
        fired: list[tuple[str, float]] = []

        async def one(name: str, delay: float) -> None:
            await asyncio.sleep(delay)
            fired.append((name, virtual_loop().time()))

        await asyncio.gather(one("late", 3600.0), one("early", 0.25), one("between", 7.5))
        return fired

    assert run_virtually(three()) == [("early", 0.25), ("between", 7.5), ("late", 3600.0)]


def test_the_clock_waits_for_a_thread_at_work() -> None:
    async def thread() -> tuple[str, float]:
        alarm = asyncio.create_task(asyncio.sleep(60.0))
        await asyncio.sleep(0)
        done = await asyncio.to_thread(lambda: time.sleep(0.02) or "done")  # type: ignore[func-returns-value]  # it returns None, hence "done"
        at = virtual_loop().time()
        await alarm
        return done, at

    assert run_virtually(thread()) == ("done", 0.0)


def test_the_clock_waits_for_a_socket_that_has_something_to_say() -> None:
    async def talk() -> tuple[bytes, float]:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            theirs.send(b"hello")
            async with asyncio.timeout(60.0):
                heard = await asyncio.get_running_loop().sock_recv(ours, 100)
        return heard, virtual_loop().time()

    assert run_virtually(talk()) == (b"hello", 0.0)


def test_a_stall_makes_timers_late_as_a_busy_machine_does() -> None:
    async def stalled() -> float:
        alarm = asyncio.create_task(asyncio.sleep(0.5))
        await asyncio.sleep(0)
        virtual_loop().stall(3.0)
        await alarm
        return virtual_loop().time()

    assert run_virtually(stalled()) == 3.0


def test_a_deadlock_is_an_error_and_no_hanging_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.virtual_time.PATIENCE", 0.01)

    async def forever() -> None:
        await asyncio.Event().wait()

    loop_of = forever()
    with pytest.raises(RuntimeError, match="deadlock"):
        run_virtually(loop_of)

"""How exact the pace is on a real clock: `python -m benchmarks.pace`. Rate reached, and the most in any one second."""

from __future__ import annotations

import asyncio

from harvester.engine.rate_limit import RateLimiter

SECONDS = 6.0


async def measure(rate: float) -> list[float]:
    loop, stop, pacer, turns = asyncio.get_running_loop(), asyncio.Event(), RateLimiter(rate), list[float]()
    end = loop.time() + SECONDS

    async def work() -> None:
        while await pacer.acquire(stop) and loop.time() < end:
            turns.append(loop.time())

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(work())
        await asyncio.sleep(SECONDS)
        stop.set()
    return turns


def busiest(turns: list[float]) -> int:
    first, most = 0, 0
    for last, moment in enumerate(turns):
        while moment - turns[first] >= 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most


def main() -> None:
    for rate in (5.0, 50.0, 500.0, 2000.0):
        turns = asyncio.run(measure(rate))
        reached = (len(turns) - 1) / (turns[-1] - turns[0])
        print(
            f"asked for {rate:6.0f} a second: {reached:8.2f} reached ({reached / rate:.4f}), {busiest(turns)} at most"
        )


if __name__ == "__main__":
    main()

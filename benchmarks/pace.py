"""How exact the rate limit is on a real clock: `python -m benchmarks.pace`.

It prints the rate reached, and the most requests in any one second.
"""

from __future__ import annotations

import asyncio

from harvester.engine.rate_limit import RateLimiter

SECONDS = 6.0


async def measure(rate: float) -> list[float]:
    loop, stop, limiter, sent = asyncio.get_running_loop(), asyncio.Event(), RateLimiter(rate), list[float]()
    end = loop.time() + SECONDS

    async def work() -> None:
        while await limiter.acquire(stop) and loop.time() < end:
            sent.append(loop.time())

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(work())
        await asyncio.sleep(SECONDS)
        stop.set()
    return sent


def busiest(sent: list[float]) -> int:
    first, most = 0, 0
    for last, moment in enumerate(sent):
        while moment - sent[first] >= 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most


def main() -> None:
    for rate in (5.0, 50.0, 500.0, 2000.0):
        sent = asyncio.run(measure(rate))
        reached = (len(sent) - 1) / (sent[-1] - sent[0])
        print(f"limit {rate:6.0f} a second: {reached:8.2f} reached ({reached / rate:.4f}), {busiest(sent)} at most")


if __name__ == "__main__":
    main()

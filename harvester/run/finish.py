"""What is written when a run has ended: provenance, SHA256SUMS, summary.json and the report."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import StoreError
from ..events.politeness import Politeness
from ..events.stats import HarvestStats
from ..ledger import queries
from ..model.exit_codes import EXIT_CODE_PRIORITY
from ..model.schedule import nights_left
from ..storage.atomic import atomic_write
from ..storage.directory import DirectoryStore
from ..storage.interface import Store
from ..storage.run_folder import PROVENANCE
from .prepare import Preparation
from .provenance import collected, document

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended: the numbers, where its files are, and what that only watches was lost on the way."""

    stats: HarvestStats
    folder: Path
    warnings: Sequence[str] = ()
    politeness: Politeness = field(default_factory=Politeness)
    night: float | None = None
    """Seconds that the next run like this one has, where its hours are limited."""
    page: Path | None = None
    """The page about the run, where one could be made."""

    @property
    def nights_left(self) -> int | None:
        """How many more nights like this one the rest takes at the rate reached; None if nobody can tell."""
        if self.night is None:
            return None
        rate = (self.stats.saved + self.stats.failed) / self.politeness.seconds
        return nights_left(self.stats.remaining, rate, self.night)

    @property
    def summary(self) -> dict[str, object]:
        """The content of summary.json."""
        more = {"politeness": self.politeness.as_json(), "nights_left": self.nights_left}
        return self.stats.summary(time.time()) | more | {"watchers_lost": list(self.warnings)}


async def write_provenance(report: RunResult, preparation: Preparation, store: Store) -> RunResult:
    """Write the provenance. What keeps us from it is told; it changes nothing about the harvest."""
    try:
        there = await asyncio.to_thread(collected, queries.contents(store.ledger))
        agent = report.politeness.user_agent
        told = document(preparation.configuration, preparation.catalog, report.stats, agent, there)
        await asyncio.to_thread(_write, report.folder / PROVENANCE, json.dumps(told, indent=1) + "\n")
    except StoreError as error:
        return replace(report, warnings=[*report.warnings, f"provenance: {error}"])
    return report


async def write_summary(report: RunResult, preparation: Preparation, store: Store) -> RunResult:
    """Write the summary, and the page about it. A disk that takes none of it costs these, not the farewell."""
    try:
        if report.stats.saved or preparation.findings or preparation.after_interruption or store.migrated_count:
            await asyncio.to_thread(store.write_sums, queries.digests(store.ledger))
        await asyncio.to_thread(_write, report.folder / "summary.json", json.dumps(report.summary, indent=1) + "\n")
    except StoreError as error:
        code = min(report.stats.exit_code or 0, error.exit_code, key=EXIT_CODE_PRIORITY.index)
        reason = report.stats.reason if code == report.stats.exit_code else str(error)
        stats = replace(report.stats, exit_code=code, reason=reason)
        return replace(report, stats=stats, warnings=[*report.warnings, f"summary: {error}"])
    return await write_report_page(report, store)


async def write_report_page(report: RunResult, store: Store) -> RunResult:
    """The report with its page beside it. Whatever goes wrong in making it is told, and costs nothing else."""
    from ..report.data.sampling import MOST_AT_THE_END, MOST_FROM_AFAR
    from ..report.page import write_report

    try:
        most = MOST_AT_THE_END if isinstance(store, DirectoryStore) else MOST_FROM_AFAR
        page = await asyncio.to_thread(write_report, store, report.stats.run, most)
    except Exception as error:
        log.exception("no report")
        return replace(report, warnings=[*report.warnings, f"report: {type(error).__name__}: {error}"])
    return replace(report, page=page)


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as part:
        part.write_text(text, encoding="utf-8")

"""Write what a run leaves when it has ended.

That is provenance, SHA256SUMS, summary.json and the report.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import HarvestError, StoreError
from ..events.politeness import Politeness
from ..events.stats import HarvestStats
from ..ledger import queries
from ..model.exit_codes import EXIT_CODE_PRIORITY
from ..model.schedule import nights_left
from ..storage.atomic import atomic_write
from ..storage.interface import Store
from .context import RunContext
from .provenance import collected, document
from .refresh import REFRESH_LEFT
from .report_preparation import ReportPreparation

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended.

    It has the run's numbers, its folder, and the faults of observers and of closing files.
    """

    stats: HarvestStats
    folder: Path
    warnings: Sequence[str] = ()
    politeness: Politeness = field(default_factory=Politeness)
    timeline: float | None = None
    """Seconds that the next run with the same settings has; None if its hours are not limited."""
    refresh_left: int | None = None
    """How many spectra a refresh left for the next run; None if the run was no refresh."""
    page: Path | None = None
    """The report, if it was written."""

    @property
    def nights_left(self) -> int | None:
        """Return how many more runs like this one the rest takes at the rate reached.

        None if that is not known.
        """
        if self.timeline is None:
            return None
        rate = (self.stats.saved + self.stats.failed) / self.politeness.seconds
        left = self.stats.remaining if self.refresh_left is None else self.refresh_left
        return nights_left(left, rate, self.timeline)

    @property
    def summary(self) -> dict[str, object]:
        """Return the content of summary.json."""
        more: dict[str, object] = {"politeness": self.politeness.as_json(), "nights_left": self.nights_left}
        if self.refresh_left is not None:
            more[REFRESH_LEFT] = self.refresh_left
        return self.stats.summary(time.time()) | more | {"watchers_lost": list(self.warnings)}

    def warn(self, warning: str) -> RunResult:
        """Return the result with one more warning."""
        return replace(self, warnings=[*self.warnings, warning])


async def finish(run: RunContext[Store], result: RunResult, preparation: ReportPreparation) -> RunResult:
    """Write provenance, SHA256SUMS, summary.json and the report, in this order.

    A failure of one is a warning in the result; a summary that cannot be written changes the exit code, too.
    """
    result = await write_provenance(run, result)
    try:
        digest = await write_summary(run, result)
    except StoreError as error:
        code = min(result.stats.exit_code or 0, error.exit_code, key=EXIT_CODE_PRIORITY.index)
        reason = result.stats.reason if code == result.stats.exit_code else str(error)
        result = replace(result, stats=replace(result.stats, exit_code=code, reason=reason))
        return result.warn(f"summary: {error}")
    return await write_report_page(run, result, preparation, digest)


async def write_provenance(run: RunContext[Store], result: RunResult) -> RunResult:
    """Write the W3C PROV document; a failure is a warning in the result."""
    try:
        stored = await asyncio.to_thread(collected, queries.contents(run.store.ledger))
        agent = result.politeness.user_agent
        content = document(run.configuration, run.preparation.catalog, result.stats, agent, stored)
        await asyncio.to_thread(_write, run.folder.provenance, json.dumps(content, indent=1) + "\n")
    except StoreError as error:
        return result.warn(f"provenance: {error}")
    return result


async def write_summary(run: RunContext[Store], result: RunResult) -> str:
    """Write summary.json, and SHA256SUMS if what is stored may have changed.

    Return the SHA-256 of the latter, '' where it was not written. StoreError.
    """
    preparation, store, digest = run.preparation, run.store, ""
    if result.stats.saved or preparation.findings or preparation.after_interruption or store.migrated_count:
        digest = await asyncio.to_thread(store.write_sums, queries.digests(store.ledger))
    await asyncio.to_thread(_write, run.folder.summary, json.dumps(result.summary, indent=1) + "\n")
    return digest


async def write_report_page(
    run: RunContext[Store], result: RunResult, preparation: ReportPreparation, digest: str
) -> RunResult:
    """Write the HTML report; whatever goes wrong is a warning in the result.

    ``digest`` is the SHA-256 of SHA256SUMS, '' where it is not known.
    """
    try:
        page = await asyncio.to_thread(_write_report, run, preparation, digest)
    except HarvestError as error:
        return result.warn(f"report: {type(error).__name__}: {error}")
    except Exception as error:
        log.exception("the report could not be written")
        return result.warn(f"report: {type(error).__name__}: {error}")
    return replace(result, page=page)


def _write_report(run: RunContext[Store], preparation: ReportPreparation, digest: str) -> Path:
    from ..report.data.sampling import most_at_run_end
    from ..report.page import write_report

    return write_report(run.store, run.name, most_at_run_end(run.store), preparation.result(), digest)


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as part:
        part.write_text(text, encoding="utf-8")

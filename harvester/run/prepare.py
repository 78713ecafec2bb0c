"""What is known before the first request: catalog against disk. Light, so that a plan of a million stays small."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ..audit.files import proved_again
from ..audit.recovery import written_since_crash
from ..catalog.plan import USUAL_RATE, HarvestPlan, PlanNotes, make_plan
from ..catalog.reader import ADDRESS, Catalog, read_catalog
from ..config.configuration import Configuration
from ..engine.work_queue import PendingRetry
from ..errors import UsageError
from ..ledger import queries
from ..model.failures import FetchError
from ..model.findings import Damaged, FileToCheck, Finding, Record, Sound, too_common
from ..model.target import Target
from ..storage.interface import Store

LOOKED_AT = 20  # addresses, before the first request


@dataclass(frozen=True, slots=True)
class Preparation:
    """Everything that is known before the first request. ``findings`` are of files that no ledger vouched for.

    after_interruption: the run before this one never said goodbye.
    """

    configuration: Configuration
    catalog: Catalog
    plan: HarvestPlan
    targets: Sequence[Target]
    leftovers: Sequence[PendingRetry] = ()
    findings: Sequence[Finding] = ()
    caution: str = ""
    """What people should know of the store."""
    after_interruption: bool = False

    @property
    def known_good(self) -> Sequence[Target]:
        """Return a spectrum that the archive has served before, if there is one."""
        return list(self.plan.present[:1])

    @property
    def wanted(self) -> int:
        """How many spectra this run asks for."""
        return len(self.targets) + len(self.leftovers)

    @property
    def refreshed(self) -> int:
        """How many of them are there already: they come last, and stay as they are until a better one is there."""
        return max(0, self.wanted - len(self.plan.wanted))

    @property
    def left_out(self) -> bool:
        """Whether ``--limit`` or ``--only-failed`` leaves wanted spectra for another run."""
        return self.wanted < len(self.plan.wanted)

    @property
    def eta(self) -> float:
        """Seconds that the targets take at the allowed rate."""
        return self.wanted / (self.configuration.settings.limits.rate or USUAL_RATE)


def catalog_of(configuration: Configuration) -> Catalog:
    """The catalog that the configuration names; the demo archive brings its own. UsageError without one."""
    settings = configuration.settings
    if settings.catalog is not None:
        return read_catalog(settings.catalog, settings.id_column)
    if configuration.is_demo:
        from ..demo import DEMO_COUNT, listing

        entries = list(listing(DEMO_COUNT))
        columns = [json.dumps({"label": str(int(entry.label))}) for entry in entries]
        return Catalog("the demo archive's own list", [entry.did for entry in entries], columns)
    raise UsageError(
        "no catalog: give a CSV of publisher DIDs with --catalog FILE (or catalog = ... in config.toml),\n"
        "make one from the archive's own list with `python -m harvester discover URL --catalog FILE`,\n"
        "or see it at work first: python -m harvester --archive demo --concurrency 8"
    )


def prepare(configuration: Configuration, catalog: Catalog, store: Store) -> Preparation:
    """Hold the catalog against the disk. Changes nothing, asks nothing of the archive.

    Files that no ledger vouches for (an older tool's, of another size than it knows, or replaced by a run that was
    killed before it wrote that down) are read and proved before they count. Another change that keeps the size is for
    ``verify`` to find.
    """
    ledger = store.ledger
    newer = written_since_crash(store)
    receipts: Iterable[PlanNotes] = queries.stored_entries(ledger)
    if newer:
        doubtful = frozenset(name.casefold() for name in newer)
        receipts = ((name, did, None if name in doubtful else size) for name, did, size in receipts)
    plan = make_plan(catalog, store.files(), receipts)
    _refuse_to_mix(configuration, plan, ledger)
    _refuse_another_archive(configuration, plan, ledger)
    findings = _examine(configuration, plan.unproved, store)
    _refuse_to_set_aside_everything(configuration, findings)
    plan = plan.proved({finding.name for finding in findings if isinstance(finding, Sound)})
    targets, leftovers = _choose(configuration, plan, ledger)
    _refuse_to_ask_nowhere(configuration, catalog, targets)
    return Preparation(configuration, catalog, plan, targets, leftovers, findings, store.warning, newer is not None)


def _examine(configuration: Configuration, unproved: Sequence[Target], store: Store) -> list[Finding]:
    if not unproved:
        return []
    work = (FileToCheck(target.name, Record(target.did)) for target in unproved)
    return list(proved_again(configuration, store, work, os.cpu_count() or 1))


def _refuse_to_set_aside_everything(configuration: Configuration, findings: Sequence[Finding]) -> None:
    """Sound files that are not what is asked for now tell of a wrong setting, not of damage. UsageError."""
    suspicious = too_common((finding for finding in findings if isinstance(finding, Damaged)), len(findings))
    if suspicious:
        example = next(found for found in findings if isinstance(found, Damaged) and found.kind in suspicious)
        raise UsageError(
            f"{configuration.location} has {len(findings)} files that are in no ledger; most are not what you request "
            f"({configuration.request.request_key}): {example.name}.fits: {example.detail}; choose another --out, "
            "or ask as they were asked for"
        )


def _refuse_to_mix(configuration: Configuration, plan: HarvestPlan, ledger: Path) -> None:
    """One directory has spectra of one kind: who trains on it must not find two. UsageError."""
    before = queries.request_parameters(ledger)
    if before not in (None, configuration.request.request_key) and plan.present:
        raise UsageError(
            f"{configuration.location} holds spectra asked for with {before}; you ask for "
            f"{configuration.request.request_key}: choose another --out"
        )


def _refuse_another_archive(configuration: Configuration, plan: HarvestPlan, ledger: Path) -> None:
    """One directory has spectra of one archive, since two may call theirs alike. UsageError.

    It is the same by its name (archives move, the demo's port changes) or by where it answers (profiles are renamed).
    """
    profile = configuration.profile
    if not plan.present and not plan.strays:
        return
    before = queries.runs_with_new_spectra(ledger)
    here = _where(profile.endpoint)
    if before and not any(run.archive == profile.name or (here and _where(run.endpoint) == here) for run in before):
        last = before[-1]
        raise UsageError(
            f"{configuration.out} holds spectra of {_called(last.archive, last.endpoint)}; you ask "
            f"{_called(profile.name, profile.endpoint)}: choose another --out, or, if it is the same archive, say so "
            f'by name = "{last.archive}" in its profile (--archive FILE.toml; `discover URL -o FILE.toml` writes one)'
        )


def _where(endpoint: str | None) -> str:
    """Host and port."""
    return urlsplit(endpoint or "").netloc.casefold()


def _called(archive: str, endpoint: str | None) -> str:
    return f"{archive} ({_where(endpoint)})" if _where(endpoint) else archive


def _refuse_to_ask_nowhere(configuration: Configuration, catalog: Catalog, targets: Sequence[Target]) -> None:
    """Where none of the first spectra has an address that may be asked, none is likely to. UsageError."""
    refused = ""
    for target in targets[:LOOKED_AT]:
        try:
            configuration.route.url(target)
        except FetchError as error:
            refused = refused or error.failure.detail
        else:
            return
    if refused and not catalog.has_addresses:
        raise UsageError(
            f"catalog {catalog.source}: it has no column {ADDRESS!r}, by which {configuration.profile.name} hands "
            "out its files; `python -m harvester discover URL --catalog FILE` writes one"
        )
    if refused:
        raise UsageError(f"catalog {catalog.source}: {targets[0].did}: {refused}")


def _choose(
    configuration: Configuration, plan: HarvestPlan, ledger: Path
) -> tuple[Sequence[Target], Sequence[PendingRetry]]:
    """What this run asks for: fresh targets, and the retries that an earlier run left behind."""
    settings = configuration.settings
    wanted = plan.wanted + plan.present if settings.refresh else plan.wanted
    if settings.only_failed:
        again = queries.failed_dids(ledger)
        wanted = wanted.where(lambda target: target.did in again)
    if settings.limit is not None:
        wanted = wanted[: settings.limit]
    left = queries.retries(ledger)
    if not left:
        return wanted, ()
    now = time.time()
    leftovers = []
    for target in wanted.where(lambda target: target.did in left):
        attempts, due = left[target.did]
        wait = min(max(due - now, 0.0), settings.limits.max_wait)
        leftovers.append(PendingRetry(target, min(attempts + 1, settings.limits.attempts), wait))
    return wanted.where(lambda target: target.did not in left), leftovers

"""Compare the catalog with the store, before the first request.

It keeps no second copy of the catalog, so that a plan of a million spectra stays small.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from urllib.parse import urlsplit

from ..audit.files import verify_stored
from ..audit.recovery import identify, written_since_crash
from ..catalog.plan import USUAL_RATE, EntryRow, HarvestPlan, make_plan
from ..catalog.reader import ADDRESS, Catalog, read_catalog
from ..config.configuration import Configuration
from ..engine.work_queue import PendingRetry
from ..errors import UsageError
from ..formatting import plural
from ..ledger import queries
from ..model.failures import FetchError
from ..model.findings import Damaged, FileToCheck, Finding, Record, Sound, too_common
from ..model.invocation import command_line
from ..model.target import SpectrumId, Target
from ..storage.interface import Store
from .refresh import already_refreshed, with_stored

CHECKED_URLS = 20  # before the first request
_LISTS_SPECTRA = re.compile(
    r"(?i).*/(?:ssap?|siap2?|scs|tap(?:/a?sync)?)(?:\.xml)?/?"
)  # paths of SSAP and TAP services


@dataclass(frozen=True, slots=True, repr=False)
class Preparation:
    """Everything that is known before the first request.

    findings: about files that the ledger did not know. after_interruption: the last run ended without its final ledger
    entry.
    """

    configuration: Configuration
    catalog: Catalog
    plan: HarvestPlan
    targets: Sequence[Target]
    leftovers: Sequence[PendingRetry] = ()
    findings: Sequence[Finding] = ()
    warning: str = ""
    """What users should know about the store, in one sentence."""
    after_interruption: bool = False
    refreshed: int = 0
    """How many of the wanted spectra are stored already.

    They are requested last, and kept until a verified new version is there.
    """
    already_refreshed: int = 0
    """How many stored spectra the refresh which this run resumes has replaced already."""
    mean_size: float | None = None
    """Mean size of the stored spectra in bytes; None if none is stored."""

    def __repr__(self) -> str:
        """Return one line: a catalog of a million spectra would fill a notebook."""
        return f"<Preparation: {plural(self.wanted, 'spectrum', 'spectra')} to download, {self.plan!r}>"

    @property
    def known_good(self) -> Sequence[Target]:
        """Return a spectrum that the archive has served before, if there is one."""
        return list(self.plan.present[:1])

    @property
    def wanted(self) -> int:
        """Return how many spectra this run requests."""
        return len(self.targets) + len(self.leftovers)

    @property
    def refresh_left(self) -> int:
        """Return how many stored spectra ``--limit`` leaves for the next run of this refresh."""
        if not self.configuration.settings.refresh:
            return 0
        return len(self.plan.present) - self.already_refreshed - self.refreshed

    @property
    def left_out(self) -> bool:
        """Return whether ``--limit`` or ``--only-failed`` leaves wanted spectra for another run."""
        return self.wanted - self.refreshed < len(self.plan.wanted)

    @property
    def eta(self) -> float:
        """Return the seconds that the targets take at the rate limit."""
        return self.wanted / (self.configuration.settings.limits.rate or USUAL_RATE)


def catalog_of(configuration: Configuration, all_faults: bool = False, in_python: bool = False) -> Catalog:
    """Read the catalog that the configuration names; the demo archive has its own.

    UsageError without one.
    """
    settings = configuration.settings
    if settings.catalog is not None:
        return read_catalog(settings.catalog, configuration.catalog_rules(all_faults, in_python))
    if configuration.is_demo:
        from ..demo import DEMO_COUNT, listing

        entries = list(listing(DEMO_COUNT))
        columns = [json.dumps({"label": str(int(entry.label))}) for entry in entries]
        return Catalog("the demo archive's catalog", [entry.did for entry in entries], columns)
    if in_python:
        raise UsageError("no catalog: give publisher DIDs, a table, or the path of a CSV file, or set `catalog`")
    raise UsageError(
        "no catalog: give a CSV of publisher DIDs with --catalog FILE (or catalog = ... in config.toml),\n"
        f"let discover write one ({command_line('discover', 'URL', '--catalog', 'FILE')}) or use `run --all`,\n"
        f"or try the demo archive first: {command_line('--archive', 'demo', '--concurrency', '8')}"
    )


def prepare(configuration: Configuration, catalog: Catalog, store: Store) -> Preparation:
    """Compare the catalog with the store. Change nothing and send no requests.

    Files that the ledger does not know (from another tool, of a different size, or written by a run that was killed
    before it updated the ledger) are read and verified before they count. Only ``verify`` finds a change that keeps
    the size.
    """
    _refuse_listing_service(configuration)
    ledger = store.ledger
    newer = written_since_crash(store)
    plan = make_plan(catalog, store.files(), _entries(ledger, newer or ()), store.votables)
    card = configuration.profile.identity_card or None
    if identified := identify(store, plan.strays_to_identify(), card):
        own = ((name.casefold(), did, None) for name, did in identified.items())
        plan = make_plan(catalog, store.files(), chain(own, _entries(ledger, newer or ())), store.votables)
    _refuse_mixed_requests(configuration, plan, ledger)
    _refuse_another_archive(configuration, plan, ledger)
    findings = _verify_unknown(configuration, plan.unverified, store)
    _refuse_other_content(configuration, findings)
    plan = plan.verified({finding.name for finding in findings if isinstance(finding, Sound)})
    done = (
        already_refreshed(store, configuration.request.request_key) if configuration.settings.refresh else frozenset()
    )
    targets, leftovers = _choose(configuration, plan, ledger, done)
    _refuse_without_url(configuration, catalog, targets)
    return Preparation(
        configuration,
        catalog,
        plan,
        targets,
        leftovers,
        findings,
        warning=store.warning,
        after_interruption=newer is not None,
        refreshed=_count_stored(targets, leftovers) if configuration.settings.refresh else 0,
        already_refreshed=len(plan.present.where(lambda target: target.did in done)) if done else 0,
        mean_size=queries.mean_size(ledger) if targets else None,
    )


def _entries(ledger: Path, newer: Collection[str]) -> Iterator[EntryRow]:
    """Yield the ledger's entries, without sizes for files ``newer`` than them. StoreError."""
    doubtful = frozenset(name.casefold() for name in newer)
    for name, did, size in queries.stored_entries(ledger):
        yield name, did, None if name in doubtful else size


def _verify_unknown(configuration: Configuration, unverified: Sequence[Target], store: Store) -> list[Finding]:
    if not unverified:
        return []
    work = (FileToCheck(target.name, Record(target.did)) for target in unverified)
    return list(verify_stored(configuration, store, work, os.cpu_count() or 1))


def _refuse_other_content(configuration: Configuration, findings: Sequence[Finding]) -> None:
    """Raise UsageError if most files are valid but differ from the request.

    A setting is wrong, not the files.
    """
    suspicious = too_common((finding for finding in findings if isinstance(finding, Damaged)), len(findings))
    if suspicious:
        example = next(found for found in findings if isinstance(found, Damaged) and found.kind in suspicious)
        raise UsageError(
            f"{configuration.location} has {len(findings)} files that the ledger does not know; most do not match your "
            f"request ({configuration.request.request_key}): {example.name}.fits: {example.detail}; choose another "
            "--out, or give the --fluxcalib, --band and --format with which they were requested"
        )


def _refuse_listing_service(configuration: Configuration) -> None:
    """Raise UsageError for the address of a service that lists spectra and serves none."""
    archive = configuration.settings.archive
    if "://" in archive and _LISTS_SPECTRA.fullmatch(urlsplit(archive).path):
        discover = command_line("discover", archive, "-o", "mine.toml")
        raise UsageError(
            f"archive {archive}: a service at such an address lists spectra and serves none; write a profile with "
            f"`{discover}`, then give --archive mine.toml"
        )


def _refuse_mixed_requests(configuration: Configuration, plan: HarvestPlan, ledger: Path) -> None:
    """Raise UsageError for other request parameters than the stored spectra have.

    A data set has one kind.
    """
    before = queries.request_parameters(ledger)
    if before not in (None, configuration.request.request_key) and plan.present:
        raise UsageError(
            f"{configuration.location} contains spectra requested with {before}; you request "
            f"{configuration.request.request_key}: choose another --out"
        )


def _refuse_another_archive(configuration: Configuration, plan: HarvestPlan, ledger: Path) -> None:
    """Raise UsageError if the stored spectra are from another archive: names may be the same.

    An archive is the same by its name (archives move, the demo's port changes) or by host and port (profiles are
    renamed).
    """
    profile = configuration.profile
    if not plan.present and not plan.strays:
        return
    before = queries.runs_with_new_spectra(ledger)
    here = _host_and_port(profile.endpoint)
    if before and not any(
        run.archive == profile.name or (here and _host_and_port(run.endpoint) == here) for run in before
    ):
        last = before[-1]
        raise UsageError(
            f"{configuration.location} contains spectra of {_name_and_host(last.archive, last.endpoint)}; you request "
            f"{_name_and_host(profile.name, profile.endpoint)}: choose another --out or, for the same archive, set "
            f'name = "{last.archive}" in its profile (--archive FILE.toml; `discover URL -o FILE.toml` writes one)'
        )


def _host_and_port(endpoint: str | None) -> str:
    """Return host and port, in lower case."""
    return urlsplit(endpoint or "").netloc.casefold()


def _name_and_host(archive: str, endpoint: str | None) -> str:
    return f"{archive} ({_host_and_port(endpoint)})" if _host_and_port(endpoint) else archive


def _refuse_without_url(configuration: Configuration, catalog: Catalog, targets: Sequence[Target]) -> None:
    """Raise UsageError if none of the first spectra has a permitted download URL."""
    refused = ""
    for target in targets[:CHECKED_URLS]:
        try:
            configuration.access.url(target)
        except FetchError as error:
            refused = refused or error.failure.detail
        else:
            return
    if refused and not catalog.has_addresses:
        raise UsageError(
            f"catalog {catalog.source}: it has no column {ADDRESS!r}, which contains the download URLs of "
            f"{configuration.profile.name}; {command_line('discover', 'URL', '--catalog', 'FILE')} writes one"
        )
    if refused:
        raise UsageError(f"catalog {catalog.source}: {targets[0].did}: {refused}")


def _count_stored(targets: Sequence[Target], leftovers: Sequence[PendingRetry]) -> int:
    return sum(target.stored for target in chain(targets, (retry.target for retry in leftovers)))


def _choose(
    configuration: Configuration, plan: HarvestPlan, ledger: Path, refreshed: frozenset[SpectrumId]
) -> tuple[Sequence[Target], Sequence[PendingRetry]]:
    """Choose what this run requests: new targets, and the retries that an earlier run left."""
    settings = configuration.settings
    wanted = plan.wanted
    if settings.refresh:
        stale = plan.present.where(lambda target: target.did not in refreshed) if refreshed else plan.present
        wanted = with_stored(wanted, stale)
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

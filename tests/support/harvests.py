"""A whole harvest against the embedded archive, in one call: what most stories begin with."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from harvester import events as ev
from harvester.config.loading import load
from harvester.demo import DemoArchive, FaultPlan, Planned, RunningArchive, listed_dids, serve
from harvester.engine.shutdown import Shutdown
from harvester.events.bus import Observer
from harvester.model.target import SpectrumId
from harvester.run.context import RunContext, new_run_name
from harvester.run.execute import execute, locked_store
from harvester.run.finish import RunResult
from harvester.run.prepare import catalog_of, prepare

E = TypeVar("E", bound=ev.Event)

QUICK: Mapping[str, float] = {
    "rate": 0,
    "concurrency": 4,
    "first_wait": 0.01,
    "max_wait": 0.05,
    "grace": 5,
    "disk_wait": 0.2,
    "max_outage": 8,
}


@dataclass(frozen=True, slots=True)
class Harvested:
    """What a harvest left behind: its report, all its events in order, and what the archive saw of it."""

    report: RunResult
    events: list[ev.Event]
    archive: RunningArchive

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]


def write_catalog(path: Path, dids: Iterable[str]) -> Path:
    """A CSV with ids and labels."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "label"])
        writer.writerows([did, number % 4] for number, did in enumerate(dids))
    return path


def plan_faults(**named: str | tuple[str, int]) -> FaultPlan:
    """``n3="empty"`` gives the fourth listed DID that fault for ever, ``n3=("empty", 2)`` for two requests."""
    dids = list(listed_dids(100))
    planned: dict[str, Planned] = {
        dids[int(number[1:])]: Planned(fault) if isinstance(fault, str) else Planned(*fault)
        for number, fault in named.items()
    }
    return FaultPlan(planned)


async def harvest_from(
    archive: RunningArchive,
    out: Path | str,
    dids: Iterable[SpectrumId],
    *,
    stop: Shutdown | None = None,
    watchers: Iterable[Observer] = (),
    limits: Mapping[str, Any] | None = None,
    profile: str | None = None,
    **flags: Any,
) -> Harvested:
    """Harvest ``dids`` from a running archive into ``out``, by the same path as the command line. A URL's
    catalog lies in the current folder.

    ``profile`` is a file that knows the archive better than its dlget address does.
    """
    beside = out.parent / f"{out.name}.csv" if isinstance(out, Path) else Path("wanted.csv")
    catalog_file = write_catalog(beside, dids)
    asked = {"catalog": str(catalog_file), "out": str(out), "archive": profile or archive.dlget}
    configuration = load({**asked, "limits": {**QUICK, **(limits or {})}, **flags})
    seen: list[ev.Event] = []
    name = new_run_name()
    with locked_store(configuration, name) as store:
        preparation = prepare(configuration, catalog_of(configuration), store)
        report = await execute(RunContext.create(name, preparation, store, seen.append, *watchers, shutdown=stop))
    return Harvested(report, seen, archive)


async def harvest_demo(out: Path | str, count: int = 20, faults: FaultPlan | None = None, **rest: Any) -> Harvested:
    """Harvest the first ``count`` spectra of a demo archive that has ``faults``."""
    async with serve(DemoArchive(count=count, faults=faults or FaultPlan())) as archive:
        return await harvest_from(archive, out, listed_dids(count), **rest)


def fits_names(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.fits")}


def leftovers(folder: Path) -> list[Path]:
    return list(folder.rglob("*.part"))

"""``plan``: what a run would download."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .listing import all_option, with_known_listing
from .options import load_configuration, plan_options

if TYPE_CHECKING:
    from ..run.prepare import Preparation

WORK_TO_DO = 10


@click.command("plan")
@plan_options
@all_option
@click.option("--json", "as_json", is_flag=True, help="print numbers as one JSON object")
@click.option("--verbose", is_flag=True, help="list all faulty rows of the catalog")
def command(as_json: bool, all_spectra: bool, verbose: bool, **flags: Any) -> int:
    """Show what a run would download, how long that would take, and how much space it needs.

    Change nothing and send no requests. Exit code 0 if there is nothing to do, 10 if there is.

    \b
    Examples:
      harvester plan --catalog labels.csv
      harvester plan --catalog labels.csv --out spectra --rate 2 --json
    """
    from ..run.prepare import catalog_of, prepare

    config = load_configuration(dict(flags))
    if all_spectra:
        config = with_known_listing(config, flags)
    preparation = prepare(config, catalog_of(config, verbose), config.open_store())
    if as_json:
        numbers = {**preparation.plan.counts(), "eta_seconds": round(preparation.eta, 1)}
        print(json.dumps(numbers | _space(preparation) | _nights(preparation)))
    else:
        print("\n".join(format_plan(preparation)))
    sys.stdout.flush()
    return WORK_TO_DO if preparation.wanted else 0


def format_plan(preparation: Preparation) -> list[str]:
    """Return the plan as lines of text, without the numbers that are zero."""
    from ..catalog.reader import describe_conflicts
    from ..formatting import count, plural
    from ..ledger.schema import is_on_network

    plan, config = preparation.plan, preparation.configuration
    parts = [
        (len(plan.present), "already stored"),
        (len(plan.missing), "missing"),
        (len(plan.suspect), "suspect (empty, or no whole FITS blocks): quarantined and downloaded again"),
        (len(plan.strays), "stored, but not in the catalog: left alone"),
        (plan.duplicates, "listed more than once"),
        (plan.malformed, "listed with more or fewer fields than the header"),
        (plan.blank, "left blank in the catalog"),
        (plan.collisions, "with the last segment of another DID: named by their whole path"),
    ]
    digits = max(len(count(number)) for number, _ in ((plan.listed, ""), *parts))
    catalog = preparation.catalog
    kind = f" ({catalog.kind})" if catalog.kind else ""
    lines = [f"{catalog.source}{kind} lists {plural(plan.listed, 'spectrum', 'spectra')}; {config.location} has:"]
    lines += [f"  {count(number):>{digits}}  {text}" for number, text in parts if number]
    if is_on_network(config.state_folder):
        lines.append("  on a network file system: the ledger works without a write-ahead log, which is slower")
    if catalog.conflicts:
        lines.append(f"  {describe_conflicts(catalog.conflicts)}")
    if preparation.warning:
        lines.append(f"  {preparation.warning}")
    band = config.settings.band
    if band is not None:
        lines.append(f"  BAND={band} m, that is {band.format_angstroms()}")
    return [*lines, *_format_work(preparation)]


def _format_work(preparation: Preparation) -> Iterator[str]:
    from ..catalog.plan import USUAL_RATE
    from ..formatting import count, duration

    if not preparation.wanted:
        yield "nothing to download"
        return
    config = preparation.configuration
    rate = config.settings.limits.rate
    pace = f"at {rate:g} per second" if rate else f"at {USUAL_RATE:g} per second, as --rate 0 sets no limit"
    new, again = preparation.wanted - preparation.refreshed, preparation.refreshed
    number = f"{count(preparation.wanted)} to download"
    if again:
        number = f"{count(new)} to download, {count(again)} to refresh" if new else f"{count(again)} to refresh"
    yield f"{number} from {config.profile.title}: {duration(preparation.eta)} {pace}"
    if preparation.already_refreshed:
        yield f"  refreshed by the runs that this one resumes: {count(preparation.already_refreshed)}"
    yield from _format_space(preparation)
    yield from _format_hours(preparation)


def _space(preparation: Preparation) -> dict[str, object]:
    """Return the bytes that the missing spectra need, by mean size, and the free bytes."""
    config = preparation.configuration
    numbers: dict[str, object] = {}
    mean = preparation.mean_size
    if mean is not None:
        numbers["needed_bytes"] = round(mean * (preparation.wanted - preparation.refreshed))
    if isinstance(config.location, Path):
        numbers["free_bytes"] = shutil.disk_usage(existing_folder(config.location)).free
    return numbers


def existing_folder(path: Path) -> Path:
    """Return ``path`` or the nearest folder above it that exists."""
    return next((folder for folder in (path.absolute(), *path.absolute().parents) if folder.is_dir()), Path("/"))


def _format_space(preparation: Preparation) -> Iterator[str]:
    from ..formatting import size

    space = _space(preparation)
    needed, free = space.get("needed_bytes"), space.get("free_bytes")
    if not isinstance(free, int):
        return
    if not isinstance(needed, int):
        yield f"  {size(free)} free on the disk; how much it needs is known once a few spectra are stored"
    elif needed > free:
        yield f"  about {size(needed)} needed, only {size(free)} free on the disk: make room, or use another --out"
    else:
        yield f"  about {size(needed)} needed, {size(free)} free on the disk"


def _nights(preparation: Preparation) -> dict[str, object]:
    """Return how many nights it takes and when it is done, where the hours are limited."""
    from datetime import UTC, datetime

    from ..formatting import iso_utc
    from ..model.schedule import allowed_hours, finish, nights_left

    settings, now = preparation.configuration.settings, datetime.now(UTC)
    night = allowed_hours(now, settings.window, settings.deadline).night
    if not night or not preparation.wanted:
        return {}
    if settings.window is None or settings.deadline is not None:  # runs that end earlier than the window
        return {"nights": nights_left(preparation.wanted, preparation.wanted / preparation.eta, night)}
    done = finish(now, preparation.eta, settings.window)
    return {"nights": done[0], "done": iso_utc(done[1].timestamp())} if done else {"nights": None}


def _format_hours(preparation: Preparation) -> Iterator[str]:
    from datetime import datetime

    from ..formatting import plural, wall

    settings, numbers = preparation.configuration.settings, _nights(preparation)
    if not numbers:
        return
    nights = numbers["nights"]
    many = plural(nights, "night") if isinstance(nights, int) else "more nights than can be planned"
    hours = [f"within {settings.window}"] if settings.window else []
    hours += [f"with the deadline {settings.deadline}"] if settings.deadline else []
    done = numbers.get("done")
    when = f", done {wall(datetime.fromisoformat(done).timestamp(), time.time())}" if isinstance(done, str) else ""
    yield f"  {' and '.join(hours)} that takes {many}{when}"

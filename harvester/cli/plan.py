"""``plan``: the diff alone."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from .options import load_configuration, plan_options

if TYPE_CHECKING:
    from ..run.prepare import Preparation

WORK_TO_DO = 10


@click.command("plan")
@plan_options
@click.option("--json", "as_json", is_flag=True, help="numbers as one JSON object")
def command(as_json: bool, **flags: Any) -> int:
    """What a run would fetch, and how long that takes.

    Touches nothing and asks nothing of the archive. Exit code 0 if there is nothing to do, 10 if there is.
    """
    from ..run.prepare import catalog_of, prepare

    config = load_configuration(flags)
    preparation = prepare(config, catalog_of(config), config.open_store())
    if as_json:
        told = {**preparation.plan.counts(), "eta_seconds": round(preparation.eta, 1)}
        print(json.dumps(told | _nights(preparation)))
    else:
        print("\n".join(in_words(preparation)))
    sys.stdout.flush()
    return WORK_TO_DO if preparation.wanted else 0


def in_words(preparation: Preparation) -> list[str]:
    """The plan as lines for people; what is zero is left out."""
    from ..catalog.plan import USUAL_RATE
    from ..formatting import count, duration
    from ..ledger.schema import is_on_network

    plan, config = preparation.plan, preparation.configuration
    parts = [
        (len(plan.present), "already on disk"),
        (len(plan.missing), "missing"),
        (len(plan.suspect), "suspect on disk (empty, or no whole FITS blocks): set aside and fetched again"),
        (len(plan.strays), "on disk, but not in the catalog: left alone"),
        (plan.duplicates, "listed more than once"),
        (plan.malformed, "rows with more or fewer fields than the header"),
        (plan.blank, "blank lines"),
        (plan.collisions, "with a last segment that is another's too: named by their whole path"),
    ]
    digits = max(len(count(number)) for number, _ in ((plan.listed, ""), *parts))
    lines = [f"{preparation.catalog.source} lists {count(plan.listed)} spectra; {config.location} has:"]
    lines += [f"  {count(number):>{digits}}  {words}" for number, words in parts if number]
    if is_on_network(config.state_folder):
        lines.append("  on a network file system: the ledger does without a write-ahead log there, which is slower")
    if preparation.warning:
        lines.append(f"  {preparation.warning}")
    band = config.settings.band
    if band is not None:
        lines.append(f"  BAND={band} m, that is {band.format_angstroms()}")
    rate = config.settings.limits.rate
    targets = preparation.wanted
    if targets:
        pace = f"at {rate:g} a second" if rate else f"at {USUAL_RATE:g} a second, as --rate 0 sets no limit"
        lines.append(f"{count(targets)} to fetch from {config.profile.title}: {duration(preparation.eta)} {pace}")
        lines += _hours_in_words(preparation)
    else:
        lines.append("nothing to fetch")
    return lines


def _nights(preparation: Preparation) -> dict[str, object]:
    """How many nights it takes and when it is done, where the hours are limited."""
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


def _hours_in_words(preparation: Preparation) -> list[str]:
    from datetime import datetime

    from ..formatting import plural, wall

    settings, told = preparation.configuration.settings, _nights(preparation)
    if not told:
        return []
    nights = told["nights"]
    many = plural(nights, "night") if isinstance(nights, int) else "more nights than can be planned"
    hours = [f"within {settings.window}"] if settings.window else []
    hours += [f"with the deadline {settings.deadline}"] if settings.deadline else []
    done = told.get("done")
    when = f", done {wall(datetime.fromisoformat(done).timestamp(), time.time())}" if isinstance(done, str) else ""
    return [f"  {' and '.join(hours)} that takes {many}{when}"]

"""``verify``: every file on disk proved again."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from .hints import next_command
from .options import engine_options, load_configuration, location_options
from .progress import show_progress

if TYPE_CHECKING:
    from ..audit.check_store import StoreCheck

DAMAGE = 3
EXAMPLES = 20  # faults of one gate that are shown; --json lists all


@click.command("verify")
@location_options
@click.option("--fluxcalib", metavar="VALUE", help="what was asked for then [normalized]")
@click.option("--band", metavar="'LO HI [UNIT]'", help="what was asked for then; metres if no unit")
@click.option("--fix", is_flag=True, help="quarantine what is damaged, bring the ledger to what the disk has")
@engine_options
@click.option("--processes", metavar="N", type=click.IntRange(1), help="processes that check [one a core]")
@click.option("--json", "as_json", is_flag=True, help="as one JSON object")
def command(fix: bool, processes: int | None, as_json: bool, **flags: Any) -> int:
    """Prove every file on disk again: structure, identity, science, and its digest against the ledger.

    Asks nothing of the archive. Writes SHA256SUMS of what is sound, for `sha256sum -c`. Exit code 0 if all is sound, 3
    if anything is damaged or missing, also where --fix made it ready to be fetched again by the next run.
    """
    from ..audit.check_store import check_store
    from ..run.runners import pool_for

    config = load_configuration(flags)
    began, processes = time.monotonic(), processes or os.cpu_count() or 1
    with pool_for(config.settings, processes) as pool, show_progress("verifying", "verified") as progress:
        stock = check_store(config, fix=fix, processes=processes, progress=progress, pool=pool)
    if as_json:
        print(json.dumps(_as_json(stock), indent=1))
    else:
        print("\n".join(_in_words(stock, fix, time.monotonic() - began)))
    sys.stdout.flush()
    return DAMAGE if stock.faults else 0


def _as_json(stock: StoreCheck) -> dict[str, object]:
    return {
        "checked": stock.checked,
        "sound": stock.sound,
        "damaged": [
            {"id": fault.did, "path": str(stock.path(fault)), "gate": fault.check, "detail": fault.detail}
            for fault in stock.faults
        ],
        "redated": stock.redated,
        "strays": stock.strays,
        "set_aside": stock.set_aside,
        "notes": stock.notes,
    }


def _in_words(stock: StoreCheck, fix: bool, seconds: float) -> list[str]:
    from ..formatting import count, duration, plural

    verdict = f"{plural(len(stock.faults), 'fault')}" if stock.faults else "all sound"
    lines = [f"{plural(stock.checked, 'spectrum', 'spectra')} checked in {stock.place}, {duration(seconds)}: {verdict}"]
    if stock.redated:
        lines.append(f"  {count(stock.redated)} sound under a new date: fetched again since the ledger was written")
    if stock.strays:
        lines.append(f"  {plural(stock.strays, 'FITS file')} under names no spectrum can have: left alone")
    for gate, group in groupby(sorted(stock.faults, key=lambda fault: fault.check), key=lambda fault: fault.check):
        faults = list(group)
        lines += ["", f"{count(len(faults))}  {gate}"]
        lines += [f"    {stock.path(fault)}: {fault.detail}" for fault in faults[:EXAMPLES]]
        if len(faults) > EXAMPLES:
            lines.append(f"    and {count(len(faults) - EXAMPLES)} more (--json lists all)")
    return [*lines, *[f"note: {note}" for note in stock.notes], *_next_steps(stock, fix)]


def _next_steps(stock: StoreCheck, fix: bool) -> Iterator[str]:
    from ..formatting import plural
    from ..model.findings import READING

    if not stock.faults:
        return
    yield ""
    if any(fault.check == READING for fault in stock.faults):
        yield "what cannot be read is left where it is: check its permissions and the disk"
    if stock.spared:
        yield (
            f"{plural(len(stock.spared), 'file')} left where they are, since most fail in the same way: were they asked"
            " for with other settings? Give --fluxcalib and --band as then"
        )
    if not fix:
        yield f"to set damaged files aside: {next_command('verify', stock.place, '--fix')}"
        return
    if stock.set_aside:
        yield f"{plural(stock.set_aside, 'file')} set aside in {stock.place}/.harvester/quarantine"
    yield f"to fetch what is not there now: {next_command('', stock.place)}"

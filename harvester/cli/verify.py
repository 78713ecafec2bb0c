"""``verify``: re-verify all stored files."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from .hints import download_missing, next_command
from .options import engine_options, load_harvest, location_options
from .progress import show_progress

if TYPE_CHECKING:
    from ..audit.check_store import StoreCheck
    from ..config.configuration import Configuration

DAMAGE = 3
EXAMPLES = 20  # faults of one check that are shown; --json lists all


@click.command("verify")
@location_options
@click.option(
    "--fluxcalib", metavar="VALUE", help="FLUXCALIB with which the stored spectra were requested [normalized]"
)
@click.option(
    "--band", metavar="'LO HI [UNIT]'", help="BAND with which the stored spectra were requested; metres if no unit"
)
@click.option("--fix", is_flag=True, help="quarantine damaged files and make the ledger match the disk")
@engine_options
@click.option("--processes", metavar="N", type=click.IntRange(1), help="processes that verify [one per core]")
@click.option("--require", metavar="LEVEL", help="with science, count files stored at the level structure as faults")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
def command(fix: bool, processes: int | None, as_json: bool, **flags: Any) -> int:
    """Re-verify all stored files: structure, identity, science, and the digest in the ledger.

    Send no requests. Write SHA256SUMS of the valid files, for `sha256sum -c`. Exit code 0 if all are valid, 3 if any is
    damaged or missing, also if --fix prepared it for the next run to download again.

    \b
    Examples:
      harvester verify --out spectra
      harvester verify --out spectra --fix
    """
    from ..audit.check_store import check_store
    from ..run.pools import pool_for

    config = load_harvest(flags)
    began, processes = time.monotonic(), processes or os.cpu_count() or 1
    with pool_for(config.settings, processes) as pool, show_progress("verifying", "verified") as progress:
        result = check_store(config, fix=fix, processes=processes, progress=progress, pool=pool)
    if as_json:
        print(json.dumps(_as_json(result), indent=1))
    else:
        print("\n".join([*_format_check(result, time.monotonic() - began), *_next_steps(result, fix, config)]))
    sys.stdout.flush()
    return DAMAGE if result.faults else 0


def _as_json(check: StoreCheck) -> dict[str, object]:
    return {
        "checked": check.checked,
        "sound": check.sound,
        "structure_only": check.structure_only,
        "damaged": [
            {"id": fault.did, "path": str(check.path(fault)), "gate": fault.check, "detail": fault.detail}
            for fault in check.faults
        ],
        "redated": check.redated,
        "strays": check.strays,
        "set_aside": check.set_aside,
        "notes": check.notes,
    }


def _format_check(check: StoreCheck, seconds: float) -> list[str]:
    from ..formatting import count, duration, plural

    verdict = f"{plural(len(check.faults), 'fault')}" if check.faults else "all valid"
    lines = [f"{plural(check.checked, 'spectrum', 'spectra')} checked in {check.place}, {duration(seconds)}: {verdict}"]
    if check.structure_only:
        files = plural(check.structure_only, "file")
        lines.append(f"  {files} at the level structure: whole and unchanged, but no reader finds a spectrum in them")
    if check.redated:
        lines.append(f"  {count(check.redated)} valid under a new date: downloaded again since the ledger was written")
    if check.strays:
        lines.append(f"  {plural(check.strays, 'FITS file')} with names that no spectrum can have: left alone")
    for name, group in groupby(sorted(check.faults, key=lambda fault: fault.check), key=lambda fault: fault.check):
        faults = list(group)
        lines += ["", f"{count(len(faults))}  {name}"]
        lines += [f"    {check.path(fault)}: {fault.detail}" for fault in faults[:EXAMPLES]]
        if len(faults) > EXAMPLES:
            lines.append(f"    and {count(len(faults) - EXAMPLES)} more (--json lists all)")
    return [*lines, *[f"note: {note}" for note in check.notes]]


def _next_steps(check: StoreCheck, fix: bool, config: Configuration) -> Iterator[str]:
    from ..formatting import plural
    from ..model.findings import PRESENCE, READING
    from ..storage.run_folder import QUARANTINE_PATH

    if not check.faults:
        return
    yield ""
    checks = {fault.check for fault in check.faults}
    if READING in checks:
        yield "unreadable files are left where they are: check their permissions and the disk"
    if check.spared:
        yield (
            f"{plural(len(check.spared), 'file')} left where they are, since most fail the same check: if they were"
            " requested with other settings, give these with --fluxcalib and --band"
        )
    damaged = bool(checks - {READING, PRESENCE})
    if damaged and not fix:
        yield f"to quarantine damaged files: {next_command('verify', check.place, '--fix')}"
    if check.set_aside:
        yield f"{plural(check.set_aside, 'file')} moved to {check.place}/{QUARANTINE_PATH}"
    if PRESENCE in checks or (damaged and fix):
        yield f"to download what is missing{' now' if fix else ''}: {download_missing(config)}"

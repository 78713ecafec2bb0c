"""``failures``: which spectra are missing, and why."""

from __future__ import annotations

import csv
import json
import shlex
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import load_harvest, location_options, output_path, require_run

if TYPE_CHECKING:
    from ..config.configuration import Configuration
    from ..ledger.queries import FailureRecord

EXAMPLES = 3


@click.command("failures")
@location_options
@click.option("--json", "as_json", is_flag=True, help="print all of them as a JSON list")
@click.option("--csv", "csv_file", metavar="FILE", help="write the missing spectra as a catalog for run --catalog")
def command(as_json: bool, csv_file: str | None, **flags: Any) -> int:
    """List missing spectra by reason, with the server's messages and what to do about them.

    \b
    Examples:
      harvester failures --out spectra
      harvester failures --out spectra --csv failed.csv
    """
    from ..formatting import plural
    from ..ledger.queries import failures
    from ..report.data.run_record import again
    from ..storage.directory import DirectoryStore

    file = None if csv_file is None else output_path("--csv", csv_file)
    config = load_harvest(flags)
    store = DirectoryStore(config.state_folder)
    record = require_run(store.ledger, config)
    found = failures(store.ledger)
    resume = again(store, record.run)
    if file is not None:
        write_catalog(file, [(failure.did, failure.columns) for failure in found])
    if as_json:
        print(json.dumps([_as_json(failure) for failure in found], indent=1))
    elif file is not None:
        retry = f"{resume} --catalog {shlex.quote(str(file))} --id-column id"
        print(f"{plural(len(found), 'spectrum', 'spectra')} written to {file}; to request them again: {retry}")
    else:
        print("\n".join(_format_failures(found, config, resume)))
    return 0


def _as_json(failure: FailureRecord) -> dict[str, object]:
    from ..formatting import iso_utc

    return {
        "id": failure.did,
        "kind": failure.kind,
        "blame": failure.kind.blame,
        "detail": failure.detail,
        "attempts": failure.attempts,
        "http_status": failure.http_status,
        "last_tried": iso_utc(failure.last_tried),
    }


def write_catalog(path: Path, rows: Sequence[tuple[str, Mapping[str, str]]]) -> None:
    """Write DIDs and their other columns as a catalog for ``run``.

    UsageError if the file cannot be written.
    """
    from ..errors import UsageError

    names = list(dict.fromkeys(name for _, columns in rows for name in columns))
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", *names])
            writer.writerows([did, *(columns.get(name, "") for name in names)] for did, columns in rows)
    except OSError as error:
        raise UsageError(f"--csv {path}: {error.strerror}; give a file that can be written") from None


def _format_failures(found: Sequence[FailureRecord], config: Configuration, resume: str) -> list[str]:
    from ..formatting import count, plural

    if not found:
        return [f"no failures in {config.location}"]
    lines = [f"{plural(len(found), 'spectrum', 'spectra')} missing in {config.location}:"]
    for kind, group in groupby(found, key=lambda failure: failure.kind):
        members = list(group)
        lines += ["", f"{count(len(members))}  {kind}: {kind.meaning} (cause: {kind.blame})"]
        lines += [f"    {failure.did}: {failure.detail}" for failure in members[:EXAMPLES]]
        if len(members) > EXAMPLES:
            lines.append(f"    and {count(len(members) - EXAMPLES)} more (--json lists all)")
        lines.append(f"    what to do: {kind.advice}")
    lines += ["", f"to request them again: {resume} --only-failed"]
    return lines

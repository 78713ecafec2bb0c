"""``quarantine``: response bodies that failed verification."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .hints import next_command
from .options import load_harvest, location_options, require_run

if TYPE_CHECKING:
    from ..config.configuration import Configuration
    from ..storage.quarantine_entries import QuarantineEntry

SHOWN_BYTES = 400  # of a body


@click.command("quarantine")
@click.argument("action", type=click.Choice(["list", "show", "purge"]), default="list")
@click.argument("name", required=False)
@location_options
@click.option("--yes", is_flag=True, help="purge without asking")
@click.option("--json", "as_json", is_flag=True, help="print the list as JSON")
def command(action: str, name: str | None, yes: bool, as_json: bool, **flags: Any) -> int:
    """List, show or delete response bodies that failed verification and files moved away.

    NAME is an entry of the list or the name of a spectrum. Without NAME, purge deletes all rejected response bodies; a
    file that was on disk before (kind suspect) is deleted only if you name it.

    \b
    Examples:
      harvester quarantine --out spectra
      harvester quarantine show sh270028 --out spectra
      harvester quarantine purge --out spectra
    """
    from ..errors import UsageError
    from ..storage.quarantine_entries import entries

    config = load_harvest(dict(flags))
    folder = _folder(config)
    found = [entry for entry in entries(folder) if name in (None, entry.name, entry.spectrum)]
    if name is not None and not found:
        raise UsageError(
            f"quarantine {action} {name}: no such entry in {folder}; see {next_command('quarantine', config.location)}"
        )
    if action == "purge":
        return _purge([entry for entry in found if name or not entry.is_suspect], folder, yes)
    if as_json:
        print(json.dumps([entry.reason for entry in found], indent=1))
    elif action == "show":
        print("\n\n".join(_format_entry(entry) for entry in found))
    else:
        print("\n".join(_format_list(found, folder, config)))
    return 0


def _folder(config: Configuration) -> Path:
    """Return the quarantine folder. UsageError where there is no harvest."""
    from ..storage.run_folder import StateFolder

    state = StateFolder.below(config.state_folder)
    if not state.quarantine.is_dir():
        require_run(state.ledger, config)
    return state.quarantine


def _format_list(found: Sequence[QuarantineEntry], folder: Path, config: Configuration) -> list[str]:
    from ..formatting import plain_line, plural, size

    if not found:
        return [f"nothing is in quarantine in {folder}"]
    total = sum(entry.size for entry in found)
    lines = [f"{plural(len(found), 'entry', 'entries')} ({size(total)}) in {folder}:"]
    lines += [f"  {entry.name}  {size(entry.size)}  {plain_line(entry.detail, 100)}" for entry in found]
    return [*lines, f"to see one: {next_command('quarantine', config.location)} show NAME"]


def _format_entry(entry: QuarantineEntry) -> str:
    """Return the reason for one entry, and the beginning of its body as far as it is text."""
    from ..formatting import first_words

    lines = [f"{key:<12}{value}" for key, value in entry.reason.items() if key != "headers"]
    lines += [f"{name:<12}{value}" for name, value in entry.headers.items()]
    lines.append(f"{'file':<12}{entry.body}")
    text = first_words(entry.read(SHOWN_BYTES), SHOWN_BYTES)
    return "\n".join([entry.name, *(f"  {line}" for line in lines), *([f"  {'text':<12}{text}"] if text else [])])


def _purge(found: Sequence[QuarantineEntry], folder: Path, yes: bool) -> int:
    from ..formatting import plural, size

    what = f"{plural(len(found), 'entry', 'entries')} ({size(sum(entry.size for entry in found))}) in {folder}"
    if not found:
        print(f"nothing to delete in {folder}")
        return 0
    if not yes:
        click.confirm(f"Delete {what}?", abort=True)
    for entry in found:
        entry.delete()
    print(f"deleted {what}")
    return 0

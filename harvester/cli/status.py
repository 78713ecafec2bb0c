"""``status``: how a running, or the last, harvest stands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from .options import load_configuration, location_options

if TYPE_CHECKING:
    from ..ledger.queries import RunRecord


@click.command("status")
@location_options
@click.option("--json", "as_json", is_flag=True, help="as one JSON object")
def command(as_json: bool, **flags: Any) -> int:
    """How a running, or the last, harvest stands; from any terminal, without disturbing it."""
    from ..ledger.queries import last_run
    from ..storage.directory import DirectoryStore
    from ..storage.lock import is_held

    config = load_configuration(flags)
    store = DirectoryStore(config.state_folder)
    record = last_run(store.ledger)
    if record is None:
        print(json.dumps({"state": "none"}) if as_json else f"no harvest in {config.location} yet")
        return 0
    doing = _state(record, is_held(store.lock))
    if as_json:
        print(json.dumps({**record.summary, "state": doing}, indent=1))
    else:
        print("\n".join(_in_words(record, doing)))
    return 0


def _state(record: RunRecord, held: bool) -> str:
    if record.ended is not None:
        return "ended"
    return "running" if held else "interrupted"


def _in_words(record: RunRecord, doing: str) -> list[str]:
    from ..formatting import count, duration, size, wall

    numbers = record.summary
    done = numbers["present"] + numbers["saved"]
    lines = [
        f"run {record.run} of {record.archive}: {doing}, begun {wall(record.started, record.started)}"
        f" by process {record.pid} on {record.host}",
        f"  {count(done)} of {count(numbers['listed'])} on disk, {count(numbers['saved'])} of them new"
        f" ({size(numbers['bytes'])} received in {duration(numbers['seconds'])})",
        f"  {count(numbers['failed'])} failed, {count(numbers['remaining'])} to go,"
        f" {count(numbers['requests'])} requests",
    ]
    lines += [f"    {number} {kind}" for kind, number in numbers["failures"].items()]
    if doing == "ended":
        lines.append(f"  {numbers['reason']} (exit code {numbers['exit_code']})")
    if doing == "interrupted":
        lines.append("  it ended without a word to the ledger (killed, or no room); the same command goes on")
    return lines

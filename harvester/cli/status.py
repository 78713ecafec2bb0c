"""``status``: progress of the current or last run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import harvests_below_data, load_configuration, location_options

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ..ledger.queries import RunRecord
    from ..storage.directory import DirectoryStore

FRAME_INTERVAL = 2.0  # seconds between two pictures of --watch on a terminal
LINE_INTERVAL = 60.0  # seconds between two lines of --watch elsewhere
NO_HARVEST = 2
ENOUGH = 20  # spectra settled, from which on the time left is no guess


@dataclass(frozen=True, slots=True)
class Status:
    """The last run of one harvest, if there was one, and its state."""

    location: str
    record: RunRecord | None
    state: str
    lost: int = 0
    """Spectra that were stored and are gone, as far as a run or `verify --fix` found."""
    lost_since: int = 0
    """How many of these the latest run still counts as stored."""
    unrecorded: int = 0
    """Files that an interrupted run stored and could not record, as on a full disk."""

    @property
    def running(self) -> bool:
        """Whether a run is active."""
        return self.state == "running"

    @property
    def as_json(self) -> dict[str, object]:
        """The statistics of the run and its state."""
        if self.record is None:
            return {"state": self.state}
        now = {"on_disk": self.on_disk, "state": self.state, "lost": self.lost, "unrecorded": self.unrecorded}
        return {**self.record.summary, **now}

    @property
    def on_disk(self) -> int:
        """How many spectra of the catalog are stored now, also by an older ledger."""
        if self.record is None:
            return 0
        numbers = self.record.summary
        at_the_end = int(numbers.get("on_disk", numbers["present"] + numbers["saved"]))
        return max(0, at_the_end - self.lost_since)


Read = Callable[[], Sequence[Status]]
Show = Callable[[Sequence[Status]], None]


@click.command("status")
@location_options
@click.option("--json", "as_json", is_flag=True, help="as one JSON object")
@click.option("--watch", is_flag=True, help="repeat every two seconds while a run is active")
def command(as_json: bool, watch: bool, **flags: Any) -> int:
    """Show progress of the current or last run, from any terminal.

    Without --out, --archive or --config it shows all harvests below data/, a line each if there are several. --watch
    ends with the run, or with Ctrl-C, which does not touch the run.

    \b
    Examples:
      harvester status
      harvester status --out spectra --watch
    """
    elsewhere = as_json or any(flags.values())
    config = load_configuration(flags)
    several = not elsewhere and config.settings.out is None

    def read() -> list[Status]:
        homes = harvests_below_data(config) if several else []
        return [_status(home, str(home)) for home in homes] or [_status(config.state_folder, str(config.location))]

    if watch:
        with suppress(KeyboardInterrupt):
            return _exit_code(_watch(read, as_json))
        return 0
    found = read()
    print(_as_line(found[0]) if as_json else "\n".join(_as_text(found)))
    return _exit_code(found)


def _exit_code(found: Sequence[Status]) -> int:
    return NO_HARVEST if found[0].record is None else 0


def _status(home: Path, location: str) -> Status:
    from ..ledger.queries import last_run, lost, lost_since_last_run
    from ..storage.directory import DirectoryStore
    from ..storage.lock import is_held

    store = DirectoryStore(home)
    record = last_run(store.ledger)
    if record is None:
        return Status(location, None, "none")
    gone = len(lost(store.ledger)), lost_since_last_run(store.ledger)
    if record.ended is not None:
        return Status(location, record, "ended", *gone)
    if is_held(store.lock):
        return Status(location, record, "running", *gone)
    return Status(location, record, "interrupted", *gone, _unrecorded(store))


def _unrecorded(store: DirectoryStore) -> int:
    """Return how many files more are stored than the ledger lists."""
    from ..ledger.queries import counts

    known = sum(spectra for status, (spectra, _) in counts(store.ledger).items() if status in ("present", "saved"))
    return max(0, sum(1 for _ in store.files()) - known)


def _as_line(status: Status) -> str:
    return json.dumps(status.as_json, indent=1)


def _as_text(statuses: Sequence[Status]) -> list[str]:
    """Return all about a single harvest, or a line for each of several."""
    if len(statuses) == 1:
        return _in_full(statuses[0])
    width = max(len(status.location) for status in statuses)
    return [f"{status.location:<{width}}  {_in_short(status)}" for status in statuses]


def _in_short(status: Status) -> str:
    from ..formatting import count, percent

    if status.record is None:
        return "no run yet"
    numbers = status.record.summary
    done = status.on_disk
    failed = f", {count(numbers['failed'])} failed" if numbers["failed"] else ""
    refresh = f", {_refresh(numbers)}" if _is_refresh(numbers) else ""
    return (
        f"{status.state:<11}  {percent(done, numbers['listed']):>5}  {count(done)} of {count(numbers['listed'])}"
        f" on disk{refresh}{failed}{f', {count(status.lost)} lost' if status.lost else ''}"
    )


def _is_refresh(numbers: Mapping[str, Any]) -> bool:
    return bool(numbers.get("to_refresh") or numbers.get("refreshed_before"))


def _refresh(numbers: Mapping[str, Any]) -> str:
    """Return how far the refresh is, over all runs of it."""
    from ..formatting import count

    done = numbers["refreshed"] + numbers["refreshed_before"]
    return f"{count(done)} of {count(numbers['present'] + numbers['to_refresh'])} refreshed"


def _in_full(status: Status) -> list[str]:
    from ..formatting import count, duration, local_time, plural, size

    record = status.record
    if record is None:
        return [f"no harvest in {status.location} yet; give a harvest's directory with --out DIR"]
    numbers = record.summary
    new = "" if status.lost_since else f", {count(numbers['saved'] - numbers.get('refreshed', 0))} of them new"
    left = numbers["remaining"] + (numbers["present"] - numbers["refreshed_before"] if _is_refresh(numbers) else 0)
    lines = [
        f"run {record.run} of {record.archive}: {status.state}, started {local_time(record.started, time.time())}"
        f" by process {record.pid} on {record.host}",
        f"  {count(status.on_disk)} of {count(numbers['listed'])} on disk{new}"
        f" ({size(numbers['bytes'])} received in {duration(numbers['seconds'])})",
        f"  {count(numbers['failed'])} failed, {count(left)} to go, {plural(numbers['requests'], 'request')}",
    ]
    if _is_refresh(numbers):
        lines.insert(2, f"  {_refresh(numbers)}")
    lines += [f"    {count(number)} {kind}" for kind, number in numbers["failures"].items()]
    if status.lost:
        lost = plural(status.lost, "that was stored is gone", "that were stored are gone")
        lines.append(f"  {lost}; the next run downloads what is missing")
    if status.unrecorded:
        lines.append(
            f"  {count(status.unrecorded)} more stored, which the run could not record; the next run verifies the files"
        )
    return [*lines, *_outcome(status)]


def _outcome(status: Status) -> Iterator[str]:
    """Yield how the run ended, or how long it will take."""
    from ..formatting import duration

    assert status.record is not None
    numbers = status.record.summary
    if status.state == "ended":
        yield f"  {numbers['reason']} (exit code {numbers['exit_code']})"
    elif status.state == "interrupted":
        yield "  the run ended without a final ledger entry (killed, or disk full); run the same command to resume"
    elif (settled := numbers["saved"] + numbers["failed"]) >= ENOUGH and numbers["remaining"]:
        rate = settled / max(1.0, numbers["seconds"])
        yield f"  {rate:.2g} a second so far; {duration(round(numbers['remaining'] / rate))} left at that rate"


def _watch(read: Read, as_json: bool) -> Sequence[Status]:
    """Repeat the status until no run is active; return the last one.

    On a terminal it is drawn in one place, elsewhere line by line.
    """
    from rich.console import Console

    console = Console()
    if as_json or not console.is_terminal or console.is_dumb_terminal:
        show, interval = (_print_json, FRAME_INTERVAL) if as_json else (_print_lines, LINE_INTERVAL)
        return _repeat(read, show, interval)
    from rich.live import Live

    from ..ui.terminal import use_palette

    use_palette(console)
    with Live(console=console, auto_refresh=False) as live:
        return _repeat(
            read, lambda statuses: live.update(_picture(statuses, console.width), refresh=True), FRAME_INTERVAL
        )


def _repeat(read: Read, show: Show, interval: float, sleep: Callable[[float], None] = time.sleep) -> Sequence[Status]:
    while True:
        statuses = read()
        show(statuses)
        if not any(status.running for status in statuses):
            return statuses
        sleep(interval)


def _print_json(statuses: Sequence[Status]) -> None:
    print(json.dumps(statuses[0].as_json), flush=True)


def _print_lines(statuses: Sequence[Status]) -> None:
    for status in statuses:
        print(f"{status.location}: {_in_short(status)}", flush=True)


def _picture(statuses: Sequence[Status], width: int) -> RenderableType:
    """Return the text, with a progress bar above it where there is a single harvest."""
    from rich.console import Group
    from rich.text import Text

    from ..ui.status_lines import bar
    from ..ui.terminal import Encodable

    text = Text("\n".join(_as_text(statuses)))
    record = statuses[0].record
    if len(statuses) > 1 or record is None:
        return Encodable(text)
    numbers = record.summary
    before = numbers["refreshed_before"] if _is_refresh(numbers) else numbers["present"]
    parts = (before, numbers["saved"], numbers["failed"])
    return Encodable(Group(bar(parts, numbers["listed"], max(1, width - 1)), text))

"""``diff``: compare two runs, two directories, or disk and archive."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import click

from .hints import next_command
from .options import load_harvest, load_harvest_and_archive, output_path, request_options

if TYPE_CHECKING:
    from .. import events as ev
    from ..config.configuration import Configuration
    from ..diff import Change, Difference, Version
    from ..model.findings import Content
    from ..model.target import SpectrumId

DIFFERENT, INCOMPARABLE = 3, 4
EXAMPLES = 10  # spectra of one kind that are shown; --json lists all
FEW = 100  # spectra that are requested in so short a time that no progress is printed


@click.command("diff")
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@request_options
@click.option("--limit", metavar="N", type=click.IntRange(1), help="request only the first N spectra from the archive")
@click.option("--sample", metavar="N", type=click.IntRange(1), help="request only N random spectra from the archive")
@click.option("--seed", metavar="N", type=int, default=0, show_default=True, help="seed of --sample")
@click.option("--processes", metavar="N", type=click.IntRange(1), help="processes that read the disk [one per core]")
@click.option("--csv", "csv_file", metavar="FILE", help="write the spectra that are new or changed in B as a catalog")
@click.option("--json", "as_json", is_flag=True, help="print the complete result as one JSON object")
def command(before: str, after: str, csv_file: str | None, as_json: bool, **flags: Any) -> int:
    """Show what was added, removed or changed from A to B, by the content of the spectra.

    Each of A and B is a run of the output directory (its name or the beginning of it, last, previous), another
    harvest's directory, disk (what is stored now) or archive (what the other has is requested again, as a run would,
    into memory only). Exit codes: 0 the same content, 3 different, 4 the same as far as it could be compared; with the
    archive also 5, 7 and 130 as for run.

    \b
    Examples:
      harvester diff previous last --out spectra
      harvester diff disk archive --sample 20 --out spectra
    """
    from ..diff import ARCHIVE, Change, compare

    file = None if csv_file is None else output_path("--csv", csv_file)
    chosen = {name: flags.pop(name) for name in ("limit", "sample", "seed", "processes")}
    config = (load_harvest_and_archive if ARCHIVE in (before, after) else load_harvest)(flags)
    (old, new), code = _versions((before, after), config, chosen)
    _refuse_unlike(old, new)
    incomparable = {**old.incomparable, **new.incomparable}
    known = ((each for each in version.contents if each.did not in incomparable) for version in (old, new))
    difference = compare(*known)
    fresh = [*difference.changes[Change.ADDED], *difference.changes[Change.CHANGED]]
    if file is not None and fresh:
        _write_changed(file, fresh, config)
    render = _as_json if as_json else _as_text
    print(render(old, new, difference, incomparable))
    if file is not None and not as_json:
        own = ["--id-column", "id"] if config.settings.id_column != "id" else []
        again = next_command("", config.location, "--catalog", str(file), *own, "--refresh")
        written = f"new and changed spectra are in {file}; to download them: {again}"
        print(f"\n{written if fresh else f'nothing to download: {file} is not written'}")
    sys.stdout.flush()
    return code or (DIFFERENT if difference.differs else INCOMPARABLE if incomparable else 0)


def _versions(names: tuple[str, str], config: Configuration, chosen: dict[str, Any]) -> tuple[Sequence[Version], int]:
    """Return both versions, and the exit code of a run that could not query the archive."""
    from ..diff import ARCHIVE, Version, version_named
    from ..errors import UsageError

    processes = chosen["processes"] or os.cpu_count() or 1
    if ARCHIVE not in names:
        return [version_named(name, config, processes) for name in names], 0
    position = names.index(ARCHIVE)
    if names == (ARCHIVE, ARCHIVE):
        raise UsageError("diff archive archive: one of them has to be a run, a directory or disk")
    stored = version_named(names[1 - position], config, processes)
    _refuse_unlike(stored, Version(ARCHIVE, (), config.request.request_key))
    stored = replace(stored, contents=_selected(list(stored.contents), chosen))
    current, code = asyncio.run(_query(config, [each.did for each in stored.contents]))
    return ([current, stored] if position == 0 else [stored, current]), code


def _selected(contents: Sequence[Content], chosen: dict[str, Any]) -> Sequence[Content]:
    """Return those that are requested again, in their order."""
    if chosen["sample"] is not None and chosen["sample"] < len(contents):
        contents = sorted(Random(chosen["seed"]).sample(contents, chosen["sample"]))  # noqa: S311 - a sample, no secret
    return contents[: chosen["limit"]]


async def _query(config: Configuration, dids: Sequence[SpectrumId]) -> tuple[Version, int]:
    from ..diff import in_archive
    from ..engine.shutdown import Shutdown
    from .run import signals

    shutdown = Shutdown()
    with signals(shutdown, lambda: None):
        version, stats = await in_archive(config, dids, shutdown, _ProgressLines(len(dids)))
    code = stats.exit_code or 0
    if code not in (0, 3, 4):
        print(f"harvester: {stats.reason}", file=sys.stderr)
    return version, code if code not in (0, 3, 4) else 0


class _ProgressLines:
    """Print progress on standard error: a line for each tenth, and for each pause."""

    def __init__(self, total: int) -> None:
        self._total, self._done, self._tenth = total, 0, 0

    def __call__(self, event: ev.Event) -> None:
        from .. import events as ev

        match event:
            case ev.SpectrumSaved() | ev.SpectrumFailed():
                self._count()
            case ev.HarvestPaused(reason=reason) | ev.HarvestResumed(reason=reason) | ev.HarvestDraining(reason=reason):
                print(f"{event.event_name().replace('_', ' ')}: {reason}", file=sys.stderr, flush=True)

    def _count(self) -> None:
        self._done += 1
        tenth = 10 * self._done // self._total
        if self._tenth < tenth < 10 and self._total >= FEW:
            print(f"requested {10 * tenth} % ({self._done} of {self._total})", file=sys.stderr, flush=True)
        self._tenth = tenth


def _refuse_unlike(old: Version, new: Version) -> None:
    """Raise UsageError if the request parameters differ, since then all spectra differ."""
    from ..errors import UsageError

    if old.request_key and new.request_key and old.request_key != new.request_key:
        raise UsageError(
            f"{old.label}: requested with {old.request_key}; the other with {new.request_key}: "
            "the spectra cannot be compared "
            "(for the archive, give the same --fluxcalib, --band and --format as then)"
        )


def _write_changed(path: Path, dids: Sequence[SpectrumId], config: Configuration) -> None:
    from ..ledger.history import columns
    from ..storage.directory import DirectoryStore
    from .failures import write_catalog

    write_catalog(path, list(columns(DirectoryStore(config.out).ledger, dids)))


def _as_json(old: Version, new: Version, difference: Difference, incomparable: Mapping[str, str]) -> str:
    result = {
        "before": old.label,
        "after": new.label,
        "same": difference.same,
        **{change.value: list(dids) for change, dids in difference.changes.items()},
        "unsettled": [{"id": did, "detail": reason} for did, reason in sorted(incomparable.items())],
    }
    return json.dumps(result, indent=1)


def _as_text(old: Version, new: Version, difference: Difference, incomparable: Mapping[str, str]) -> str:
    from ..formatting import count, plural

    lines = [f"A  {old.label}", f"B  {new.label}", "", f"{count(difference.same)}  identical"]
    for change, dids in difference.changes.items():
        lines += _group(change, dids)
    if incomparable:
        lines += ["", f"{plural(len(incomparable), 'spectrum', 'spectra')} could not be compared:"]
        lines += _some([f"{did}: {reason}" for did, reason in sorted(incomparable.items())])
    if not difference.differs:
        lines += ["", f"no difference in content{' among the others' if incomparable else ''}"]
    return "\n".join(lines)


def _group(change: Change, dids: Sequence[SpectrumId]) -> list[str]:
    from ..formatting import count

    name = change.value.replace("_", " ")
    return [f"{count(len(dids))}  {name}: {change.meaning}", *_some(dids)] if dids else []


def _some(lines: Sequence[str]) -> list[str]:
    from ..formatting import count, plain_line

    more = [f"    and {count(len(lines) - EXAMPLES)} more (--json lists all)"] if len(lines) > EXAMPLES else []
    return [*(f"    {plain_line(line, 300)}" for line in lines[:EXAMPLES]), *more]

"""Define the options that commands share, and turn them into settings."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from ..config.configuration import Configuration
    from ..ledger.queries import RunRecord

SHARED = {"config", "out", "state", "archive", "catalog", "id_column", "fluxcalib", "band", "format", "contact"}
"""Options that identify a harvest: another command about the same harvest needs them."""

DATA = Path("data")  # where harvests are without --out
MOST_NAMED = 8  # harvests in a message

LIMITS = ("concurrency", "rate", "attempts", "max_outage")
REQUESTED = ("archive", "fluxcalib", "band", "format")  # settings that say what is requested, and from where

F = TypeVar("F", bound=Callable[..., Any])

# Values stay text here and are parsed as settings, so that a wrong value gets the same sentence wherever it was given.
_LOCATION = (
    click.option("--config", metavar="FILE", help="settings file [config.toml if it exists]"),
    click.option("--out", metavar="DIR|URL", help="folder for the spectra, or s3://BUCKET/PREFIX [data/<archive>]"),
    click.option("--state", metavar="DIR", help="with an object store: local folder for ledger and logs [data]"),
    click.option(
        "--archive", metavar="NAME|FILE|URL", help="shipped profile, FILE.toml of a profile, or dlget URL [ondrejov]"
    ),
)
_LAYOUT = click.option(
    "--layout",
    metavar="NAME",
    help="folder layout: flat, or hashed (256 subfolders) [the existing one, else flat]",
)
_CATALOG = (
    click.option("--catalog", metavar="FILE|-", help="CSV of wanted spectra; - is standard input"),
    click.option("--id-column", metavar="NAME", help="column with the publisher DIDs [id]"),
)
_SELECTION = (
    click.option("--limit", metavar="N", help="request at most N spectra in this run"),
    click.option("--only-failed", is_flag=True, default=None, help="retry only spectra that failed in an earlier run"),
    click.option(
        "--refresh",
        is_flag=True,
        default=None,
        help="request stored spectra again and replace them; the same command resumes it",
    ),
)
_PROXY = click.option("--proxy", metavar="URL|env", help="proxy for all requests; env for HTTPS_PROXY [none]")
_REQUEST = (
    click.option("--fluxcalib", metavar="VALUE", help="FLUXCALIB to request; none omits it [normalized]"),
    click.option("--band", metavar="'LO HI [UNIT]'", help="wavelengths to cut out; metres if no unit"),
    click.option("--format", metavar="MIME", help="FORMAT to request; none omits it [application/fits]"),
    click.option(
        "--require", metavar="LEVEL", help="store spectra only (science), or any whole file (structure) [science]"
    ),
    click.option("--contact", metavar="ADDRESS", help="your e-mail address, for the archive's operator"),
    _PROXY,
)
_LIMITS = (
    click.option("--concurrency", metavar="N", help="maximum requests in flight [8]"),
    click.option("--rate", metavar="R", help="maximum requests per second; 0 is no limit [5]"),
    click.option("--max-outage", metavar="DURATION", help="end after an outage of this length: 90s, 30m [12h]"),
    click.option("--attempts", metavar="N", help="maximum attempts per spectrum [6]"),
)
_HOURS = (
    click.option("--window", metavar="'20:00-06:00 [ZONE]'", help="send requests within these hours only"),
    click.option("--deadline", metavar="HH:MM|DURATION", help="drain and end at 06:00, or 8h after the start"),
)
_ENGINE = (
    click.option("--engine", metavar="NAME", help="where downloads run: local, or dask (a Dask cluster) [local]"),
    click.option("--scheduler", metavar="ADDRESS", help="with Dask: tcp://HOST:PORT of its scheduler [start one]"),
)
_OBSERVERS = (
    click.option("--metrics-file", metavar="FILE", help="write metrics for node_exporter to FILE.prom"),
    click.option("--metrics-port", metavar="N", help="serve metrics for Prometheus on 127.0.0.1:N"),
    click.option("--notify", metavar="URL", help="POST JSON to this URL at the end and in long pauses"),
)


def location_options(command: F) -> F:
    """Add the options that say where a harvest is."""
    return _add(_LOCATION, command)


def catalog_options(command: F) -> F:
    """Add the options that name the catalog."""
    return _add(_CATALOG, command)


def request_options(command: F) -> F:
    """Add the options that say what is requested from which archive, within which limits."""
    return _add((*_LOCATION, *_REQUEST, *_LIMITS), command)


def plan_options(command: F) -> F:
    """Add all options that decide what a run downloads."""
    return _add((*_LOCATION, _LAYOUT, *_CATALOG, *_SELECTION, *_REQUEST, *_LIMITS, *_HOURS), command)


def observer_options(command: F) -> F:
    """Add the options for metrics and the webhook."""
    return _add(_OBSERVERS, command)


def engine_options(command: F) -> F:
    """Add the options that say where the work is done."""
    return _add(_ENGINE, command)


def _add(options: tuple[Callable[[Any], Any], ...], command: F) -> F:
    for option in reversed(options):
        command = option(command)
    return command


def load_configuration(flags: dict[str, Any]) -> Configuration:
    """Return the configuration under a command's flags. UsageError if anything in it is wrong."""
    from ..config.loading import load

    config = flags.pop("config", None)
    limits = {name: flags.pop(name) for name in LIMITS if name in flags}
    given = {name: value for name, value in limits.items() if value is not None}
    return _located(load(flags | ({"limits": given} if given else {}), config))


def _located(configuration: Configuration) -> Configuration:
    """Return the configuration; errors about the ledger will name that of its harvest."""
    context = click.get_current_context(silent=True)
    if context is not None:
        from ..storage.run_folder import StateFolder
        from . import LEDGER_KEY

        context.meta[LEDGER_KEY] = StateFolder.below(configuration.state_folder).ledger
    return configuration


def load_harvest(flags: dict[str, Any]) -> Configuration:
    """Return the configuration of a command that reads a harvest.

    Where no option and no setting names its folder and the default folder has none, the only one below ``data/`` is
    used, which is said on standard error. UsageError if there are several.
    """
    named = any(flags.get(name) is not None for name in ("config", "out", "archive"))
    config = load_configuration(flags)
    if named or config.settings.out is not None:
        return config
    found = harvests_below_data(config)
    if not found or found[0] == config.state_folder:
        return config
    if len(found) > 1:
        from ..errors import UsageError

        names = ", ".join(map(str, found[:MOST_NAMED])) + (" ..." if len(found) > MOST_NAMED else "")
        raise UsageError(f"no harvest in {config.location}, but {len(found)} others: {names}; give one with --out DIR")
    print(f"no harvest in {config.location}; using {found[0]}, the only one below {DATA}/", file=sys.stderr)
    return _located(replace(config, settings=config.settings.model_copy(update={"out": found[0]})))


def load_harvest_and_archive(flags: dict[str, Any]) -> Configuration:
    """Return the configuration of a command that reads a harvest and requests more.

    What no option and no other source sets is what the last run of the harvest requested, and from which archive.
    UsageError as ``load_harvest``.
    """
    from ..ledger.queries import last_run
    from ..report.data.run_record import saved_settings
    from ..storage.run_folder import StateFolder

    config = load_harvest(dict(flags))
    state = StateFolder.below(config.state_folder)
    last = last_run(state.ledger)
    saved = {} if last is None else saved_settings(state.run(last.run))
    known = {name: saved[name] for name in REQUESTED if name in saved and name not in config.settings.model_fields_set}
    if "archive" not in known:
        return config
    return load_configuration({**flags, **known, "out": str(config.location)})


def require_run(ledger: Path, config: Configuration) -> RunRecord:
    """Return the latest run in the ledger. UsageError, with what to do, if there is none."""
    from ..errors import UsageError
    from ..ledger.queries import last_run

    record = last_run(ledger)
    if record is None:
        raise UsageError(f"no harvest in {config.location} yet; give a harvest's directory with --out DIR")
    return record


def harvests_below_data(config: Configuration) -> list[Path]:
    """Return the folders of all harvests below ``data/``, with the configured one first.

    The local folders of object stores are deeper, in one folder for each scheme.
    """
    from ..storage.run_folder import StateFolder

    found = sorted(path.parent.parent for path in DATA.glob(f"*/{StateFolder.below(Path()).ledger}"))
    return sorted(found, key=lambda home: home != config.state_folder)


def output_path(option: str, file: str, *endings: str) -> Path:
    """Return ``file``, which ``option`` names, as a path that can be written.

    UsageError for a directory, for a missing parent directory, and without one of ``endings``.
    """
    from ..errors import UsageError

    path = Path(file)
    if endings and path.suffix.lower() not in endings:
        *others, last = endings
        either = f"{', '.join(others)} or {last}" if others else last
        raise UsageError(f"{option} {file}: give a file that ends in {either}")
    if path.is_dir():
        raise UsageError(f"{option} {file}: it is a directory; give a file")
    if not path.parent.is_dir():
        raise UsageError(f"{option} {file}: there is no directory {path.parent}; create it first, or give another file")
    return path

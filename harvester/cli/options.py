"""The options that commands share, and how they become flags of the settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from ..config.configuration import Configuration

SHARED = {"config", "out", "state", "archive", "catalog", "id_column", "fluxcalib", "band", "format", "contact"}
"""Options that say which harvest of whom is meant: another command about the same harvest needs them."""

LIMITS = ("concurrency", "rate", "attempts", "max_outage")

F = TypeVar("F", bound=Callable[..., Any])
Option = Callable[[F], F]

# Values stay text here: the settings judge them, so that a flag, the environment and config.toml are told off alike.
_PLACE = (
    click.option("--config", metavar="FILE", help="settings file [config.toml if it is there]"),
    click.option("--out", metavar="DIR|URL", help="folder for the spectra, or s3://BUCKET/PREFIX [data/<archive>]"),
    click.option("--state", metavar="DIR", help="with an object store: local folder for ledger and logs [data]"),
    click.option("--archive", metavar="NAME|FILE|URL", help="profile, profile's FILE.toml, or dlget URL [ondrejov]"),
)
_LAYOUT = click.option("--layout", metavar="HOW", help="flat, or hashed: spectra in 256 folders [as it is, else flat]")
_WANTED = (
    click.option("--catalog", metavar="FILE|-", help="CSV of wanted spectra; - is standard input"),
    click.option("--id-column", metavar="NAME", help="its column with the publisher DIDs [id]"),
    click.option("--limit", metavar="N", help="ask for N spectra at most in this run"),
    click.option("--only-failed", is_flag=True, default=None, help="only those that an earlier run gave up"),
    click.option(
        "--refresh", is_flag=True, default=None, help="ask again for those that are there, too, and replace them"
    ),
)
_ASKED = (
    click.option("--fluxcalib", metavar="VALUE", help="FLUXCALIB to ask for; none omits it [normalized]"),
    click.option("--band", metavar="'LO HI [UNIT]'", help="cut out these wavelengths; metres if no unit"),
    click.option("--format", metavar="MIME", help="FORMAT to ask for; none omits it [application/fits]"),
    click.option("--contact", metavar="ADDRESS", help="your e-mail address, for the archive's operator"),
)
_LIMITS = (
    click.option("--concurrency", metavar="N", help="most requests in flight [8]"),
    click.option("--rate", metavar="R", help="most requests a second; 0 is no limit [5]"),
    click.option("--max-outage", metavar="DURATION", help="how long the archive may be away: 90s, 30m [12h]"),
    click.option("--attempts", metavar="N", help="most times one spectrum is asked for [6]"),
)
_HOURS = (
    click.option("--window", metavar="'20:00-06:00 [ZONE]'", help="ask within these hours only"),
    click.option("--deadline", metavar="HH:MM|DURATION", help="end in order at 06:00, or 8h after the start"),
)
_ENGINE = (
    click.option("--engine", metavar="WHO", help="local, or dask: the workers of a cluster [local]"),
    click.option("--scheduler", metavar="ADDRESS", help="with Dask: tcp://HOST:PORT of its scheduler [one of our own]"),
)
_ONLOOKERS = (
    click.option("--metrics-file", metavar="FILE", help="write metrics for node_exporter there"),
    click.option("--metrics-port", metavar="N", help="serve metrics for Prometheus on 127.0.0.1:N"),
    click.option("--notify", metavar="URL", help="POST JSON there at the end, and when held up for long"),
)


def place(command: F) -> F:
    """Where a harvest is."""
    return _all(_PLACE, command)


def listed(command: F) -> F:
    """Which of a harvest's spectra are meant."""
    return _all(_WANTED[:2], command)


def wanted(command: F) -> F:
    """What is wanted, of whom, and within which limits."""
    return _all((*_PLACE, _LAYOUT, *_WANTED, *_ASKED, *_LIMITS, *_HOURS), command)


def asked(command: F) -> F:
    """What is asked of whom, and within which limits."""
    return _all((*_PLACE, *_ASKED, *_LIMITS), command)


def watched(command: F) -> F:
    """Who is told besides the terminal."""
    return _all(_ONLOOKERS, command)


def worked(command: F) -> F:
    """Who does the work."""
    return _all(_ENGINE, command)


def _all(options: tuple[Callable[[Any], Any], ...], command: F) -> F:
    for option in reversed(options):
        command = option(command)
    return command


def configuration(flags: dict[str, Any]) -> Configuration:
    """The configuration under a command's flags. UsageError if anything in it is wrong."""
    from ..config.loading import load

    config = flags.pop("config", None)
    limits = {name: flags.pop(name) for name in LIMITS if name in flags}
    given = {name: value for name, value in limits.items() if value is not None}
    return load(flags | ({"limits": given} if given else {}), config)


def destination(option: str, file: str, *endings: str) -> Path:
    """Where the file that ``option`` names goes. UsageError for a folder, in none, or without one of ``endings``."""
    from ..errors import UsageError

    path = Path(file)
    if endings and path.suffix.lower() not in endings:
        *others, last = endings
        either = f"{', '.join(others)} or {last}" if others else last
        raise UsageError(f"{option} {file}: give a file that ends in {either}")
    if path.is_dir():
        raise UsageError(f"{option} {file}: it is a directory; give a file")
    if not path.parent.is_dir():
        raise UsageError(f"{option} {file}: there is no directory {path.parent}; make it first, or give another file")
    return path

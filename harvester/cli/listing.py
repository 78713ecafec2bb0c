"""``--all``: list the archive, keep the list with the harvest, and use it as the catalog."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from ..config.configuration import Configuration

F = TypeVar("F", bound=Callable[..., Any])


def all_option(command: F) -> F:
    """Add ``--all``."""
    option = click.option(
        "--all",
        "all_spectra",
        is_flag=True,
        help="download every spectrum that the archive lists (by TAP or SSAP); needs no catalog",
    )
    return option(command)


def with_listing(context: click.Context, config: Configuration, flags: dict[str, Any]) -> Configuration:
    """List the archive again and return the configuration with the list as its catalog.

    If that fails, the list of an earlier run is used. UsageError if the profile names no service that lists spectra or
    a catalog is given as well, ArchiveError if there is no list at all.
    """
    from ..errors import ArchiveError

    if config.is_demo:
        return config  # it lists its spectra without a request
    _check(config, flags)
    path = listing_path(config)
    try:
        _list_archive(context, config, path)
    except ArchiveError as error:
        if not path.exists():
            raise
        print(f"harvester: the list of an earlier run is used, since listing failed: {error}", file=sys.stderr)
    return _with_catalog(config, path)


def with_known_listing(config: Configuration, flags: dict[str, Any]) -> Configuration:
    """Return the configuration with the list of an earlier run as its catalog.

    Send no requests. UsageError.
    """
    from ..errors import UsageError
    from ..model.invocation import command_line

    if config.is_demo:
        return config
    _check(config, flags)
    path = listing_path(config)
    if not path.exists():
        raise UsageError(
            f"--all: {config.profile.name} has not been listed yet, which takes requests; write a catalog first: "
            f"{command_line('discover', config.settings.archive, '--catalog', 'all.csv')}"
        )
    return _with_catalog(config, path)


def listing_path(config: Configuration) -> Path:
    """Return where the list of the archive's spectra is kept."""
    from ..storage.run_folder import StateFolder

    return StateFolder.below(config.state_folder).listing


def _check(config: Configuration, flags: dict[str, Any]) -> None:
    from ..errors import UsageError
    from ..model.invocation import command_line

    if flags["catalog"] is not None:
        raise UsageError(f"--all --catalog {flags['catalog']}: give one of the two")
    if not (config.profile.tap or config.profile.ssap):
        discover = command_line("discover", "URL", "-o", "mine.toml")
        raise UsageError(
            f"--all: the profile {config.profile.name} has neither `tap` nor `ssap`, which list spectra; write one "
            f"with `{discover}` (URL of its SSAP or TAP service) for --archive mine.toml, or give --catalog FILE"
        )


def _with_catalog(config: Configuration, path: Path) -> Configuration:
    return replace(config, settings=config.settings.model_copy(update={"catalog": str(path), "id_column": "id"}))


def _list_archive(context: click.Context, config: Configuration, path: Path) -> None:
    """Write the archive's list to ``path`` as a whole. ArchiveError, StoreError."""
    from ..storage.errors import translate_os_errors
    from .discover import command as discover

    new = path.with_name(f"new-{path.name}")
    with translate_os_errors(path.parent):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new.unlink(missing_ok=True)
    settings = config.settings
    options: dict[str, Any] = {"contact": settings.contact, "rate": str(settings.limits.rate), "no_sample": True}
    known = {parameter.name for parameter in discover.params}
    print(f"listing {config.profile.title} ({config.profile.tap or config.profile.ssap})", file=sys.stderr, flush=True)
    with redirect_stdout(StringIO()):  # what discovery says about the list, and with its temporary name
        context.invoke(
            discover,
            url=config.profile.tap or config.profile.ssap,
            catalog=str(new),
            table=config.profile.table or None,
            **{name: value for name, value in options.items() if name in known},
        )
    with translate_os_errors(path):
        new.replace(path)

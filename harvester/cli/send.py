"""``send``: send the table of spectra, or single spectra, to other programs by SAMP."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .fluxcalib import resolve_did
from .options import load_harvest, location_options

if TYPE_CHECKING:
    from ..browse.samp import DeliveryResult, SampLink
    from ..config.configuration import Configuration
    from ..dataset.stored_files import StoredFile

NO_RECEIVER = 5


@click.command("send")
@click.argument("spectra", metavar="[ID]...", nargs=-1)
@location_options
@click.option("--to", metavar="NAME", help="program to send to, such as TOPCAT [all that accept such data]")
def command(spectra: tuple[str, ...], to: str | None, **flags: Any) -> int:
    """Send the table of all stored spectra, or the spectra ID, to other programs by SAMP.

    They are TOPCAT, Aladin, SPLAT and whatever else has joined the hub. ID is a publisher DID or a name in the output
    directory; programs that show the sky point at it. Rows that are picked there are selected on the page of
    `browse --samp`. Exit codes: 0 sent, 5 no program took it, 2 wrong usage.

    \b
    Examples:
      harvester send --to topcat
      harvester send sh270028 --out spectra
    """
    from ..browse.samp import NoHubError, SampLink

    config = load_harvest(flags)
    found = [_stored(config, name) for name in spectra]
    try:
        link = SampLink("harvester send", f"spectra in {config.location}")
    except NoHubError:
        print(
            "harvester: no SAMP hub is running: start TOPCAT or Aladin, which have one, and send again",
            file=sys.stderr,
        )
        return NO_RECEIVER
    try:
        sent = (
            [one for stored in found for one in _send_spectrum(link, stored, to)]
            if found
            else _send_all(link, config, to)
        )
    finally:
        link.close()
    return _report(sent, to, "spectra" if spectra else "tables")


def _stored(config: Configuration, name: str) -> StoredFile:
    from ..dataset.stored_files import find_stored_file
    from ..errors import UsageError

    folder = config.out  # programs are given the address of a local file
    did = resolve_did(name, config)
    stored = find_stored_file(config.open_store(), did)
    if stored is None:
        raise UsageError(f"{name}: it is not stored in {folder}; a run downloads it")
    return stored


def _send_spectrum(link: SampLink, stored: StoredFile, to: str | None) -> list[DeliveryResult]:
    from ..dataset.stored_files import DamagedError, read_stored
    from ..errors import UsageError
    from ..fits.observation import observation_of

    try:
        observation = observation_of(read_stored(stored))
    except DamagedError as error:
        raise UsageError(f"{stored.name}: {error}") from None
    return link.send_observed(stored, observation, to)


def _send_all(link: SampLink, config: Configuration, to: str | None) -> list[DeliveryResult]:
    from ..browse.samp_table import sendable_table
    from ..dataset.stored_files import stored_files

    table = sendable_table(stored_files(config.open_store()))
    # Receivers have read the file when they answer.
    with tempfile.TemporaryDirectory(prefix="harvester-samp-") as folder:
        return link.send_table(table, Path(folder), f"harvester {config.location}", to)


def _report(sent: Iterable[DeliveryResult], to: str | None, what: str) -> int:
    took = []
    for delivery in sent:
        if delivery.problem:
            print(f"harvester: {delivery.receiver}: {delivery.problem}", file=sys.stderr)
        else:
            took.append(delivery.receiver)
    if not took:
        who = f"no program called {to!r}" if to else "no program"
        print(f"harvester: {who} took it: start one that takes {what}, such as TOPCAT, and send again", file=sys.stderr)
        return NO_RECEIVER
    print("sent to " + ", ".join(dict.fromkeys(took)))
    return 0

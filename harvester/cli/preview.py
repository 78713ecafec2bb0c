"""``preview``: draw one spectrum in the terminal."""

from __future__ import annotations

import asyncio
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .fluxcalib import KINDS, nothing_to_draw, panel_of, resolve_did, show_panels, write_figure
from .hints import next_command
from .options import load_harvest, load_harvest_and_archive, location_options, output_path

if TYPE_CHECKING:
    from ..config.configuration import Configuration
    from ..model.target import SpectrumId
    from ..run.calibrations import CalibrationResult
    from ..storage.interface import Store


@click.command("preview")
@click.argument("spectrum", metavar="ID")
@location_options
@click.option("--png", metavar="FILE", help="draw into this file (.png, .svg or .pdf) instead")
@click.option("--contact", metavar="ADDRESS", help="your e-mail address, for the archive's operator")
def command(spectrum: str, png: str | None, **flags: Any) -> int:
    """Draw the spectrum ID in the terminal: the stored file, or a download that is not kept.

    ID is a publisher DID, or the name of a spectrum in the output directory. Exit codes: 0 drawn, 3 the stored file is
    damaged, 5 the archive has none, 2 wrong usage.

    \b
    Examples:
      harvester preview sh270028 --out spectra
      harvester preview sh270028 --out spectra --png sh270028.png
    """
    from ..plots.figure import require_matplotlib

    config = load_harvest(dict(flags))
    store = config.open_store()
    did = _of_file(spectrum, store, config) or resolve_did(spectrum, config)
    file = None if png is None else output_path("--png", png, *KINDS)
    if file is not None:
        require_matplotlib()
    stored = _stored(did, store)
    if stored is None:
        config = load_harvest_and_archive({**flags, "out": str(config.location)})
    found = _fetched(did, config) if stored is None else _read(did, config, store, stored[1])
    if found.spectrum is None:
        advice = f" ({stored[0]}: for details: {next_command('verify', config.location)})" if stored else ""
        print(f"harvester: {nothing_to_draw(did, [found])}{advice}", file=sys.stderr)
        return 3 if stored else 5
    if file is None:
        show_panels(did, (panel_of(found),))
    else:
        write_figure(did, (panel_of(found),), file)
    return 0


def _of_file(name: str, store: Store, config: Configuration) -> SpectrumId | None:
    """Return the DID in the file ``name`` of the store, without its ledger.

    None if there is none.
    """
    from ..catalog.names import plain_name
    from ..fits.errors import InvalidSpectrumError
    from ..model.target import SpectrumId, parse_did
    from ..readers.spectrum_file import read_spectrum

    if "/" in name or plain_name(SpectrumId(name)) is None:
        return None
    try:
        return parse_did(str(read_spectrum(store.read(name)).table.get(config.profile.identity_card or "", "")))
    except (InvalidSpectrumError, ValueError, FileNotFoundError):
        return None


def _stored(did: SpectrumId, store: Store) -> tuple[Path | str, bytes] | None:
    """Return where the spectrum ``did`` is stored, and its bytes; None if it is not.

    As the ledger says, else under one of its possible names. StoreError if it cannot be read.
    """
    from ..catalog.names import plain_name, slug_name
    from ..dataset.stored_files import find_stored_file

    known = find_stored_file(store, did) if store.ledger.exists() else None
    for name in [known.name] if known else filter(None, (slug_name(did), plain_name(did))):
        try:
            body = store.read(name)
        except FileNotFoundError:
            continue
        return store.path(name), body
    return None


def _read(did: SpectrumId, config: Configuration, store: Store, body: bytes) -> CalibrationResult:
    """Verify a stored spectrum as the run that stored it did, by its profile."""
    from ..ledger.queries import request_parameters
    from ..run.calibrations import verified_spectrum

    parameters = request_parameters(store.ledger)
    requested = re.search(r"FLUXCALIB=([^,]+)", parameters or "")
    setting = config.settings.fluxcalib if parameters is None else requested[1] if requested else None
    return verified_spectrum(body, _as_stored(did, config, store), did, setting)


def _as_stored(did: SpectrumId, config: Configuration, store: Store) -> Configuration:
    """Return the configuration with the profile of the run that stored ``did``.

    Unless the user names an archive.
    """
    from ..dataset.run_profiles import RunProfiles
    from ..dataset.stored_files import find_stored_file

    stored = find_stored_file(store, did) if store.ledger.exists() else None
    if stored is None or stored.run is None or "archive" in config.settings.model_fields_set:
        return config
    profile = RunProfiles(store).profile(stored.run)
    return config if profile is None else replace(config, profile=profile)


def _fetched(did: SpectrumId, config: Configuration) -> CalibrationResult:
    from ..run.calibrations import fetch_calibrations

    return asyncio.run(fetch_calibrations(config, did, [config.settings.fluxcalib]))[0]

"""``fluxcalib``: draw one spectrum under each FLUXCALIB setting."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .hints import next_command
from .options import load_configuration, load_harvest_and_archive, location_options, output_path

if TYPE_CHECKING:
    from ..config.configuration import Configuration
    from ..model.target import SpectrumId
    from ..plots.panel import Panel
    from ..run.calibrations import CalibrationResult

KINDS = (".png", ".svg", ".pdf")


@click.command("fluxcalib")
@click.argument("spectrum", metavar="ID")
@location_options
@click.option("-o", "--output", metavar="FILE", help="figure to write: .png, .svg or .pdf [ID's name + .png]")
@click.option("--show", is_flag=True, help="draw in the terminal; write a file only with -o")
@click.option("--band", metavar="'LO HI [UNIT]'", help="cut out these wavelengths; metres if no unit")
@click.option("--contact", metavar="ADDRESS", help="your e-mail address, for the archive's operator")
def command(spectrum: str, output: str | None, show: bool, **flags: Any) -> int:
    """Draw the spectrum ID under each FLUXCALIB setting: as served, normalized, in counts ...

    ID is a publisher DID, or the name of a spectrum in the output directory. Each setting is requested once, and each
    response is verified. Exit codes: 0 a panel has data, 5 none has, 2 wrong usage.

    \b
    Examples:
      harvester fluxcalib sh270028 --out spectra -o sh270028.png
      harvester fluxcalib ivo://asu.cas.cz/stel/ccd700/sh270028 --show
    """
    from ..errors import UsageError
    from ..plots.figure import require_matplotlib
    from ..run.calibrations import fetch_calibrations, offered_fluxcalibs

    load = load_configuration if "://" in spectrum else load_harvest_and_archive
    config = load(flags | {"fluxcalib": "none"})  # an archive need not offer the one that runs request
    if config.profile.mode != "soda":
        raise UsageError(
            f"fluxcalib: {config.profile.name} serves its files as they are, without a service that calibrates them; "
            f"`{next_command('preview', config.location)} {spectrum}` draws one that is stored"
        )
    did = resolve_did(spectrum, config)
    file = None if show and output is None else figure_file(did, output)
    if file is not None:
        require_matplotlib()
    fetched = asyncio.run(fetch_calibrations(config, did, offered_fluxcalibs(config.profile)))
    panels = tuple(panel_of(one) for one in fetched)
    if not any(panel.spectrum for panel in panels):
        print(f"harvester: {nothing_to_draw(did, fetched)}", file=sys.stderr)
        return 5
    if show:
        show_panels(did, panels)
    if file is not None:
        write_figure(did, panels, file)
    return 0


def resolve_did(spectrum: str, config: Configuration) -> SpectrumId:
    """Return the identifier that ``spectrum`` is, or that a stored spectrum of that name has.

    It is one that the ledger has, whatever it looks like; else one that a catalog of the archive may have. UsageError.
    """
    from ..errors import UsageError
    from ..ledger.queries import dids_named
    from ..model.target import parse_did, parse_identifier
    from ..storage.run_folder import StateFolder

    known = dids_named(StateFolder.below(config.state_folder).ledger, spectrum)
    if len(known) == 1:
        return known[0]
    takes_any = config.profile.takes_any_identifier
    whole = "whole identifier" if takes_any else "whole publisher DID (ivo://...)"
    if known:
        raise UsageError(f"{len(known)} spectra are called {spectrum!r} in {config.location}: give the {whole}")
    try:
        return parse_identifier(spectrum) if takes_any else parse_did(spectrum)
    except ValueError as error:
        if "://" in spectrum:
            raise UsageError(f"{spectrum!r} is not a publisher DID: {error}") from None
        raise UsageError(f"no spectrum is called {spectrum!r} in {config.location}: give the {whole}") from None


def figure_file(did: SpectrumId, output: str | None) -> Path:
    """Return the path of the figure; UsageError, before any request, if it cannot be written."""
    from ..catalog.names import plain_name, slug_name

    return output_path("-o", output or f"{plain_name(did) or slug_name(did)}.png", *KINDS)


def panel_of(one: CalibrationResult) -> Panel:
    """Return the panel of one result."""
    from ..plots.panel import Panel

    return Panel(one.fluxcalib, one.spectrum, one.problem, one.failure.detail if one.failure else "")


def write_figure(did: SpectrumId, panels: tuple[Panel, ...], file: Path) -> None:
    """Draw into ``file``. StoreError if it cannot be written."""
    from ..plots.figure import draw
    from ..storage.atomic import atomic_write

    with atomic_write(file) as part:
        part.write_bytes(draw(did, panels, file.suffix.lower().removeprefix(".")))
    drawn = sum(1 for panel in panels if panel.spectrum)
    missing = f"; {len(panels) - drawn} of {len(panels)} panels say why they are empty" if drawn < len(panels) else ""
    print(f"{file}{missing}")


def show_panels(did: SpectrumId, panels: tuple[Panel, ...]) -> None:
    """Draw in the terminal, in its full width, with 6 to 12 rows for each panel."""
    from ..plots.terminal import panel_lines

    columns, rows = shutil.get_terminal_size()
    height = min(12, max(6, rows // len(panels) - 4))
    print("\n".join(panel_lines(did, panels, max(1, columns - 1), height, sys.stdout.encoding)))


def nothing_to_draw(did: SpectrumId, fetched: Sequence[CalibrationResult]) -> str:
    """Return one sentence: what the archive responded, and what to do."""
    from ..formatting import plain_line

    failures = [one.failure for one in fetched if one.failure is not None]
    first = failures[0]
    others = {failure.kind for failure in failures} - {first.kind}
    also = f" (other settings: {', '.join(sorted(others))})" if others else ""
    reason = f"{first.kind.meaning}: {plain_line(first.detail)}{also}"
    return f"{plain_line(did)}: nothing to draw: {reason}; {first.kind.advice}"

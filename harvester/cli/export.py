"""``export``: the harvest as one data set, with its card."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .hints import next_command
from .options import catalog_options, engine_options, load_configuration, location_options, output_path
from .progress import show_progress

if TYPE_CHECKING:
    from ..config.configuration import Configuration
    from ..dataset.export import Dataset
    from ..dataset.preprocessing import Recipe
    from ..dataset.split import Split

INCOMPLETE = 3
EXAMPLES = 20  # spectra that are named; the card names all


@click.command("export")
@click.argument("file", metavar="FILE")
@location_options
@catalog_options
@engine_options
@click.option("--processes", metavar="N", help="with Dask, and no scheduler: processes of this machine [1]")
@click.option("--flux", type=click.Choice(["float64", "float32"]), default="float64", help="precision [float64]")
@click.option("--vacuum", is_flag=True, help="convert wavelengths in air to vacuum")
@click.option("--smooth", metavar="SIGMA", type=float, help="convolve with a Gaussian of SIGMA pixels")
@click.option("--resample", metavar="'LO HI N [UNIT]'", help="N points from LO to HI; Angstrom if no unit")
@click.option("--split", metavar="SHARES", help="by star, into train,test or train,validation,test: 0.8,0.1,0.1")
@click.option("--seed", metavar="N", type=int, help="of the split [0]")
@click.option("--label-column", metavar="NAME", help="the catalog's column with the class [labels.column]")
def command(file: str, **flags: Any) -> int:
    """Write the verified spectra, joined with the catalog's columns, into FILE (.parquet or .h5), with a card beside.

    With --catalog those that it lists, with the columns they have there; else all. Vacuum, smoothing and resampling are
    done in this order. FILE.md is the card. Exit code 0 if all are in it that the harvest should have, 3 if damaged or
    missing ones are not (spectra that do not cover the grid are left out and named).
    """
    from ..dataset.card import card
    from ..dataset.export import ExportOptions, export
    from ..run.runners import pool_for

    order = ExportOptions(
        output_path("export", file, ".parquet", ".h5", ".hdf5"),
        _recipe(flags.pop("vacuum"), flags.pop("smooth"), flags.pop("resample")),
        _split(flags.pop("split"), flags.pop("seed")),
        flags.pop("flux"),
        flags.pop("label_column"),
    )
    config = load_configuration(flags)
    began = time.monotonic()
    with (
        pool_for(config.settings, config.settings.processes) as pool,
        show_progress("exporting", "exported") as progress,
    ):
        dataset = export(config, order, progress, card, pool)
    beside = order.card
    print("\n".join(_in_words(dataset, config, beside, time.monotonic() - began)), flush=True)
    return INCOMPLETE if dataset.outcome.damaged or dataset.outcome.absent else 0


def _recipe(vacuum: bool, smooth: float | None, resample: str | None) -> Recipe:
    from ..dataset.preprocessing import BROADEST, Recipe, parse_grid
    from ..errors import UsageError

    if smooth is not None and not 0 < smooth <= BROADEST:
        raise UsageError(f"--smooth {smooth:g}: a sigma in pixels is expected, above 0 and at most {BROADEST:g}")
    try:
        return Recipe(vacuum, smooth, None if resample is None else parse_grid(resample))
    except ValueError as error:
        raise UsageError(f"--resample {resample!r}: {error}") from None


def _split(shares: str | None, seed: int | None) -> Split | None:
    from ..dataset.split import Split, parse_shares
    from ..errors import UsageError

    if shares is None:
        if seed is not None:
            raise UsageError(f"--seed {seed}: it is the seed of a split; say which with --split SHARES")
        return None
    try:
        return Split(parse_shares(shares), seed or 0)
    except ValueError as error:
        raise UsageError(f"--split: {error}") from None


def _in_words(dataset: Dataset, config: Configuration, beside: Path, seconds: float) -> Iterator[str]:
    from ..formatting import count, duration, plural, size

    outcome, file = dataset.outcome, dataset.order.file
    spectra = plural(outcome.written, "spectrum", "spectra")
    yield f"{file}: {spectra}, {size(file.stat().st_size)}, {duration(seconds)}; {beside} tells what is in it"
    if dataset.order.split is not None:
        parts = {
            name: sum(n for (_, part), n in outcome.classes.items() if part == name)
            for name in dataset.order.split.names
        }
        yield "  " + ", ".join(f"{name} {count(number)}" for name, number in parts.items())
        yield from (f"  {line}" for line in dataset.lacking())
    if outcome.left_out:
        yield f"{count(len(outcome.left_out))} left out, whose wavelengths do not cover the grid"
        yield from _examples(outcome.left_out)
    if outcome.damaged:
        yield f"{count(len(outcome.damaged))} left out as damaged"
        yield from _examples(outcome.damaged)
    yield from _next_steps(dataset, config)


def _examples(named: list[tuple[str, str]]) -> Iterator[str]:
    yield from (f"    {name}: {why}" for name, why in named[:EXAMPLES])
    if len(named) > EXAMPLES:
        yield f"    and {len(named) - EXAMPLES} more (the card names all)"


def _next_steps(dataset: Dataset, config: Configuration) -> Iterator[str]:
    from ..formatting import plural

    if dataset.outcome.damaged:
        yield f"to set damaged files aside: {next_command('verify', config.location, '--fix')}"
    if dataset.outcome.absent:
        absent = plural(dataset.outcome.absent, "spectrum", "spectra")
        yield f"{absent} of the catalog not there: {next_command('failures', config.location)} tells why"
    if dataset.outcome.damaged or dataset.outcome.absent:
        yield f"to fetch what is not there: {next_command('', config.location)}, then export again"

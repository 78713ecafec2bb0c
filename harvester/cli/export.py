"""``export``: write the harvest as one data set, with its card."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .hints import download_missing, next_command
from .options import catalog_options, engine_options, load_harvest, location_options, output_path
from .progress import show_progress

if TYPE_CHECKING:
    from ..config.configuration import Configuration
    from ..dataset.options import Dataset, ExportOptions
    from ..dataset.preprocessing import Recipe
    from ..dataset.split import Split

INCOMPLETE = 3
EXAMPLES = 20  # spectra that are listed; the card lists all


@click.command("export")
@click.argument("file", metavar="FILE|DIR/|X.hats")
@location_options
@catalog_options
@engine_options
@click.option("--processes", metavar="N", type=click.IntRange(1), help="processes that read spectra [one per core]")
@click.option("--flux", type=click.Choice(["float64", "float32"]), default="float64", help="precision [float64]")
@click.option(
    "--wave",
    type=click.Choice(["auto", "explicit", "compact"]),
    default="auto",
    help="wavelengths in Parquet: a list in each row, or start, step and count where exact [auto: compact where all "
    "spectra share one grid]",
)
@click.option("--vacuum", is_flag=True, help="convert wavelengths in air to vacuum")
@click.option("--smooth", metavar="SIGMA", type=float, help="convolve with a Gaussian of SIGMA pixels")
@click.option("--resample", metavar="'LO HI N [UNIT]'", help="N points from LO to HI; Angstrom if no unit")
@click.option("--split", metavar="SHARES", help="by star, into train,test or train,validation,test: 0.8,0.1,0.1")
@click.option("--folds", metavar="K", type=int, help="by star, into K folds of equal size, for cross-validation")
@click.option("--seed", metavar="N", type=int, help="seed of the split or the folds [0]")
@click.option("--label-column", metavar="NAME", help="the catalog's column of labels [labels.column]")
@click.option("--push", metavar="OWNER/NAME", help="upload DIR/ to the Hugging Face Hub, if the rights are stated")
@click.option("--private", is_flag=True, help="with --push: make the repository private")
def command(file: str, push: str | None, private: bool, **flags: Any) -> int:
    """Write the verified spectra, with the catalog's columns, into a file or a folder.

    FILE ends in .parquet or .h5 and gets a card, FILE.md, beside it. DIR/ is a data set for Hugging Face: data files by
    split, README.md (the card), CITATION.cff, provenance, Croissant and RO-Crate metadata. X.hats is a HATS collection
    for LSDB: partitioned by position, spectra as a nested column, with a margin cache.

    With --catalog the spectra that it lists, with the columns they have there; else all. Vacuum, smoothing and
    resampling are done in this order. Exit code 0 if everything is in it that the harvest should have, 3 if damaged or
    missing spectra are not (spectra that do not cover the grid are left out and listed).

    \b
    Examples:
      harvester export stars.parquet
      harvester export stars/ --catalog labels.csv --split 0.8,0.1,0.1
      harvester export stars/ --archive mine.toml --push me/stars
      harvester export stars.parquet --vacuum --smooth 7 --resample '6519 6732 140' --flux float32
    """
    from ..dataset.card import card
    from ..dataset.documents import write_documents
    from ..dataset.export import export
    from ..dataset.push import check_push
    from ..dataset.push import push as upload
    from ..run.pools import pool_for

    options, processes = _options(file, flags), flags.pop("processes")
    config = load_harvest(flags)
    if push is not None:
        check_push(push, options, config.profile)
    began, own, configured = time.monotonic(), processes or os.cpu_count() or 1, config.settings.processes
    with (
        pool_for(config.settings, processes or (own if configured == "auto" else configured), own) as pool,
        show_progress("exporting", "exported") as progress,
    ):
        dataset = export(config, options, progress, card, pool, write_documents)
    print("\n".join(_summary(dataset, config, time.monotonic() - began)), flush=True)
    if push is not None:
        print(f"uploaded: {upload(dataset, push, private)}", flush=True)
    result = dataset.result
    return INCOMPLETE if result.damaged or result.absent or result.unrecorded else 0


def _options(file: str, flags: dict[str, Any]) -> ExportOptions:
    """Return the options of the data set, which are taken out of ``flags``."""
    from ..dataset.options import ExportOptions

    return ExportOptions(
        _target(file),
        _recipe(flags.pop("vacuum"), flags.pop("smooth"), flags.pop("resample")),
        _split(flags.pop("split"), flags.pop("folds"), flags.pop("seed")),
        flags.pop("flux"),
        flags.pop("label_column"),
        flags.pop("wave"),
    )


def _target(file: str) -> Path:
    """Return the file, or, where it ends in a slash or is a directory, the folder.

    UsageError if neither can be.
    """
    from ..errors import UsageError

    path = Path(file)
    is_file = path.suffix.lower() in (".parquet", ".h5", ".hdf5")
    if not file.endswith("/") and path.suffix.lower() != ".hats" and (is_file or not path.is_dir()):
        return output_path("export", file, ".parquet", ".h5", ".hdf5")
    if path.suffix.lower() in (".parquet", ".h5", ".hdf5"):
        raise UsageError(
            f"export {file}: a folder's name does not end in {path.suffix}; leave the slash or the ending out"
        )
    if not path.absolute().parent.is_dir():
        raise UsageError(f"export {file}: there is no directory {path.parent}; create it first, or give another folder")
    return path


def _recipe(vacuum: bool, smooth: float | None, resample: str | None) -> Recipe:
    from ..dataset.preprocessing import BROADEST, Recipe, parse_grid
    from ..errors import UsageError

    if smooth is not None and not 0 < smooth <= BROADEST:
        raise UsageError(f"--smooth {smooth:g}: a sigma in pixels is expected, above 0 and at most {BROADEST:g}")
    try:
        return Recipe(vacuum, smooth, None if resample is None else parse_grid(resample))
    except ValueError as error:
        raise UsageError(f"--resample {resample!r}: {error}") from None


def _split(shares: str | None, folds: int | None, seed: int | None) -> Split | None:
    from ..dataset.split import MOST_FOLDS, Split, parse_shares
    from ..errors import UsageError

    if shares is not None and folds is not None:
        raise UsageError("--split and --folds: give one of them")
    if folds is not None:
        if not 2 <= folds <= MOST_FOLDS:
            raise UsageError(f"--folds {folds}: a number from 2 to {MOST_FOLDS} is expected")
        return Split.into_folds(folds, seed or 0)
    if shares is None:
        if seed is not None:
            raise UsageError(f"--seed {seed}: a seed needs a split; give one with --split SHARES")
        return None
    try:
        return Split(parse_shares(shares), seed or 0)
    except ValueError as error:
        raise UsageError(f"--split: {error}") from None


def _summary(dataset: Dataset, config: Configuration, seconds: float) -> Iterator[str]:
    from ..catalog.reader import describe_conflicts
    from ..formatting import count, duration, plural, size

    result, options = dataset.result, dataset.options
    spectra = plural(result.written, "spectrum", "spectra")
    paths = [options.file / name for name in result.files] if options.is_folder else [options.file]
    total = size(sum(path.stat().st_size for path in paths))
    target = f"{options.file}/" if options.is_folder else str(options.file)
    yield f"{target}: {spectra}, {total}, {duration(seconds)}; described in {options.card}"
    if dataset.parts:
        yield "  " + ", ".join(f"{name} {count(result.in_part(name))}" for name in dataset.parts)
        yield from (f"  {line}" for line in dataset.split_warnings())
    if sentence := describe_conflicts(dataset.conflicts):
        yield sentence
    if result.left_out:
        lacking = ", without a position, or" if options.is_hats else ","
        yield f"{count(len(result.left_out))} left out{lacking} whose wavelengths do not cover the grid"
        yield from _examples(result.left_out)
    if result.unread:
        yield f"{count(len(result.unread))} left out, in which no reader finds a spectrum (level structure)"
        yield from _examples(result.unread)
    if result.damaged:
        yield f"{count(len(result.damaged))} left out as damaged"
        yield from _examples(result.damaged)
    yield from _next_steps(dataset, config)


def _examples(named: list[tuple[str, str]]) -> Iterator[str]:
    from ..formatting import count

    yield from (f"    {name}: {reason}" for name, reason in named[:EXAMPLES])
    if len(named) > EXAMPLES:
        yield f"    and {count(len(named) - EXAMPLES)} more (the card lists all)"


def _next_steps(dataset: Dataset, config: Configuration) -> Iterator[str]:
    from ..formatting import plural

    if dataset.result.unrecorded:
        files = plural(dataset.result.unrecorded, "stored file", "stored files")
        yield f"{files} left out, without a ledger entry: a run was killed before it recorded them, or it is active"
        yield f"to record what is stored: {next_command('verify', config.location, '--fix')}, then export again"
    if dataset.result.damaged:
        yield f"to quarantine damaged files: {next_command('verify', config.location, '--fix')}"
    absent = plural(dataset.result.absent, "spectrum", "spectra")
    if dataset.result.absent and config.settings.catalog is not None:
        yield f"{absent} of the catalog missing; for the reasons: {next_command('failures', config.location)}"
    elif dataset.result.absent:
        yield f"{absent} missing, which the last run left for another one, or which are gone since"
    if dataset.result.damaged or dataset.result.absent:
        yield f"to download what is missing: {download_missing(config)}, then export again"

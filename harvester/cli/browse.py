"""``browse``: serve a local page to look at a harvest, and to label it."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import re
import signal
import webbrowser
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from .options import load_configuration, load_harvest, location_options

if TYPE_CHECKING:
    from ..browse.labels import LabelFile
    from ..browse.session import Session
    from ..config.configuration import Configuration
    from ..storage.interface import Store


@click.command("browse")
@location_options
@click.option("--label", "labelling", is_flag=True, help="label by keys 0 to 9, the most doubtful spectra first")
@click.option("--as", "labeller", metavar="NAME", help="name of the labeller, for OUT/labels/NAME.csv [your user name]")
@click.option(
    "--import", "imported", metavar="FILE", help="add the labels in a CSV of id,label to those of --as, and exit"
)
@click.option("--agreement", is_flag=True, help="print how well the labellers agree, and exit")
@click.option("--samp", "joining", is_flag=True, help="select the rows that are picked in TOPCAT and others, by SAMP")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="port on 127.0.0.1 [any free one]")
@click.option("--open", "opening", is_flag=True, help="open the page in your browser")
def command(
    labelling: bool,
    labeller: str | None,
    imported: str | None,
    agreement: bool,
    joining: bool,
    port: int,
    opening: bool,
    **flags: Any,
) -> int:
    """Serve a page on this computer to look at all spectra of a harvest.

    Its address is printed; Ctrl-C ends it. The page shows a harvest live while it runs, and changes nothing but your
    own labels, a CSV of id,label for `run --catalog` and `export --catalog`.

    \b
    Examples:
      harvester browse --out data/ondrejov --open
      harvester browse --label --as anna
      harvester browse --import spectralview.csv --as petr
    """
    from ..browse.labels import FOLDER, all_labels, check_name
    from ..dataset.stored_files import require_ledger

    config = _for_variants(load_harvest(dict(flags)), flags)
    name = check_name(labeller or re.sub(r"[^\w.-]", "_", getpass.getuser()))
    if imported is not None:
        return _import(config, name, imported)
    store = config.open_store()
    require_ledger(store)
    all_labels(config.state_folder / FOLDER)  # else the page would end right after its address was printed
    if agreement:
        return _print_agreement(config, store)
    with (
        _labels(config, name) if labelling else contextlib.nullcontext() as labels,
        contextlib.suppress(KeyboardInterrupt),
    ):
        from ..browse.session import Session

        asyncio.run(_serve(Session(config, store, labels, name), port, opening, joining))
    return 0


def _for_variants(config: Configuration, flags: dict[str, Any]) -> Configuration:
    """Return the configuration with the harvest's own archive, unless one is named."""
    from ..ledger.queries import last_run
    from ..storage.run_folder import StateFolder

    if flags["archive"] is not None or "archive" in config.settings.model_fields_set:
        return config
    state = StateFolder.below(config.state_folder)
    record = last_run(state.ledger)
    profile = state.run(record.run).profile if record is not None else None
    if record is None or profile is None or not profile.is_file():
        return config
    archive = "demo" if record.archive == "demo" else str(profile)
    return load_configuration({**flags, "archive": archive, "out": str(config.location)})


@contextlib.contextmanager
def _labels(config: Configuration, name: str) -> Iterator[LabelFile]:
    from ..browse.labels import FOLDER, open_labels

    with open_labels(config.state_folder / FOLDER, name) as labels:
        yield labels


def _import(config: Configuration, name: str, file: str) -> int:
    """Add the labels of a CSV, such as SpectralView's, without changing one that is there."""
    import json

    from ..catalog.reader import read_catalog
    from ..errors import UsageError
    from ..formatting import plural

    catalog = read_catalog(file, config.catalog_rules())
    column = config.settings.labels.column
    found = {row.did: str(json.loads(row.columns).get(column) or "") for row in catalog.rows}
    given = {str(did): label for did, label in found.items() if label}
    if not given:
        raise UsageError(f"--import {file}: no row has a label in a column {column!r} (the setting labels.column)")
    with _labels(config, name) as labels:
        new = labels.add(given)
        print(
            f"{labels.path}: {plural(new, 'label')} imported, {plural(len(given) - new, 'spectrum', 'spectra')} had one"
        )
    return 0


def _print_agreement(config: Configuration, store: Store) -> int:
    from ..browse.session import Session
    from ..formatting import plural
    from ..ledger.overview import overview

    session = Session(config, store)
    session.index.add(overview(store.ledger, session.column))
    pairs = session.agreement()
    session.index.close()
    if not pairs:
        print("there is only one labeller, or none")
    for pair in pairs:
        share = f"{100 * pair['equal'] / pair['both']:.1f} % equal" if pair["both"] else "none in common"
        kappa = "" if pair["kappa"] is None else f", Cohen's kappa {pair['kappa']:.3f}"
        both = plural(pair["both"], "spectrum", "spectra")
        print(f"{pair['one']} and {pair['other']}: {both} labelled by both, {share}{kappa}")
    return 0


async def _serve(session: Session, port: int, opening: bool, joining: bool) -> None:
    from ..browse.server import serve

    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with serve(session, port) as rules, session.following_picks() if joining else contextlib.nullcontext():
        print(rules.url, flush=True)
        if session.labels is not None:
            print(f"labels of {session.labeller}: {session.labels.path}", flush=True)
        if opening:
            await asyncio.to_thread(webbrowser.open, rules.url)
        await stopped.wait()

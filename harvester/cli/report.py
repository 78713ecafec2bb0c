"""``report``: write one run as one HTML page."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import load_harvest, location_options, output_path

if TYPE_CHECKING:
    from ..config.configuration import Configuration


@click.command("report")
@click.argument("run", required=False)
@location_options
@click.option("-o", "--output", metavar="FILE.html", help="the file to write [report.html in the run's folder]")
@click.option("--json", "as_json", is_flag=True, help="numbers and label checks as JSON; a page only with -o")
def command(run: str | None, output: str | None, as_json: bool, **flags: Any) -> int:
    """Write one self-contained HTML file about a run, by default the last one.

    \b
    Examples:
      harvester report
      harvester report --out data/ondrejov -o report.html
    """
    from ..dataset.work import StoreWorkers
    from ..report.data.report_data import gather
    from ..report.page import page, report_file, write_page
    from ..run.pools import pool_for

    file = None if output is None else output_path("-o", output, ".html", ".htm")
    chosen = any(flags[name] is not None for name in ("config", "archive"))
    settings_file = flags["config"]
    config = load_harvest(flags)
    store = config.open_store()
    labels = _label_settings(config, settings_file) if chosen else {}
    with pool_for(config.settings, 1, os.cpu_count() or 1) as pool:
        workers = None if pool is None else StoreWorkers(pool, *config.absolute_locations())
        data = gather(store, run, time.time(), labels=labels, workers=workers)
    if as_json:
        print(json.dumps(data.as_json(), indent=1))
    if file is not None or not as_json:
        path = file or report_file(store, data.record.run)
        write_page(path, page(data))
        if not as_json:
            print(path)
    return 0


def _label_settings(config: Configuration, file: str | None) -> dict[str, Any]:
    """Return the label settings of the given settings file and archive, without any defaults."""
    from ..config.loading import CONFIG, read_file

    given = set(read_file(Path(file or CONFIG), file).get("labels", {}))
    if "archive" in config.settings.model_fields_set:
        given |= set(config.profile.settings.get("labels", {}))
    return {name: getattr(config.settings.labels, name) for name in given}

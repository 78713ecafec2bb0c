"""``report``: one run as one page."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import load_configuration, location_options, output_path

if TYPE_CHECKING:
    from ..config.configuration import Configuration


@click.command("report")
@click.argument("run", required=False)
@location_options
@click.option("-o", "--output", metavar="FILE.html", help="write it there [OUT/.harvester/runs/RUN/report.html]")
@click.option("--json", "as_json", is_flag=True, help="numbers and label checks as JSON; a page only with -o")
def command(run: str | None, output: str | None, as_json: bool, **flags: Any) -> int:
    """Make one self-contained HTML file about a run (default: the last): what is there, what is not and why."""
    from ..report.data.report_data import gather
    from ..report.page import page, report_file, write_page

    file = None if output is None else output_path("-o", output, ".html", ".htm")
    chosen = any(flags[name] is not None for name in ("config", "archive"))
    settings_file = flags["config"]
    config = load_configuration(flags)
    store = config.open_store()
    material = gather(store, run, time.time(), told=_told_of_labels(config, settings_file) if chosen else {})
    if as_json:
        print(json.dumps(material.as_json(), indent=1))
    if file is not None or not as_json:
        path = file or report_file(store, material.record.run)
        write_page(path, page(material))
        if not as_json:
            print(path)
    return 0


def _told_of_labels(config: Configuration, file: str | None) -> dict[str, Any]:
    """What the settings file and the archive that somebody named say of labels; a default says nothing."""
    from ..config.loading import CONFIG, read_file

    said = set(read_file(Path(file or CONFIG), file).get("labels", {}))
    if "archive" in config.settings.model_fields_set:
        said |= set(config.profile.settings.get("labels", {}))
    return {name: getattr(config.settings.labels, name) for name in said}

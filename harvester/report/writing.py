"""Where a report goes, and how: all of it or nothing."""

from __future__ import annotations

import time
from pathlib import Path

from ..seams import Shelf
from ..stores.replacement import replacing
from .books import folder_of
from .material import gather
from .page import page

NAME = "report.html"


def report_file(store: Shelf, run: str) -> Path:
    """Where a run's report is kept."""
    return folder_of(store, run) / NAME


def write_report(store: Shelf, run: str, most: int) -> Path:
    """The report of ``run`` in the run's own folder, over at most ``most`` spectra. StoreError if it cannot be made."""
    path = report_file(store, run)
    write_page(path, page(gather(store, run, time.time(), most=most)))
    return path


def write_page(path: Path, content: bytes) -> None:
    """Nobody ever reads half of it. StoreError if it cannot be written."""
    with replacing(path) as part:
        part.write_bytes(content)

"""Print what ``discover`` does while it does it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..discovery.learn import SampleReport


def say(words: str) -> None:
    """Print a line beside the results."""
    print(f"  {words}", file=sys.stderr, flush=True)


def ignore(words: str) -> None:
    """Print nothing: requests are shown with --verbose alone."""


def show_progress(rows: int, total: int) -> None:
    """Print how far a listing is, in a line that the next one covers; in no file."""
    from ..formatting import count, plural

    if sys.stderr.isatty():
        end = "\n" if rows >= total else ""
        print(f"\r  {'catalog':<12}{count(rows)} of {plural(total, 'row')}", end=end, file=sys.stderr, flush=True)


def sample_lines(sample: SampleReport) -> Iterator[str]:
    """Yield what a few spectra showed, a line each."""
    from ..formatting import plural

    spectra = plural(sample.tried, "downloaded spectrum is", "downloaded spectra are")
    yield f"{sample.verified} of {spectra} valid"
    yield from sample.sentences


def write_text(path: Path, text: str) -> None:
    """Write a file in one step: a reader finds the old one or the new one."""
    from ..storage.atomic import atomic_write

    with atomic_write(path.resolve()) as part:
        part.write_text(text, encoding="utf-8")

"""Resume an unfinished refresh.

Find the spectra that its earlier runs have stored already.
"""

from __future__ import annotations

import json
import time
import tomllib
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain

from ..catalog.lazy_sequence import LazySequence
from ..ledger import queries
from ..model.target import SpectrumId, Target
from ..storage.interface import Store

REFRESH_LEFT = "refresh_left"  # in summary.json: spectra that a refresh left for the next run
LONGEST_GAP = 60 * 86400.0
"""Seconds without a run after which an unfinished refresh is not resumed: what it replaced may be outdated again."""


def already_refreshed(store: Store, request_key: str) -> frozenset[SpectrumId]:
    """Return the spectra that the refresh which the next run resumes has stored.

    None if the last one was finished, or is older than ``LONGEST_GAP``.
    """
    runs = list(_unfinished_refresh(store, queries.runs(store.ledger), request_key, time.time()))
    return queries.saved_by(store.ledger, runs) if runs else frozenset()


def with_stored(new: LazySequence[Target], stored: LazySequence[Target]) -> LazySequence[Target]:
    """Return the ``new`` targets, then the ``stored`` ones, which are marked as such."""
    if not stored:
        return new
    marks = bytearray(max(stored.numbers) + 1)  # a byte a spectrum, as a set takes sixty
    for number in stored.numbers:
        marks[number] = True

    def target(number: int) -> Target:
        made = stored.item(number)
        return replace(made, stored=True) if number < len(marks) and marks[number] else made

    return LazySequence(target, array("I", chain(new.numbers, stored.numbers)))


def _unfinished_refresh(store: Store, runs: Iterable[queries.RunRecord], request_key: str, now: float) -> Iterator[str]:
    """Yield the runs of the refresh with the same request, back to its first."""
    for run in runs:
        if not _refreshed(store, run.run) or run.request_key != request_key:
            continue
        if _left(store, run.run) == 0 or now - (run.ended or run.started) > LONGEST_GAP:
            return
        now = run.started
        yield run.run


def _refreshed(store: Store, run: str) -> bool:
    """Return whether the run had the setting ``refresh``, by the settings in its folder."""
    try:
        settings = tomllib.loads(store.state.run(run).settings.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # a folder that the user removed, or a file that was edited
        return False
    return settings.get("refresh") is True


def _left(store: Store, run: str) -> int | None:
    """Return how many spectra the refresh left for the next run, by its summary.

    None if it wrote none.
    """
    try:
        left = json.loads(store.state.run(run).summary.read_text(encoding="utf-8")).get(REFRESH_LEFT)
    except (OSError, ValueError, AttributeError):  # a run that was killed, or a file that was edited
        return None
    return left if isinstance(left, int) else None

"""Resume an unfinished refresh.

Find the spectra that its earlier runs have stored already.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator

from ..ledger import queries
from ..model.target import SpectrumId
from ..storage.interface import Store

REFRESH_LEFT = "refresh_left"  # in summary.json: spectra that a refresh left for the next run


def already_refreshed(store: Store, request_key: str) -> frozenset[SpectrumId]:
    """Return the spectra that the refresh which the next run resumes has stored.

    None if the last one was finished.
    """
    runs = list(_unfinished_refresh(store, queries.runs(store.ledger), request_key))
    return queries.saved_by(store.ledger, runs) if runs else frozenset()


def _unfinished_refresh(store: Store, runs: Iterable[queries.RunRecord], request_key: str) -> Iterator[str]:
    """Yield the runs of the refresh with the same request, back to the last finished one."""
    for run in runs:
        if not _refreshed(store, run.run) or run.request_key != request_key:
            continue
        if _left(store, run.run) == 0:
            return
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

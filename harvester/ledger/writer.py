"""The ledger's one writer: it watches events and writes them down in batches, on a thread of its own."""

from __future__ import annotations

import json
import os
import queue
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .. import __version__
from .. import events as ev
from ..catalog import Row
from ..findings import Finding
from ..outcomes import Failed, Saved
from ..plan import HarvestPlan
from ..stats import HarvestStats
from .rebuild import record
from .schema import next_run, open_for_writing, using

Statement = tuple[str, Sequence[Any]]

BATCH = 100  # rows a transaction at most, and seconds between two: what a power cut can cost of the ledger
PATIENCE = 0.5
LONGEST_FAULT = 300.0  # seconds after which a ledger that cannot be written is given up for this run
FAREWELL = 30.0  # seconds that a slow disk gets for the last rows
BACKLOG = 20_000  # statements in memory while the disk is slow: minutes of the fastest harvest, a few MB


class LedgerWriter:
    """Call it with events; use it as a context manager around the harvest. ``numbers`` tells how far it is."""

    def __init__(self, path: Path, numbers: Callable[[], HarvestStats]) -> None:
        self._path = path
        self._numbers = numbers
        self._run = ""
        self._connection = open_for_writing(path)
        self._statements: queue.Queue[Statement | None] = queue.Queue(BACKLOG)
        self._thread = threading.Thread(target=self._write, name="ledger-writer", daemon=True)
        self.fault: sqlite3.Error | None = None
        self._failing_since = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._statements.put(None)
        self._thread.join(FAREWELL)
        self._connection.close()

    def enrol(self, plan: HarvestPlan, rows: Iterable[Row], shape: str) -> None:
        """Write down what is listed and what the disk has of it; where ledger and disk disagree, the disk is right.

        ``shape`` is what the spectra are asked as. Rows that say so already are not touched.
        """
        columns = {row.did: row.columns for row in rows}
        named = [(t, "present") for t in plan.present] + [(t, "wanted") for t in plan.wanted]
        with using(self._path), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            run = next_run(self._connection)
            self._connection.execute("DELETE FROM request")
            self._connection.execute("INSERT INTO request VALUES(?)", (shape,))
            # A name that passes to another DID must be free before that one's row comes.
            self._connection.executemany(
                "UPDATE spectrum SET folded = did WHERE folded = ? AND did <> ?",
                ((t.name.casefold(), t.did) for t, _ in named),
            )
            self._connection.executemany(
                _ENROL, ((t.did, t.name, t.name.casefold(), columns[t.did], status, run) for t, status in named)
            )

    def record(self, findings: Iterable[Finding]) -> None:
        """Write down what an audit proved."""
        with using(self._path):
            record(self._connection, findings)

    def __call__(self, event: ev.Event) -> None:
        if self.fault is not None and time.monotonic() - self._failing_since > LONGEST_FAULT:
            raise self.fault
        if isinstance(event, ev.HarvestStarted):
            self._run = event.run
        for statement in statements(event, self._run):
            self._statements.put_nowait(statement)

    def _write(self) -> None:
        ended = False
        kept: list[Statement] = []
        while not ended:
            batch, ended = self._next_batch()
            kept += batch
            try:
                self._commit(kept)
            except sqlite3.Error as error:
                if self.fault is None:
                    self._failing_since = time.monotonic()
                self.fault = error  # it may pass (a full disk does): the batch is tried again
                time.sleep(0.0 if ended else PATIENCE)
            else:
                kept, self.fault = [], None

    def _next_batch(self) -> tuple[list[Statement], bool]:
        batch: list[Statement] = []
        deadline = time.monotonic() + PATIENCE
        while len(batch) < BATCH:
            try:
                statement = self._statements.get(timeout=max(deadline - time.monotonic(), 0.001))
            except queue.Empty:
                break
            if statement is None:
                return batch, True
            batch.append(statement)
        return batch, False

    def _commit(self, batch: list[Statement]) -> None:
        if not batch:
            return
        with self._connection:
            self._connection.execute("BEGIN")
            for sql, values in batch:
                self._connection.execute(sql, values)
            summary = json.dumps(self._numbers().summary(time.time()))
            self._connection.execute("UPDATE run SET summary = ? WHERE run = ?", (summary, self._run))


_STARTED = """
INSERT INTO run(run, started, host, pid, version, archive, endpoint, shape, user_agent, profile_sha256)
VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

_ENROL = """
INSERT INTO spectrum(did, name, folded, columns, status, run) VALUES(?, ?, ?, ?, ?, ?)
ON CONFLICT(did) DO UPDATE SET name = excluded.name, folded = excluded.folded, columns = excluded.columns,
    status = CASE
        WHEN excluded.status = 'present' AND spectrum.status = 'saved' THEN 'saved'
        WHEN excluded.status = 'wanted' AND spectrum.status IN ('failed', 'retry') THEN spectrum.status
        ELSE excluded.status END,
    run = CASE WHEN (excluded.status = 'present') = (spectrum.status IN ('saved', 'present')) THEN spectrum.run
        ELSE excluded.run END
WHERE spectrum.name <> excluded.name OR spectrum.folded <> excluded.folded OR spectrum.columns <> excluded.columns
    OR (excluded.status = 'present' AND spectrum.status NOT IN ('saved', 'present'))
    OR (excluded.status = 'wanted' AND spectrum.status NOT IN ('wanted', 'failed', 'retry'))
"""

_SAVED = """
UPDATE spectrum SET status = 'saved', attempts = ?, due = NULL, bytes = ?, sha256 = ?, content_digest = ?, points = ?,
    wave_min = ?, wave_max = ?, object = ?, kind = NULL, detail = NULL, http_status = 200, last_tried = ?, saved = ?,
    elapsed = ?, url = ?, etag = ?, last_modified = ?, run = (SELECT number FROM run WHERE run = ?) WHERE did = ?
"""

# A spectrum that is there and could not be refreshed is still there, as it came.
_TRIED = """
UPDATE spectrum SET status = ?, attempts = ?, due = ?, kind = ?, detail = ?, http_status = ?, last_tried = ?,
    elapsed = ?, url = coalesce(?, url), run = (SELECT number FROM run WHERE run = ?)
WHERE did = ? AND status NOT IN ('present', 'saved')
"""


def statements(event: ev.Event, run: str) -> list[Statement]:
    """What ``event`` changes in the ledger."""
    match event:
        case ev.HarvestStarted():
            return [_started(event)]
        case ev.SpectrumSaved(time=time, outcome=outcome):
            return [_saved(outcome, time, run)]
        case ev.SpectrumFailed(time=time, outcome=outcome):
            return [_failed(outcome, time, run)]
        case ev.RetryScheduled(time=time, target=target, attempt=attempt, failure=why, due=due):
            tried = ("retry", attempt, due, why.kind, why.detail, why.status, time, None, None)
            return [(_TRIED, (*tried, run, target.did))]
        case ev.HarvestEnded(time=time):
            return [("UPDATE run SET ended = ? WHERE run = ?", (time, run)), _noted(event, run)]
        case ev.HarvestPaused() | ev.HarvestResumed() | ev.HarvestDraining() | ev.WatcherLost():
            return [_noted(event, run)]
    return []


def _started(event: ev.HarvestStarted) -> Statement:
    here = (socket.gethostname(), os.getpid(), __version__)
    asked = (event.endpoint, event.shape, event.user_agent, event.profile_sha256)
    return _STARTED, (event.run, event.time, *here, event.archive, *asked)


def _saved(outcome: Saved, time: float, run: str) -> Statement:
    proof = outcome.verified
    waves = (proof.points, proof.wave_min, proof.wave_max, proof.object_name)
    digests = (proof.size, proof.sha256, proof.content_digest)
    story = (time, time, outcome.elapsed, outcome.url, outcome.etag, outcome.last_modified)
    return _SAVED, (outcome.attempts, *digests, *waves, *story, run, outcome.target.did)


def _failed(outcome: Failed, time: float, run: str) -> Statement:
    why = outcome.failure
    tried = (outcome.attempts, None, why.kind, why.detail, why.status, time)
    return _TRIED, ("failed", *tried, outcome.elapsed, outcome.url, run, outcome.target.did)


def _noted(event: ev.Event, run: str) -> Statement:
    fields = {name: str(getattr(event, name)) for name in event.__match_args__ if name != "time"}
    return "INSERT INTO event VALUES(?, ?, ?, ?)", (event.time, run, event.event_name(), json.dumps(fields))

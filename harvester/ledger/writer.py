"""The ledger's one writer: it watches events and writes them down in batches, on a thread of its own."""

from __future__ import annotations

import json
import math
import os
import socket
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Self

from .. import events as ev
from .._version import __version__
from ..catalog.plan import HarvestPlan
from ..catalog.reader import Catalog
from ..events.stats import HarvestStats
from ..model.findings import Finding
from ..model.outcomes import Failed, Saved
from .bulk import Row, write_rows
from .catalog_import import CatalogImport
from .repair import write_findings
from .schema import open_for_writing, using

Statement = tuple[str, Row]

BATCH = 100  # rows a transaction at most, and seconds between two: what a power cut can cost of the ledger
PATIENCE = 0.5
LONGEST_FAULT = 300.0  # seconds after which a ledger that cannot be written is given up for this run
FAREWELL = 30.0  # seconds that a slow disk gets for the last rows
PRESSED = 1000  # statements that wait, at which the catalog's rows let them go first
BACKLOG = 20_000  # statements in memory while the disk is slow: minutes of the fastest harvest, a few MB
BREATH = 0.010  # seconds that each event then leaves to the writer: the harvest slows down, and nothing is lost


class LedgerWriter:
    """Call it with logged events; use it as a context manager around the harvest. ``numbers`` tells how far it is."""

    def __init__(self, path: Path, numbers: Callable[[], HarvestStats]) -> None:
        self._path = path
        self._numbers = numbers
        self._run = ""
        self._enrolment: CatalogImport | None = None
        self._connection = open_for_writing(path)
        self._statements = deque[Statement]()
        self._due = threading.Event()
        self._ended = False
        self._deadline = math.inf
        self._thread = threading.Thread(target=self._live, name="ledger-writer", daemon=True)
        self.fault: sqlite3.Error | None = None
        self._failing_since = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish()
        self._thread.join(max(0.0, self._deadline - time.monotonic()))
        if self._thread.is_alive():
            self.fault = sqlite3.OperationalError("its last rows wait for another program, or for a slow disk")

    def finish(self) -> None:
        """No more events come: what has come is written, for which there is a while."""
        self._deadline = min(self._deadline, time.monotonic() + FAREWELL)
        self._ended = True
        self._due.set()

    def give_up(self) -> None:
        """Wait for nothing any more."""
        self._deadline = 0.0

    @property
    def finishing(self) -> bool:
        """Whether the last rows are still to be waited for."""
        return self._thread.is_alive() and time.monotonic() < self._deadline

    @property
    def importing(self) -> bool:
        """Whether something of the catalog is still to be written down, and can be."""
        return self._unfinished is not None and self.fault is None and self._thread.is_alive()

    @property
    def _unfinished(self) -> CatalogImport | None:
        return None if self._enrolment is None or self._enrolment.complete else self._enrolment

    def import_catalog(self, plan: HarvestPlan, catalog: Catalog, shape: str) -> None:
        """Begin to write down what is listed; the writer goes on with it between events.

        ``shape`` is what the spectra are asked as.
        """
        with using(self._path), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute("DELETE FROM request")
            self._connection.execute("INSERT INTO request VALUES(?)", (shape,))
        with using(self._path):
            self._enrolment = CatalogImport(self._connection, plan, catalog)
            self._enrolment.go_on(self._connection)

    def write_findings(self, findings: Sequence[Finding]) -> None:
        """Write down what an audit proved, once everything is enrolled: names pass to their owners first."""
        with using(self._path):
            while findings and (enrolment := self._unfinished) is not None:
                enrolment.go_on(self._connection)
            write_findings(self._connection, findings)

    def __call__(self, event: ev.Event) -> None:
        if self.fault is not None and time.monotonic() - self._failing_since > LONGEST_FAULT:
            raise self.fault
        if isinstance(event, ev.HarvestStarted):
            self._run = event.run
        self._remember(event)
        self._statements.extend(statements(event, self._run))
        if len(self._statements) >= BATCH:
            self._due.set()
        if len(self._statements) > BACKLOG:
            time.sleep(BREATH)

    def _remember(self, event: ev.Event) -> None:
        """Of a spectrum that something happens to, the ledger knows better than what is still to be enrolled."""
        enrolment = self._unfinished
        if enrolment is None:
            return
        match event:
            case ev.SpectrumSaved(outcome=outcome) | ev.SpectrumFailed(outcome=outcome):
                enrolment.heard_of.add(outcome.target.did)
            case ev.RetryScheduled(target=target):
                enrolment.heard_of.add(target.did)

    def _live(self) -> None:
        """The thread. Only it knows when nobody uses the connection any more."""
        with closing(self._connection):
            self._write()

    def _write(self) -> None:
        ended = False
        kept: list[Statement] = []
        while not ended:
            batch, ended = self._next_batch()
            kept += batch
            try:
                self._commit(kept)
                kept = []
                if not ended and len(self._statements) < PRESSED and (enrolment := self._unfinished) is not None:
                    enrolment.go_on(self._connection)
            except sqlite3.Error as error:
                if self.fault is None:
                    self._failing_since = time.monotonic()
                self.fault = error  # it may pass (a full disk does): the batch is tried again
                time.sleep(0.0 if ended else PATIENCE)
            else:
                self.fault = None

    def _next_batch(self) -> tuple[list[Statement], bool]:
        """What has come, once that is enough or was long enough ago; the thread is not woken for each of it."""
        self._due.wait(PATIENCE if self._unfinished is None else 0.0)
        self._due.clear()  # before looking: what comes meanwhile sets it again
        ended = self._ended
        batch = [self._statements.popleft() for _ in range(min(BATCH, len(self._statements)))]
        if ended or len(self._statements) >= BATCH:
            self._due.set()
        return batch, ended and not self._statements

    def _commit(self, batch: list[Statement]) -> None:
        if not batch:
            return
        with self._connection:
            self._connection.execute("BEGIN")
            for statement, alike in groupby(batch, itemgetter(0)):
                write_rows(self._connection, statement, [row for _, row in alike])
            summary = json.dumps(self._numbers().summary(time.time()))
            self._connection.execute("UPDATE run SET summary = ? WHERE run = ?", (summary, self._run))


_STARTED = """
INSERT INTO run(run, started, host, pid, version, archive, endpoint, shape, user_agent, profile_sha256)
VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

# A spectrum may have its row yet to come: something happens to it before its turn to be enrolled. Then it comes without
# its name, which may still be another's.
_SAVED = """
INSERT INTO spectrum(did, name, folded, status, attempts, bytes, sha256, content_digest, points, wave_min, wave_max,
    object, http_status, last_tried, saved, elapsed, url, etag, last_modified, run)
WITH new(did, name, attempts, bytes, sha256, content_digest, points, wave_min, wave_max, object, saved, elapsed, url,
    etag, last_modified, run) AS (VALUES {rows})
SELECT did, name, did, 'saved', attempts, bytes, sha256, content_digest, points, wave_min, wave_max, object, 200, saved,
    saved, elapsed, url, etag, last_modified, number FROM new LEFT JOIN run USING (run) WHERE true
ON CONFLICT(did) DO UPDATE SET status = 'saved', attempts = excluded.attempts, due = NULL, bytes = excluded.bytes,
    sha256 = excluded.sha256, content_digest = excluded.content_digest, points = excluded.points,
    wave_min = excluded.wave_min, wave_max = excluded.wave_max, object = excluded.object, kind = NULL, detail = NULL,
    http_status = 200, last_tried = excluded.last_tried, saved = excluded.saved, elapsed = excluded.elapsed,
    url = excluded.url, etag = excluded.etag, last_modified = excluded.last_modified, run = excluded.run
"""

# A spectrum that is there and could not be refreshed is still there, as it came.
_TRIED = """
INSERT INTO spectrum(did, name, folded, status, attempts, due, kind, detail, http_status, last_tried, elapsed, url, run)
WITH new(did, name, status, attempts, due, kind, detail, http_status, last_tried, elapsed, url, run) AS (VALUES {rows})
SELECT did, name, did, status, attempts, due, kind, detail, http_status, last_tried, elapsed, url, number
    FROM new LEFT JOIN run USING (run) WHERE true
ON CONFLICT(did) DO UPDATE SET status = excluded.status, attempts = excluded.attempts, due = excluded.due,
    kind = excluded.kind, detail = excluded.detail, http_status = excluded.http_status,
    last_tried = excluded.last_tried, elapsed = excluded.elapsed, url = coalesce(excluded.url, spectrum.url),
    run = excluded.run
WHERE spectrum.status NOT IN ('present', 'saved')
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
            return [(_TRIED, (target.did, target.name, *tried, run))]
        case ev.HarvestEnded(time=time):
            return [("UPDATE run SET ended = ? WHERE run = ?", (time, run)), _noted(event, run)]
        case ev.HarvestPaused() | ev.HarvestResumed() | ev.HarvestDraining() | ev.ObserverFailed():
            return [_noted(event, run)]
    return []


def _started(event: ev.HarvestStarted) -> Statement:
    here = (socket.gethostname(), os.getpid(), __version__)
    asked = (event.endpoint, event.request_key, event.user_agent, event.profile_sha256)
    return _STARTED, (event.run, event.time, *here, event.archive, *asked)


def _saved(outcome: Saved, time: float, run: str) -> Statement:
    target, proof = outcome.target, outcome.verified
    waves = (proof.points, proof.wave_min, proof.wave_max, proof.object_name)
    digests = (proof.size, proof.sha256, proof.content_digest)
    story = (time, outcome.elapsed, outcome.url, outcome.etag, outcome.last_modified)
    return _SAVED, (target.did, target.name, outcome.attempts, *digests, *waves, *story, run)


def _failed(outcome: Failed, time: float, run: str) -> Statement:
    target, why = outcome.target, outcome.failure
    tried = (outcome.attempts, None, why.kind, why.detail, why.status, time)
    return _TRIED, (target.did, target.name, "failed", *tried, outcome.elapsed, outcome.url, run)


def _noted(event: ev.Event, run: str) -> Statement:
    fields = {name: str(getattr(event, name)) for name in event.__match_args__ if name != "time"}
    return "INSERT INTO event VALUES(?, ?, ?, ?)", (event.time, run, event.event_name(), json.dumps(fields))

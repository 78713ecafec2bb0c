"""The ledger's one writer: it watches events and writes them down in batches, on a thread of its own."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .. import __version__
from .. import events as ev
from ..catalog import Catalogue
from ..findings import Finding
from ..outcomes import Failed, Saved
from ..plan import HarvestPlan
from ..stats import HarvestStats
from .enrolment import MEET, Enrolment
from .rebuild import record
from .schema import open_for_writing, using

Statement = tuple[str, Sequence[Any]]

BATCH = 100  # rows a transaction at most, and seconds between two: what a power cut can cost of the ledger
PATIENCE = 0.5
LONGEST_FAULT = 300.0  # seconds after which a ledger that cannot be written is given up for this run
FAREWELL = 30.0  # seconds that a slow disk gets for the last rows
PRESSED = 1000  # statements that wait, at which the catalogue's rows let them go first
BACKLOG = 20_000  # statements in memory while the disk is slow: minutes of the fastest harvest, a few MB
BREATH = 0.010  # seconds that each event then leaves to the writer: the harvest slows down, and nothing is lost


class LedgerWriter:
    """Call it with events; use it as a context manager around the harvest. ``numbers`` tells how far it is."""

    def __init__(self, path: Path, numbers: Callable[[], HarvestStats]) -> None:
        self._path = path
        self._numbers = numbers
        self._run = ""
        self._enrolment: Enrolment | None = None
        self._connection = open_for_writing(path)
        self._statements = deque[Statement]()
        self._due = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._write, name="ledger-writer", daemon=True)
        self.fault: sqlite3.Error | None = None
        self._failing_since = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True
        self._due.set()
        self._thread.join(FAREWELL)
        self._connection.close()

    @property
    def enrolling(self) -> bool:
        """Whether something of the catalogue is still to be written down, and can be."""
        return self._has_rows and self.fault is None and self._thread.is_alive()

    @property
    def _has_rows(self) -> bool:
        return self._enrolment is not None and not self._enrolment.complete

    def enrol(self, plan: HarvestPlan, catalogue: Catalogue, shape: str) -> None:
        """Begin to write down what is listed; the writer goes on with it between events.

        ``shape`` is what the spectra are asked as.
        """
        with using(self._path), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute("DELETE FROM request")
            self._connection.execute("INSERT INTO request VALUES(?)", (shape,))
        with using(self._path):
            self._enrolment = Enrolment(self._connection, plan, catalogue)
            self._enrolment.go_on(self._connection)

    def record(self, findings: Sequence[Finding]) -> None:
        """Write down what an audit proved, once everything is enrolled: names pass to their owners first."""
        with using(self._path):
            while findings and self._enrolment is not None and not self._enrolment.complete:
                self._enrolment.go_on(self._connection)
            record(self._connection, findings)

    def __call__(self, event: ev.Event) -> None:
        if self.fault is not None and time.monotonic() - self._failing_since > LONGEST_FAULT:
            raise self.fault
        if not event.logged:  # most are not, and change nothing
            return
        if isinstance(event, ev.HarvestStarted):
            self._run = event.run
        self._statements.extend(chain(self._introduced(event), statements(event, self._run)))
        if len(self._statements) >= BATCH:
            self._due.set()
        if len(self._statements) > BACKLOG:
            time.sleep(BREATH)

    def _introduced(self, event: ev.Event) -> Iterable[Statement]:
        """What a spectrum needs that something happens to before it is known to be enrolled."""
        if self._enrolment is None or self._enrolment.complete:
            return ()
        if not isinstance(event, ev.SpectrumSaved | ev.SpectrumFailed | ev.RetryScheduled):
            return ()
        target = event.target if isinstance(event, ev.RetryScheduled) else event.outcome.target
        self._enrolment.heard_of.add(target.did)
        return [(MEET, (target.did, target.name, self._run))]

    def _write(self) -> None:
        ended = False
        kept: list[Statement] = []
        while not ended:
            batch, ended = self._next_batch()
            kept += batch
            try:
                self._commit(kept)
                kept = []
                if not ended and len(self._statements) < PRESSED:
                    self._go_on()
            except sqlite3.Error as error:
                if self.fault is None:
                    self._failing_since = time.monotonic()
                self.fault = error  # it may pass (a full disk does): the batch is tried again
                time.sleep(0.0 if ended else PATIENCE)
            else:
                self.fault = None

    def _go_on(self) -> None:
        if self._enrolment is not None and not self._enrolment.complete:
            self._enrolment.go_on(self._connection)

    def _next_batch(self) -> tuple[list[Statement], bool]:
        """What has come, once that is enough or was long enough ago; the thread is not woken for each of it."""
        self._due.wait(0.0 if self._has_rows else PATIENCE)
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
            for sql, values in batch:
                self._connection.execute(sql, values)
            summary = json.dumps(self._numbers().summary(time.time()))
            self._connection.execute("UPDATE run SET summary = ? WHERE run = ?", (summary, self._run))


_STARTED = """
INSERT INTO run(run, started, host, pid, version, archive, endpoint, shape, user_agent, profile_sha256)
VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
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

"""Write events into the ledger in batches, on a thread of its own."""

from __future__ import annotations

import json
import math
import os
import socket
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
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
from .bulk import ROWS, Row, write_rows
from .catalog_import import CatalogImport, drop_unlisted_losses
from .remarks import remarks_row
from .repair import write_findings
from .schema import WITHOUT_NAME, checksum_of, open_for_writing, packed, using
from .url_template import UrlTemplate

Statement = tuple[str, Row]

MAX_BATCH = 100  # rows a transaction; with the next one, what a power cut can cost of the ledger
COMMIT_INTERVAL = 0.5  # seconds
MAX_FAULT = 300.0  # seconds after which a ledger that cannot be written is given up for this run
CLOSE_TIMEOUT = 30.0  # seconds that a slow disk gets for the last rows
IMPORT_PAUSED_AT = 1000  # waiting statements at which the catalog's rows let them go first
MAX_BACKLOG = 20_000  # statements in memory while the disk is slow: minutes of the fastest harvest, a few MB
BACKLOG_DELAY = 0.010  # seconds that each event then waits: the harvest slows down, and nothing is lost


class LedgerWriter:
    """An observer of logged events, and a context manager around the run.

    ``numbers`` returns the statistics so far.
    """

    def __init__(self, path: Path, numbers: Callable[[], HarvestStats]) -> None:
        self._path = path
        self._numbers = numbers
        self._run = ""
        self._template: UrlTemplate | None = None
        self._import: CatalogImport | None = None
        self._connection = open_for_writing(path)
        self._statements = deque[Statement]()
        self._due = threading.Event()
        self._ended = False
        self._deadline = math.inf
        self._thread = threading.Thread(target=self._run_thread, name="ledger-writer", daemon=True)
        self.fault: sqlite3.Error | MemoryError | None = None
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
        """Write what has come and end; no more events come."""
        self._deadline = min(self._deadline, time.monotonic() + CLOSE_TIMEOUT)
        self._ended = True
        self._due.set()

    def give_up(self) -> None:
        """Wait for the disk no longer."""
        self._deadline = 0.0

    @property
    def finishing(self) -> bool:
        """Whether the last rows are still being written."""
        return self._thread.is_alive() and time.monotonic() < self._deadline

    @property
    def importing(self) -> bool:
        """Whether part of the catalog is still to be imported, and can be."""
        return self._unfinished is not None and self.fault is None and self._thread.is_alive()

    @property
    def _unfinished(self) -> CatalogImport | None:
        return None if self._import is None or self._import.complete else self._import

    def import_catalog(self, plan: HarvestPlan, catalog: Catalog, request_key: str) -> None:
        """Begin to import the catalog; the writer continues with it between events. StoreError.

        ``request_key`` has the parameters with which the spectra are requested.
        """
        with using(self._path), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute("DELETE FROM request")
            self._connection.execute("INSERT INTO request VALUES(?)", (request_key,))
            self._connection.execute("DELETE FROM conflict")
            self._connection.executemany("INSERT INTO conflict VALUES(?, ?, ?, ?)", catalog.conflicts)
            drop_unlisted_losses(self._connection, catalog)
        with using(self._path):
            self._import = CatalogImport(self._connection, plan, catalog)
            self._import.write_next(self._connection)

    def write_findings(self, findings: Sequence[Finding]) -> None:
        """Write what an audit found, once the catalog is imported.

        Names pass to their owners first. StoreError.
        """
        with using(self._path):
            while findings and (unfinished := self._unfinished) is not None:
                unfinished.write_next(self._connection)
            write_findings(self._connection, findings)

    def __call__(self, event: ev.Event) -> None:
        if self.fault is not None and time.monotonic() - self._failing_since > MAX_FAULT:
            raise self.fault
        if isinstance(event, ev.HarvestStarted):
            self._run, self._template = event.run, None
        self._note(event)
        self._statements.extend(self._template_of(event))
        self._statements.extend(statements(event, self._run, self._template))
        if len(self._statements) >= MAX_BATCH:
            self._due.set()
        if len(self._statements) > MAX_BACKLOG:
            time.sleep(BACKLOG_DELAY)

    def _template_of(self, event: ev.Event) -> Iterator[Statement]:
        """Yield the statement that records the template of the run's URLs, once it is known."""
        if self._template is None and isinstance(event, ev.SpectrumSaved):
            self._template = UrlTemplate.of(event.outcome.target.did, event.outcome.url)
            if self._template is not None:
                yield _TEMPLATE, (self._template.before, self._template.behind, self._run)

    def _note(self, event: ev.Event) -> None:
        """Note a spectrum that something happens to.

        The plan's row of it, if still to be imported, is older.
        """
        unfinished = self._unfinished
        if unfinished is None:
            return
        match event:
            case ev.SpectrumSaved(outcome=outcome) | ev.SpectrumFailed(outcome=outcome):
                unfinished.seen.add(outcome.target.did)
            case ev.RetryScheduled(target=target):
                unfinished.seen.add(target.did)

    def _run_thread(self) -> None:
        """Write until the end; only the thread knows when the connection is not used any more."""
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
                if not ended and len(self._statements) < IMPORT_PAUSED_AT and (rest := self._unfinished) is not None:
                    rest.write_next(self._connection)
            except (sqlite3.Error, MemoryError) as error:
                if self.fault is None:
                    self._failing_since = time.monotonic()
                self.fault = error  # it may be transient (a full disk is): the batch is tried again
                time.sleep(0.0 if ended else COMMIT_INTERVAL)
            else:
                self.fault = None

    def _next_batch(self) -> tuple[list[Statement], bool]:
        """Return what has come, and whether it is the last.

        The thread is not woken for each statement.
        """
        self._due.wait(COMMIT_INTERVAL if self._unfinished is None else 0.0)
        self._due.clear()  # before looking: what comes in the meantime sets it again
        ended = self._ended
        batch = [self._statements.popleft() for _ in range(min(MAX_BATCH, len(self._statements)))]
        if ended or len(self._statements) >= MAX_BATCH:
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

_TEMPLATE = "UPDATE run SET url_before = ?, url_behind = ? WHERE run = ?"

# Something may happen to a spectrum before its row is imported. Then the row is made without its name, which may still
# be another's.
_SAVED = f"""
INSERT INTO entry(did, name, folded, status, attempts, bytes, sha256, content_digest, points, wave_min, wave_max,
    object, http_status, last_tried, saved, elapsed, url, etag, last_modified, run, checksum)
WITH new(did, name, attempts, bytes, sha256, content_digest, points, wave_min, wave_max, object, saved, elapsed, url,
    etag, last_modified, run, checksum) AS (VALUES {ROWS})
SELECT did, name, {WITHOUT_NAME}, 'saved', attempts, bytes, sha256, content_digest, points, wave_min, wave_max, object,
    200, saved, saved, elapsed, CASE url WHEN 0 THEN number ELSE url END, etag, last_modified, number, checksum
    FROM new LEFT JOIN run USING (run) WHERE true
ON CONFLICT(did) DO UPDATE SET status = 'saved', attempts = excluded.attempts, due = NULL, bytes = excluded.bytes,
    sha256 = excluded.sha256, content_digest = excluded.content_digest, points = excluded.points,
    wave_min = excluded.wave_min, wave_max = excluded.wave_max, object = excluded.object, kind = NULL, detail = NULL,
    http_status = 200, last_tried = excluded.last_tried, saved = excluded.saved, elapsed = excluded.elapsed,
    url = excluded.url, etag = excluded.etag, last_modified = excluded.last_modified, run = excluded.run,
    checksum = excluded.checksum
"""  # noqa: S608 - constants

# A stored spectrum that could not be refreshed is still stored, as it was.
_TRIED = f"""
INSERT INTO entry(did, name, folded, status, attempts, due, kind, detail, http_status, last_tried, elapsed, url, run)
WITH new(did, name, status, attempts, due, kind, detail, http_status, last_tried, elapsed, url, run) AS (VALUES {ROWS})
SELECT did, name, {WITHOUT_NAME}, status, attempts, due, kind, detail, http_status, last_tried, elapsed,
    CASE url WHEN 0 THEN number ELSE url END, number FROM new LEFT JOIN run USING (run) WHERE true
ON CONFLICT(did) DO UPDATE SET status = excluded.status, attempts = excluded.attempts, due = excluded.due,
    kind = excluded.kind, detail = excluded.detail, http_status = excluded.http_status,
    last_tried = excluded.last_tried, elapsed = excluded.elapsed, url = coalesce(excluded.url, entry.url),
    run = excluded.run
WHERE entry.status NOT IN ('present', 'saved')
"""  # noqa: S608 - constants


def statements(event: ev.Event, run: str, template: UrlTemplate | None = None) -> list[Statement]:
    """Return what ``event`` changes in the ledger.

    ``template`` is that of the run's URLs, if it is recorded.
    """
    match event:
        case ev.HarvestStarted():
            return [_started(event)]
        case ev.SpectrumSaved(time=time, outcome=outcome):
            reading = remarks_row(outcome.target.did, outcome.verified)
            return [_saved(outcome, time, run, template), *([reading] if reading else [])]
        case ev.SpectrumFailed(time=time, outcome=outcome):
            return [_failed(outcome, time, run, template)]
        case ev.RetryScheduled(time=time, target=target, attempt=attempt, failure=failure, due=due):
            tried = ("retry", attempt, due, failure.kind, failure.detail, failure.status, time, None, None)
            return [(_TRIED, (target.did, target.name, *tried, run))]
        case ev.HarvestEnded(time=time):
            return [("UPDATE run SET ended = ? WHERE run = ?", (time, run)), _logged(event, run)]
        case ev.HarvestPaused() | ev.HarvestResumed() | ev.HarvestDraining() | ev.ObserverFailed():
            return [_logged(event, run)]
    return []


def _started(event: ev.HarvestStarted) -> Statement:
    process = (socket.gethostname(), os.getpid(), __version__)
    request = (event.endpoint, event.request_key, event.user_agent, event.profile_sha256)
    return _STARTED, (event.run, event.time, *process, event.archive, *request)


def _saved(outcome: Saved, time: float, run: str, template: UrlTemplate | None) -> Statement:
    target, found = outcome.target, outcome.verified
    waves = (found.points, found.wave_min, found.wave_max, found.object_name)
    digests = (found.size, packed(found.sha256), packed(found.content_digest))
    response = (time, outcome.elapsed, _url(outcome, template), outcome.etag, outcome.last_modified)
    checksum = checksum_of(target.did, found.size, found.sha256, found.content_digest)
    return _SAVED, (target.did, target.name, outcome.attempts, *digests, *waves, *response, run, checksum)


def _failed(outcome: Failed, time: float, run: str, template: UrlTemplate | None) -> Statement:
    target, failure = outcome.target, outcome.failure
    tried = (outcome.attempts, None, failure.kind, failure.detail, failure.status, time)
    return _TRIED, (target.did, target.name, "failed", *tried, outcome.elapsed, _url(outcome, template), run)


def _url(outcome: Saved | Failed, template: UrlTemplate | None) -> str | int | None:
    return outcome.url if template is None else template.shortened(outcome.target.did, outcome.url)


def _logged(event: ev.Event, run: str) -> Statement:
    fields = {name: str(getattr(event, name)) for name in event.__match_args__ if name != "time"}
    return "INSERT INTO event VALUES(?, ?, ?, ?)", (event.time, run, event.event_name(), json.dumps(fields))

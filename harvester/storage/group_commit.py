"""Group commit: one thread gives files their names, in batches that share a sync.

While the thread is busy, files wait and become its next batch; where arrivals are dense, a batch also waits a moment
for others. So dense arrivals share a sync, and sparse ones do not wait. Whole batches go to the thread and come back:
waking a thread for each file costs more than writing the file, since every wake-up contends for the interpreter.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import math
import os
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from ..errors import StoreError
from .atomic import commit
from .fsync import MIN_FILES, SyncfsPolicy, can_sync_together
from .lock import FolderGuard

BATCH_WINDOW = 0.003  # seconds that a batch waits for others, where enough to share a sync come in that time
MAX_BATCH = 32  # files: more share a sync no better


@dataclass(frozen=True, slots=True)
class _Delivery:
    """A file on its way; ``written`` becomes what went wrong with it, or None."""

    name: str
    body: bytes
    written: asyncio.Future[Exception | None]


class BatchCommitter:
    """Commit batches of files into ``folder``.

    It blocks, and belongs into a thread or a process of its own. ``state`` is the state folder, without which nothing
    may be stored. OSError. ``close`` it at the end.
    """

    def __init__(self, folder: Path, state: Path | None = None) -> None:
        self._folder = folder
        self._policy = SyncfsPolicy(can_sync_together(folder))
        self._guard = FolderGuard([folder] if state is None else [folder, state])

    def close(self) -> None:
        """Release the folders."""
        self._guard.close()

    def commit(self, files: Sequence[tuple[str, bytes]]) -> Sequence[Exception | None]:
        """Give each ``(name, bytes)`` its name, durably; return for each what went wrong, or None."""
        together, began = self._policy.suits(len(files)), time.monotonic()
        try:
            self._refuse_changed_folders()
            return commit(self._folder, files, together)
        except Exception as bug:  # noqa: BLE001 - a worker that waits must get an answer, or it would wait for ever
            return [bug] * len(files)
        finally:
            self._policy = self._policy.after(len(files), time.monotonic() - began)

    def _refuse_changed_folders(self) -> None:
        """Store nothing beside another ledger, or none: it would be lost to this one.

        Raises OSError, StoreError.
        """
        changed = self._guard.changed()
        if changed is None:
            return
        if changed == self._folder:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        raise state_removed(changed)


class GroupCommitter:
    """Put files into ``folder``; an async context manager, for one event loop.

    ``state`` is the state folder, without which nothing may be stored. What waits needs no bound of its own: each
    worker waits for its file, so there are never more than workers.
    """

    def __init__(self, folder: Path, state: Path | None = None) -> None:
        self._folder = folder
        self._state = state
        self._waiting: list[_Delivery] = []
        self._timer: asyncio.Handle | None = None
        self._busy = self._dense = False
        self._last_batch = -math.inf
        self._batches: queue.SimpleQueue[list[_Delivery] | None] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop
        self._committer: BatchCommitter
        self._thread = threading.Thread(target=self._write, name="store-writer", daemon=True)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._committer = BatchCommitter(self._folder, self._state)
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._waiting:
            self._send()
        self._batches.put(None)
        await asyncio.to_thread(self._thread.join)
        self._committer.close()

    async def put(self, name: str, body: bytes) -> None:
        """Give ``body`` the name ``name`` (below the folder), durably.

        OSError if that cannot be done, StoreError if the state folder was removed.
        """
        written: asyncio.Future[Exception | None] = self._loop.create_future()
        self._waiting.append(_Delivery(name, body, written))
        if not self._busy:
            self._schedule()
        fault = await written
        if fault is not None:
            raise fault

    def _schedule(self) -> None:
        """Send what waits: at once if it is enough, else in a moment, in which others may come."""
        if len(self._waiting) >= MAX_BATCH:
            self._send()
        elif self._timer is None:
            self._timer = self._loop.call_later(BATCH_WINDOW if self._dense else 0.0, self._send)

    def _send(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
        self._busy, before, self._last_batch = True, self._last_batch, self._loop.time()
        self._dense = len(batch) * BATCH_WINDOW >= MIN_FILES * (self._last_batch - before)
        self._batches.put(batch)

    def _finish(self, batch: Sequence[_Delivery], faults: Sequence[Exception | None]) -> None:
        self._busy = False
        for delivery, fault in zip(batch, faults, strict=True):
            if not delivery.written.done():
                delivery.written.set_result(fault)
        if self._waiting:
            self._schedule()

    def _write(self) -> None:
        """Commit batches until None comes; this is the thread."""
        while (batch := self._batches.get()) is not None:
            faults = self._committer.commit([(delivery.name, delivery.body) for delivery in batch])
            with contextlib.suppress(RuntimeError):  # the loop is closed: nothing waits any more, the files are stored
                self._loop.call_soon_threadsafe(self._finish, batch, faults)


def state_removed(state: Path) -> StoreError:
    """Return the error of a run whose state folder was removed or replaced."""
    return StoreError(
        f"{state}: this folder was removed or replaced during the run; what is stored is whole, run again to resume"
    )

"""Group commit: one thread gives files their names, those together that come together.

While it is busy, files wait; what has come meanwhile is its next batch, and where arrivals are dense what comes in a
moment after it. So dense arrivals share a sync, and sparse ones wait for nobody. Whole batches go to the thread and
come back: waking it, and being woken, for each file costs more than writing it, since every wake-up is a fight for the
interpreter.
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

from .atomic import commit
from .fsync import ENOUGH, SyncfsPolicy, can_sync_together

MOMENT = 0.003  # seconds that a batch waits for others, where enough to share a sync come in that time
FULL = 32  # files: more share a sync no better


@dataclass(frozen=True, slots=True)
class _Delivery:
    """A file on its way; ``written`` will be what went wrong with it, or None."""

    name: str
    body: bytes
    written: asyncio.Future[Exception | None]


class GroupCommitter:
    """Puts files into ``folder``; an async context manager, of one loop.

    What waits needs no bound of its own: each worker waits for its file, so there are never more than workers.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._together = SyncfsPolicy(can_sync_together(folder))
        self._waiting: list[_Delivery] = []
        self._soon: asyncio.Handle | None = None
        self._busy = self._dense = False
        self._handed_over = -math.inf
        self._batches: queue.SimpleQueue[list[_Delivery] | None] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop
        self._began_in: tuple[int, int]
        self._thread = threading.Thread(target=self._write, name="store-writer", daemon=True)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._began_in = _identity(self._folder)
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._waiting:
            self._hand_over()
        self._batches.put(None)
        await asyncio.to_thread(self._thread.join)

    async def put(self, name: str, body: bytes) -> None:
        """Give ``body`` the name ``name`` (below the folder), durably. OSError if that cannot be done."""
        written: asyncio.Future[Exception | None] = self._loop.create_future()
        self._waiting.append(_Delivery(name, body, written))
        if not self._busy:
            self._prepare()
        fault = await written
        if fault is not None:
            raise fault

    def _prepare(self) -> None:
        """Hand over what waits: at once if it is enough, or in a moment, for which others may come."""
        if len(self._waiting) >= FULL:
            self._hand_over()
        elif self._soon is None:
            self._soon = self._loop.call_later(MOMENT if self._dense else 0.0, self._hand_over)

    def _hand_over(self) -> None:
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        batch, self._waiting = self._waiting[:FULL], self._waiting[FULL:]
        self._busy, before, self._handed_over = True, self._handed_over, self._loop.time()
        self._dense = len(batch) * MOMENT >= ENOUGH * (self._handed_over - before)
        self._batches.put(batch)

    def _settle(self, batch: Sequence[_Delivery], faults: Sequence[Exception | None]) -> None:
        self._busy = False
        for delivery, fault in zip(batch, faults, strict=True):
            if not delivery.written.done():
                delivery.written.set_result(fault)
        if self._waiting:
            self._prepare()

    def _write(self) -> None:
        """The thread: commit batches until told to end."""
        while (batch := self._batches.get()) is not None:
            faults = self._commit(batch)
            with contextlib.suppress(RuntimeError):  # the loop is gone: nobody waits any more, and the files are there
                self._loop.call_soon_threadsafe(self._settle, batch, faults)

    def _commit(self, batch: Sequence[_Delivery]) -> Sequence[Exception | None]:
        together, began = self._together.suits(len(batch)), time.monotonic()
        try:
            self._refuse_another_folder()
            return commit(self._folder, [(delivery.name, delivery.body) for delivery in batch], together)
        except Exception as bug:  # noqa: BLE001 - whoever waits must be told, or it would wait for ever
            return [bug] * len(batch)
        finally:
            self._together = self._together.after(len(batch), time.monotonic() - began)

    def _refuse_another_folder(self) -> None:
        """What is stored beside another ledger, or none, is lost to this one. OSError."""
        if _identity(self._folder) != self._began_in:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))


def _identity(folder: Path) -> tuple[int, int]:
    """What a folder has for itself, whatever it is called. OSError."""
    try:
        found = folder.stat()
    except FileNotFoundError:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE)) from None
    return found.st_dev, found.st_ino

"""Group commit: what arrives while a batch is on its way to the disk goes there together, with the next one.

Files are gathered on the event loop and handed to one thread a batch at a time. A hand-over in either direction costs
the thread or the loop a wait for the other (Python lets one of them run), so there is one of each a batch, not a file.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

MOMENT = 0.010  # seconds that a batch waits at most for others, where the last one did not come alone
FULL = 32  # files: more share a sync no better

File = tuple[str, bytes]
Commit = Callable[[Sequence[File]], Sequence[Exception | None]]
"""What the thread does with a batch: per file, None once it is durable, or what went wrong. Raises nothing."""


@dataclass(frozen=True, slots=True)
class _Delivery:
    file: File
    written: asyncio.Future[Exception | None]


class GroupCommit:
    """Commits files in batches, on a thread of its own. All methods belong to one event loop.

    Where arrivals are dense a batch waits a moment for others; sparse ones wait for nobody. It needs no bound of its
    own: each worker waits for its file, so it never holds more than there are workers.
    """

    def __init__(self, commit: Commit) -> None:
        self._commit = commit
        self._gathered: list[_Delivery] = []
        self._under_way = 0
        self._dense = False
        self._timer: asyncio.TimerHandle | None = None
        self._batches: queue.SimpleQueue[Sequence[_Delivery]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    async def end(self) -> None:
        """Return once all that was put is committed."""
        while self._gathered:
            self._hand_over()
        self._batches.put(())
        await asyncio.to_thread(self._thread.join)

    async def put(self, file: File) -> Exception | None:
        """What became of ``file``; None if it is durable."""
        written: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self._gathered.append(_Delivery(file, written))
        self._consider()
        return await written

    def _consider(self) -> None:
        """Hand over what was gathered, now or in a moment, unless a batch is under way: its end considers it again."""
        if self._under_way or not self._gathered:
            return
        if not self._dense or len(self._gathered) >= FULL:
            self._hand_over()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(MOMENT, self._hand_over)

    def _hand_over(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch, self._gathered = self._gathered[:FULL], self._gathered[FULL:]
        self._under_way += 1
        self._batches.put(batch)

    def _run(self) -> None:
        """The thread: commit one batch after the other, until there is an empty one."""
        while batch := self._batches.get():
            results = self._commit([delivery.file for delivery in batch])
            with contextlib.suppress(RuntimeError):  # the loop is gone: nobody waits any more, and the files are there
                batch[0].written.get_loop().call_soon_threadsafe(self._settle, batch, results)

    def _settle(self, batch: Sequence[_Delivery], results: Sequence[Exception | None]) -> None:
        for delivery, result in zip(batch, results, strict=True):
            if not delivery.written.done():
                delivery.written.set_result(result)
        self._under_way -= 1
        self._dense = len(batch) > 1
        self._consider()

"""Verify and store in this process, or in a second one while that pays.

It pays while a core is spare and the pace is high. Verification, digests and commits are 40 % of the CPU time of a
spectrum. In a process of their own they run beside the download, and the two share no interpreter lock. Such a process
costs a quarter of a second of CPU to start, which a run pays only once it has kept one core busy for a while.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from ..engine.engine import finished
from ..errors import ClusterError
from ..model.expectation import Expectation
from ..model.outcomes import FailedCheck, Fetched, LongVerification, Verdict
from ..model.target import Target
from ..storage.directory import DirectoryStore
from ..storage.errors import storage_fault
from ..storage.layout import remove_all_stale_temp_files
from ..verify import verify_soon
from .channel import WorkerLostError
from .storage_messages import StorageJob
from .storage_process import StorageProcess
from .worker_count import usable_cores

log = logging.getLogger(__name__)

SATURATED = 0.8  # of one core, used by this process: verification delays the next requests
SPARE = 0.5  # of a core that nothing uses: beside other programs a second process only costs more (20 %, measured)
SPELL = 0.25  # seconds over which both are measured


def spare_cores() -> int:
    """Return how many cores this process may use beside its own, by affinity and quota."""
    return usable_cores() - 1


@dataclass(frozen=True, slots=True)
class CoreUse:
    """Seconds so far: on the clock, of CPU of this process, and of idle cores."""

    now: float
    cpu: float
    idle: float

    def pays_since(self, before: CoreUse) -> bool:
        """Return whether a second process would have paid since ``before``."""
        passed = self.now - before.now
        return self.cpu - before.cpu >= SATURATED * passed and self.idle - before.idle >= SPARE * passed


def core_use() -> CoreUse:
    """Return the use of cores until now; one idle core where the system does not say."""
    now = time.monotonic()
    try:
        fields = Path("/proc/stat").read_bytes().split(None, 6)  # proc(5): cpu user nice system idle iowait
        idle = (int(fields[4]) + int(fields[5])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        idle = now
    return CoreUse(now, time.process_time(), idle)


class AdaptiveStorage:
    """Verify bodies and store them in ``store``; an async context manager around a run.

    ``start`` makes the storage process, if ``cores`` beside our own are there. One that is killed is not replaced:
    what it had is verified and stored here, and so is the rest.
    """

    def __init__(
        self,
        store: DirectoryStore,
        expected: Expectation,
        start: Callable[[StorageJob], Awaitable[StorageProcess]],
        cores: int,
        now: Callable[[], float] = time.monotonic,
        use: Callable[[], CoreUse] = core_use,
    ) -> None:
        self._store, self._expected, self._start = store, expected, start
        self._is_wanted, self._now, self._measure = cores > 0, now, use
        self._use = use()
        self._starting: asyncio.Task[None] | None = None
        self._process: StorageProcess | None = None
        self._stored: dict[str, Exception | None] = {}

    async def __aenter__(self) -> Self:
        folders = (self._store.folder, self._store.state.path)
        self._job = StorageJob(self._expected, tuple((folder, *_identity(folder)) for folder in folders))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._starting is not None:
            await self._starting
        if self._process is not None:
            was_lost = self._process.lost
            await self._process.close()
            if was_lost:  # it may have left a file half-written
                await asyncio.to_thread(remove_all_stale_temp_files, self._store.folder)

    def verify(self, target: Target, body: bytes) -> Verdict | LongVerification:
        """Verify ``body`` here."""
        return verify_soon(body, target.did, self._expected)

    async def prepare(self, target: Target, body: bytes) -> Verdict:
        """Verify a body that ``put`` is called for next, if it passes.

        The storage process stores it at once, and ``put`` returns what came of that.
        """
        self._stored.pop(target.name, None)
        if self._process is None or self._process.lost:
            self._watch()
            return await finished(self.verify(target, body))
        path = self._store.new_path(target.name, body)
        try:
            stored = await self._process.store(target, path, body)
        except WorkerLostError as lost:
            log.warning("%s: this process verifies and stores from here on", lost)
            return await finished(self.verify(target, body))
        if stored.verdict is None:
            if stored.fault is not None:
                raise stored.fault
            return await finished(self.verify(target, body))  # and ``put`` stores it here
        self._stored[target.name] = stored.fault
        return stored.verdict

    async def put(self, target: Target, body: bytes) -> None:
        """Store ``body`` under the target's name, durably, unless that has been done.

        StoreError if it failed.
        """
        if target.name not in self._stored:
            await self._store.put(target, body)
            return
        fault = self._stored.pop(target.name)
        path = self._store.new_path(target.name, body)
        if isinstance(fault, OSError):
            raise storage_fault(self._store.folder / path, fault) from fault
        if fault is not None:
            raise fault
        self._store.forget_other_formats(target.name, path)

    async def quarantine(self, target: Target, fetched: Fetched, rejected: FailedCheck) -> str:
        """Store a body that failed a check in quarantine and return its path."""
        self._stored.pop(target.name, None)
        return await self._store.quarantine(target, fetched, rejected)

    async def has_room(self, size: int) -> bool:
        """Return whether ``size`` more bytes can be written now."""
        return await self._store.has_room(size)

    def _watch(self) -> None:
        """Start the process, once, when this one keeps its core busy."""
        if not self._is_wanted or self._now() - self._use.now < SPELL:
            return
        before, self._use = self._use, self._measure()
        if self._use.pays_since(before):
            self._is_wanted = False
            self._starting = asyncio.create_task(self._begin(), name="storage-process-start")

    async def _begin(self) -> None:
        try:
            self._process = await self._start(self._job)
        except (ClusterError, WorkerLostError) as error:
            log.warning("no storage process: %s", error)


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino

"""Append the events of a run to ``events.jsonl``, without delaying the run."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Self

import aiofiles

from .. import events as ev
from ..events.serialize import to_log

WRITE_INTERVAL = 0.5  # seconds
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
MAX_PENDING = 50_000  # lines in memory while the disk is slow; then the log gives up, and the bus reports it


class EventLog:
    """Observe logged events and write each as one line of JSON.

    Use it as an async context manager around the run, then look at ``fault``.
    """

    def __init__(self, path: Path) -> None:
        self.fault: Exception | None = None
        """The error of a write that no later event has raised."""
        self._path = path
        self._broken = False
        self._lines: list[str] = []
        self._ending = asyncio.Event()
        self._task: asyncio.Task[None]

    def __call__(self, event: ev.Event) -> None:
        """Take in one event; raise the error of an earlier write."""
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        if not self._broken:
            if len(self._lines) >= MAX_PENDING:
                raise BlockingIOError(f"{self._path}: the disk does not keep up with the event log")
            self._lines.append(json.dumps(to_log(event)))

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="event-log")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        try:
            await asyncio.shield(self._task)
        except asyncio.CancelledError:
            await asyncio.wait([self._task])  # wait for the last lines; then the cancellation goes on
            raise

    async def _run(self) -> None:
        """Write until the end.

        It is never cancelled: a write that is cut short might leave half of its lines.
        """
        while not self._ending.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WRITE_INTERVAL):
                    await self._ending.wait()
            await self._flush()
        while self._lines and not self._broken:  # those that came during the last write
            await self._flush()

    async def _flush(self) -> None:
        if self._broken or not self._lines:
            return
        lines, self._lines = self._lines, []
        try:
            await self._append("\n".join(lines) + "\n")
        except Exception as error:  # noqa: BLE001 - the next event raises it, or the caller reports it
            if isinstance(error, OSError) and error.errno in DISK_FULL and not self._ending.is_set():
                self._lines = lines + self._lines  # there may be room again later
            else:
                self.fault, self._broken = error, True

    async def _append(self, text: str) -> None:
        """Append all of ``text``, or nothing."""
        async with aiofiles.open(self._path, "ab", buffering=0) as file:
            before, left = await file.seek(0, os.SEEK_END), memoryview(text.encode())
            try:
                while left:
                    left = left[await file.write(left) :]
            except OSError:
                await file.truncate(before)
                raise

"""``events.jsonl``: what happened, one JSON object a line, appended twice a second and never in the harvest's way."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from types import TracebackType
from typing import Self

import aiofiles

from .. import events as ev
from .json_lines import to_json

EVERY = 0.5  # seconds
BACKLOG = 50_000  # lines in memory while the disk is slow; then the log gives up, and the bus says so


class EventLog:
    """Call it with events; use it as an async context manager around the harvest."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: list[str] = []
        self._fault: OSError | None = None
        self._task: asyncio.Task[None]

    def __call__(self, event: ev.Event) -> None:
        if self._fault is not None:
            raise self._fault
        if event.logged:
            if len(self._lines) >= BACKLOG:
                raise BlockingIOError(f"{self._path}: the disk does not keep up with the event log")
            self._lines.append(json.dumps(to_json(event)))

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        await self._flush()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            await asyncio.shield(self._flush())

    async def _flush(self) -> None:
        lines, self._lines = self._lines, []
        if not lines or self._fault is not None:
            return
        try:
            async with aiofiles.open(self._path, "a", encoding="utf-8") as file:
                await file.write("\n".join(lines) + "\n")
        except OSError as error:
            self._fault = error  # the next event raises it, and the bus drops and names us

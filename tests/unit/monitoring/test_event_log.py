"""The event log has every line, whatever the disk does."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiofiles
import pytest

from harvester import events as ev
from harvester.events.bus import EventBus
from harvester.events.serialize import to_json
from harvester.monitoring import event_log
from harvester.monitoring.event_log import EventLog
from tests.unit.ui.test_state import NOON, started


def logged(path: Path) -> list[str]:
    return [json.loads(line)["reason"] for line in path.read_text().splitlines()]


async def test_the_event_log_has_every_line_in_order_however_the_harvest_ends(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"

    async def harvest() -> None:
        async with EventLog(path) as log:
            for number in range(100):
                log(ev.HarvestResumed(NOON, str(number)))
                if number == 60:
                    await log._flush()
            asyncio.current_task().cancel()  # type: ignore[union-attr]  # there is one: we are in it
            await asyncio.sleep(0)

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(harvest())
    assert logged(path) == [str(number) for number in range(100)]


async def test_a_cancellation_while_the_last_lines_are_written_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "WRITE_INTERVAL", 0.0)
    for patience in range(8):
        path = tmp_path / f"{patience}.jsonl"

        async def harvest(path: Path = path) -> None:
            async with EventLog(path) as log:
                for number in range(20):
                    log(ev.HarvestResumed(NOON, str(number)))

        task = asyncio.create_task(harvest())
        for _ in range(patience):
            await asyncio.sleep(0)
        cancelled = task.cancel() and patience > 0
        await asyncio.wait([task])
        assert not cancelled or logged(path) == [str(number) for number in range(20)]


async def test_a_disk_that_fails_the_last_lines_is_the_callers_to_tell(tmp_path: Path) -> None:
    async with EventLog(tmp_path / "not there" / "events.jsonl") as log:
        log(started())
    assert isinstance(log.fault, FileNotFoundError)


class NoRoom:
    """A file on a disk that takes ten bytes more and is full then."""

    def __init__(self, file: Any) -> None:
        self._file, self.truncate, self.seek = file, file.truncate, file.seek

    async def write(self, some: memoryview) -> int:
        if len(some) < len(STARTED):
            raise OSError(errno.ENOSPC, "No space left on device")
        await self._file.write(some[:10])
        return 10


STARTED = json.dumps(to_json(started())) + "\n"


async def test_a_disk_that_is_full_for_a_while_costs_no_line_and_tears_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, path = aiofiles.open, tmp_path / "events.jsonl"

    @contextlib.asynccontextmanager
    async def full(*how: Any, **more: Any) -> AsyncIterator[NoRoom]:
        async with opened(*how, **more) as file:
            yield NoRoom(file)

    async with EventLog(path) as log:
        log(started())
        await log._flush()
        with monkeypatch.context() as while_full:
            while_full.setattr(aiofiles, "open", full)
            log(started())
            await log._flush()
            assert path.read_text() == STARTED
        log(started())
    assert path.read_text() == 3 * STARTED
    assert log.fault is None


async def test_a_disk_that_fails_earlier_is_reported_by_the_bus_alone(tmp_path: Path) -> None:
    async with EventLog(tmp_path / "not there" / "events.jsonl") as log:
        bus = EventBus(log)
        bus.emit(started())
        await log._flush()
        bus.emit(started())
    assert [lost.observer for lost in bus.failed_observers] == ["EventLog"]
    assert log.fault is None

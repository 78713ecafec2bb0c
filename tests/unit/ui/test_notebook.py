"""The progress bar of a notebook: what it shows of a run, and how often."""

from __future__ import annotations

import asyncio

import pytest

from harvester import events as ev
from harvester.events.stats import StatsCollector
from harvester.model.failures import Failure, FailureKind
from harvester.ui.notebook import NotebookBar
from tests.unit.ui.test_state import NOON, failed, saved, started, target

BUSY = Failure(FailureKind.BUSY, "HTTP 503: busy", 503)


class Cell:
    """The output of a cell, and what was in it one after the other."""

    def __init__(self) -> None:
        self.html: list[str] = []
        self.text: list[str] = []
        self.now, self.tally, self.frames = NOON, StatsCollector(), asyncio.Semaphore(0)
        self.bar = NotebookBar(self.show, lambda: self.tally.stats, now=lambda: self.now, sleep=self.sleep)

    def show(self, html: str, text: str) -> None:
        self.html.append(html)
        self.text.append(text)

    async def sleep(self, seconds: float) -> None:
        await self.frames.acquire()

    async def see(self, *events: ev.Event) -> str:
        for event in events:
            self.now = event.time
            self.tally(event)
            self.bar(event)
        self.frames.release()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return self.text[-1]


async def test_the_bar_follows_the_run_to_its_end() -> None:
    cell = Cell()
    async with cell.bar:
        assert cell.text == ["harvester is preparing the run"]
        assert 'value="' not in cell.html[0], "how far it is, is not known yet"
        begun = await cell.see(started(listed=4, present=1))
        assert begun.startswith("1 of 4 (25 %) · 0 saved (0 B)")
        assert '<progress max="4" value="1"' in cell.html[-1]
        received = ev.ResponseReceived(NOON + 1, target(2), 200, 0.5, 37_440)
        await cell.see(received, ev.SpectrumSaved(NOON + 1, saved(2)))
        assert (
            (await cell.see(ev.RetryScheduled(NOON + 2, target(3), 1, BUSY, NOON + 30)))
            .splitlines()[1]
            .startswith("last failure: ")
        )
        paused = await cell.see(ev.HarvestPaused(NOON + 3, "archive <down>", NOON + 60, ev.Pause.OUTAGE))
        assert paused.splitlines()[1].startswith("paused until ")
        assert "archive &lt;down&gt;" in cell.html[-1], "no server writes HTML into a notebook"
        frames = len(cell.text)
        await cell.see()
        assert len(cell.text) == frames, "nothing has changed"
        await cell.see(ev.HarvestDraining(NOON + 4, "stopped by its caller"))
        assert "draining, 0 in flight: stopped by its caller" in cell.text[-1]
        cell.now = NOON + 5
        for event in (ev.SpectrumFailed(NOON + 5, failed(3)), ev.HarvestEnded(NOON + 5, "stopped by its caller", 130)):
            cell.tally(event)
            cell.bar(event)
    first, last = cell.text[-1].splitlines()
    assert first == "3 of 4 (75 %) · 1 saved (37 kB) · 1 failed · 1 retry due · 00:00:05"
    assert last == "stopped by its caller"


async def test_a_notebook_that_cannot_be_written_does_not_end_the_run_unseen() -> None:
    cell = Cell()
    async with cell.bar:
        cell.bar._show = lambda html, text: (_ for _ in ()).throw(OSError("the kernel's channel is closed"))
        await cell.see(started())
        with pytest.raises(OSError, match="channel is closed"):
            cell.bar(ev.SpectrumSaved(NOON + 1, saved(2)))

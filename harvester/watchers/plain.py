"""Progress where there is no terminal: few lines, each worth reading in a log the next morning."""

from __future__ import annotations

import math
import os
from typing import IO

from .. import events as ev
from ..failures import Failure, FailureKind
from ..spectra import Target
from ..words import plain_line, speakable
from .figures import clock, count, duration, percent, plural, size, time_of_day, wall
from .view import DashboardView

MINUTE = 60.0
SHARE = 0.05
LEAST_GAP = 2.0


class PlainLines:
    """Writes to ``stream``. The events' own time is the clock: no event, no line.

    Lines carry the time of day unless systemd's journal, which adds its own, is listening.
    """

    def __init__(self, stream: IO[str], *, timestamps: bool | None = None) -> None:
        self._stream = stream
        self._timestamps = "JOURNAL_STREAM" not in os.environ if timestamps is None else timestamps
        self._view = DashboardView()
        self._seen: set[FailureKind] = set()
        self._told_at, self._told_items = -math.inf, 0

    def __call__(self, event: ev.Event) -> None:
        self._view(event)
        match event:
            case ev.RetryScheduled(time=time, target=target, failure=failure):
                self._first(time, target, failure, f"asked again at {time_of_day(event.due)}")
            case ev.SpectrumFailed(time=time, outcome=failed):
                self._first(time, failed.target, failed.failure, "given up")
                self._progress(time)
            case ev.SpectrumSaved(time=time):
                self._progress(time)
            case _:
                self._say_if_it_matters(event)

    def _say_if_it_matters(self, event: ev.Event) -> None:
        match event:
            case ev.HarvestStarted(time=time):
                self._told_at = time
                self._say(time, self._opening(event))
            case ev.PaceChanged(rate=rate, concurrency=concurrency, reason=reason):
                pace = f"{rate:g} req/s" if rate else "no limit"
                self._say(event.time, f"pace: {pace}, at most {concurrency} at once: {reason}")
            case ev.HarvestPaused(time=time, reason=reason, until=until):
                self._say(time, f"paused until {time_of_day(until)} ({duration(until - time)}): {reason}")
            case ev.HarvestResumed(time=time, reason=reason):
                self._say(time, f"resumed: {reason}")
            case ev.HarvestDraining(time=time, reason=reason):
                self._say(time, f"draining: {reason}; what is in flight may end")
            case ev.WatcherLost(time=time, watcher=watcher, error=error):
                self._say(time, f"{watcher} is off: {error}; the harvest goes on")

    def _opening(self, start: ev.HarvestStarted) -> str:
        rate = f"{start.rate:g} req/s" if start.rate else "no rate limit"
        return (
            f"harvest {start.run}: {count(start.listed)} listed, {count(start.present)} already here,"
            f" {count(start.wanted)} to fetch from {start.host} to {start.out},"
            f" at most {start.concurrency} at once, {rate}"
        )

    def _first(self, time: float, target: Target, failure: Failure, fate: str) -> None:
        if failure.kind not in self._seen:
            self._seen.add(failure.kind)
            words = plain_line(failure.detail) or failure.kind.meaning
            self._say(time, f"first {failure.kind.value}: {target.name}: {words}; {fate}")

    def _progress(self, time: float) -> None:
        scene = self._view.scene(time)
        stats, gap = scene.stats, time - self._told_at
        settled = stats.saved + stats.failed
        share = SHARE * (stats.listed - stats.present)
        if gap < LEAST_GAP or (gap < MINUTE and settled - self._told_items < share):
            return
        self._told_at, self._told_items = time, settled
        done = stats.listed - stats.remaining
        to_go = f", ETA {clock(scene.eta)} ({wall(time + scene.eta, time)})" if scene.eta is not None else ""
        self._say(
            time,
            f"{count(done)} of {count(stats.listed)} ({percent(done, stats.listed)}): {count(stats.saved)} saved"
            f" ({size(stats.bytes)}), {count(stats.failed)} failed, {plural(scene.due, 'retry', 'retries')} due,"
            f" {scene.rate:.2f} req/s{to_go}",
        )

    def _say(self, time: float, words: str) -> None:
        stamp = f"{time_of_day(time)} " if self._timestamps else ""
        line = speakable(stamp + plain_line(words, 600), getattr(self._stream, "encoding", None))
        self._stream.write(line + "\n")
        self._stream.flush()

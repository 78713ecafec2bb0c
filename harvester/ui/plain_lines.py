"""Progress where there is no terminal: few lines, each worth reading in a log afterwards."""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from .. import events as ev
from ..events.stats import HarvestStats
from ..formatting import clock, count, duration, local_time, percent, plain_line, plural, size, wall
from ..model.failures import ADDRESS_ADVICE, Failure, FailureKind
from ..model.target import Target
from .output_thread import OutputThread
from .state import DashboardState, RunState
from .view import DashboardView

MINUTE = 60.0
HEARTBEAT_INTERVAL = 5.0  # seconds between two checks whether a minute has passed without a line
PROGRESS_SHARE = 0.05
MIN_INTERVAL = 2.0  # seconds between two lines about progress
MAX_LENGTH = 600


class PlainLines:
    """Write a line for each change, and some for the progress.

    Add it to the bus, behind the statistics that ``numbers`` reads, and enter it around the run. Inside, a heartbeat
    writes a line a minute while nothing happens. Lines carry the time of day, and the date once it is another day than
    that of the first line, unless systemd's journal, which adds its own, is listening.
    """

    def __init__(
        self,
        output: OutputThread,
        numbers: Callable[[], HarvestStats],
        *,
        max_outage: float | None = None,
        timestamps: bool | None = None,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._output, self._now, self._sleep = output, now, sleep
        self._timestamps = "JOURNAL_STREAM" not in os.environ if timestamps is None else timestamps
        self._numbers, self._view = numbers, DashboardView(numbers)
        self._seen: set[FailureKind] = set()
        self._max_outage = max_outage
        self._first_limits, self._limits_written, self._limits_rate = math.inf, -math.inf, -1.0
        self._first_line: float | None = None
        self._last_progress, self._settled_then = -math.inf, 0
        self._fault: Exception | None = None
        self._heartbeat: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._heartbeat = asyncio.create_task(self._beat(), name="plain-lines")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._heartbeat is not None:
            self._heartbeat.cancel()
            await asyncio.wait((self._heartbeat,))

    def __call__(self, event: ev.Event) -> None:
        """Take in one event."""
        if self._fault is not None:
            raise self._fault
        self._view(event)
        match event:
            case ev.RetryScheduled(time=time, target=target, failure=failure):
                self._report_first(time, target, failure, f"retry at {local_time(event.due, time)}")
            case ev.SpectrumFailed(time=time, outcome=failed):
                self._report_first(time, failed.target, failed.failure, "given up")
                self._report_progress(time)
            case ev.SpectrumSaved(time=time):
                self._report_progress(time)
            case _:
                self._report_change(event)

    def _report_change(self, event: ev.Event) -> None:
        match event:
            case ev.HarvestStarted(time=time):
                self._last_progress = time
                self._write(time, self._opening(event))
            case ev.LimitsChanged():
                self._report_limits(event)
            case ev.HarvestPaused(time=time, reason=reason, until=until, kind=kind):
                self._write(time, f"paused {_until(until, time)}: {reason}")
                if kind is ev.Pause.OUTAGE and self._max_outage is not None:
                    self._explain_outage(time, self._max_outage)
            case ev.HarvestResumed(time=time, reason=reason):
                self._write(time, f"resumed: {reason}")
            case ev.HarvestDraining(time=time, reason=reason):
                self._write(time, f"draining: {reason}; requests in flight are finished")
            case ev.ClockJumped(time=time, seconds=seconds):
                self._write(time, f"the clock jumped by {duration(abs(seconds))}: connections are renewed")
            case ev.ObserverFailed(time=time, observer=observer, error=error):
                self._write(time, f"{observer} is off: {error}; the run goes on")

    def _report_limits(self, event: ev.LimitsChanged) -> None:
        """Write the new limits; a concurrency limit that is being tuned gets a line a minute.

        The first minute shows every change: how the limit grows to what the archive serves.
        """
        tuned = event.rate == self._limits_rate and event.time - self._first_limits > MINUTE
        if tuned and event.time - self._limits_written < MINUTE:
            return
        self._first_limits = min(self._first_limits, event.time)
        self._limits_rate, self._limits_written = event.rate, event.time
        limit = f"{event.rate:g} requests/s" if event.rate else "no rate limit"
        self._write(event.time, f"limits: {limit}, at most {event.concurrency} in flight: {event.reason}")

    def _explain_outage(self, time: float, longest: float) -> None:
        """Say once how long the run waits for an archive that is down, and how to end it.

        A page in place of every file may also mean that the address is wrong.
        """
        self._max_outage = None
        stats = self._numbers()
        if FailureKind.NOT_FITS in self._seen and not stats.saved and not stats.present:
            self._write(time, f"no file has come from this address so far: {ADDRESS_ADVICE}")
        self._write(
            time,
            f"the run waits for the archive and ends after an outage of {duration(longest)} (--max-outage);"
            " Ctrl-C ends it now, and the same command resumes it",
        )

    def _opening(self, start: ev.HarvestStarted) -> str:
        rate = f"{start.rate:g} requests/s" if start.rate else "no rate limit"
        left_out = start.listed - start.present - start.wanted
        others = f", {count(left_out)} left for another run" if left_out > 0 else ""
        return (
            f"run {start.run}: {count(start.listed)} in the catalog, {_wanted(start)}"
            f" from {start.host} to {start.out}{others}, at most {start.concurrency} in flight, {rate}"
        )

    def _report_first(self, time: float, target: Target, failure: Failure, consequence: str) -> None:
        if failure.kind not in self._seen:
            self._seen.add(failure.kind)
            detail = plain_line(failure.detail) or failure.kind.meaning
            self._write(time, f"first {failure.kind.value}: {target.name}: {detail}; {consequence}")

    async def _beat(self) -> None:
        try:
            while True:
                await self._sleep(HEARTBEAT_INTERVAL)
                self._break_silence(self._now())
        except Exception as error:  # noqa: BLE001 - the next event raises it, and the bus drops and names us
            self._fault = error

    def _break_silence(self, now: float) -> None:
        state = self._view.snapshot(now)
        if state.run_state not in (RunState.STARTING, RunState.ENDED) and self._since_progress(now) >= MINUTE:
            self._write_progress(state)

    def _since_progress(self, now: float) -> float:
        """Return the seconds since the last line.

        A clock that was set back must not silence us until it has caught up.
        """
        self._last_progress = min(self._last_progress, now)
        return now - self._last_progress

    def _report_progress(self, time: float) -> None:
        state = self._view.snapshot(time)
        gap = self._since_progress(time)
        settled = state.stats.saved + state.stats.failed
        share = PROGRESS_SHARE * (settled + state.left)
        if gap >= MINUTE or (gap >= MIN_INTERVAL and settled - self._settled_then >= share):
            self._write_progress(state)

    def _write_progress(self, state: DashboardState) -> None:
        stats, now = state.stats, state.now
        self._last_progress, self._settled_then = now, stats.saved + stats.failed
        goal = state.done + state.left
        self._write(
            now,
            f"{count(state.done)} of {count(goal)} ({percent(state.done, goal)}): {count(stats.saved)} saved"
            f" ({size(stats.bytes)}), {count(stats.failed)} failed, {plural(state.due, 'retry', 'retries')} due,"
            f" {state.rate:.2f} requests/s{_outlook(state)}",
        )

    def _write(self, time: float, text: str) -> None:
        if self._first_line is None:
            self._first_line = time
        stamp = f"{local_time(time, self._first_line)} " if self._timestamps else ""
        self._output.write(stamp + plain_line(text, MAX_LENGTH) + "\n")


def _wanted(start: ev.HarvestStarted) -> str:
    """Return how many spectra are stored, and how many will be downloaded."""
    stored = f"{count(start.present + start.to_refresh)} already stored"
    new = start.wanted - start.to_refresh
    wanted = [f"{count(new)} to download"] if new or not start.to_refresh else []
    wanted += [f"{count(start.to_refresh)} to refresh"] if start.to_refresh else []
    before = f" ({count(start.refreshed_before)} refreshed before)" if start.refreshed_before else ""
    return ", ".join([stored + before, *wanted])


def _until(until: float, now: float) -> str:
    if not math.isfinite(until):
        return "until it is resumed"
    return f"until {local_time(until, now)} ({duration(max(until - now, 0.0))})"


def _outlook(state: DashboardState) -> str:
    """Return what is known of the rest: a pause, waiting retries, or the time left."""
    if state.only_retries:
        return f", only retries are left, the last at {local_time(state.last_due or 0.0, state.now)}"
    paused = f", paused {state.pause_text}" if state.run_state is RunState.PAUSED else ""
    if state.eta is None:
        return paused
    return f"{paused}, ETA {clock(state.eta)} ({wall(state.now + state.eta, state.now)})"

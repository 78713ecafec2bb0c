"""The dashboard's keys: pause and resume, change the rate, skip retries, drain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..model.exit_codes import StopReason
from .state import DashboardState

LEFT_FOR_ANOTHER_RUN = 4  # exit code


class RunControls(Protocol):
    """What a person may change while a run goes on."""

    @property
    def available(self) -> bool:
        """Whether the run can be paused and slowed down; one on a remote cluster cannot."""
        ...

    @property
    def paused(self) -> bool:
        """Whether the run is paused by a person."""
        ...

    @property
    def share(self) -> float:
        """The share of the configured limits that may be used."""
        ...

    def pause(self) -> None:
        """Send no request until ``resume``."""
        ...

    def resume(self) -> None:
        """End a pause."""
        ...

    def slow_down(self) -> None:
        """Halve the limits."""
        ...

    def speed_up(self) -> None:
        """Double the limits, up to the configured ones."""
        ...


class Drain(Protocol):
    """What ends a run in order."""

    def drain(self, reason: StopReason) -> None:
        """Send no new request, and let those in flight end."""
        ...


class Keys:
    """Do what the keys stand for."""

    def __init__(self, controls: RunControls, shutdown: Drain) -> None:
        self._controls, self._shutdown = controls, shutdown
        self._skipping = False

    def press(self, keys: str) -> None:
        """Do what each of ``keys`` stands for; others do nothing."""
        for key in keys:
            if key == "q":
                self._shutdown.drain(StopReason("stopped by key q", LEFT_FOR_ANOTHER_RUN))
            elif key == "s":
                self._skipping = not self._skipping
            elif self._controls.available:
                self._control(key)

    def _control(self, key: str) -> None:
        match key:
            case "p":
                (self._controls.resume if self._controls.paused else self._controls.pause)()
            case "-":
                self._controls.slow_down()
            case "+" | "=":  # the same key without Shift
                self._controls.speed_up()

    def follow(self, state: DashboardState) -> None:
        """End the run if nothing is left but retries, and they are to be skipped.

        The next run takes them up.
        """
        if self._skipping and state.only_retries:
            self._shutdown.drain(StopReason("the waiting retries were skipped", LEFT_FOR_ANOTHER_RUN))

    def hints(self, state: DashboardState) -> Sequence[str]:
        """Return what the keys would do now, the most useful first."""
        hints = [f"p {'resume' if self._controls.paused else 'pause'}", "+ - rate"] if self._controls.available else []
        if state.due or self._skipping:
            hints.append("s wait for retries" if self._skipping else "s skip retries")
        if self._controls.share < 1:
            hints.insert(0, f"rate at {self._controls.share:.0%}")
        return (*hints, "q drain", "Ctrl-C twice to stop now")

"""What a person may change while a run goes on: pause it, and lower its limits."""

from __future__ import annotations

from collections.abc import Callable

LOWEST_SHARE = 1 / 16


class Controls:
    """The wishes of the user, which a throttle follows.

    ``paused``: no request may be sent. ``share``: the part of the configured limits that may be used, never more than
    all of them.
    """

    def __init__(self) -> None:
        self.paused = False
        self.share = 1.0
        self._listeners: list[Callable[[], None]] = []

    @property
    def available(self) -> bool:
        """Whether there is a throttle that follows; that of a Dask cluster is out of reach."""
        return bool(self._listeners)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` whenever something changes."""
        self._listeners.append(listener)

    def pause(self) -> None:
        """Send no request until ``resume``; those in flight are finished."""
        self._set(True, self.share)

    def resume(self) -> None:
        """End a pause."""
        self._set(False, self.share)

    def slow_down(self) -> None:
        """Halve the limits."""
        self._set(self.paused, max(LOWEST_SHARE, self.share / 2))

    def speed_up(self) -> None:
        """Double the limits, up to the configured ones."""
        self._set(self.paused, min(1.0, self.share * 2))

    def _set(self, paused: bool, share: float) -> None:
        if (paused, share) != (self.paused, self.share):
            self.paused, self.share = paused, share
            for listener in self._listeners:
                listener()

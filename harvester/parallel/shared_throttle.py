"""The throttle of several workers, which may lend them request slots."""

from __future__ import annotations

from collections.abc import Callable

from ..engine.circuit_breaker import BreakerState
from ..engine.concurrency import ConcurrencyChange
from ..engine.throttle import LocalThrottle


class SharedThrottle(LocalThrottle):
    """Grant request slots, and say how many of them workers may use again without asking."""

    _listeners: tuple[Callable[[], None], ...] = ()

    @property
    def lendable(self) -> int:
        """How many slots may be lent: none where each request must be decided on."""
        is_calm = self.breaker.state is BreakerState.CLOSED and not self.breaker.cautious
        return 0 if self._limits.rate or self.is_blocked or not is_calm else self.max_in_flight

    def keep_slot(self, latency: float, own: float) -> None:
        """Take in the latency of a request whose slot is in use again."""
        self.concurrency = self.concurrency.on_response(latency, own)
        if not self.concurrency.wanted or self.in_flight != self.max_in_flight:
            self.notify()
        change = self.concurrency.change
        self._report(change, by_server=change is ConcurrencyChange.BUSIER)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` whenever something may have changed that decides on requests."""
        self._listeners = (*self._listeners, listener)

    def notify(self) -> None:
        """Let everything that waits check its condition again, and call the listeners."""
        super().notify()
        for listener in self._listeners:
            listener()

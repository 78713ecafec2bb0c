"""When the next request may go out: evenly spaced, never in a burst, and never more than rate + 1 in any second.

Token buckets send a whole second's worth at the start and after a stall; here requests are spaced. ``RequestSpacing``
is the rule (a value, no clock inside), ``RateLimiter`` makes workers wait by it. The event loop's clock is the only
clock: asyncio's own timers run on it, so a test that replaces the loop's clock moves all of them together.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from dataclasses import dataclass, replace

# A loop that was busy for longer than this has lost those turns: they are not made up for. Shorter delays are, or the
# pace would fall behind by every one of them; the sliding second bounds what that can bunch together.
CATCH_UP = 0.050

SECOND = 1.0002  # of ours, so that it is one on the other side of a wire that is not always equally quick


@dataclass(frozen=True, slots=True)
class RequestSpacing:
    """Requests a second (0: no limit) and the time, in loop seconds, of the next free turn."""

    rate: float
    next_turn: float = -math.inf

    def next_slot(self, now: float, recent: deque[float]) -> float:
        """When the next request may go out. ``recent`` are the times of the latest requests, oldest first."""
        if not self.rate:
            return max(now, self.next_turn)
        most = int(self.rate) + 1
        window_opens = recent[-most] + SECOND if len(recent) >= most else -math.inf
        return max(now, self.next_turn, window_opens)

    def after(self, due: float, now: float) -> RequestSpacing:
        """The schedule once a request that was due at ``due`` went out at ``now``."""
        if not self.rate:
            return self
        base = due if now - due <= CATCH_UP else now
        return replace(self, next_turn=base + 1.0 / self.rate)


class RateLimiter:
    """Hands out turns, first come first served, by a Schedule on the running loop's clock."""

    def __init__(self, rate: float) -> None:
        self._schedule = RequestSpacing(rate)
        self._recent: deque[float] = deque(maxlen=int(rate) + 1)
        self._line = asyncio.Lock()

    @property
    def rate(self) -> float:
        return self._schedule.rate

    @rate.setter
    def rate(self, rate: float) -> None:
        """Change the pace; nobody who waits gets a turn earlier than the new spacing allows."""
        self._schedule = replace(self._schedule, rate=rate)

    async def acquire(self, stop: asyncio.Event) -> bool:
        """Wait for a turn and take it. False, without one, as soon as ``stop`` is set."""
        loop = asyncio.get_running_loop()
        async with self._line:
            while not stop.is_set():
                now = loop.time()
                wait = self._schedule.next_slot(now, self._recent) - now
                if wait <= 0:
                    self._take(self._schedule.next_turn, now)
                    return True
                await wait_for_event(stop, wait)
        return False

    def _take(self, due: float, now: float) -> None:
        self._schedule = self._schedule.after(due, now)
        self._recent.append(now)


async def wait_for_event(stop: asyncio.Event, seconds: float) -> bool:
    """Wait ``seconds``, or until ``stop`` is set; whether it was set."""
    try:
        async with asyncio.timeout(max(seconds, 0)):
            await stop.wait()
    except TimeoutError:
        return stop.is_set()  # both may happen in one turn of the loop
    return True

"""Space requests evenly, with never more than rate + 1 in any second on the wire.

Token buckets send a whole second's worth at the start and after a stall. Here a request is allowed only when the
requests that left within the last second, together with those that were allowed but have not left yet, are few
enough; a request that is delayed between its slot and the wire therefore delays later ones instead of joining them.
``RequestSpacing`` is the rule (a value, no clock inside), ``RateLimiter`` makes workers wait by it. The event loop's
clock is the only clock, so a test that replaces it moves everything together.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from dataclasses import dataclass, replace

# A loop that was busy for longer than this has lost those slots: they are not made up for. Shorter delays are, or the
# rate would fall behind by every one of them; the sliding second bounds what that can bunch together.
CATCH_UP = 0.050

SECOND = 1.0002  # of our clock, so that it is one second on the other side of a wire whose delay varies
JITTER = 0.5  # of an interval: how much later than evenly spaced a request may leave without delaying later ones


@dataclass(frozen=True, slots=True)
class RequestSpacing:
    """Requests a second (0: no limit) and the time, in loop seconds, of the next free slot."""

    rate: float
    next_free: float = -math.inf

    @property
    def most(self) -> int:
        """Most requests within one window."""
        return int(self.rate) + 1

    @property
    def window(self) -> float:
        """Seconds that more than ``most`` requests must span.

        Nearly as many as they do when evenly spaced.

        The receiver's clock may stamp requests up to half an interval late and still sees no more than ``most`` in a
        second.
        """
        return max(SECOND, (self.most - JITTER) / self.rate)

    def next_slot(self, now: float, departures: deque[float], unsent: int = 0) -> float:
        """Return when the next request may be sent.

        Infinity while too many that were allowed have not left yet.

        ``departures`` are the times of the latest requests, oldest first; ``unsent`` requests were allowed but have
        not left.
        """
        if not self.rate:
            return max(now, self.next_free)
        free = self.most - unsent
        if free <= 0:
            return math.inf
        opens = departures[-free] + self.window if len(departures) >= free else -math.inf
        return max(now, self.next_free, opens)

    def after(self, due: float, now: float) -> RequestSpacing:
        """Return the spacing once a request that was due at ``due`` was allowed at ``now``."""
        if not self.rate:
            return self
        base = due if now - due <= CATCH_UP else now
        return replace(self, next_free=base + 1.0 / self.rate)


class RateLimiter:
    """Grant slots in FIFO order, by a ``RequestSpacing`` on the running loop's clock."""

    def __init__(self, rate: float) -> None:
        self._spacing = RequestSpacing(rate)
        self._departures: deque[float] = deque(maxlen=int(rate) + 1)
        self._unsent = 0
        self._departed = asyncio.Event()
        self._fifo = asyncio.Lock()

    @property
    def rate(self) -> float:
        return self._spacing.rate

    @rate.setter
    def rate(self, rate: float) -> None:
        """Change the rate; no waiting request gets a slot earlier than the new spacing allows."""
        self._spacing = replace(self._spacing, rate=rate)

    async def acquire(self, shutdown: asyncio.Event) -> bool:
        """Wait for a slot for a request that leaves at once.

        Return False, without a slot, once ``shutdown`` is set.
        """
        acquired = await self.reserve(shutdown)
        if acquired:
            self.depart()
        return acquired

    async def reserve(self, shutdown: asyncio.Event) -> bool:
        """Wait for a slot; ``depart`` must follow.

        Return False, without a slot, once ``shutdown`` is set.
        """
        if not self._spacing.rate:
            self._unsent += not shutdown.is_set()
            return not shutdown.is_set()
        loop = asyncio.get_running_loop()
        async with self._fifo:
            while not shutdown.is_set():
                now = loop.time()
                slot = self._spacing.next_slot(now, self._departures, self._unsent)
                if slot <= now:
                    self._spacing = self._spacing.after(self._spacing.next_free, now)
                    self._unsent += 1
                    return True
                await self._wait(shutdown, slot - now)
        return False

    def depart(self) -> None:
        """Note that a request whose slot was reserved has left, or never will."""
        self._unsent -= 1
        if self._spacing.rate:
            self._departures.append(asyncio.get_running_loop().time())
            self._departed.set()

    async def _wait(self, shutdown: asyncio.Event, seconds: float) -> None:
        """Wait ``seconds``, or until a request leaves where that is infinite."""
        if seconds < math.inf:
            await wait_for_event(shutdown, seconds)
            return
        self._departed.clear()
        waiting = [asyncio.ensure_future(event.wait()) for event in (shutdown, self._departed)]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()


async def wait_for_event(event: asyncio.Event, seconds: float) -> bool:
    """Wait ``seconds``, or until ``event`` is set; return whether it was set."""
    try:
        async with asyncio.timeout(max(seconds, 0)):
            await event.wait()
    except TimeoutError:
        return event.is_set()  # both may happen in one iteration of the loop
    return True

"""A worker as the coordinator sees it: what it holds and what it was lent."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from ..engine.rate_limit import RateLimiter
from .messages import FromCoordinator, RequestDone, SlotsLent
from .shared_throttle import SharedThrottle

USES = 8  # times that a lent slot may be used before reports of that arrive, which a busy coordinator reads late


@dataclass(slots=True)
class Loan:
    """What a worker was lent: ``slots``, to be used again ``uses`` times until it gets more.

    The uses are what keeps a worker whose reports do not arrive from going on: it was frozen, or the coordinator was.
    """

    slots: int = 0
    uses: int = 0

    def change(self, slots: int) -> SlotsLent | None:
        """Lend that many slots, 0 for none.

        Return the message if the worker must be sent one.
        """
        more = max(0, USES * slots - self.uses)
        if (slots == self.slots and 2 * more < USES * slots) or slots == self.slots == 0:
            return None
        self.slots, self.uses = slots, self.uses + more
        return SlotsLent(slots, more)


@dataclass(slots=True, eq=False)
class WorkerConnection:
    """A worker as the coordinator sees it.

    How to reach it, how to end it, when it last reported, what it holds.

    ``held`` request slots are in use; ``unsent`` of its requests were allowed and have not left yet. ``loan``: those
    that it may use again.
    """

    send: Callable[[FromCoordinator], None]
    end: Callable[[], None]
    last_message: float
    shard: int | None = None
    held: int = 0
    unsent: int = 0
    loan: Loan = field(default_factory=Loan)
    full: bool = False
    waiting: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def departed(self, requests: int, limiter: RateLimiter) -> None:
        """Note that ``requests`` of the worker have left, or never will.

        The message arrives after the bytes have left, so that the rate limit errs on the low side.
        """
        for _ in range(min(requests, self.unsent)):
            self.unsent -= 1
            limiter.depart()


class Lender:
    """Take slots back from ``workers``, and lend them.

    Each worker gets its share of what the throttle lets be lent.
    """

    def __init__(self, throttle: SharedThrottle, workers: Collection[WorkerConnection]) -> None:
        self._throttle, self._workers = throttle, workers
        throttle.on_change(self.lend)

    def lend(self, *workers: WorkerConnection) -> None:
        """Send ``workers``, or all, how many slots each may use again, if that has changed."""
        slots = math.ceil(self._throttle.lendable / max(1, len(self._workers)))
        for worker in workers or self._workers:
            if worker.shard is not None and (news := worker.loan.change(slots)) is not None:
                worker.send(news)

    def take_back(self, worker: WorkerConnection, done: RequestDone) -> None:
        """Take in that a request is done; its slot is free, or in use again."""
        if done.kept and done.latency is not None:
            worker.loan.uses -= 1
            self._throttle.keep_slot(done.latency, done.own)
            self.lend(worker)
            return
        worker.held -= 1
        worker.departed(done.unsent, self._throttle.rate_limiter)
        self._throttle.release_slot(done.latency, done.own)


@dataclass(slots=True)
class FreezeWatch:
    """Find out that this process was frozen.

    A check that is due every ``interval`` seconds comes much later then.
    """

    interval: float
    last: float

    def frozen_for(self, now: float) -> float:
        """Return the seconds, 0 if the check at ``now`` is about in time."""
        late, self.last = now - self.last - self.interval, now
        return late if late > self.interval else 0.0

"""Adapt the number of requests in flight, below a limit, to what one more of them gains.

By Little's law an archive that handles ``n`` requests at a time in ``t`` seconds each serves ``n / t`` a second. So a
level is measured against the one below it: where a step up gains less than a share of what it would gain at an idle
archive, the archive queues, and the step is taken back. Means of the same archive are compared, so the natural spread
of its latencies cancels out; a comparison with the best latency ever seen would mistake that spread for load.

The way up begins with single rounds of responses: 8 requests may be in flight after 4 rounds, with full samples after
10. The first step in doubt is left to full samples, from a lower level.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

WORTH = 0.5  # of the gain at an idle archive: less than that is queueing
FIRST_CALM, LONGEST_CALM = 60, 2000  # responses before a level that gained nothing is tried again
BUSIER = 2.0  # times the latency that the same level had before: the archive has other clients, too


class ConcurrencyChange(StrEnum):
    """Reasons of the latest change of the level."""

    START = "the first level is one request at a time"
    UP = "testing whether more concurrent requests gain throughput"
    BACK = "more concurrent requests gained too little"
    BUSIER = "the archive responds more slowly than before"


@dataclass(frozen=True, slots=True)
class AdaptiveConcurrency:
    """The level that is allowed now, and what is known of others.

    Times are seconds; there is no clock inside.
    """

    ceiling: int
    level: int = 1
    lower: int | None = None
    """The level that the present one is measured against; None once it has shown its gain."""
    quick: bool = True
    """One round of responses decides on a step up; no step was in doubt yet."""
    doubling: bool = True
    known: Mapping[int, float] = field(default_factory=dict)
    """Mean latency of each measured level, in seconds."""
    skip: int = 1
    """Responses that do not count: the first ones on new connections, which cost a handshake."""
    count: int = 0
    total: float = 0.0
    own: float = 0.0
    """Of the total, the seconds that this program may have caused itself: a busy machine is no busy archive."""
    wanted: bool = False
    calm: int = 0
    next_calm: int = FIRST_CALM
    eased: float = float("-inf")
    change: ConcurrencyChange = ConcurrencyChange.START

    @property
    def latency(self) -> float | None:
        """Mean latency of the present level, in seconds."""
        return self.known.get(self.level)

    @property
    def unloaded(self) -> float | None:
        """Mean latency of the lowest measured level, in seconds."""
        return self.known[min(self.known)] if self.known else None

    def request_more(self) -> AdaptiveConcurrency:
        """Note that a request had to wait for the level: only then is a higher one tried."""
        return self if self.wanted else replace(self, wanted=True)

    def on_response(self, latency: float, own: float = 0.0) -> AdaptiveConcurrency:
        """Fold in a latency, of which this program spent at most ``own`` seconds itself."""
        if self.skip:
            return replace(self, skip=self.skip - 1)
        own, calm = self.own + min(own, latency), max(0, self.calm - 1)
        after = replace(self, count=self.count + 1, total=self.total + latency, own=own, calm=calm)
        return after if after.count < self._enough else after._judge()

    @property
    def _enough(self) -> int:
        """How many responses decide; small gains need more of them."""
        if self.quick:
            return max(1, self.level // 2)  # with those on the new connections, one round
        return max(4, 2 * self.level) if self.doubling else max(16, 3 * self.level)

    def on_overload(self, now: float) -> AdaptiveConcurrency:
        """Halve the level after a 429, a 503 or a timeout.

        At most once a second, since they come in bursts.
        """
        return self if now - self.eased < 1.0 else replace(self._halved(), eased=now)

    def _judge(self) -> AdaptiveConcurrency:
        mean = self.total / self.count
        before = self.known.get(self.level)
        if before is not None and mean - self.own / self.count > BUSIER * before:
            return self._halved()
        smoothed = mean if before is None else 0.8 * before + 0.2 * mean
        measured = replace(self, known={**self.known, self.level: smoothed}, count=0, total=0.0, own=0.0)
        if self.lower is None or measured._is_worth_it(self.lower):
            return measured._maybe_up()
        return measured._carefully(self.lower) if self.quick else measured._back_to(self.lower)

    def _is_worth_it(self, lower: int) -> bool:
        ideal = self.level / lower
        gain = ideal * self.known[lower] / self.known[self.level]
        return gain >= 1.0 + WORTH * (ideal - 1.0)

    def _maybe_up(self) -> AdaptiveConcurrency:
        settled = replace(self, lower=None, wanted=False)
        if not self.wanted or self.calm:
            return settled
        if self.level >= self.ceiling:
            return replace(settled, quick=False)
        step = self.level if self.doubling else max(1, self.level // 4)
        level = min(self.ceiling, self.level + step)
        return replace(settled, lower=self.level, level=level, skip=level - self.level, change=ConcurrencyChange.UP)

    def _back_to(self, lower: int) -> AdaptiveConcurrency:
        known = {level: latency for level, latency in self.known.items() if level <= lower}
        back = replace(self, level=lower, lower=None, doubling=False, known=known, change=ConcurrencyChange.BACK)
        if self.doubling and self.level - lower > 1:
            return replace(back, wanted=True)
        return replace(back, calm=self.next_calm, next_calm=min(2 * self.next_calm, LONGEST_CALM))

    def _carefully(self, lower: int) -> AdaptiveConcurrency:
        """End the quick way up, below the step before the doubtful one.

        Chance may have favoured that, too.
        """
        level = max(1, lower // 2)
        return AdaptiveConcurrency(
            self.ceiling, level, quick=False, skip=0, wanted=True, eased=self.eased, change=ConcurrencyChange.BACK
        )

    def _halved(self) -> AdaptiveConcurrency:
        level = max(1, self.level // 2)
        return AdaptiveConcurrency(
            self.ceiling, level, quick=False, doubling=False, skip=0, calm=FIRST_CALM, eased=self.eased,
            change=ConcurrencyChange.BUSIER,
        )  # fmt: skip

"""How many requests may be in flight at once: found, below a ceiling, by what one more of them brings.

By Little's law an archive that answers ``n`` requests at a time in ``t`` seconds each serves ``n / t`` a second. So a
level is measured against the one below it: where a step up brings less than a share of what it would bring an archive
with time on its hands, the archive queues, and the step is taken back. Means of the same archive are compared, so the
natural spread of its latencies cancels out, which a comparison with the best latency ever seen would mistake for load.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

WORTH = 0.5  # of the gain that an idle archive would give: less than that is queueing
FIRST_CALM, LONGEST_CALM = 60, 2000  # answers before a level that brought nothing is tried again
BUSIER = 2.0  # times the latency that the same level had before: somebody else needs the archive too


class ConcurrencyChange(StrEnum):
    """Why the level was last changed."""

    START = "it begins with one request at a time"
    UP = "to see whether more requests at a time bring more"
    BACK = "more requests at a time brought too little"
    BUSIER = "the archive is busier than before"


@dataclass(frozen=True, slots=True)
class AdaptiveConcurrency:
    """The level now allowed, and what is known of others. Seconds throughout; decisions only, no clock inside."""

    ceiling: int
    level: int = 1
    lower: int | None = None
    """The level that the present one is measured against; None once it has proved its worth."""
    doubling: bool = True
    known: Mapping[int, float] = field(default_factory=dict)
    """Mean latency of each level that was measured."""
    skip: int = 0
    count: int = 0
    total: float = 0.0
    wanted: bool = False
    calm: int = 0
    next_calm: int = FIRST_CALM
    eased: float = float("-inf")
    turn: ConcurrencyChange = ConcurrencyChange.START

    @property
    def latency(self) -> float | None:
        """The mean latency of the present level."""
        return self.known.get(self.level)

    @property
    def unloaded(self) -> float | None:
        """The mean latency of the lowest level that was measured."""
        return self.known[min(self.known)] if self.known else None

    def request_more(self) -> AdaptiveConcurrency:
        """A request had to wait because the level was reached: only then is there a reason to go higher."""
        return self if self.wanted else replace(self, wanted=True)

    def on_response(self, latency: float) -> AdaptiveConcurrency:
        """An answer took ``latency``; the first on new connections, which cost a handshake, do not count."""
        if self.skip:
            return replace(self, skip=self.skip - 1)
        after = replace(self, count=self.count + 1, total=self.total + latency, calm=max(0, self.calm - 1))
        enough = max(4, 2 * self.level) if self.doubling else max(16, 3 * self.level)  # small gains need a closer look
        return after if after.count < enough else after._judge()

    def on_overload(self, now: float) -> AdaptiveConcurrency:
        """A 429, a 503 or a timeout: half as many, at most once a second, since one burst brings many of them."""
        return self if now - self.eased < 1.0 else replace(self._halved(), eased=now)

    def _judge(self) -> AdaptiveConcurrency:
        mean = self.total / self.count
        before = self.known.get(self.level)
        if before is not None and mean > BUSIER * before:
            return self._halved()
        smoothed = mean if before is None else 0.8 * before + 0.2 * mean
        measured = replace(self, known={**self.known, self.level: smoothed}, count=0, total=0.0)
        if self.lower is not None and not measured._is_worth_it(self.lower):
            return measured._back_to(self.lower)
        return measured._maybe_up()

    def _is_worth_it(self, lower: int) -> bool:
        ideal = self.level / lower
        gain = ideal * self.known[lower] / self.known[self.level]
        return gain >= 1.0 + WORTH * (ideal - 1.0)

    def _maybe_up(self) -> AdaptiveConcurrency:
        settled = replace(self, lower=None, wanted=False)
        if not self.wanted or self.calm or self.level >= self.ceiling:
            return settled
        step = self.level if self.doubling else max(1, self.level // 4)
        level = min(self.ceiling, self.level + step)
        return replace(settled, lower=self.level, level=level, skip=level - self.level, turn=ConcurrencyChange.UP)

    def _back_to(self, lower: int) -> AdaptiveConcurrency:
        known = {level: latency for level, latency in self.known.items() if level <= lower}
        back = replace(self, level=lower, lower=None, doubling=False, known=known, turn=ConcurrencyChange.BACK)
        if self.doubling and self.level - lower > 1:
            return replace(back, wanted=True)
        return replace(back, calm=self.next_calm, next_calm=min(2 * self.next_calm, LONGEST_CALM))

    def _halved(self) -> AdaptiveConcurrency:
        level = max(1, self.level // 2)
        return AdaptiveConcurrency(
            self.ceiling, level, doubling=False, calm=FIRST_CALM, eased=self.eased, turn=ConcurrencyChange.BUSIER
        )

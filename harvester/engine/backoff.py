"""Exponential backoff with full jitter: when a failed attempt is repeated."""

from __future__ import annotations

from random import Random

from ..model.failures import Failure
from ..model.limits import Limits

GROWTH = 4.0  # each wait is, on average, this many times the one before: minutes outlast a restart, hours an outage


def wait_before_retry(failure: Failure, attempt: int, limits: Limits, chance: Random) -> float | None:
    """Seconds to wait after the ``attempt``-th attempt (from 1) failed, or None where asking again is pointless.

    Exponential with full jitter, so that spectra that failed together do not come back together; never sooner than
    the archive's own Retry-After.
    """
    tries = min(failure.kind.max_attempts or limits.attempts, limits.attempts)
    if attempt >= tries:
        return None
    ceiling = min(limits.first_wait * GROWTH ** (attempt - 1), limits.max_wait)
    return max(chance.uniform(0.0, ceiling), failure.retry_after or 0.0)

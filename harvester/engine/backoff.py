"""Exponential backoff with full jitter: when a failed attempt is repeated."""

from __future__ import annotations

from random import Random

from ..model.failures import Failure
from ..model.limits import Limits

GROWTH = 4.0  # each wait is, on average, this many times the one before: minutes outlast a restart, hours an outage


def wait_before_retry(failure: Failure, attempt: int, limits: Limits, rng: Random) -> float | None:
    """Return the seconds to wait after the ``attempt``-th attempt (from 1) failed.

    None if it is not worth another.

    Exponential with full jitter, so that spectra that failed together do not return together; never sooner than
    the archive's own Retry-After.
    """
    most = min(failure.kind.max_attempts or limits.attempts, limits.attempts)
    if attempt >= most:
        return None
    longest = min(limits.first_wait * GROWTH ** (attempt - 1), limits.max_wait)
    return max(rng.uniform(0.0, longest), failure.retry_after or 0.0)

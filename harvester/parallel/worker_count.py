"""Decide how many worker processes download, where the settings leave it open."""

from __future__ import annotations

import math
import os

PER_PROCESS = 1_000  # spectra a second that one process downloads; below such a rate limit a second one only waits
LEAST_WORKERS = 3  # fewer are no faster than one process, since each spectrum costs twice the CPU time
MOST_WORKERS = 8  # the coordinator, one process, keeps up with no more
LEAST_SPECTRA = 2_000  # of each worker: in less time than these take, it has hardly started


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def worker_count(spectra: int, rate: float, cores: int) -> int:
    """Return how many worker processes download ``spectra`` the fastest.

    1 is the run's own process alone. rate: requests a second that are allowed, 0 for no limit. One of the ``cores`` is
    for the coordinator.
    """
    allowed = math.ceil(rate / PER_PROCESS) if rate else MOST_WORKERS
    count = min(allowed, cores - 1, spectra // LEAST_SPECTRA, MOST_WORKERS)
    return count if count >= LEAST_WORKERS else 1

"""Measure the time in which this program could not take a response.

A response that waits while the event loop computes, or while the system gives the loop's thread no core, looks like a
slow archive. What is measured here tells the two apart.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SCHEDULING = "/proc/thread-self/schedstat"  # proc(5): nanoseconds on a core, and waiting for one; Linux only
LONGEST_LINE = 128  # bytes

OwnTime = Callable[[], float]
"""Returns the seconds so far in which the thread computed or waited for a core."""


@contextmanager
def own_time(path: str = SCHEDULING) -> Iterator[OwnTime]:
    """Yield the clock of the thread that enters.

    Where the system has no account of waiting, it knows computing alone.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield time.thread_time
        return
    try:
        yield lambda: _seconds(os.pread(descriptor, LONGEST_LINE, 0))
    finally:
        os.close(descriptor)


def _seconds(line: bytes) -> float:
    computing, waiting = line.split(None, 2)[:2]
    return (int(computing) + int(waiting)) / 1e9


def no_own_time() -> float:
    """Return 0: for a thread whose time does not matter."""
    return 0.0

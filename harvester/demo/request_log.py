"""Log the requests to the demo archive, so that others' logs can be compared with it.

The log is bounded in memory.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

_MOST_DIDS = 200_000
_MOST_ENTRIES = 50_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One request: its time (seconds, monotonic clock), its path and its client.

    ``did`` is empty if it had none.
    """

    time: float
    method: str
    path: str
    did: str
    user_agent: str


class RequestLog:
    """Counts since the start; ``entries`` has the latest requests, oldest first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last_second: deque[float] = deque()
        self.entries: deque[Entry] = deque(maxlen=_MOST_ENTRIES)
        self.requests = 0
        self.by_did: Counter[str] = Counter()
        self.by_path: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.busiest_second = 0
        """The most requests that came within any one second, whole or not."""
        self.in_flight = 0
        self.most_in_flight = 0

    def arrive(self, method: str, path: str, did: str, user_agent: str) -> int:
        """Log a request that has just arrived; return its number among those for its DID."""
        now = self._clock()
        self.requests += 1
        self.by_path[path if path.startswith(("/ccd700/", "/tap/")) else "/getproduct/"] += 1
        self.entries.append(Entry(now, method, path, did, user_agent))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        self._last_second.append(now)
        while now - self._last_second[0] >= 1:
            self._last_second.popleft()
        self.busiest_second = max(self.busiest_second, len(self._last_second))
        if did in self.by_did or len(self.by_did) < _MOST_DIDS:
            self.by_did[did] += 1
        return self.by_did[did] or 1

    def leave(self, status: int) -> None:
        """Log the end of a request; ``status`` 0 means that it got no response."""
        self.in_flight -= 1
        self.statuses[status] += 1

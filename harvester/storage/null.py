"""A store that keeps nothing.

For comparisons that only need to know what an archive serves.
"""

from __future__ import annotations

from ..model.outcomes import FailedCheck, Fetched
from ..model.target import Target


class NullStore:
    """Accept every body and drop it; the events have what verification found."""

    async def put(self, target: Target, body: bytes) -> None:
        """Write nothing."""

    async def quarantine(self, target: Target, fetched: Fetched, rejected: FailedCheck) -> str:
        """Keep nothing; the events have the reason."""
        return "nowhere"

    async def has_room(self, size: int) -> bool:
        """Return True: nothing is written."""
        return True

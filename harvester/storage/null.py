"""A store that keeps nothing: for whoever only wants to know what an archive has."""

from __future__ import annotations

from ..model.outcomes import FailedCheck, Fetched
from ..model.target import Target


class NullStore:
    """Takes every body and forgets it; what was proved of it is in the events."""

    async def put(self, target: Target, body: bytes) -> None:
        """Nothing is written."""

    async def quarantine(self, target: Target, fetched: Fetched, rejected: FailedCheck) -> str:
        """Nothing is kept; the reason is in the events."""
        return "nowhere"

    async def has_room(self, size: int) -> bool:
        """Always."""
        return True
